/* recurrent.c — RNN, GRU and LSTM: forward, reverse or both.

   Source: ONNX (gates in the order z, r, h of GRU and i, o, f, c of LSTM); `clip` bounds the gates'
   sums and not the state, as in onnxruntime. The input's share of the gates is one product over all
   steps; each step then adds the hidden state's share. Bound by memory: R is read every step. */
#include "cpu/activation.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/product.h"

#include <string.h>

typedef enum cell_kind { CELL_RNN, CELL_GRU, CELL_LSTM } cell_kind;

typedef struct recurrent {
    cell_kind kind;
    int64_t gate_count, state_count, function_count;
    int64_t steps, batch, inputs, hidden, directions;
    bool batch_first;  /* layout 1                                                  */
    bool couple;       /* LSTM's input_forget                                       */
    bool linear_first; /* GRU's linear_before_reset                                 */
    float clip;
    activation functions[2][3]; /* f, g, h of each direction                        */
    float *x;                   /* [steps, batch, inputs]                           */
    float *share; /* [steps, batch, gates * hidden]: the input's and the biases' part */
    float *gates; /* [batch, gates * hidden]                                      */
    float *part;  /* [batch, hidden], GRU: r * h, or h times the candidate's part of R */
    float *h, *c; /* [batch, hidden]                                              */
} recurrent;

static brink_status read_activations(const kernel_args *a, recurrent *l)
{
    static const char *const standard[][3] = {
        {"Tanh"}, {"Sigmoid", "Tanh"}, {"Sigmoid", "Tanh", "Tanh"}};
    const onnx_attr *names = onnx_find(a->node, ATTR_activations);
    const onnx_attr *alphas = onnx_find(a->node, ATTR_activation_alpha);
    const onnx_attr *betas = onnx_find(a->node, ATTR_activation_beta);
    for (uint32_t i = 0; i < l->function_count * l->directions; i++) {
        const char *name = standard[l->kind][i % l->function_count];
        activation *f = &l->functions[i / l->function_count][i % l->function_count];
        if (names != NULL && names->kind == ATTR_KIND_STRINGS && i < names->count)
            name = names->strings[i];
        if (!activation_find(name, f))
            return kernel_fail(a, BRINK_UNSUPPORTED, "activation %s", name);
        if (alphas != NULL && alphas->kind == ATTR_KIND_FLOATS && i < alphas->count)
            f->alpha = alphas->floats[i];
        if (betas != NULL && betas->kind == ATTR_KIND_FLOATS && i < betas->count)
            f->beta = betas->floats[i];
    }
    return BRINK_OK;
}

static float clipped(const recurrent *l, float x)
{
    return l->clip <= 0 ? x : x > l->clip ? l->clip : x < -l->clip ? -l->clip : x;
}

/* An activation of n clipped sums, in their place. */
static void gate(const recurrent *l, const activation *f, float *sums, int64_t n)
{
    for (int64_t j = 0; l->clip > 0 && j < n; j++)
        sums[j] = clipped(l, sums[j]);
    activate_row(f, sums, n);
}

/* One sequence's LSTM cell: gates [4 * hidden] are sums, peep [3 * hidden] (i, o, f) or NULL. */
static void lstm_cell(const recurrent *l, const activation *act, float *gates, const float *peep,
                      float *h, float *c)
{
    int64_t n = l->hidden;
    float *i = gates, *o = gates + n, *f = gates + 2 * n, *g = gates + 3 * n;
    for (int64_t j = 0; peep != NULL && j < n; j++) {
        i[j] += peep[j] * c[j];
        f[j] += peep[2 * n + j] * c[j];
    }
    gate(l, &act[0], i, n);
    gate(l, &act[1], g, n);
    if (!l->couple)
        gate(l, &act[0], f, n);
    for (int64_t j = 0; j < n; j++)
        h[j] = c[j] = (l->couple ? 1 - i[j] : f[j]) * c[j] + i[j] * g[j];
    for (int64_t j = 0; peep != NULL && j < n; j++)
        o[j] += peep[n + j] * c[j];
    gate(l, &act[0], o, n);
    activate_row(&act[2], h, n);
    for (int64_t j = 0; j < n; j++)
        h[j] *= o[j];
}

static void rnn_cell(const recurrent *l, const activation *act, float *gates, float *h)
{
    gate(l, &act[0], gates, l->hidden);
    memcpy(h, gates, (size_t)l->hidden * sizeof(float));
}

/* GRU's z and r, in place of their sums. */
static void gru_gates(const recurrent *l, const activation *act, float *gates)
{
    gate(l, &act[0], gates, 2 * l->hidden);
}

/* gates: z, r and the candidate's sum. */
static void gru_cell(const recurrent *l, const activation *act, float *gates, float *h)
{
    int64_t n = l->hidden;
    gate(l, &act[1], gates + 2 * n, n);
    for (int64_t j = 0; j < n; j++)
        h[j] = (1 - gates[j]) * gates[2 * n + j] + gates[j] * h[j];
}

/* Rows `from` to `from + n` of R times x, into the gates' columns or `y`. */
static product recurrent_product(const kernel_args *a, const recurrent *l, int64_t d, int64_t from,
                                 int64_t n, const float *x)
{
    int64_t width = l->gate_count * l->hidden;
    return (product){.m = l->batch,
                     .n = n,
                     .k = l->hidden,
                     .x = x,
                     .x_row = l->hidden,
                     .y = l->gates + from,
                     .y_row = width,
                     .add = true,
                     .transposed = true,
                     .w_type = BRINK_F32,
                     .w = (const float *)a->in[2]->data + (d * width + from) * l->hidden,
                     .w_row = l->hidden};
}

/* Adds the hidden state's share to GRU's gates. */
static void gru_step(const kernel_args *a, const recurrent *l, int64_t d, void *memory)
{
    int64_t n = l->hidden, width = 3 * n;
    const tensor *bias = kernel_in(a, 3);
    const float *extra = bias == NULL ? NULL : (const float *)bias->data + d * 6 * n + 5 * n;
    product hidden = recurrent_product(a, l, d, 0, 2 * n, l->h);
    product candidate = recurrent_product(a, l, d, 2 * n, n, l->linear_first ? l->h : l->part);
    product_compute(a, &hidden, memory);
    for (int64_t b = 0; b < l->batch; b++)
        gru_gates(l, l->functions[d], l->gates + b * width);
    if (l->linear_first) {
        candidate.y = l->part;
        candidate.y_row = n;
        candidate.add = false;
        product_compute(a, &candidate, memory);
        for (int64_t b = 0; b < l->batch; b++)
            for (int64_t j = 0; j < n; j++)
                l->gates[b * width + 2 * n + j] +=
                    l->gates[b * width + n + j] *
                    (l->part[b * n + j] + (extra != NULL ? extra[j] : 0));
        return;
    }
    for (int64_t b = 0; b < l->batch; b++)
        for (int64_t j = 0; j < n; j++)
            l->part[b * n + j] = l->gates[b * width + n + j] * l->h[b * n + j];
    product_compute(a, &candidate, memory);
}

static void add_biases(const recurrent *l, const float *b)
{
    int64_t n = l->hidden, width = l->gate_count * n, rows = l->steps * l->batch;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < width; j++) /* GRU may add the candidate's second bias later */
            l->share[r * width + j] = l->linear_first && j >= 2 * n ? b[j] : b[j] + b[width + j];
}

/* Where step t of sequence b lies in Y, and its last state in Y_h and Y_c. */
static int64_t step_at(const recurrent *l, int64_t t, int64_t d, int64_t b)
{
    return (l->batch_first ? (b * l->steps + t) * l->directions + d
                           : (t * l->directions + d) * l->batch + b) *
           l->hidden;
}

static int64_t state_at(const recurrent *l, int64_t d, int64_t b)
{
    return (l->batch_first ? b * l->directions + d : d * l->batch + b) * l->hidden;
}

static void direction(const kernel_args *a, recurrent *l, int64_t d, bool backward, void *memory)
{
    int64_t n = l->hidden, width = l->gate_count * n, rows = l->steps * l->batch;
    const tensor *bias = kernel_in(a, 3), *lengths = kernel_in(a, 4), *peep = kernel_in(a, 7);
    const tensor *initial[2] = {kernel_in(a, 5), kernel_in(a, 6)};
    tensor *y = kernel_out(a, 0), *last[2] = {kernel_out(a, 1), kernel_out(a, 2)};
    float *state[2] = {l->h, l->c};
    product input = {.m = rows,
                     .n = width,
                     .k = l->inputs,
                     .x = l->x,
                     .x_row = l->inputs,
                     .y = l->share,
                     .y_row = width,
                     .transposed = true,
                     .w_type = BRINK_F32,
                     .w = (const float *)a->in[1]->data + d * width * l->inputs,
                     .w_row = l->inputs};
    product hidden = recurrent_product(a, l, d, 0, width, l->h);
    if (bias != NULL) {
        add_biases(l, (const float *)bias->data + d * 2 * width);
        input.add = true;
    }
    product_compute(a, &input, memory);
    for (int s = 0; s < l->state_count; s++)
        for (int64_t b = 0; b < l->batch; b++) {
            if (initial[s] != NULL)
                memcpy(state[s] + b * n, (const float *)initial[s]->data + state_at(l, d, b),
                       (size_t)n * sizeof(float));
            else
                memset(state[s] + b * n, 0, (size_t)n * sizeof(float));
        }
    for (int64_t step = 0; step < l->steps; step++) {
        for (int64_t b = 0; b < l->batch; b++) {
            int64_t length = lengths != NULL ? tensor_int(lengths, b) : l->steps;
            int64_t t = backward && step < length ? length - 1 - step : step;
            memcpy(l->gates + b * width, l->share + (t * l->batch + b) * width,
                   (size_t)width * sizeof(float));
        }
        if (l->kind == CELL_GRU)
            gru_step(a, l, d, memory);
        else
            product_compute(a, &hidden, memory);
        for (int64_t b = 0; b < l->batch; b++) {
            int64_t length = lengths != NULL ? tensor_int(lengths, b) : l->steps;
            int64_t t = backward && step < length ? length - 1 - step : step;
            float *to = y != NULL ? (float *)y->data + step_at(l, t, d, b) : NULL;
            if (step >= length) {
                if (to != NULL)
                    memset(to, 0, (size_t)n * sizeof(float));
                continue;
            }
            float *gates = l->gates + b * width;
            const activation *act = l->functions[d];
            if (l->kind == CELL_RNN)
                rnn_cell(l, act, gates, l->h + b * n);
            else if (l->kind == CELL_GRU)
                gru_cell(l, act, gates, l->h + b * n);
            else
                lstm_cell(l, act, gates,
                          peep != NULL ? (const float *)peep->data + d * 3 * n : NULL, l->h + b * n,
                          l->c + b * n);
            if (to != NULL)
                memcpy(to, l->h + b * n, (size_t)n * sizeof(float));
        }
    }
    for (int s = 0; s < l->state_count; s++)
        for (int64_t b = 0; last[s] != NULL && b < l->batch; b++)
            memcpy((float *)last[s]->data + state_at(l, d, b), state[s] + b * n,
                   (size_t)n * sizeof(float));
}

static brink_status check(const kernel_args *a, const recurrent *l)
{
    static const char *const names[] = {"X",         "W",         "R", "B", "sequence_lens",
                                        "initial_h", "initial_c", "P"};
    int64_t n = l->hidden, d = l->directions, each = d * l->batch * n, width = l->gate_count * n;
    int64_t want[] = {l->steps * l->batch * l->inputs,
                      d * width * l->inputs,
                      d * width * n,
                      d * 2 * width,
                      l->batch,
                      each,
                      each,
                      d * 3 * n};
    uint32_t inputs = l->kind == CELL_LSTM ? 8 : 6;
    for (uint32_t i = 0; i < inputs; i++) {
        const tensor *t = kernel_in(a, i);
        if (t == NULL && i >= 3)
            continue;
        if (t->type != (i == 4 ? BRINK_I32 : BRINK_F32))
            return kernel_bad_type(a, t->type);
        if (tensor_count(t) != want[i])
            return kernel_fail(a, BRINK_BAD_INPUT, "%s has %lld elements, %lld are needed",
                               names[i], (long long)tensor_count(t), (long long)want[i]);
    }
    for (int64_t b = 0; kernel_in(a, 4) != NULL && b < l->batch; b++) {
        int64_t length = tensor_int(kernel_in(a, 4), b);
        if (length < 0 || length > l->steps)
            return kernel_fail(a, BRINK_BAD_INPUT, "sequence length %lld of %lld steps",
                               (long long)length, (long long)l->steps);
    }
    return BRINK_OK;
}

static brink_status run(const kernel_args *a, cell_kind kind)
{
    const tensor *x = a->in[0], *w = a->in[1], *r = a->in[2];
    const char *way = onnx_string(a->node, ATTR_direction, "forward");
    if (x->rank != 3 || w->rank != 3 || r->rank != 3)
        return kernel_fail(a, BRINK_BAD_INPUT, "ranks %u, %u and %u of X, W and R, all must be 3",
                           x->rank, w->rank, r->rank);
    recurrent l = {.kind = kind,
                   .gate_count = kind == CELL_RNN   ? 1
                                 : kind == CELL_GRU ? 3
                                                    : 4,
                   .state_count = kind == CELL_LSTM ? 2 : 1,
                   .function_count = kind == CELL_RNN   ? 1
                                     : kind == CELL_GRU ? 2
                                                        : 3,
                   .linear_first =
                       kind == CELL_GRU && onnx_int(a->node, ATTR_linear_before_reset, 0) != 0,
                   .batch_first = onnx_int(a->node, ATTR_layout, 0) != 0,
                   .couple = onnx_int(a->node, ATTR_input_forget, 0) != 0,
                   .clip = onnx_float(a->node, ATTR_clip, 0),
                   .inputs = x->dims[2],
                   .hidden = r->dims[2],
                   .directions = strcmp(way, "bidirectional") == 0 ? 2 : 1};
    l.steps = x->dims[l.batch_first ? 1 : 0];
    l.batch = x->dims[l.batch_first ? 0 : 1];
    TRY(check(a, &l));
    TRY(read_activations(a, &l));
    if (l.batch * l.hidden == 0) /* so are all outputs */
        return BRINK_OK;
    int64_t rows = l.steps * l.batch, copied = l.batch_first ? rows * l.inputs : 0;
    int64_t width = l.gate_count * l.hidden;
    int64_t floats = copied + (rows + l.batch) * width + 3 * l.batch * l.hidden;
    product widest = {.n = width};
    uint64_t inner = product_scratch(a, &widest);
    char *memory = kernel_scratch(a, inner + (uint64_t)floats * sizeof(float));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    float *at = (float *)(void *)(memory + inner);
    l.x = l.batch_first ? at : x->data;
    l.share = at + copied;
    l.gates = l.share + rows * width;
    l.h = l.gates + l.batch * width;
    l.c = l.h + l.batch * l.hidden;
    l.part = l.c + l.batch * l.hidden;
    if (l.batch_first) {
        nd walk = {
            .rank = 3,
            .operands = 2,
            .dims = {l.steps, l.batch, l.inputs},
            .stride = {{l.batch * l.inputs, l.inputs, 1}, {l.inputs, l.steps * l.inputs, 1}}};
        nd_copy(a->context->pool, &walk, l.x, x->data, sizeof(float));
    }
    for (int64_t d = 0; d < l.directions; d++)
        direction(a, &l, d, d == 1 || strcmp(way, "reverse") == 0, memory);
    return BRINK_OK;
}

brink_status cpu_rnn(const kernel_args *a)
{
    return run(a, CELL_RNN);
}

brink_status cpu_gru(const kernel_args *a)
{
    return run(a, CELL_GRU);
}

brink_status cpu_lstm(const kernel_args *a)
{
    return run(a, CELL_LSTM);
}
