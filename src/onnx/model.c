/* model.c — ModelProto to graphs over one table of values (onnx.proto3).

   Each graph has a scope: a hash of the names it defines, with the enclosing graph's scope above.
   All of a graph's outputs are declared before any input is looked up, so that nodes may stand in
   any order; they are sorted afterwards (see sort.c). */
#include "onnx/model.h"

#include "onnx/pb.h"
#include "onnx/reader.h"
#include "onnx/sort.h"

#include <stdio.h>

static uint64_t hash_name(const char *s)
{
    uint64_t h = 1469598103934665603u; /* FNV-1a */
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 1099511628211u;
    return h ^ h >> 32;
}

static const scope_name *scope_find(const scope *s, const char *name)
{
    uint64_t h = hash_name(name);
    for (; s != NULL; s = s->parent)
        for (uint32_t i = (uint32_t)h & (s->size - 1); s->size && s->names[i].name;
             i = (i + 1) & (s->size - 1))
            if (strcmp(s->names[i].name, name) == 0)
                return &s->names[i];
    return NULL;
}

static void scope_put(scope *s, scope_name n)
{
    uint32_t k = (uint32_t)hash_name(n.name) & (s->size - 1);
    while (s->names[k].name)
        k = (k + 1) & (s->size - 1);
    s->names[k] = n;
}

brink_status scope_add(reader *r, scope *s, const char *name, uint32_t value)
{
    if (s->used * 2 >= s->size) {
        scope old = *s;
        s->size = s->size ? s->size * 2 : 64;
        s->names = ARENA_ARRAY(&r->m->memory, scope_name, s->size);
        if (s->names == NULL)
            return BRINK_OUT_OF_MEMORY;
        for (uint32_t i = 0; i < old.size; i++)
            if (old.names[i].name)
                scope_put(s, old.names[i]);
    }
    scope_put(s, (scope_name){name, value});
    s->used++;
    return BRINK_OK;
}

const char *read_string(reader *r, pb_bytes b)
{
    return arena_string(&r->m->memory, (const char *)b.data, b.size);
}

brink_status read_malformed(reader *r, const char *what)
{
    return core_fail(r->context, BRINK_BAD_INPUT,
                     "%s: malformed %s: the file is damaged or not ONNX", r->m->file, what);
}

brink_status read_new_value(reader *r, scope *s, const char *name, uint32_t *out)
{
    onnx_model *m = r->m;
    if (m->value_count == m->value_capacity) {
        uint32_t capacity = m->value_capacity ? m->value_capacity * 2 : 256;
        onnx_value *values = ARENA_ARRAY(&m->memory, onnx_value, capacity);
        if (values == NULL)
            return BRINK_OUT_OF_MEMORY;
        if (m->value_count != 0)
            memcpy(values, m->values, m->value_count * sizeof *values);
        m->values = values;
        m->value_capacity = capacity;
    }
    *out = m->value_count++;
    m->values[*out] = (onnx_value){.name = name, .rank = -1};
    return scope_add(r, s, name, *out);
}

/* Finds the value in this graph only, or makes it. */
static brink_status declare(reader *r, scope *s, const char *name, bool *is_new, uint32_t *out)
{
    scope own = *s;
    own.parent = NULL;
    const scope_name *found = scope_find(&own, name);
    *is_new = found == NULL;
    *out = found != NULL ? found->value : ONNX_NONE;
    return *is_new ? read_new_value(r, s, name, out) : BRINK_OK;
}

/* TensorShapeProto into a value's declaration. */
static brink_status read_shape(reader *r, pb_bytes proto, onnx_value *v)
{
    pb_reader dims = pb_open(proto);
    pb_field f, g;
    v->rank = 0;
    while (pb_next(&dims, &f)) {
        if (f.number != 1 || f.wire != 2)
            continue;
        if (v->rank == BRINK_MAX_RANK)
            return core_fail(r->context, BRINK_UNSUPPORTED,
                             "%s: value %s has more than %d dimensions", r->m->file, v->name,
                             BRINK_MAX_RANK);
        int64_t dim = -1;
        const char *symbol = "";
        pb_reader d = pb_open(f.bytes);
        while (pb_next(&d, &g)) {
            if (g.number == 1 && g.wire == 0)
                dim = (int64_t)g.value;
            else if (g.number == 2 && g.wire == 2 && (symbol = read_string(r, g.bytes)) == NULL)
                return BRINK_OUT_OF_MEMORY;
        }
        if (d.bad || dim < -1)
            return read_malformed(r, "dimension");
        v->dims[v->rank] = dim;
        v->dim_names[v->rank++] = symbol;
    }
    return dims.bad ? read_malformed(r, "TensorShapeProto") : BRINK_OK;
}

/* ValueInfoProto: its name to *name, type and shape to the value `v` when not NULL. */
static brink_status read_value_info(reader *r, pb_bytes proto, const char **name, onnx_value *v)
{
    pb_reader info = pb_open(proto);
    pb_field f, g, h;
    *name = "";
    while (pb_next(&info, &f)) {
        if (f.number == 1 && f.wire == 2 && (*name = read_string(r, f.bytes)) == NULL)
            return BRINK_OUT_OF_MEMORY;
        if (f.number != 2 || f.wire != 2 || v == NULL)
            continue;
        pb_reader type = pb_open(f.bytes);
        while (pb_next(&type, &g)) {
            if (g.number != 1 || g.wire != 2)
                continue; /* sequences, maps and optionals stay BRINK_UNDEFINED */
            pb_reader tensor = pb_open(g.bytes);
            while (pb_next(&tensor, &h)) {
                if (h.number == 1 && h.wire == 0)
                    v->type = h.value > 64 ? BRINK_UNDEFINED : (brink_type)h.value;
                else if (h.number == 2 && h.wire == 2)
                    TRY(read_shape(r, h.bytes, v));
            }
            if (tensor.bad)
                return read_malformed(r, "TypeProto");
        }
        if (type.bad)
            return read_malformed(r, "TypeProto");
    }
    return info.bad ? read_malformed(r, "ValueInfoProto") : BRINK_OK;
}

static brink_status keep_tensor(reader *r, onnx_tensor *t)
{
    onnx_model *m = r->m;
    if (m->tensor_count == m->tensor_capacity) {
        uint32_t capacity = m->tensor_capacity ? m->tensor_capacity * 2 : 128;
        onnx_tensor **tensors = ARENA_ARRAY(&m->memory, onnx_tensor *, capacity);
        if (tensors == NULL)
            return BRINK_OUT_OF_MEMORY;
        if (m->tensor_count != 0)
            memcpy(tensors, m->tensors, m->tensor_count * sizeof *tensors);
        m->tensors = tensors;
        m->tensor_capacity = capacity;
    }
    m->tensors[m->tensor_count++] = t;
    return BRINK_OK;
}

static brink_status read_tensor(reader *r, pb_bytes proto, onnx_tensor **out)
{
    *out = ARENA_NEW(&r->m->memory, onnx_tensor);
    if (*out == NULL)
        return BRINK_OUT_OF_MEMORY;
    return onnx_read_tensor(&r->m->memory, r->m->file, proto.data, proto.size, *out);
}

static brink_status read_graph(reader *r, pb_bytes proto, const scope *parent, onnx_graph **out);

/* Lists of an attribute: first counted, then filled. */
static brink_status read_attr_lists(reader *r, pb_bytes proto, onnx_attr *a)
{
    uint64_t floats = 0, ints = 0, strings = 0, n;
    pb_reader p = pb_open(proto);
    pb_field f;
    while (pb_next(&p, &f)) {
        if (f.number == 7)
            floats += f.wire == 2 ? f.bytes.size / 4 : 1;
        else if (f.number == 8 && pb_count_varints(&f, &n))
            ints += n;
        else if (f.number == 9)
            strings++;
    }
    if (floats + ints + strings > UINT32_MAX)
        return read_malformed(r, "AttributeProto");
    float *fs = floats ? ARENA_ARRAY(&r->m->memory, float, floats) : NULL;
    int64_t *is = ints ? ARENA_ARRAY(&r->m->memory, int64_t, ints) : NULL;
    const char **ss = strings ? ARENA_ARRAY(&r->m->memory, const char *, strings) : NULL;
    if ((floats && !fs) || (ints && !is) || (strings && !ss))
        return BRINK_OUT_OF_MEMORY;
    uint64_t nf = 0, ni = 0, ns = 0;
    p = pb_open(proto);
    while (pb_next(&p, &f)) {
        if (f.number == 7 && f.wire == 5) {
            fs[nf++] = pb_float(&f);
        } else if (f.number == 7 && f.wire == 2 && f.bytes.size >= 4) {
            memcpy(fs + nf, f.bytes.data, (size_t)(f.bytes.size / 4 * 4));
            nf += f.bytes.size / 4;
        } else if (f.number == 8 && f.wire == 0 && ni < ints) {
            is[ni++] = (int64_t)f.value;
        } else if (f.number == 8 && f.wire == 2) {
            pb_reader list = pb_open(f.bytes);
            uint64_t v;
            while (list.at < list.end && ni < ints && pb_varint(&list, &v))
                is[ni++] = (int64_t)v;
        } else if (f.number == 9 && f.wire == 2 && (ss[ns++] = read_string(r, f.bytes)) == NULL) {
            return BRINK_OUT_OF_MEMORY;
        }
    }
    if (a->kind == ATTR_KIND_FLOATS || (a->kind == ATTR_KIND_NONE && nf)) {
        a->kind = ATTR_KIND_FLOATS;
        a->floats = fs;
        a->count = (uint32_t)nf;
    } else if (a->kind == ATTR_KIND_INTS || (a->kind == ATTR_KIND_NONE && ni)) {
        a->kind = ATTR_KIND_INTS;
        a->ints = is;
        a->count = (uint32_t)ni;
    } else if (a->kind == ATTR_KIND_STRINGS || (a->kind == ATTR_KIND_NONE && ns)) {
        a->kind = ATTR_KIND_STRINGS;
        a->strings = ss;
        a->count = (uint32_t)ns;
    }
    return BRINK_OK;
}

brink_status read_attr(reader *r, pb_bytes proto, const scope *s, onnx_attr *a)
{
    pb_reader p = pb_open(proto);
    pb_field f;
    pb_bytes tensor = {0}, graph = {0}, string = {0}, reference = {0};
    uint64_t declared = 0;
    int64_t integer = 0;
    float number = 0;
    onnx_attr_kind seen = ATTR_KIND_NONE;
    while (pb_next(&p, &f)) {
        if (f.number == 1 && f.wire == 2) {
            a->name = attr_find((const char *)f.bytes.data, f.bytes.size);
        } else if (f.number == 20) {
            declared = f.value;
        } else if (f.number == 2 && f.wire == 5) {
            number = pb_float(&f);
            seen = ATTR_KIND_FLOAT;
        } else if (f.number == 3 && f.wire == 0) {
            integer = (int64_t)f.value;
            seen = ATTR_KIND_INT;
        } else if (f.number == 4 && f.wire == 2) {
            string = f.bytes;
            seen = ATTR_KIND_STRING;
        } else if (f.number == 5 && f.wire == 2) {
            tensor = f.bytes;
            seen = ATTR_KIND_TENSOR;
        } else if (f.number == 6 && f.wire == 2) {
            graph = f.bytes;
            seen = ATTR_KIND_GRAPH;
        } else if (f.number == 21 && f.wire == 2) {
            reference = f.bytes;
        }
    }
    if (p.bad)
        return read_malformed(r, "AttributeProto");
    if (reference.size != 0 && r->call != NULL)
        return read_referred_attr(r, reference, s, a);
    if (reference.size != 0)
        return core_fail(r->context, BRINK_BAD_INPUT,
                         "%s: an attribute refers to %.*s, which no function is called with",
                         r->m->file, reference.size < 100 ? (int)reference.size : 100,
                         (const char *)reference.data);
    a->kind = declared >= 1 && declared <= 8 ? (onnx_attr_kind)declared : seen;
    switch (a->kind) {
    case ATTR_KIND_FLOAT:
        a->f = number;
        return BRINK_OK;
    case ATTR_KIND_INT:
        a->i = integer;
        return BRINK_OK;
    case ATTR_KIND_STRING:
        a->s = read_string(r, string);
        return a->s ? BRINK_OK : BRINK_OUT_OF_MEMORY;
    case ATTR_KIND_TENSOR: {
        if (tensor.data == NULL)
            return read_malformed(r, "AttributeProto");
        onnx_tensor *t;
        TRY(read_tensor(r, tensor, &t));
        a->tensor = t;
        return BRINK_OK;
    }
    case ATTR_KIND_GRAPH: {
        if (graph.data == NULL)
            return read_malformed(r, "AttributeProto");
        onnx_graph *g;
        TRY(read_graph(r, graph, s, &g));
        a->graph = g;
        return BRINK_OK;
    }
    default:
        return read_attr_lists(r, proto, a);
    }
}

/* A Constant's value as a tensor; NULL when it has none we know. */
static brink_status constant_tensor(reader *r, const onnx_node *n, const onnx_tensor **out)
{
    *out = NULL;
    onnx_tensor *t = ARENA_NEW(&r->m->memory, onnx_tensor);
    if (t == NULL)
        return BRINK_OUT_OF_MEMORY;
    *t = (onnx_tensor){.name = "", .count = 1};
    const onnx_attr *a;
    if ((a = onnx_find(n, ATTR_value)) != NULL && a->kind == ATTR_KIND_TENSOR) {
        *out = a->tensor;
        return BRINK_OK;
    } else if ((a = onnx_find(n, ATTR_value_float)) != NULL && a->kind == ATTR_KIND_FLOAT) {
        t->type = BRINK_F32;
        t->data = &a->f;
    } else if ((a = onnx_find(n, ATTR_value_int)) != NULL && a->kind == ATTR_KIND_INT) {
        t->type = BRINK_I64;
        t->data = &a->i;
    } else if ((a = onnx_find(n, ATTR_value_floats)) != NULL && a->kind == ATTR_KIND_FLOATS) {
        t->type = BRINK_F32;
        t->data = a->floats;
        t->rank = 1;
        t->dims[0] = a->count;
        t->count = a->count;
    } else if ((a = onnx_find(n, ATTR_value_ints)) != NULL && a->kind == ATTR_KIND_INTS) {
        t->type = BRINK_I64;
        t->data = a->ints;
        t->rank = 1;
        t->dims[0] = a->count;
        t->count = a->count;
    } else {
        return BRINK_OK;
    }
    if (!onnx_type_bytes(t->type, t->count, &t->bytes))
        return read_malformed(r, "Constant");
    *out = t;
    return BRINK_OK;
}

static int64_t opset_of(const reader *r, const char *domain)
{
    for (uint32_t i = 0; i < r->opset_count; i++)
        if (strcmp(r->opsets[i].domain, domain) == 0)
            return r->opsets[i].version;
    return *domain == 0 ? 1 : INT32_MAX; /* a domain that is not imported: its newest meaning */
}

brink_status read_node_names(reader *r, pb_bytes proto, scope *s, onnx_node *n)
{
    *n = (onnx_node){.name = "", .type = "", .domain = ""};
    pb_reader p = pb_open(proto);
    pb_field f;
    uint64_t inputs = 0, outputs = 0, attrs = 0;
    while (pb_next(&p, &f)) {
        inputs += f.number == 1;
        outputs += f.number == 2;
        attrs += f.number == 5;
    }
    if (p.bad)
        return read_malformed(r, "NodeProto");
    n->inputs = ARENA_ARRAY(&r->m->memory, uint32_t, inputs + 1);
    n->outputs = ARENA_ARRAY(&r->m->memory, uint32_t, outputs + 1);
    onnx_attr *list = ARENA_ARRAY(&r->m->memory, onnx_attr, attrs + 1);
    if (!n->inputs || !n->outputs || !list)
        return BRINK_OUT_OF_MEMORY;
    n->attrs = list;
    p = pb_open(proto);
    while (pb_next(&p, &f)) {
        if (f.wire != 2)
            continue;
        const char *text = f.number <= 4 || f.number == 7 ? read_string(r, f.bytes) : "";
        if (text == NULL)
            return BRINK_OUT_OF_MEMORY;
        if (f.number == 2) {
            uint32_t v = ONNX_NONE;
            if (*text) {
                bool is_new;
                TRY(declare(r, s, text, &is_new, &v));
                if (!is_new)
                    return core_fail(r->context, BRINK_BAD_INPUT,
                                     "%s: value %s is produced more than once", r->m->file, text);
            }
            n->outputs[n->output_count++] = v;
        } else if (f.number == 3) {
            n->name = text;
        } else if (f.number == 4) {
            n->type = text;
        } else if (f.number == 7) {
            n->domain = strcmp(text, "ai.onnx") == 0 ? "" : text;
        }
    }
    n->opset = opset_of(r, n->domain);
    n->op = op_find(n->domain, n->type, n->opset);
    return BRINK_OK;
}

brink_status read_node_rest(reader *r, pb_bytes proto, const scope *s, onnx_node *n)
{
    pb_reader p = pb_open(proto);
    pb_field f;
    onnx_attr *attrs = (onnx_attr *)(uintptr_t)n->attrs;
    while (pb_next(&p, &f)) {
        if (f.wire != 2)
            continue;
        if (f.number == 1) {
            const char *name = read_string(r, f.bytes);
            if (name == NULL)
                return BRINK_OUT_OF_MEMORY;
            const scope_name *found = *name ? scope_find(s, name) : NULL;
            if (found == NULL && *name)
                return core_fail(r->context, BRINK_BAD_INPUT,
                                 "%s: node %s (%s): input %s is produced by no node", r->m->file,
                                 n->name, n->type, name);
            n->inputs[n->input_count++] = found != NULL ? found->value : ONNX_NONE;
        } else if (f.number == 5) {
            TRY(read_attr(r, f.bytes, s, &attrs[n->attr_count]));
            n->attr_count++;
        }
    }
    return BRINK_OK;
}

/* The declarations of a graph: initialisers, inputs, and the outputs of its nodes. */
static brink_status declare_graph(reader *r, pb_bytes proto, scope *s, onnx_graph *g)
{
    pb_reader p = pb_open(proto);
    pb_field f;
    const char *name;
    uint32_t v;
    bool is_new;
    while (pb_next(&p, &f)) { /* initialisers first: an input of that name is then no input */
        if (f.number == 15)
            return core_fail(r->context, BRINK_UNSUPPORTED,
                             "%s: sparse initialisers are not supported", r->m->file);
        if (f.number != 5 || f.wire != 2)
            continue;
        onnx_tensor *t;
        TRY(read_tensor(r, f.bytes, &t));
        TRY(declare(r, s, t->name, &is_new, &v));
        if (!is_new)
            return core_fail(r->context, BRINK_BAD_INPUT, "%s: initializer %s appears twice",
                             r->m->file, t->name);
        onnx_value *value = &r->m->values[v];
        value->initial = t;
        value->type = t->type;
        value->rank = (int32_t)t->rank;
        memcpy(value->dims, t->dims, sizeof value->dims);
        TRY(keep_tensor(r, t));
    }
    p = pb_open(proto);
    while (pb_next(&p, &f)) {
        if (f.number != 11 || f.wire != 2)
            continue;
        TRY(read_value_info(r, f.bytes, &name, NULL));
        TRY(declare(r, s, name, &is_new, &v));
        if (is_new) {
            TRY(read_value_info(r, f.bytes, &name, &r->m->values[v]));
            g->inputs[g->input_count++] = v;
        } else if (r->m->values[v].initial == NULL) {
            return core_fail(r->context, BRINK_BAD_INPUT, "%s: input %s appears twice", r->m->file,
                             name);
        }
    }
    p = pb_open(proto);
    while (pb_next(&p, &f))
        if (f.number == 1 && f.wire == 2)
            TRY(read_node_names(r, f.bytes, s, &g->nodes[g->node_count++]));
    return BRINK_OK;
}

/* Turns Constant nodes into initialised values and closes the gaps they leave. */
static brink_status take_constants(reader *r, onnx_graph *g)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < g->node_count; i++) {
        onnx_node *n = &g->nodes[i];
        if (strcmp(n->type, "Constant") == 0 && *n->domain == 0 && n->output_count == 1 &&
            n->outputs[0] != ONNX_NONE) {
            const onnx_tensor *t;
            TRY(constant_tensor(r, n, &t));
            if (t != NULL) {
                onnx_value *v = &r->m->values[n->outputs[0]];
                v->initial = t;
                v->type = t->type;
                v->rank = (int32_t)t->rank;
                memcpy(v->dims, t->dims, sizeof v->dims);
                if (t->external != NULL)
                    TRY(keep_tensor(r, (onnx_tensor *)(uintptr_t)t));
                continue;
            }
        }
        g->nodes[kept++] = *n;
    }
    g->node_count = kept;
    return BRINK_OK;
}

static brink_status read_graph(reader *r, pb_bytes proto, const scope *parent, onnx_graph **out)
{
    if (r->depth == MAX_DEPTH)
        return core_fail(r->context, BRINK_BAD_INPUT, "%s: subgraphs are nested deeper than %d",
                         r->m->file, MAX_DEPTH);
    r->depth++;
    pb_reader p = pb_open(proto);
    pb_field f;
    uint64_t nodes = 0, inputs = 0, outputs = 0;
    while (pb_next(&p, &f)) {
        nodes += f.number == 1;
        inputs += f.number == 11;
        outputs += f.number == 12;
    }
    if (p.bad || nodes > MAX_NODES)
        return read_malformed(r, "GraphProto");
    arena *a = &r->m->memory;
    onnx_graph *g = ARENA_NEW(a, onnx_graph);
    if (g == NULL)
        return BRINK_OUT_OF_MEMORY;
    g->nodes = ARENA_ARRAY(a, onnx_node, nodes + 1);
    g->inputs = ARENA_ARRAY(a, uint32_t, inputs + 1);
    g->outputs = ARENA_ARRAY(a, uint32_t, outputs + 1);
    scope s = {.parent = parent};
    pb_bytes *protos = ARENA_ARRAY(a, pb_bytes, nodes + 1);
    if (!g->nodes || !g->inputs || !g->outputs || !protos)
        return BRINK_OUT_OF_MEMORY;
    TRY(declare_graph(r, proto, &s, g));
    uint32_t at = 0;
    p = pb_open(proto);
    while (pb_next(&p, &f)) {
        if (f.number == 1 && f.wire == 2) {
            protos[at] = f.bytes;
            TRY(read_node_rest(r, f.bytes, &s, &g->nodes[at]));
            at++;
        } else if (f.number == 12 && f.wire == 2) {
            const char *name;
            TRY(read_value_info(r, f.bytes, &name, NULL));
            const scope_name *found = scope_find(&s, name);
            uint32_t v = found != NULL ? found->value : ONNX_NONE;
            if (v == ONNX_NONE)
                return core_fail(r->context, BRINK_BAD_INPUT,
                                 "%s: output %s is produced by no node", r->m->file, name);
            if (r->m->values[v].rank < 0 && r->m->values[v].type == BRINK_UNDEFINED)
                TRY(read_value_info(r, f.bytes, &name, &r->m->values[v]));
            g->outputs[g->output_count++] = v;
        }
    }
    TRY(inline_functions(r, g, protos));
    TRY(take_constants(r, g));
    TRY(onnx_sort(r->context, r->m, g));
    r->depth--;
    *out = g;
    return BRINK_OK;
}

brink_status read_opset(reader *r, pb_bytes proto, brink_opset *out)
{
    pb_reader p = pb_open(proto);
    pb_field f;
    *out = (brink_opset){.domain = ""};
    while (pb_next(&p, &f)) {
        if (f.number == 1 && f.wire == 2) {
            const char *text = read_string(r, f.bytes);
            if (text == NULL)
                return BRINK_OUT_OF_MEMORY;
            out->domain = strcmp(text, "ai.onnx") == 0 ? "" : text;
        } else if (f.number == 2 && f.wire == 0) {
            out->version = (int64_t)f.value;
        }
    }
    return p.bad ? read_malformed(r, "OperatorSetIdProto") : BRINK_OK;
}

brink_status onnx_read(brink_context *context, const char *file, const void *data, uint64_t size,
                       onnx_model *out)
{
    *out = (onnx_model){.file = "model"};
    arena_init(&out->memory, context);
    reader r = {.context = context, .m = out};
    out->file = arena_string(&out->memory, file, strlen(file));
    if (out->file == NULL)
        return BRINK_OUT_OF_MEMORY;
    pb_reader p = pb_open((pb_bytes){data, size});
    pb_field f;
    pb_bytes graph = {0};
    uint64_t opsets = 0, functions = 0;
    while (pb_next(&p, &f)) {
        functions += f.number == 25;
        if (f.number == 1 && f.wire == 0)
            out->ir_version = (int64_t)f.value;
        else if (f.number == 7 && f.wire == 2)
            graph = f.bytes;
        else if (f.number == 8 && f.wire == 2)
            opsets++;
    }
    if (p.bad || graph.data == NULL)
        return read_malformed(&r, "ModelProto");
    out->opsets = ARENA_ARRAY(&out->memory, brink_opset, opsets + 1);
    r.functions = ARENA_ARRAY(&out->memory, function, functions + 1);
    if (out->opsets == NULL || r.functions == NULL)
        return BRINK_OUT_OF_MEMORY;
    p = pb_open((pb_bytes){data, size});
    while (pb_next(&p, &f)) {
        if (f.number == 8 && f.wire == 2)
            TRY(read_opset(&r, f.bytes, &out->opsets[out->opset_count++]));
        else if (f.number == 25 && f.wire == 2)
            TRY(read_function(&r, f.bytes, &r.functions[r.function_count++]));
    }
    r.most_inlined = MAX_INLINED + size / 64;
    r.opsets = out->opsets;
    r.opset_count = out->opset_count;
    return read_graph(&r, graph, NULL, &out->graph);
}

brink_status onnx_expose_values(onnx_model *m)
{
    onnx_graph *g = m->graph;
    uint64_t most = g->output_count;
    for (uint32_t i = 0; i < g->node_count; i++)
        most += g->nodes[i].output_count;
    uint32_t *outputs = ARENA_ARRAY(&m->memory, uint32_t, most + 1);
    bool *taken = ARENA_ARRAY(&m->memory, bool, m->value_count);
    if (outputs == NULL || taken == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(outputs, g->outputs, g->output_count * sizeof *outputs);
    for (uint32_t i = 0; i < g->output_count; i++)
        taken[outputs[i]] = true;
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].output_count; k++) {
            uint32_t v = g->nodes[i].outputs[k];
            if (v != ONNX_NONE && !taken[v])
                outputs[g->output_count++] = v;
        }
    g->outputs = outputs;
    m->all_values = true;
    return BRINK_OK;
}

const onnx_node *onnx_producer(const onnx_model *m, uint32_t value)
{
    for (uint32_t i = 0; i < m->graph->node_count; i++)
        for (uint32_t k = 0; k < m->graph->nodes[i].output_count; k++)
            if (m->graph->nodes[i].outputs[k] == value)
                return &m->graph->nodes[i];
    return NULL;
}

void onnx_free(onnx_model *m)
{
    if (m->memory.context != NULL)
        arena_free(&m->memory);
}

const onnx_attr *onnx_find(const onnx_node *n, attr_name name)
{
    for (uint32_t i = 0; i < n->attr_count; i++)
        if (n->attrs[i].name == name)
            return &n->attrs[i];
    return NULL;
}

int64_t onnx_int(const onnx_node *n, attr_name name, int64_t otherwise)
{
    const onnx_attr *a = onnx_find(n, name);
    return a != NULL && a->kind == ATTR_KIND_INT ? a->i : otherwise;
}

float onnx_float(const onnx_node *n, attr_name name, float otherwise)
{
    const onnx_attr *a = onnx_find(n, name);
    return a != NULL && a->kind == ATTR_KIND_FLOAT ? a->f : otherwise;
}

const char *onnx_string(const onnx_node *n, attr_name name, const char *otherwise)
{
    const onnx_attr *a = onnx_find(n, name);
    return a != NULL && a->kind == ATTR_KIND_STRING ? a->s : otherwise;
}

const int64_t *onnx_ints(const onnx_node *n, attr_name name, uint32_t *count)
{
    const onnx_attr *a = onnx_find(n, name);
    bool is = a != NULL && a->kind == ATTR_KIND_INTS;
    *count = is ? a->count : 0;
    return is ? a->ints : NULL;
}

brink_status onnx_node_fail(brink_context *context, const char *file, const onnx_node *n,
                            brink_status status, const char *format, ...)
{
    char text[384];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *name = *n->name ? n->name : "(unnamed)";
    return core_fail(context, status, "%s: node %s (%s%s%s): %s", file, name, n->domain,
                     *n->domain ? "::" : "", n->type, text);
}
