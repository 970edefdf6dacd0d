/* group_query_attention.c — GroupQueryAttention: attention with a key-value cache.

   Source: onnxruntime's com.microsoft.GroupQueryAttention (CPU semantics). The new keys and values
   are written behind the past ones, keys and queries normed and rotated; attention_heads does the
   rest.

   Batch b has seqlens_k[b] + 1 keys in all and its new rows end there; in a first prompt (as many
   rows as keys) they begin at 0, and rows beyond a shorter sequence's end are padding. With
   query_seqlens only so many of its new rows are valid, and the others are neither appended nor
   answered for. Past and present may be one buffer. */
#include "cpu/attention_heads.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/rope.h"
#include "cpu/simd.h"

#include <math.h>
#include <string.h>

typedef struct gqa {
    attention_heads core;
    int64_t batch, rows, heads, kv_heads, d; /* rows: new positions */
    const float *q, *k, *v;
    int64_t q_stride, kv_stride; /* from one position to the next */
    const tensor *past[2];
    float *present[2];
    int64_t past_rows, past_capacity, capacity; /* rows between heads of past and present */
    bool in_place[2];
    const tensor *seqlens, *valid, *positions;
    const float *cos, *sin, *q_norm, *k_norm;
    int64_t half, cache_rows; /* of the rotary caches; half 0: no rotation */
    bool interleaved, first_prompt;
    float q_epsilon, k_epsilon;
    float *queries; /* [batch, heads, rows, d] normed and rotated; NULL when they are as given */
} gqa;

static int64_t total_of(const gqa *g, int64_t b)
{
    return tensor_int(g->seqlens, b) + 1;
}

static int64_t valid_of(const gqa *g, int64_t b)
{
    return g->valid == NULL ? g->rows : tensor_int(g->valid, b);
}

static int64_t past_of(const gqa *g, int64_t b)
{
    int64_t past = g->first_prompt ? 0 : total_of(g, b) - valid_of(g, b);
    return past < 0 ? 0 : past;
}

static int64_t position_of(const gqa *g, int64_t b, int64_t s)
{
    if (g->positions != NULL)
        return tensor_count(g->positions) == 1 ? tensor_int(g->positions, 0) + s
                                               : tensor_int(g->positions, b * g->rows + s);
    return past_of(g, b) + s;
}

/* One head's vector: normed if there is a weight, then rotated. */
static void prepare(const gqa *g, float *to, const float *x, const float *norm, float epsilon,
                    int64_t position)
{
    if (norm != NULL) {
        float inverse = 1 / sqrtf(simd()->squares(x, 0, g->d) / (float)g->d + epsilon);
        simd()->normalize(to, x, 0, inverse, norm, NULL, g->d);
        x = to;
    }
    if (g->half > 0)
        rope_rotate(to, x, g->cos + position * g->half, g->sin + position * g->half, g->half, g->d,
                    g->interleaved);
    else if (to != x)
        memcpy(to, x, (size_t)g->d * sizeof(float));
}

/* Position i of all sequences: its queries, and its row in the cache. */
static void append_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const gqa *g = arg;
    for (int64_t i = begin; i < end; i++) {
        int64_t b = i / g->rows, s = i % g->rows;
        if (s >= valid_of(g, b)) {
            for (int64_t h = 0; g->queries != NULL && h < g->heads; h++)
                memset(g->queries + ((b * g->heads + h) * g->rows + s) * g->d, 0,
                       (size_t)g->d * sizeof(float));
            continue;
        }
        int64_t position = position_of(g, b, s);
        for (int64_t h = 0; g->queries != NULL && h < g->heads; h++)
            prepare(g, g->queries + ((b * g->heads + h) * g->rows + s) * g->d,
                    g->q + i * g->q_stride + h * g->d, g->q_norm, g->q_epsilon, position);
        for (int64_t h = 0; h < g->kv_heads; h++) {
            int64_t at = ((b * g->kv_heads + h) * g->capacity + past_of(g, b) + s) * g->d;
            prepare(g, g->present[0] + at, g->k + i * g->kv_stride + h * g->d, g->k_norm,
                    g->k_epsilon, position);
            memcpy(g->present[1] + at, g->v + i * g->kv_stride + h * g->d,
                   (size_t)g->d * sizeof(float));
        }
    }
}

/* The past rows of one head of keys or values, where present is another buffer. */
static void past_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const gqa *g = arg;
    for (int64_t i = begin; i < end; i++) {
        int64_t which = i & 1, head = i >> 1, rows = past_of(g, head / g->kv_heads);
        rows = rows < g->past_rows ? rows : g->past_rows;
        if (g->in_place[which] || g->past[which] == NULL || rows == 0) /* of none, no address */
            continue;
        memcpy(g->present[which] + head * g->capacity * g->d,
               (const float *)g->past[which]->data + head * g->past_capacity * g->d,
               (size_t)(rows * g->d) * sizeof(float));
    }
}

/* Rows of `present` beyond a sequence's end, which nothing wrote, are zero. */
static void clear_tails(const gqa *g, int64_t present_rows)
{
    for (int64_t head = 0; head < g->batch * g->kv_heads; head++) {
        int64_t b = head / g->kv_heads, end = past_of(g, b) + valid_of(g, b);
        for (int w = 0; w < 2 && end < present_rows; w++)
            if (!g->in_place[w])
                memset(g->present[w] + (head * g->capacity + end) * g->d, 0,
                       (size_t)((present_rows - end) * g->d) * sizeof(float));
    }
}

static brink_status inputs(const kernel_args *a, gqa *g)
{
    const tensor *q = a->in[0], *k = kernel_in(a, 1), *v = kernel_in(a, 2);
    g->heads = onnx_int(a->node, ATTR_num_heads, 0);
    g->kv_heads = onnx_int(a->node, ATTR_kv_num_heads, 0);
    for (uint32_t i = 0; i < a->in_count; i++) {
        const tensor *t = a->in[i];
        bool integer = i == 5 || i == 6 || i == 9 || i == 16;
        if (t != NULL && !integer && t->type != BRINK_F32)
            return kernel_bad_type(a, t->type);
    }
    if (q->rank != 3 || g->heads < 1 || g->kv_heads < 1 || g->heads % g->kv_heads != 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "query of rank %u, %lld heads, %lld key-value heads",
                           q->rank, (long long)g->heads, (long long)g->kv_heads);
    if ((k == NULL) != (v == NULL) || kernel_in(a, 5) == NULL || kernel_in(a, 6) == NULL)
        return kernel_fail(a, BRINK_BAD_INPUT, "key, value or a length is missing");
    g->batch = q->dims[0];
    g->rows = q->dims[1];
    g->q = q->data;
    g->q_stride = q->dims[2];
    if (k == NULL) { /* packed: queries, keys, values */
        g->d = q->dims[2] / (g->heads + 2 * g->kv_heads);
        g->kv_stride = g->q_stride;
        g->k = g->q + g->heads * g->d;
        g->v = g->k + g->kv_heads * g->d;
        if (g->d * (g->heads + 2 * g->kv_heads) != q->dims[2])
            return kernel_fail(a, BRINK_BAD_INPUT, "%lld columns do not divide into heads",
                               (long long)q->dims[2]);
    } else {
        g->d = q->dims[2] / g->heads;
        g->kv_stride = g->kv_heads * g->d;
        g->k = k->data;
        g->v = v->data;
        int64_t want = g->batch * g->rows * g->kv_stride;
        if (g->d * g->heads != q->dims[2] || tensor_count(k) != want || tensor_count(v) != want)
            return kernel_fail(a, BRINK_BAD_INPUT, "key has %lld elements and value %lld, %lld fit",
                               (long long)tensor_count(k), (long long)tensor_count(v),
                               (long long)want);
    }
    g->seqlens = a->in[5];
    g->positions = kernel_in(a, 9);
    g->valid = kernel_in(a, 16);
    for (uint32_t i = 14; i <= 15; i++)
        if (kernel_in(a, i) != NULL && tensor_count(a->in[i]) != g->d)
            return kernel_fail(a, BRINK_BAD_INPUT, "norm weight of %lld for heads of %lld",
                               (long long)tensor_count(a->in[i]), (long long)g->d);
    g->q_norm = kernel_in(a, 14) != NULL ? a->in[14]->data : NULL;
    g->k_norm = kernel_in(a, 15) != NULL ? a->in[15]->data : NULL;
    g->first_prompt = g->valid == NULL && g->rows == tensor_int(a->in[6], 0);
    if (tensor_count(g->seqlens) != g->batch ||
        (g->valid != NULL && tensor_count(g->valid) != g->batch))
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld entries of seqlens_k for a batch of %lld",
                           (long long)tensor_count(g->seqlens), (long long)g->batch);
    if (g->positions != NULL && tensor_count(g->positions) != 1 &&
        tensor_count(g->positions) != g->batch * g->rows)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld position_ids for %lld rows",
                           (long long)tensor_count(g->positions), (long long)(g->batch * g->rows));
    const tensor *sink = kernel_in(a, 11), *bias = kernel_in(a, 10);
    if (sink != NULL && tensor_count(sink) != g->heads)
        return kernel_fail(a, BRINK_BAD_INPUT, "head_sink of %lld for %lld heads",
                           (long long)tensor_count(sink), (long long)g->heads);
    if (bias != NULL && (bias->rank != 4 || (bias->dims[0] != 1 && bias->dims[0] != g->batch) ||
                         (bias->dims[1] != 1 && bias->dims[1] != g->heads) ||
                         (bias->dims[2] != 1 && bias->dims[2] != g->rows)))
        return kernel_fail(a, BRINK_BAD_INPUT, "attention_bias does not fit %lld heads, %lld rows",
                           (long long)g->heads, (long long)g->rows);
    return BRINK_OK;
}

static brink_status attributes(const kernel_args *a, gqa *g)
{
    const tensor *cos = kernel_in(a, 7), *sin = kernel_in(a, 8);
    if (onnx_int(a->node, ATTR_do_rotary, 0) != 0) {
        if (cos == NULL || sin == NULL || cos->rank != 2 ||
            tensor_count(sin) != tensor_count(cos) || 2 * cos->dims[1] > g->d)
            return kernel_fail(a, BRINK_BAD_INPUT,
                               "cos_cache and sin_cache do not fit heads of %lld", (long long)g->d);
        g->cos = cos->data;
        g->sin = sin->data;
        g->cache_rows = cos->dims[0];
        g->half = cos->dims[1];
    }
    g->interleaved = onnx_int(a->node, ATTR_rotary_interleaved, 0) != 0;
    float epsilon = onnx_float(a->node, ATTR_qk_norm_epsilon, 1e-6f);
    g->q_epsilon = onnx_float(a->node, ATTR_q_norm_epsilon, epsilon);
    g->k_epsilon = onnx_float(a->node, ATTR_k_norm_epsilon, epsilon);
    return BRINK_OK;
}

/* What only the data says: every length and position is inside its buffer. */
static brink_status lengths(const kernel_args *a, const gqa *g, int64_t present_rows)
{
    const tensor *bias = kernel_in(a, 10);
    for (int64_t b = 0; b < g->batch; b++) {
        int64_t total = total_of(g, b), valid = valid_of(g, b), end = past_of(g, b) + valid;
        if (total < 1 || total > present_rows || end > present_rows || valid < 0 || valid > g->rows)
            return kernel_fail(a, BRINK_BAD_INPUT,
                               "seqlens_k %lld with %lld new rows, the cache "
                               "has %lld",
                               (long long)(total - 1), (long long)valid, (long long)present_rows);
        if (past_of(g, b) > g->past_rows)
            return kernel_fail(a, BRINK_BAD_INPUT,
                               "seqlens_k %lld means %lld past rows, there are "
                               "%lld",
                               (long long)(total - 1), (long long)past_of(g, b),
                               (long long)g->past_rows);
        if (bias != NULL && bias->dims[3] < total)
            return kernel_fail(a, BRINK_BAD_INPUT, "attention_bias does not fit %lld keys",
                               (long long)total);
        for (int64_t s = 0; g->half > 0 && s < valid; s++) {
            int64_t position = position_of(g, b, s);
            if (position < 0 || position >= g->cache_rows)
                return kernel_fail(a, BRINK_BAD_INPUT,
                                   "position %lld is outside the rotary "
                                   "cache's %lld rows",
                                   (long long)position, (long long)g->cache_rows);
        }
    }
    return BRINK_OK;
}

/* The core's view, but for what lies in scratch. */
static void set_core(const kernel_args *a, gqa *g, int64_t present_rows)
{
    const tensor *bias = kernel_in(a, 10), *sink = kernel_in(a, 11);
    int64_t window = onnx_int(a->node, ATTR_local_window_size, -1);
    attention_heads *h = &g->core;
    attention_strides kv = {g->kv_heads * g->capacity * g->d, g->capacity * g->d, g->d};
    *h = (attention_heads){.batch = g->batch,
                           .heads = g->heads,
                           .kv_heads = g->kv_heads,
                           .rows = g->rows,
                           .keys = present_rows,
                           .d = g->d,
                           .dv = g->d,
                           .q = g->q,
                           .q_at = {g->rows * g->q_stride, g->d, g->q_stride},
                           .k_at = kv,
                           .v_at = kv,
                           .y_at = {g->rows * g->heads * g->d, g->d, g->heads * g->d},
                           .left = window > 0 ? window - 1 : -1,
                           .right = onnx_int(a->node, ATTR_causal, 1) != 0 ? 0 : -1,
                           .bias_keys = present_rows,
                           .sink = sink != NULL ? sink->data : NULL,
                           .smooth = onnx_int(a->node, ATTR_smooth_softmax, 0) == 1,
                           .scale = onnx_float(a->node, ATTR_scale, 0),
                           .softcap = onnx_float(a->node, ATTR_softcap, 0)};
    if (h->scale == 0)
        h->scale = 1 / sqrtf((float)g->d);
    if (bias != NULL) {
        const int64_t *dims = bias->dims;
        h->bias[0] = bias->data;
        h->bias_at[0] =
            (attention_strides){dims[0] == 1 ? 0 : dims[1] * dims[2] * dims[3],
                                dims[1] == 1 ? 0 : dims[2] * dims[3], dims[2] == 1 ? 0 : dims[3]};
    }
    if (kernel_out(a, 3) != NULL) {
        h->scores = a->out[3]->data;
        h->zeros = true;
        h->stage = onnx_int(a->node, ATTR_qk_output, 0) == 2 ? ATTENTION_SOFTMAX : ATTENTION_MASKED;
    }
    if (kernel_out(a, 0) != NULL)
        h->y = a->out[0]->data;
}

brink_status cpu_group_query_attention(const kernel_args *a)
{
    gqa g = {0};
    TRY(inputs(a, &g));
    TRY(attributes(a, &g));
    if (g.batch * g.rows == 0)
        return BRINK_OK;
    g.past[0] = kernel_in(a, 3);
    g.past[1] = kernel_in(a, 4);
    const tensor *past = g.past[0] != NULL ? g.past[0] : g.past[1];
    g.past_rows = past != NULL ? past->dims[2] : 0;
    g.past_capacity = past != NULL && past->capacity > 0 ? past->capacity : g.past_rows;
    tensor *out[2] = {kernel_out(a, 1), kernel_out(a, 2)};
    const tensor *present = out[0] != NULL ? out[0] : out[1];
    int64_t present_rows = present != NULL ? present->dims[2] : g.past_rows + g.rows;
    g.capacity = present != NULL && present->capacity > 0 ? present->capacity : present_rows;
    TRY(lengths(a, &g, present_rows));

    set_core(a, &g, present_rows);

    bool as_given = g.half == 0 && g.q_norm == NULL;
    thread_pool *pool = a->context->pool;
    int64_t kv = g.batch * g.kv_heads;
    uint64_t core = attention_heads_scratch(a, &g.core);
    uint64_t lines = whole_lines((uint64_t)(2 * g.batch) * sizeof(int64_t));
    uint64_t queries = (uint64_t)(g.batch * g.heads * g.rows * g.d) * sizeof(float);
    queries = as_given ? 0 : whole_lines(queries);
    uint64_t missing = whole_lines((uint64_t)(kv * g.capacity * g.d) * sizeof(float));
    uint64_t extra = (out[0] == NULL ? missing : 0) + (out[1] == NULL ? missing : 0);
    char *memory = kernel_scratch(a, core + lines + queries + extra);
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    int64_t *total = (int64_t *)(void *)(memory + core), *offset = total + g.batch;
    for (int64_t b = 0; b < g.batch; b++) {
        total[b] = total_of(&g, b);
        offset[b] = past_of(&g, b);
    }
    g.core.total = total;
    g.core.offset = offset;
    if (!as_given) {
        g.core.q = g.queries = (float *)(void *)(memory + core + lines);
        g.core.q_at = (attention_strides){g.heads * g.rows * g.d, g.rows * g.d, g.d};
    }
    char *rest = memory + core + lines + queries;
    for (int w = 0; w < 2; w++) {
        g.present[w] = out[w] != NULL ? out[w]->data : (float *)(void *)rest;
        rest += out[w] == NULL ? missing : 0;
        g.in_place[w] = g.past[w] != NULL && g.past[w]->data == g.present[w];
        if (g.in_place[w] && g.past_capacity != g.capacity)
            return kernel_fail(a, BRINK_BAD_INPUT,
                               "past and present share a buffer and differ in "
                               "rows, %lld and %lld",
                               (long long)g.past_capacity, (long long)g.capacity);
    }
    g.core.k = g.present[0];
    g.core.v = g.present[1];
    thread_for(pool, 2 * kv, grain_for(g.past_rows * g.d), past_range, &g);
    clear_tails(&g, present_rows);
    thread_for(pool, g.batch * g.rows, grain_for(2 * (g.heads + g.kv_heads) * g.d), append_range,
               &g);
    if (g.core.y != NULL || g.core.scores != NULL)
        attention_heads_run(a, &g.core, memory);
    return BRINK_OK;
}
