/* function.c — the model's own functions (FunctionProto of onnx.proto3), put in place of their calls.

   A body is read anew for each call, into values of its own; Identity nodes, which cost nothing when
   run, connect its outputs to the call's. Operators that the engine knows are not looked up here. */
#include "onnx/reader.h"

#include <string.h>

static bool same_text(pb_bytes a, pb_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, (size_t)a.size) == 0);
}

brink_status read_function(reader *r, pb_bytes proto, function *out)
{
    *out = (function){.domain = "", .name = "", .proto = proto};
    pb_reader p = pb_open(proto);
    pb_field f;
    uint64_t inputs = 0, outputs = 0, opsets = 0;
    while (pb_next(&p, &f)) {
        inputs += f.number == 4;
        outputs += f.number == 5;
        opsets += f.number == 9;
        out->node_count += f.number == 7 && f.wire == 2;
    }
    if (p.bad || out->node_count > MAX_NODES)
        return read_malformed(r, "FunctionProto");
    arena *a = &r->m->memory;
    out->inputs = ARENA_ARRAY(a, const char *, inputs + 1);
    out->outputs = ARENA_ARRAY(a, const char *, outputs + 1);
    out->opsets = ARENA_ARRAY(a, brink_opset, opsets + 1);
    if (!out->inputs || !out->outputs || !out->opsets)
        return BRINK_OUT_OF_MEMORY;
    p = pb_open(proto);
    while (pb_next(&p, &f)) {
        if (f.wire != 2)
            continue;
        const char *text = "";
        if (f.number == 1 || f.number == 4 || f.number == 5 || f.number == 10)
            if ((text = read_string(r, f.bytes)) == NULL)
                return BRINK_OUT_OF_MEMORY;
        if (f.number == 1)
            out->name = text;
        else if (f.number == 4)
            out->inputs[out->input_count++] = text;
        else if (f.number == 5)
            out->outputs[out->output_count++] = text;
        else if (f.number == 10)
            out->domain = strcmp(text, "ai.onnx") == 0 ? "" : text;
        else if (f.number == 9)
            TRY(read_opset(r, f.bytes, &out->opsets[out->opset_count++]));
    }
    return BRINK_OK;
}

static const function *find_function(const reader *r, const onnx_node *n)
{
    for (uint32_t i = 0; i < r->function_count; i++)
        if (strcmp(r->functions[i].name, n->type) == 0 &&
            strcmp(r->functions[i].domain, n->domain) == 0)
            return &r->functions[i];
    return NULL;
}

/* The attribute called `name` among the fields `number` of a NodeProto or FunctionProto. */
static bool find_attr(pb_bytes proto, uint32_t number, pb_bytes name, pb_bytes *out)
{
    pb_reader p = pb_open(proto);
    pb_field f, g;
    while (pb_next(&p, &f)) {
        if (f.number != number || f.wire != 2)
            continue;
        pb_reader attr = pb_open(f.bytes);
        while (pb_next(&attr, &g))
            if (g.number == 1 && g.wire == 2 && same_text(g.bytes, name)) {
                *out = f.bytes;
                return true;
            }
    }
    return false;
}

brink_status read_referred_attr(reader *r, pb_bytes name, const scope *s, onnx_attr *a)
{
    const call *c = r->call;
    attr_name own = a->name;
    pb_bytes proto;
    brink_status status = BRINK_OK;
    if (find_attr(c->node, 5, name, &proto)) {
        r->call = c->outer; /* what the call itself refers to is its own caller's */
        status = read_attr(r, proto, s, a);
        r->call = c;
    } else if (find_attr(c->function, 11, name, &proto)) {
        r->call = NULL; /* a default refers to nothing */
        status = read_attr(r, proto, s, a);
        r->call = c;
    } else {
        own = ATTR_UNKNOWN; /* left out by the call: as if it were not there */
    }
    a->name = own;
    return status;
}

typedef struct node_list {
    onnx_node *nodes;
    uint64_t count, capacity;
} node_list;

static brink_status add_node(reader *r, node_list *list, const onnx_node *n)
{
    if (list->count == list->capacity) {
        uint64_t capacity = list->capacity ? list->capacity * 2 : 64;
        onnx_node *nodes = ARENA_ARRAY(&r->m->memory, onnx_node, capacity);
        if (nodes == NULL)
            return BRINK_OUT_OF_MEMORY;
        if (list->count != 0)
            memcpy(nodes, list->nodes, list->count * sizeof *nodes);
        list->nodes = nodes;
        list->capacity = capacity;
    }
    list->nodes[list->count++] = *n;
    return BRINK_OK;
}

static brink_status add_identity(reader *r, node_list *list, const onnx_node *at, uint32_t from,
                                 uint32_t to)
{
    uint32_t *ends = ARENA_ARRAY(&r->m->memory, uint32_t, 2);
    if (ends == NULL)
        return BRINK_OUT_OF_MEMORY;
    ends[0] = from;
    ends[1] = to;
    onnx_node n = {.name = at->name,
                   .type = "Identity",
                   .domain = "",
                   .op = op_find("", "Identity", 1),
                   .opset = 1,
                   .input_count = 1,
                   .output_count = 1,
                   .inputs = ends,
                   .outputs = ends + 1};
    return add_node(r, list, &n);
}

static brink_status inline_all(reader *r, const onnx_node *nodes, uint64_t count,
                               const pb_bytes *protos, node_list *out);

/* The body's nodes, with calls inside it inlined, to the list. */
static brink_status inline_call(reader *r, const onnx_node *n, const function *fn, node_list *out)
{
    arena *a = &r->m->memory;
    scope s = {0};
    if (n->input_count > fn->input_count || n->output_count > fn->output_count)
        return onnx_node_fail(r->context, r->m->file, n, BRINK_BAD_INPUT,
                              "it has more inputs or outputs than its function");
    for (uint32_t i = 0; i < fn->input_count; i++)
        TRY(scope_add(r, &s, fn->inputs[i], i < n->input_count ? n->inputs[i] : ONNX_NONE));
    onnx_node *nodes = ARENA_ARRAY(a, onnx_node, (uint64_t)fn->node_count + 1);
    pb_bytes *protos = ARENA_ARRAY(a, pb_bytes, (uint64_t)fn->node_count + 1);
    if (nodes == NULL || protos == NULL)
        return BRINK_OUT_OF_MEMORY;
    uint32_t count = 0;
    pb_reader p = pb_open(fn->proto);
    pb_field f;
    while (pb_next(&p, &f))
        if (f.number == 7 && f.wire == 2) {
            TRY(read_node_names(r, f.bytes, &s, &nodes[count]));
            protos[count++] = f.bytes;
        }
    for (uint32_t i = 0; i < count; i++)
        TRY(read_node_rest(r, protos[i], &s, &nodes[i]));
    TRY(inline_all(r, nodes, count, protos, out));
    for (uint32_t i = 0; i < n->output_count; i++) {
        if (n->outputs[i] == ONNX_NONE)
            continue;
        uint32_t from = ONNX_NONE;
        for (uint32_t k = 0; k < s.size && from == ONNX_NONE; k++)
            if (s.names[k].name != NULL && strcmp(s.names[k].name, fn->outputs[i]) == 0)
                from = s.names[k].value;
        if (from == ONNX_NONE)
            return onnx_node_fail(r->context, r->m->file, n, BRINK_BAD_INPUT,
                                  "its function does not give output %s", fn->outputs[i]);
        TRY(add_identity(r, out, n, from, n->outputs[i]));
    }
    return BRINK_OK;
}

static brink_status inline_all(reader *r, const onnx_node *nodes, uint64_t count,
                               const pb_bytes *protos, node_list *out)
{
    for (uint64_t i = 0; i < count; i++) {
        const onnx_node *n = &nodes[i];
        const function *fn = n->op == NULL ? find_function(r, n) : NULL;
        if (fn == NULL) {
            TRY(add_node(r, out, n));
            continue;
        }
        r->inlined += (uint64_t)fn->node_count + 1;
        if (r->depth == MAX_DEPTH || r->inlined > r->most_inlined)
            return onnx_node_fail(r->context, r->m->file, n, BRINK_BAD_INPUT,
                                  "its function is nested too deeply or grows too large");
        call c = {r->call, protos[i], fn->proto};
        reader before = *r;
        r->depth++;
        r->call = &c;
        r->opsets = fn->opsets;
        r->opset_count = fn->opset_count;
        brink_status status = inline_call(r, n, fn, out);
        r->depth = before.depth;
        r->call = before.call;
        r->opsets = before.opsets;
        r->opset_count = before.opset_count;
        TRY(status);
    }
    return BRINK_OK;
}

brink_status inline_functions(reader *r, onnx_graph *g, const pb_bytes *protos)
{
    node_list list = {0};
    if (r->function_count == 0)
        return BRINK_OK;
    TRY(inline_all(r, g->nodes, g->node_count, protos, &list));
    if (list.count > MAX_NODES)
        return read_malformed(r, "GraphProto");
    if (list.count != 0)
        g->nodes = list.nodes;
    g->node_count = (uint32_t)list.count;
    return BRINK_OK;
}
