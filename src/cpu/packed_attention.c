/* packed_attention.c — Attention with its projection inside: com.microsoft's Attention, QAttention.

   Source: onnxruntime's operators (CPU semantics). The input times merged weights [width, hidden +
   hidden + v_hidden] gives queries, keys and values side by side, which the attention reads in place;
   with a past or a present they are put behind the past. `past` and `present` stack keys and values.
   do_rotary turns queries and keys by the usual angles (base 10000, halves). */
#include "cpu/attention_heads.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/matmul_integer.h"
#include "cpu/product.h"
#include "cpu/rope.h"

#include <math.h>
#include <string.h>

/* Inputs that both operators have, in different places. */
typedef struct packed {
    attention_heads core;
    const tensor *x, *w, *bias, *mask, *past, *add, *length;
    int64_t width, before, past_rows, capacity; /* width: of a row of projections */
    int64_t rotary;                             /* dimensions that are turned     */
    float *rows;                                /* [batch, rows, width]           */
} packed;

static brink_status describe(const kernel_args *a, packed *p)
{
    attention_heads *h = &p->core;
    int64_t n = onnx_int(a->node, ATTR_num_heads, 0), sizes[3];
    uint32_t count;
    const int64_t *hidden = onnx_ints(a->node, ATTR_qkv_hidden_sizes, &count);
    if (p->x->rank != 3 || p->w->rank != 2 || p->w->dims[0] != p->x->dims[2] || n < 1 ||
        (p->bias != NULL && tensor_count(p->bias) != p->w->dims[1]))
        return kernel_fail(a, BRINK_BAD_INPUT, "input of rank %u, weights, bias or num_heads",
                           p->x->rank);
    p->width = p->w->dims[1];
    for (int i = 0; i < 3; i++)
        sizes[i] = hidden != NULL && count == 3 ? hidden[i] : p->width / 3;
    if (sizes[0] != sizes[1] || sizes[0] < 0 || sizes[2] < 0 || sizes[0] > p->width ||
        sizes[2] > p->width || 2 * sizes[0] + sizes[2] != p->width || sizes[0] % n != 0 ||
        sizes[2] % n != 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld columns for %lld heads of %lld and %lld",
                           (long long)p->width, (long long)n, (long long)sizes[0],
                           (long long)sizes[2]);
    h->batch = p->x->dims[0];
    h->rows = p->x->dims[1];
    h->heads = h->kv_heads = n;
    h->d = sizes[0] / n;
    h->dv = sizes[2] / n;
    if (p->past != NULL) {
        const int64_t *dims = p->past->dims;
        if (p->past->rank != 5 || dims[0] != 2 || dims[1] != h->batch || dims[2] != n ||
            dims[4] != h->d || h->d != h->dv || p->past->type != BRINK_F32)
            return kernel_fail(a, BRINK_BAD_INPUT, "past does not fit %lld heads of %lld",
                               (long long)n, (long long)h->d);
        p->before = p->past_rows = dims[3];
    }
    p->capacity = p->before + h->rows;
    if (p->past != NULL && onnx_int(a->node, ATTR_past_present_share_buffer, 0) != 0) {
        p->before =
            p->length != NULL && tensor_count(p->length) == 1 ? tensor_int(p->length, 0) : -1;
        p->capacity = p->past_rows;
        if (p->before < 0 || p->before + h->rows > p->capacity)
            return kernel_fail(a, BRINK_BAD_INPUT,
                               "past_sequence_length does not fit a past of %lld",
                               (long long)p->past_rows);
    }
    h->keys = h->bias_keys = p->before + h->rows;
    h->left = -1;
    h->right = onnx_int(a->node, ATTR_unidirectional, 0) != 0 ? 0 : -1;
    h->scale = onnx_float(a->node, ATTR_scale, 0);
    if (h->scale == 0)
        h->scale = h->d > 0 ? 1 / sqrtf((float)h->d) : 1;
    h->y = kernel_out(a, 0) != NULL ? a->out[0]->data : NULL;
    h->y_at = (attention_strides){h->rows * sizes[2], h->dv, sizes[2]};
    p->rotary = onnx_int(a->node, ATTR_rotary_embedding_dim, 0);
    p->rotary = p->rotary > 0 && p->rotary < h->d ? p->rotary : h->d;
    if (onnx_int(a->node, ATTR_do_rotary, 0) == 0)
        p->rotary = 0;
    return BRINK_OK;
}

static brink_status set_bias(const kernel_args *a, packed *p)
{
    attention_heads *h = &p->core;
    if (p->add == NULL)
        return BRINK_OK;
    const int64_t *dims = p->add->dims;
    if (p->add->type != BRINK_F32 || p->add->rank != 4 || (dims[0] != 1 && dims[0] != h->batch) ||
        (dims[1] != 1 && dims[1] != h->heads) || dims[2] != h->rows || dims[3] != h->keys)
        return kernel_fail(a, BRINK_BAD_INPUT, "attention_bias does not fit %lld rows, %lld keys",
                           (long long)h->rows, (long long)h->keys);
    h->bias[0] = p->add->data;
    h->bias_at[0] = (attention_strides){dims[0] == 1 ? 0 : dims[1] * dims[2] * dims[3],
                                        dims[1] == 1 ? 0 : dims[2] * dims[3], dims[3]};
    return BRINK_OK;
}

/* Turns queries and keys where they lie; cosines and sines are [rotary / 2] to work in. */
static void rotate(const packed *p, float *cosines, float *sines)
{
    const attention_heads *h = &p->core;
    int64_t half = p->rotary / 2;
    for (int64_t s = 0; s < h->rows && half > 0; s++) {
        for (int64_t i = 0; i < half; i++) {
            double angle =
                (double)(p->before + s) / pow(10000, 2.0 * (double)i / (double)p->rotary);
            cosines[i] = (float)cos(angle);
            sines[i] = (float)sin(angle);
        }
        for (int64_t b = 0; b < h->batch; b++)
            for (int64_t i = 0; i < 2 * h->heads; i++) { /* queries, then keys */
                float *x = p->rows + (b * h->rows + s) * p->width + i * h->d;
                rope_rotate(x, x, cosines, sines, half, h->d, false);
            }
    }
}

/* Everything behind the projection, which `project` writes to p->rows with `size` bytes of memory of
   its own. */
typedef void (*project_fn)(const kernel_args *a, const packed *p, void *source, void *memory);

static brink_status attend(const kernel_args *a, packed *p, project_fn project, void *source,
                           uint64_t size)
{
    attention_heads *h = &p->core;
    tensor *present = kernel_out(a, 1);
    int64_t mask = 0, w = p->width, half = h->batch * h->heads * p->capacity * h->d;
    if (p->mask != NULL)
        TRY(attention_mask_count(a, p->mask, h, p->before, &mask));
    TRY(set_bias(a, p));
    uint64_t core = attention_heads_scratch(a, h);
    core = core > size ? core : whole_lines(size); /* one after the other */
    uint64_t rows = whole_lines((uint64_t)(h->batch * h->rows * w) * sizeof(float));
    uint64_t masks = whole_lines((uint64_t)mask * sizeof(float));
    uint64_t lines = whole_lines((uint64_t)h->batch * sizeof(int64_t));
    uint64_t angles = whole_lines((uint64_t)p->rotary * sizeof(float));
    uint64_t cache = present == NULL && p->past != NULL ? 2 * (uint64_t)half * sizeof(float) : 0;
    char *memory = kernel_scratch(a, core + rows + masks + lines + angles + cache);
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    char *at = memory + core;
    p->rows = (float *)(void *)at;
    project(a, p, source, memory);
    at += rows;
    if (p->mask != NULL)
        attention_mask_write(p->mask, h, p->before,
                             onnx_float(a->node, ATTR_mask_filter_value, -10000),
                             (float *)(void *)at);
    at += masks;
    int64_t *offset = (int64_t *)(void *)at;
    for (int64_t b = 0; b < h->batch; b++)
        offset[b] = p->before;
    h->offset = offset;
    at += lines;
    rotate(p, (float *)(void *)at, (float *)(void *)at + p->rotary / 2);
    at += angles;
    h->q = p->rows;
    h->k = p->rows + h->heads * h->d;
    h->v = p->rows + 2 * h->heads * h->d;
    h->q_at = h->k_at = (attention_strides){h->rows * w, h->d, w};
    h->v_at = (attention_strides){h->rows * w, h->dv, w};
    for (int i = 0; i < 2 && (present != NULL || p->past != NULL); i++) {
        const float **x = i == 0 ? &h->k : &h->v;
        attention_append job = {.batch = h->batch,
                                .heads = h->heads,
                                .d = h->d,
                                .capacity = p->capacity,
                                .past = p->before,
                                .past_rows = p->past_rows,
                                .rows = h->rows,
                                .to = (float *)(present != NULL ? present->data : (void *)at) +
                                      i * half,
                                .x = *x,
                                .x_at = i == 0 ? h->k_at : h->v_at};
        if (p->past != NULL)
            job.from_past =
                (const float *)p->past->data + i * h->batch * h->heads * p->past_rows * h->d;
        attention_append_run(a, &job);
        *x = job.to;
        *(i == 0 ? &h->k_at : &h->v_at) =
            (attention_strides){h->heads * p->capacity * h->d, p->capacity * h->d, h->d};
    }
    attention_heads_run(a, h, memory);
    return BRINK_OK;
}

static void project_floats(const kernel_args *a, const packed *p, void *source, void *memory)
{
    product *f = source;
    const float *bias = p->bias != NULL ? p->bias->data : NULL;
    f->y = p->rows;
    f->add = bias != NULL;
    for (int64_t r = 0; bias != NULL && r < f->m; r++)
        memcpy(f->y + r * f->n, bias, (size_t)f->n * sizeof(float));
    product_compute(a, f, memory);
}

brink_status cpu_packed_attention(const kernel_args *a)
{
    packed p = {.x = a->in[0],
                .w = a->in[1],
                .bias = kernel_in(a, 2),
                .mask = kernel_in(a, 3),
                .past = kernel_in(a, 4),
                .add = kernel_in(a, 5),
                .length = kernel_in(a, 6)};
    bool half = p.w->type == BRINK_F16 || p.w->type == BRINK_BF16;
    if (p.x->type != BRINK_F32 || (p.w->type != BRINK_F32 && !half) ||
        (p.bias != NULL && p.bias->type != BRINK_F32))
        return kernel_bad_type(a, p.w->type);
    TRY(describe(a, &p));
    product f = {.m = p.core.batch * p.core.rows,
                 .n = p.width,
                 .k = p.x->dims[2],
                 .x = p.x->data,
                 .x_row = p.x->dims[2],
                 .y_row = p.width,
                 .w = p.w->data,
                 .w_type = p.w->type,
                 .w_row = p.width};
    return attend(a, &p, project_floats, &f, product_scratch(a, &f));
}

typedef struct quantized_source {
    integer_product p;
    const tensor *x_scale, *w_scale;
} quantized_source;

static void project_integers(const kernel_args *a, const packed *p, void *source, void *memory)
{
    quantized_source *s = source;
    s->p.y = (int32_t *)(void *)p->rows;
    integer_compute(a, &s->p, memory);
    integer_to_float(a, &s->p, *(const float *)s->x_scale->data, s->w_scale, p->bias);
}

/* input, weight, bias, input_scale, weight_scale, mask_index, zero points of both, past. */
brink_status cpu_quantized_attention(const kernel_args *a)
{
    packed p = {.x = a->in[0],
                .w = a->in[1],
                .bias = kernel_in(a, 2),
                .mask = kernel_in(a, 5),
                .past = kernel_in(a, 8)};
    quantized_source s = {.x_scale = kernel_in(a, 3), .w_scale = kernel_in(a, 4)};
    if (s.x_scale == NULL || s.w_scale == NULL)
        return kernel_fail(a, BRINK_BAD_INPUT, "a scale is missing");
    TRY(describe(a, &p));
    integer_operands o = {p.x, kernel_in(a, 6), p.w, kernel_in(a, 7), false, false};
    TRY(integer_prepare(a, &o, &s.p));
    TRY(integer_scale_check(a, &s.p, s.x_scale, s.w_scale, p.bias));
    return attend(a, &p, project_integers, &s, integer_scratch(a, &s.p));
}
