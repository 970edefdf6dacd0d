/* loop.c — the frames of Loop and Scan (onnx.ai/onnx/operators/onnx__Loop.html, onnx__Scan.html).

   Both carry state from one iteration to the next and collect what each iteration gives into scan
   outputs. State lies in `known` under the names of the body's inputs; each scan output is a list
   that grows and is put along its axis at the end. */
#include "plan/machine.h"

#include <string.h>

static bool is_scan(const onnx_node *n)
{
    return strcmp(n->type, "Scan") == 0;
}

#define loop_fail(m, n, ...)                                                                       \
    onnx_node_fail((m)->context, (m)->model->file, n, BRINK_BAD_INPUT, __VA_ARGS__)

/* What is known of a value: an earlier result, an input or an initialiser. */
static bool look_up(const machine *m, uint32_t value, brink_tensor *out)
{
    const ir_known *k = &m->known[value];
    const onnx_tensor *t = m->model->values[value].initial;
    if (k->state == IR_KNOWN) {
        *out = (brink_tensor){.type = k->type, .rank = k->rank, .data = k->data, .bytes = k->bytes};
        memcpy(out->shape, k->dims, sizeof k->dims);
        return true;
    }
    if (t == NULL || (t->data == NULL && t->bytes != 0))
        return false;
    *out = (brink_tensor){.type = t->type, .rank = t->rank, .data = t->data, .bytes = t->bytes};
    memcpy(out->shape, t->dims, sizeof t->dims);
    return true;
}

static brink_status loop_input(const machine *m, const onnx_node *n, uint32_t i, brink_tensor *out)
{
    if (i >= n->input_count || n->inputs[i] == ONNX_NONE)
        return loop_fail(m, n, "input %u is missing", i);
    return look_up(m, n->inputs[i], out) ? BRINK_OK
                                         : loop_fail(m, n, "input %u (%s) has no value", i,
                                                     m->model->values[n->inputs[i]].name);
}

/* The value of a scalar input, or `otherwise` when it is left out. */
static brink_status scalar_input(const machine *m, const onnx_node *n, uint32_t i, brink_type type,
                                 int64_t otherwise, int64_t *out)
{
    brink_tensor t;
    *out = otherwise;
    if (i >= n->input_count || n->inputs[i] == ONNX_NONE)
        return BRINK_OK;
    TRY(loop_input(m, n, i, &t));
    if (t.type != type || t.bytes != element_bytes(type))
        return loop_fail(m, n, "input %u should be one %s", i, brink_type_name(type));
    *out = type == BRINK_BOOL ? *(const uint8_t *)t.data : *(const int64_t *)t.data;
    return BRINK_OK;
}

/* Copies and makes known. */
static brink_status know_copy(machine *m, uint32_t value, const brink_tensor *t)
{
    void *copy = core_alloc(m->context, t->bytes);
    if (copy == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (t->bytes != 0)
        memcpy(copy, t->data, (size_t)t->bytes);
    machine_know(m, value, t, copy, true);
    return BRINK_OK;
}

static brink_status know_scalar(machine *m, uint32_t value, brink_type type, int64_t x)
{
    uint8_t bit = x != 0;
    brink_tensor t = {.type = type,
                      .data = type == BRINK_BOOL ? (const void *)&bit : &x,
                      .bytes = element_bytes(type)};
    return know_copy(m, value, &t);
}

/* ── Scan inputs and outputs ── */

/* Attribute list `name` at position i, `otherwise` where the list is absent. */
static int64_t listed(const onnx_node *n, attr_name name, uint32_t i, int64_t otherwise)
{
    uint32_t count;
    const int64_t *list = onnx_ints(n, name, &count);
    return i < count ? list[i] : otherwise;
}

/* Bytes before and after an axis: how often it is walked, and what one step along it holds. */
static void around(const brink_tensor *t, uint32_t axis, uint64_t *outer, uint64_t *inner)
{
    *outer = 1;
    *inner = element_bytes(t->type);
    for (uint32_t i = 0; i < t->rank; i++)
        *(i < axis ? outer : inner) *= i == axis ? 1 : (uint64_t)t->shape[i];
}

/* Step `at` of a scan input as the body's input. */
static brink_status take_slice(machine *m, frame *f, uint32_t i, int64_t at)
{
    const onnx_node *n = f->loop;
    brink_tensor x, y;
    uint32_t axis;
    TRY(loop_input(m, n, f->state_count + i, &x));
    if (!axis_wrap(listed(n, ATTR_scan_input_axes, i, 0), x.rank, &axis))
        return loop_fail(m, n, "scan input %u has no such axis", i);
    if (listed(n, ATTR_scan_input_directions, i, 0))
        at = f->steps - 1 - at;
    uint64_t outer, inner;
    around(&x, axis, &outer, &inner);
    y = (brink_tensor){.type = x.type, .rank = x.rank - 1, .bytes = outer * inner};
    for (uint32_t k = 0; k < y.rank; k++)
        y.shape[k] = x.shape[k + (k >= axis)];
    char *data = core_alloc(m->context, y.bytes);
    if (data == NULL)
        return BRINK_OUT_OF_MEMORY;
    const char *from = (const char *)x.data + (uint64_t)at * inner;
    for (uint64_t o = 0; o < outer; o++)
        memcpy(data + o * inner, from + o * inner * (uint64_t)f->steps, (size_t)inner);
    machine_know(m, f->graph->inputs[f->state_count + i], &y, data, true);
    return BRINK_OK;
}

/* Appends what this iteration gave. */
static brink_status append(machine *m, const frame *f, scan_list *s, uint32_t k)
{
    const plan *p = &f->segment->plan;
    brink_tensor t;
    TRY(plan_output(p, k, &t));
    if (element_bytes(t.type) == 0)
        return loop_fail(m, f->loop, "scan outputs of type %s are not supported",
                         brink_type_name(t.type));
    if (s->count == 0)
        s->item = t;
    else if (t.type != s->item.type || t.rank != s->item.rank ||
             memcmp(t.shape, s->item.shape, t.rank * sizeof *t.shape) != 0)
        return loop_fail(m, f->loop, "scan output %s changes its shape between iterations", t.name);
    uint64_t needed;
    if (!core_add(s->size, t.bytes, &needed) || needed > UINT64_MAX / 2)
        return loop_fail(m, f->loop, "scan output %s is too large", t.name);
    if (needed > s->capacity || s->data == NULL) {
        char *data = core_realloc(m->context, s->data, needed * 2 + 64);
        if (data == NULL)
            return BRINK_OUT_OF_MEMORY;
        s->data = data;
        s->capacity = needed * 2 + 64;
    }
    plan_copy_output(p, k, s->data + s->size);
    s->size = needed;
    s->count++;
    return BRINK_OK;
}

/* The shape of an iteration's result where there was none: as declared, unknown sizes being 0. */
static void declared_item(const machine *m, const frame *f, uint32_t k, brink_tensor *out)
{
    const onnx_value *v = &m->model->values[f->graph->outputs[k]];
    *out = (brink_tensor){.type = v->type, .rank = v->rank < 0 ? 0 : (uint32_t)v->rank};
    for (uint32_t i = 0; i < out->rank; i++)
        out->shape[i] = v->dims[i] < 0 ? 0 : v->dims[i];
}

/* The list along its axis, as a node's output. */
static brink_status put_scan(machine *m, frame *f, uint32_t i, uint32_t body_output, uint32_t value)
{
    const onnx_node *n = f->loop;
    scan_list *s = &f->scans[i];
    if (s->count == 0)
        declared_item(m, f, body_output, &s->item);
    uint32_t axis = 0;
    brink_tensor y = {.type = s->item.type, .rank = s->item.rank + 1, .bytes = s->size};
    if (y.rank > BRINK_MAX_RANK || y.type == BRINK_UNDEFINED)
        return loop_fail(m, n, "scan output %u has no type or too many dimensions", i);
    if (is_scan(n) && !axis_wrap(listed(n, ATTR_scan_output_axes, i, 0), y.rank, &axis))
        return loop_fail(m, n, "scan output %u has no such axis", i);
    for (uint32_t k = 0; k < y.rank; k++)
        y.shape[k] = k == axis ? s->count : s->item.shape[k - (k > axis)];
    uint64_t outer, inner, count = (uint64_t)s->count;
    around(&y, axis, &outer, &inner);
    char *data = core_alloc(m->context, y.bytes);
    if (data == NULL)
        return BRINK_OUT_OF_MEMORY;
    bool backward = is_scan(n) && listed(n, ATTR_scan_output_directions, i, 0);
    for (uint64_t t = 0; t < count; t++) {
        uint64_t at = backward ? count - 1 - t : t;
        for (uint64_t o = 0; o < outer; o++)
            memcpy(data + (o * count + at) * inner, s->data + (t * outer + o) * inner,
                   (size_t)inner);
    }
    machine_know(m, value, &y, data, true);
    return BRINK_OK;
}

/* ── The frame ── */

static void forget_graph(machine *m, const onnx_graph *graph)
{
    for (uint32_t i = 0; i < graph->input_count; i++)
        machine_forget(m, graph->inputs[i]);
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const onnx_node *n = &graph->nodes[i];
        for (uint32_t k = 0; k < n->output_count; k++)
            if (n->outputs[k] != ONNX_NONE)
                machine_forget(m, n->outputs[k]);
        for (uint32_t k = 0; k < n->attr_count; k++)
            if (n->attrs[k].kind == ATTR_KIND_GRAPH)
                forget_graph(m, n->attrs[k].graph);
    }
}

void loop_free(machine *m, frame *f)
{
    for (uint32_t i = 0; f->scans != NULL && i < f->scan_count; i++)
        core_free(m->context, f->scans[i].data);
    core_free(m->context, f->scans);
}

/* The body's inputs, all known, as what its first segment is planned for. */
static brink_status start_iteration(machine *m, frame *f)
{
    const onnx_graph *g = f->graph;
    if (is_scan(f->loop)) {
        for (uint32_t i = 0; i < f->scan_input_count; i++)
            TRY(take_slice(m, f, i, f->step));
    } else {
        TRY(know_scalar(m, g->inputs[0], BRINK_I64, f->step));
        TRY(know_scalar(m, g->inputs[1], BRINK_BOOL, 1));
    }
    for (uint32_t i = 0; i < g->input_count; i++)
        if (!look_up(m, g->inputs[i], &f->inputs[i]))
            return loop_fail(m, f->loop, "the body's input %s has no value",
                             m->model->values[g->inputs[i]].name);
    f->past_first = false;
    return BRINK_OK;
}

/* State and lists become the node's outputs; the frame goes. */
static brink_status end_loop(machine *m, frame *f)
{
    const onnx_node *n = f->loop;
    uint32_t first = is_scan(n) ? 0 : 2;
    for (uint32_t i = 0; i < n->output_count; i++) {
        if (n->outputs[i] == ONNX_NONE)
            continue;
        if (i >= f->state_count) {
            uint32_t k = i - f->state_count;
            TRY(put_scan(m, f, k, i + (is_scan(n) ? 0 : 1), n->outputs[i]));
            continue;
        }
        brink_tensor t;
        if (!look_up(m, f->graph->inputs[first + i], &t))
            return loop_fail(m, n, "state %u has no value", i);
        TRY(know_copy(m, n->outputs[i], &t));
    }
    forget_graph(m, f->graph);
    machine_pop(m);
    return BRINK_OK;
}

brink_status loop_step(machine *m, frame *f)
{
    const plan *p = &f->segment->plan;
    const onnx_graph *g = f->graph;
    bool scan = is_scan(f->loop), go_on = true;
    uint32_t first_input = scan ? 0 : 2, first_output = scan ? 0 : 1;
    brink_tensor t;
    if (!scan) {
        uint8_t bit = 0;
        TRY(plan_output(p, 0, &t));
        if (t.type != BRINK_BOOL || t.bytes != 1)
            return loop_fail(m, f->loop, "the body's condition should be one bool");
        plan_copy_output(p, 0, &bit);
        go_on = bit != 0;
    }
    for (uint32_t i = 0; i < f->scan_count; i++)
        TRY(append(m, f, &f->scans[i], first_output + f->state_count + i));
    /* All results are copied before any state is replaced: one may be another's input. */
    struct {
        brink_tensor t;
        void *data;
    } *states = core_calloc(m->context, (uint64_t)f->state_count + 1, sizeof *states);
    brink_status status = states != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < f->state_count && status == BRINK_OK; i++) {
        status = plan_output(p, first_output + i, &states[i].t);
        if (status != BRINK_OK)
            break;
        states[i].data = core_alloc(m->context, states[i].t.bytes);
        if (states[i].data == NULL)
            status = BRINK_OUT_OF_MEMORY;
        else
            plan_copy_output(p, first_output + i, states[i].data);
    }
    if (status != BRINK_OK) {
        for (uint32_t i = 0; states != NULL && i < f->state_count; i++)
            core_free(m->context, states[i].data);
        core_free(m->context, states);
        return status;
    }
    if (f->segment == f->first)
        f->segment->in_use = false;
    else
        segment_free(f->segment);
    f->segment = NULL;
    arena_free(&f->memory);
    arena_init(&f->memory, m->context);
    forget_graph(m, g);
    for (uint32_t i = 0; i < f->state_count; i++)
        machine_know(m, g->inputs[first_input + i], &states[i].t, states[i].data, true);
    core_free(m->context, states);
    f->step++;
    return go_on && f->step < f->steps ? start_iteration(m, f) : end_loop(m, f);
}

/* How often a Scan's body runs, and that its inputs agree on it. */
static brink_status scan_steps(const machine *m, frame *f)
{
    for (uint32_t i = 0; i < f->scan_input_count; i++) {
        brink_tensor x;
        uint32_t axis;
        TRY(loop_input(m, f->loop, f->state_count + i, &x));
        if (!axis_wrap(listed(f->loop, ATTR_scan_input_axes, i, 0), x.rank, &axis) ||
            element_bytes(x.type) == 0)
            return loop_fail(m, f->loop, "scan input %u cannot be cut along its axis", i);
        if (i != 0 && x.shape[axis] != f->steps)
            return loop_fail(m, f->loop, "scan inputs have different lengths");
        f->steps = x.shape[axis];
    }
    return BRINK_OK;
}

brink_status loop_begin(machine *m, const onnx_node *n)
{
    const onnx_attr *body = onnx_find(n, ATTR_body);
    bool scan = is_scan(n);
    int64_t scan_inputs = scan ? onnx_int(n, ATTR_num_scan_inputs, 0) : 0, go_on = 1;
    uint32_t fixed = scan ? 0 : 2; /* Loop: iteration and condition */
    if (body == NULL || body->kind != ATTR_KIND_GRAPH)
        return loop_fail(m, n, "it has no body");
    if (scan && n->opset < 9)
        return onnx_node_fail(m->context, m->model->file, n, BRINK_UNSUPPORTED,
                              "Scan of opset 8, with a batch axis, is not supported");
    if (n->input_count < fixed || scan_inputs < 0 || scan_inputs > n->input_count ||
        (scan && scan_inputs == 0))
        return loop_fail(m, n, "it has too few inputs");
    const onnx_graph *g = body->graph;
    uint32_t states = n->input_count - fixed - (uint32_t)scan_inputs;
    uint32_t given = states + (scan ? 0 : 1);
    if (g->input_count != n->input_count || g->output_count < given ||
        n->output_count > g->output_count - (scan ? 0 : 1))
        return loop_fail(m, n, "its body has %u inputs and %u outputs, which does not fit",
                         g->input_count, g->output_count);
    frame *f;
    TRY(machine_push(m, g, n, &f));
    f->state_count = states;
    f->scan_input_count = (uint32_t)scan_inputs;
    f->scan_count = g->output_count - given;
    f->scans = core_calloc(m->context, (uint64_t)f->scan_count + 1, sizeof *f->scans);
    if (f->scans == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (scan) {
        TRY(scan_steps(m, f));
    } else {
        TRY(scalar_input(m, n, 0, BRINK_I64, INT64_MAX, &f->steps));
        TRY(scalar_input(m, n, 1, BRINK_BOOL, 1, &go_on));
    }
    for (uint32_t i = 0; i < states; i++) {
        brink_tensor t;
        TRY(loop_input(m, n, fixed + i, &t));
        TRY(know_copy(m, g->inputs[fixed + i], &t));
    }
    return go_on && f->steps > 0 ? start_iteration(m, f) : end_loop(m, f);
}
