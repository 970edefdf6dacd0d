/* multi_head_attention.c — MultiHeadAttention and DecoderMaskedMultiHeadAttention.

   Source: onnxruntime's com.microsoft operators (CPU semantics). Queries, keys and values come
   separately, keys and values packed [batch, rows, heads, 2, d], all packed [batch, rows, heads, 3,
   d] (in the decoder's form [batch, 1, 3 * hidden]), or keys and values as a cache [batch, heads,
   rows, d] for cross attention. They are read in place where no bias or past asks for a copy.

   With past_sequence_length the past is a buffer of which only so many rows are valid, and present
   has its size. */
#include "cpu/attention_heads.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>
#include <string.h>

/* Where an operator has its inputs. */
typedef struct mha_inputs {
    uint32_t bias, mask, attention_bias, past, length, indirection;
} mha_inputs;

static const mha_inputs plain_inputs = {3, 4, 5, 6, 8, 9};
static const mha_inputs decoder_inputs = {10, 3, 4, 5, 7, 9};

typedef struct mha {
    attention_heads core;
    const mha_inputs *at;
    int64_t kv_rows, past, past_rows, capacity; /* capacity: rows of present                    */
    bool cache;                                 /* keys and values are a cache: without bias    */
    const float *bias;                          /* [hidden + hidden + v_hidden], may be NULL    */
} mha;

/* Queries, keys and values as they lie in the inputs. */
static brink_status operands(const kernel_args *a, mha *m, bool decoder)
{
    attention_heads *h = &m->core;
    const tensor *q = a->in[0], *k = kernel_in(a, 1), *v = kernel_in(a, 2);
    int64_t n = onnx_int(a->node, ATTR_num_heads, 0), width;
    bool packed = decoder && k == NULL;
    if (n < 1 || (q->rank != 3 && q->rank != 5) || (q->rank == 3 && k == NULL && !decoder))
        return kernel_fail(a, BRINK_BAD_INPUT, "query of rank %u with %lld heads", q->rank,
                           (long long)n);
    h->batch = q->dims[0];
    h->rows = m->kv_rows = q->dims[1];
    h->heads = h->kv_heads = n;
    h->q = h->k = h->v = q->data;
    if (q->rank == 5 || packed) { /* [batch, rows, heads, 3, d] or [batch, rows, 3, heads, d] */
        h->d = h->dv = q->rank == 5 ? q->dims[4] : q->dims[2] / 3 / n;
        width = 3 * n * h->d;
        if (q->rank == 5 ? q->dims[2] != n || q->dims[3] != 3 : q->dims[2] != width)
            return kernel_fail(a, BRINK_BAD_INPUT, "packed query is not for %lld heads",
                               (long long)n);
        h->q_at = (attention_strides){h->rows * width, packed ? h->d : 3 * h->d, width};
        h->k_at = h->v_at = h->q_at;
        h->k += packed ? n * h->d : h->d;
        h->v += packed ? 2 * n * h->d : 2 * h->d;
        return BRINK_OK;
    }
    if (q->dims[2] % n != 0 || k->dims[0] != h->batch)
        return kernel_fail(a, BRINK_BAD_INPUT, "query of width %lld for %lld heads",
                           (long long)q->dims[2], (long long)n);
    h->d = h->dv = q->dims[2] / n;
    h->q_at = (attention_strides){h->rows * n * h->d, h->d, n * h->d};
    h->k = k->data;
    bool fits = true;
    if (k->rank == 5 && v == NULL) {
        m->kv_rows = k->dims[1];
        width = 2 * n * h->d;
        h->k_at = h->v_at = (attention_strides){m->kv_rows * width, 2 * h->d, width};
        h->v = h->k + h->d;
        fits = k->dims[2] == n && k->dims[3] == 2 && k->dims[4] == h->d;
    } else if (k->rank == 4 && v != NULL && v->rank == 4) {
        m->cache = true;
        m->kv_rows = k->dims[2];
        h->dv = v->dims[3];
        h->v = v->data;
        h->k_at = (attention_strides){n * m->kv_rows * h->d, m->kv_rows * h->d, h->d};
        h->v_at = (attention_strides){n * m->kv_rows * h->dv, m->kv_rows * h->dv, h->dv};
        fits = k->dims[1] == n && k->dims[3] == h->d && v->dims[0] == h->batch && v->dims[1] == n &&
               v->dims[2] == m->kv_rows;
    } else if (k->rank == 3 && v != NULL && v->rank == 3) {
        m->kv_rows = k->dims[1];
        h->dv = v->dims[2] / n;
        h->v = v->data;
        h->k_at = (attention_strides){m->kv_rows * n * h->d, h->d, n * h->d};
        h->v_at = (attention_strides){m->kv_rows * n * h->dv, h->dv, n * h->dv};
        fits = k->dims[2] == n * h->d && v->dims[0] == h->batch && v->dims[1] == m->kv_rows &&
               v->dims[2] == n * h->dv;
    } else {
        fits = false;
    }
    return fits ? BRINK_OK
                : kernel_fail(a, BRINK_BAD_INPUT,
                              "key of rank %u or value does not fit %lld heads of %lld", k->rank,
                              (long long)n, (long long)h->d);
}

static brink_status past_of(const kernel_args *a, mha *m)
{
    attention_heads *h = &m->core;
    const tensor *past = kernel_in(a, m->at->past), *length = kernel_in(a, m->at->length);
    const tensor *past_v = kernel_in(a, m->at->past + 1), *key = kernel_in(a, 1);
    if (kernel_in(a, m->at->indirection) != NULL)
        return kernel_fail(a, BRINK_UNSUPPORTED, "cache_indirection is not supported");
    if ((past == NULL) != (past_v == NULL) || (past != NULL && key != NULL && key->rank == 4))
        return kernel_fail(a, BRINK_BAD_INPUT, "past_key and past_value do not go with the inputs");
    if (past != NULL) {
        for (int i = 0; i < 2; i++) {
            const tensor *t = i == 0 ? past : past_v;
            if (t->rank != 4 || t->dims[0] != h->batch || t->dims[1] != h->heads ||
                t->dims[2] != past->dims[2] || t->dims[3] != (i == 0 ? h->d : h->dv))
                return kernel_fail(a, BRINK_BAD_INPUT, "%s does not fit %lld heads of %lld",
                                   i == 0 ? "past_key" : "past_value", (long long)h->heads,
                                   (long long)h->d);
        }
        m->past = m->past_rows = past->dims[2];
    }
    m->capacity = m->past + m->kv_rows;
    if (past != NULL && length != NULL) {
        m->capacity = m->past_rows;
        m->past = tensor_count(length) == 1 ? tensor_int(length, 0) : -1;
        if (m->past < 0 || m->past + m->kv_rows > m->capacity)
            return kernel_fail(a, BRINK_BAD_INPUT,
                               "past_sequence_length %lld and %lld new rows in a buffer of %lld",
                               (long long)m->past, (long long)m->kv_rows, (long long)m->capacity);
    }
    h->keys = m->past + m->kv_rows;
    return BRINK_OK;
}

static brink_status biases(const kernel_args *a, mha *m)
{
    attention_heads *h = &m->core;
    const tensor *bias = kernel_in(a, m->at->bias), *add = kernel_in(a, m->at->attention_bias);
    if (bias != NULL) {
        m->bias = bias->data;
        if (tensor_count(bias) != h->heads * (2 * h->d + h->dv) &&
            !(m->cache && tensor_count(bias) == h->heads * h->d))
            return kernel_fail(a, BRINK_BAD_INPUT, "bias of %lld for %lld heads",
                               (long long)tensor_count(bias), (long long)h->heads);
    }
    h->bias_keys = h->keys;
    if (add == NULL)
        return BRINK_OK;
    const int64_t *dims = add->dims;
    if (add->rank != 4 || (dims[0] != 1 && dims[0] != h->batch) ||
        (dims[1] != 1 && dims[1] != h->heads) || (dims[2] != 1 && dims[2] != h->rows) ||
        dims[3] != h->keys)
        return kernel_fail(a, BRINK_BAD_INPUT, "attention_bias does not fit %lld rows, %lld keys",
                           (long long)h->rows, (long long)h->keys);
    h->bias[0] = add->data;
    h->bias_at[0] =
        (attention_strides){dims[0] == 1 ? 0 : dims[1] * dims[2] * dims[3],
                            dims[1] == 1 ? 0 : dims[2] * dims[3], dims[2] == 1 ? 0 : dims[3]};
    return BRINK_OK;
}

/* Memory of what is computed before the attention: [0] queries, [1] keys, [2] values, [3] mask. */
static void sizes(const kernel_args *a, const mha *m, int64_t mask, uint64_t *bytes)
{
    const attention_heads *h = &m->core;
    int64_t counts[4] = {0, 0, 0, mask}, pairs = h->batch * h->heads;
    if (m->bias != NULL)
        counts[0] = pairs * h->rows * h->d;
    for (uint32_t i = 1; i <= 2; i++)
        if (kernel_out(a, i) == NULL && ((m->bias != NULL && !m->cache) || m->past_rows > 0))
            counts[i] = pairs * m->capacity * (i == 1 ? h->d : h->dv);
    for (int i = 0; i < 4; i++)
        bytes[i] = whole_lines((uint64_t)counts[i] * sizeof(float));
}

/* Queries, keys and values with their bias, and the latter behind the past. */
static void prepare(const kernel_args *a, mha *m, char *memory, const uint64_t *bytes)
{
    attention_heads *h = &m->core;
    for (uint32_t i = 0; i < 3; i++) {
        tensor *present = i > 0 ? kernel_out(a, i) : NULL;
        bool copied = present != NULL || bytes[i] > 0;
        attention_strides *at = i == 0 ? &h->q_at : i == 1 ? &h->k_at : &h->v_at;
        const float **x = i == 0 ? &h->q : i == 1 ? &h->k : &h->v;
        attention_append job = {.batch = h->batch,
                                .heads = h->heads,
                                .d = i == 2 ? h->dv : h->d,
                                .capacity = i == 0 ? h->rows : m->capacity,
                                .past = i == 0 ? 0 : m->past,
                                .past_rows = i == 0 ? 0 : m->past_rows,
                                .rows = i == 0 ? h->rows : m->kv_rows,
                                .to = present != NULL ? present->data : (void *)memory,
                                .x = *x,
                                .x_at = *at};
        if (m->bias != NULL && !(i > 0 && m->cache))
            job.bias = m->bias + i * h->heads * h->d;
        if (i > 0 && m->past_rows > 0)
            job.from_past = a->in[m->at->past + i - 1]->data;
        memory += bytes[i];
        if (!copied)
            continue;
        attention_append_run(a, &job);
        *x = job.to;
        *at = (attention_strides){h->heads * job.capacity * job.d, job.capacity * job.d, job.d};
    }
}

static brink_status multi_head(const kernel_args *a, const mha_inputs *at, bool decoder)
{
    mha m = {.at = at};
    attention_heads *h = &m.core;
    for (uint32_t i = 0; i < a->in_count; i++) {
        bool integer = i == at->mask || i >= at->length;
        if (a->in[i] != NULL && (!integer || i == at->bias) && a->in[i]->type != BRINK_F32)
            return kernel_bad_type(a, a->in[i]->type);
    }
    TRY(operands(a, &m, decoder));
    TRY(past_of(a, &m));
    TRY(biases(a, &m));
    const tensor *mask = kernel_in(a, at->mask);
    tensor *y = kernel_out(a, 0), *scores = kernel_out(a, 3);
    int64_t mask_count = 0;
    if (mask != NULL)
        TRY(attention_mask_count(a, mask, h, m.past, &mask_count));
    h->left = -1;
    h->right = onnx_int(a->node, ATTR_unidirectional, 0) != 0 ? 0 : -1;
    h->open_end = true; /* only seen where new keys and rows differ in number */
    h->scale = onnx_float(a->node, ATTR_scale, 0);
    if (h->scale == 0)
        h->scale = h->d > 0 ? 1 / sqrtf((float)h->d) : 1;
    h->y = y != NULL ? y->data : NULL;
    h->y_at = (attention_strides){h->rows * h->heads * h->dv, h->dv, h->heads * h->dv};
    h->scores = scores != NULL ? scores->data : NULL;
    h->stage = ATTENTION_MASKED;

    uint64_t core = attention_heads_scratch(a, h), bytes[4];
    uint64_t lines = whole_lines((uint64_t)h->batch * sizeof(int64_t));
    sizes(a, &m, mask_count, bytes);
    char *memory = kernel_scratch(a, core + lines + bytes[0] + bytes[1] + bytes[2] + bytes[3]);
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    int64_t *offsets = (int64_t *)(void *)(memory + core);
    for (int64_t b = 0; b < h->batch; b++)
        offsets[b] = m.past;
    h->offset = offsets;
    prepare(a, &m, memory + core + lines, bytes);
    if (mask != NULL)
        attention_mask_write(
            mask, h, m.past, onnx_float(a->node, ATTR_mask_filter_value, -10000),
            (float *)(void *)(memory + core + lines + bytes[0] + bytes[1] + bytes[2]));
    attention_heads_run(a, h, memory);
    return BRINK_OK;
}

brink_status cpu_multi_head_attention(const kernel_args *a)
{
    return multi_head(a, &plain_inputs, false);
}

brink_status cpu_decoder_multi_head_attention(const kernel_args *a)
{
    return multi_head(a, &decoder_inputs, true);
}
