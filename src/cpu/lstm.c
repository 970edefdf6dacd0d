/* lstm.c — LSTM: forward, reverse or both.

   Source: ONNX LSTM (gates in the order i, o, f, c); `clip` bounds the gates' sums and not the state,
   as in onnxruntime. The input's share of the gates is one product
   over all steps; each step then adds the hidden state's share. Bound by memory: R is read every
   step. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/product.h"

#include <math.h>
#include <string.h>

typedef struct activation {
    const char *name;
    float alpha, beta;
} activation;

typedef struct lstm {
    int64_t steps, batch, inputs, hidden, directions;
    bool batch_first, couple; /* layout 1; input_forget */
    float clip;
    activation gate[2][3]; /* f, g, h of each direction */
    float *x;              /* [steps, batch, inputs] */
    float *share;          /* [steps, batch, 4 * hidden]: the input's and the biases' part */
    float *gates;          /* [batch, 4 * hidden] */
    float *h, *c;          /* [batch, hidden] */
} lstm;

static float activate(const activation *f, float x)
{
    switch (f->name[0]) {
    case 'R':
        return x > 0 ? x : 0; /* Relu            */
    case 'A':
        return f->alpha * x + f->beta; /* Affine          */
    case 'L':
        return x < 0 ? f->alpha * x : x; /* LeakyRelu       */
    case 'E':
        return x < 0 ? f->alpha * expm1f(x) : x; /* Elu             */
    case 'H':
        return fmaxf(0, fminf(1, f->alpha * x + f->beta)); /* HardSigmoid     */
    case 'T':
        return f->name[1] == 'h' ? (x > f->alpha ? x : 0) : tanhf(x); /* Thresholded… */
    default:
        break;
    }
    if (strcmp(f->name, "ScaledTanh") == 0)
        return f->alpha * tanhf(f->beta * x);
    if (strcmp(f->name, "Softsign") == 0)
        return x / (1 + fabsf(x));
    if (strcmp(f->name, "Softplus") == 0)
        return fmaxf(x, 0) + log1pf(expf(-fabsf(x)));
    return 1 / (1 + expf(-x)); /* Sigmoid */
}

static float default_alpha(const char *name)
{
    return name[0] == 'H' ? 0.2f : name[0] == 'L' ? 0.01f : 1;
}

static float default_beta(const char *name)
{
    return name[0] == 'H' ? 0.5f : strcmp(name, "ScaledTanh") == 0 ? 1 : 0;
}

static brink_status read_activations(const kernel_args *a, lstm *l)
{
    static const char *const known[] = {"Sigmoid",    "Tanh",     "Relu",        "Affine",
                                        "LeakyRelu",  "Elu",      "HardSigmoid", "ThresholdedRelu",
                                        "ScaledTanh", "Softsign", "Softplus"};
    static const char *const standard[3] = {"Sigmoid", "Tanh", "Tanh"};
    const onnx_attr *names = onnx_find(a->node, ATTR_activations);
    const onnx_attr *alphas = onnx_find(a->node, ATTR_activation_alpha);
    const onnx_attr *betas = onnx_find(a->node, ATTR_activation_beta);
    for (uint32_t i = 0; i < 3 * l->directions; i++) {
        const char *name = standard[i % 3];
        bool found = false;
        if (names != NULL && names->kind == ATTR_KIND_STRINGS && i < names->count)
            name = names->strings[i];
        for (uint32_t j = 0; j < sizeof known / sizeof *known; j++)
            found = found || strcmp(name, known[j]) == 0;
        if (!found)
            return kernel_fail(a, BRINK_UNSUPPORTED, "activation %s", name);
        float alpha = default_alpha(name), beta = default_beta(name);
        if (alphas != NULL && alphas->kind == ATTR_KIND_FLOATS && i < alphas->count)
            alpha = alphas->floats[i];
        if (betas != NULL && betas->kind == ATTR_KIND_FLOATS && i < betas->count)
            beta = betas->floats[i];
        l->gate[i / 3][i % 3] = (activation){name, alpha, beta};
    }
    return BRINK_OK;
}

static float clipped(const lstm *l, float x)
{
    return l->clip <= 0 ? x : x > l->clip ? l->clip : x < -l->clip ? -l->clip : x;
}

/* One sequence's cell: gates [4 * hidden] are sums, peep [3 * hidden] (i, o, f) or NULL. */
static void cell(const lstm *l, const activation *act, const float *gates, const float *peep,
                 float *h, float *c)
{
    int64_t n = l->hidden;
    for (int64_t j = 0; j < n; j++) {
        float i = gates[j], o = gates[n + j], f = gates[2 * n + j], g = gates[3 * n + j];
        if (peep != NULL) {
            i += peep[j] * c[j];
            f += peep[2 * n + j] * c[j];
        }
        i = activate(&act[0], clipped(l, i));
        f = l->couple ? 1 - i : activate(&act[0], clipped(l, f));
        g = activate(&act[1], clipped(l, g));
        c[j] = f * c[j] + i * g;
        if (peep != NULL)
            o += peep[n + j] * c[j];
        o = activate(&act[0], clipped(l, o));
        h[j] = o * activate(&act[2], c[j]);
    }
}

/* Where step t of sequence b lies in Y, and its last state in Y_h and Y_c. */
static int64_t step_at(const lstm *l, int64_t t, int64_t d, int64_t b)
{
    return (l->batch_first ? (b * l->steps + t) * l->directions + d
                           : (t * l->directions + d) * l->batch + b) *
           l->hidden;
}

static int64_t state_at(const lstm *l, int64_t d, int64_t b)
{
    return (l->batch_first ? b * l->directions + d : d * l->batch + b) * l->hidden;
}

static void direction(const kernel_args *a, lstm *l, int64_t d, bool backward, void *memory)
{
    int64_t n = l->hidden, width = 4 * n, rows = l->steps * l->batch;
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
    product hidden = {.m = l->batch,
                      .n = width,
                      .k = n,
                      .x = l->h,
                      .x_row = n,
                      .y = l->gates,
                      .y_row = width,
                      .add = true,
                      .transposed = true,
                      .w_type = BRINK_F32,
                      .w = (const float *)a->in[2]->data + d * width * n,
                      .w_row = n};
    if (bias != NULL) {
        const float *b = (const float *)bias->data + d * 2 * width;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t j = 0; j < width; j++)
                l->share[r * width + j] = b[j] + b[width + j];
        input.add = true;
    }
    product_compute(a, &input, memory);
    for (int s = 0; s < 2; s++)
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
            cell(l, l->gate[d], l->gates + b * width,
                 peep != NULL ? (const float *)peep->data + d * 3 * n : NULL, l->h + b * n,
                 l->c + b * n);
            if (to != NULL)
                memcpy(to, l->h + b * n, (size_t)n * sizeof(float));
        }
    }
    for (int s = 0; s < 2; s++)
        for (int64_t b = 0; last[s] != NULL && b < l->batch; b++)
            memcpy((float *)last[s]->data + state_at(l, d, b), state[s] + b * n,
                   (size_t)n * sizeof(float));
}

static brink_status check(const kernel_args *a, const lstm *l)
{
    static const char *const names[] = {"X",         "W",         "R", "B", "sequence_lens",
                                        "initial_h", "initial_c", "P"};
    int64_t n = l->hidden, d = l->directions, each = d * l->batch * n;
    int64_t want[] = {l->steps * l->batch * l->inputs,
                      d * 4 * n * l->inputs,
                      d * 4 * n * n,
                      d * 8 * n,
                      l->batch,
                      each,
                      each,
                      d * 3 * n};
    for (uint32_t i = 0; i < 8; i++) {
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

brink_status cpu_lstm(const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *r = a->in[2];
    const char *way = onnx_string(a->node, ATTR_direction, "forward");
    if (x->rank != 3 || w->rank != 3 || r->rank != 3)
        return kernel_fail(a, BRINK_BAD_INPUT, "ranks %u, %u and %u of X, W and R, all must be 3",
                           x->rank, w->rank, r->rank);
    lstm l = {.batch_first = onnx_int(a->node, ATTR_layout, 0) != 0,
              .couple = onnx_int(a->node, ATTR_input_forget, 0) != 0,
              .clip = onnx_float(a->node, ATTR_clip, 0),
              .inputs = x->dims[2],
              .hidden = r->dims[2],
              .directions = strcmp(way, "bidirectional") == 0 ? 2 : 1};
    l.steps = x->dims[l.batch_first ? 1 : 0];
    l.batch = x->dims[l.batch_first ? 0 : 1];
    TRY(check(a, &l));
    TRY(read_activations(a, &l));
    int64_t rows = l.steps * l.batch, copied = l.batch_first ? rows * l.inputs : 0;
    int64_t floats = copied + (rows + l.batch) * 4 * l.hidden + 2 * l.batch * l.hidden;
    product widest = {.n = 4 * l.hidden};
    uint64_t inner = product_scratch(a, &widest);
    char *memory = kernel_scratch(a, inner + (uint64_t)floats * sizeof(float));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    float *at = (float *)(void *)(memory + inner);
    l.x = l.batch_first ? at : x->data;
    l.share = at + copied;
    l.gates = l.share + rows * 4 * l.hidden;
    l.h = l.gates + l.batch * 4 * l.hidden;
    l.c = l.h + l.batch * l.hidden;
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
