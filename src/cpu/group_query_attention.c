/* group_query_attention.c — GroupQueryAttention: causal attention with a key-value cache.

   Source: onnxruntime's com.microsoft.GroupQueryAttention (CPU semantics). First the new keys and
   values are written behind the past ones, keys and queries rotated; then each unit of work takes
   one key-value head and up to 16 rows of the query heads that share it. With one row a head the
   keys are also cut in stretches, so that all threads have work, and the parts are merged.

   Batch b has seqlens_k[b] + 1 keys in all and its new rows end there; in a first prompt (as many
   rows as keys) they begin at 0, and rows beyond a shorter sequence's end are padding. */
#include "cpu/attention.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/rope.h"
#include "cpu/simd.h"

#include <math.h>
#include <string.h>

enum { STRETCH = 256 };

typedef struct gqa {
    int64_t batch, rows, heads, kv_heads, d; /* rows: new positions */
    const float *q, *k, *v;
    int64_t q_stride, kv_stride; /* from one position to the next */
    const tensor *past[2];
    float *present[2];
    int64_t past_rows, past_capacity, capacity; /* rows between heads of past and present */
    bool in_place[2];
    const tensor *seqlens, *positions, *bias, *sink;
    const float *cos, *sin, *q_norm, *k_norm;
    int64_t half, cache_rows; /* of the rotary caches; half 0: no rotation */
    bool interleaved, first_prompt, smooth;
    int64_t window; /* keys a row sees, itself included; <= 0: all */
    float scale, softcap, epsilon;
    float *queries; /* [batch, kv_heads, heads / kv_heads, rows, d] rotated and scaled */
    float *y;       /* [batch, rows, heads * d] */
    char *memory;   /* each thread's scores and values */
    uint64_t each;
    int64_t tiles, stretches;
    char *partial; /* states of stretches */
    uint64_t partial_each;
} gqa;

static int64_t total_of(const gqa *g, int64_t b)
{
    return tensor_int(g->seqlens, b) + 1;
}

static int64_t past_of(const gqa *g, int64_t b)
{
    int64_t past = g->first_prompt ? 0 : total_of(g, b) - g->rows;
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
static void prepare(const gqa *g, float *to, const float *x, const float *norm, int64_t position)
{
    if (norm != NULL) {
        float inverse = 1 / sqrtf(simd()->squares(x, 0, g->d) / (float)g->d + g->epsilon);
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
    int64_t shared = g->heads / g->kv_heads;
    for (int64_t i = begin; i < end; i++) {
        int64_t b = i / g->rows, s = i % g->rows, position = position_of(g, b, s);
        for (int64_t h = 0; h < g->heads; h++) {
            int64_t at = ((b * g->kv_heads + h / shared) * shared + h % shared) * g->rows + s;
            float *to = g->queries + at * g->d;
            prepare(g, to, g->q + i * g->q_stride + h * g->d, g->q_norm, position);
            for (int64_t j = 0; j < g->d; j++)
                to[j] *= g->scale;
        }
        for (int64_t h = 0; h < g->kv_heads; h++) {
            int64_t at = ((b * g->kv_heads + h) * g->capacity + past_of(g, b) + s) * g->d;
            prepare(g, g->present[0] + at, g->k + i * g->kv_stride + h * g->d, g->k_norm, position);
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
        if (g->in_place[which] || g->past[which] == NULL)
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
        int64_t end = past_of(g, head / g->kv_heads) + g->rows;
        for (int w = 0; w < 2 && end < present_rows; w++)
            if (!g->in_place[w])
                memset(g->present[w] + (head * g->capacity + end) * g->d, 0,
                       (size_t)((present_rows - end) * g->d) * sizeof(float));
    }
}

static void bias_rows(const gqa *g, attention *t, int64_t r, int64_t b, int64_t h, int64_t s)
{
    t->bias[r] = NULL;
    if (g->bias == NULL)
        return;
    const int64_t *dims = g->bias->dims;
    int64_t at = (dims[0] == 1 ? 0 : b) * dims[1] + (dims[1] == 1 ? 0 : h);
    t->bias[r] = (const float *)g->bias->data + (at * dims[2] + (dims[2] == 1 ? 0 : s)) * dims[3];
}

static void finish_row(const gqa *g, attention_state *state, int64_t r, int64_t b, int64_t h,
                       int64_t s)
{
    if (g->sink != NULL)
        attention_sink(state, r, g->d, (float)tensor_number(g->sink, h));
    else if (g->smooth)
        attention_sink(state, r, g->d, 0);
    attention_end(state, r, g->d, g->y + ((b * g->rows + s) * g->heads + h) * g->d);
}

static attention_state *partial_state(const gqa *g, int64_t index)
{
    attention_state *state = (attention_state *)(void *)(g->partial + index * g->partial_each);
    state->values = (float *)(void *)((char *)state + (sizeof *state + 63) / 64 * 64);
    return state;
}

static void attend_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const gqa *g = arg;
    int64_t shared = g->heads / g->kv_heads, all = shared * g->rows;
    float *scores = (float *)(void *)(g->memory + thread * g->each);
    attention_state local = {.values = scores + ATTENTION_ROWS * ATTENTION_KEYS};
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t stretch = unit % g->stretches, tile = unit / g->stretches % g->tiles;
        int64_t head = unit / (g->stretches * g->tiles), b = head / g->kv_heads;
        int64_t row = tile * ATTENTION_ROWS, total = total_of(g, b), past = past_of(g, b);
        attention t = {.rows = all - row < ATTENTION_ROWS ? all - row : ATTENTION_ROWS,
                       .d = g->d,
                       .dv = g->d,
                       .q = g->queries + (head * all + row) * g->d,
                       .q_row = g->d,
                       .k = g->present[0] + head * g->capacity * g->d,
                       .v = g->present[1] + head * g->capacity * g->d,
                       .k_row = g->d,
                       .v_row = g->d,
                       .first = 0,
                       .last = total,
                       .softcap = g->softcap,
                       .scores = scores};
        if (g->stretches > 1) {
            int64_t each = (total + g->stretches - 1) / g->stretches;
            t.first = stretch * each < total ? stretch * each : total;
            t.last = t.first + each < total ? t.first + each : total;
        }
        for (int64_t r = 0; r < t.rows; r++) {
            int64_t h = head % g->kv_heads * shared + (row + r) / g->rows, s = (row + r) % g->rows;
            t.high[r] = past + s + 1 < total ? past + s + 1 : total;
            t.low[r] = g->window > 0 && t.high[r] > g->window ? t.high[r] - g->window : 0;
            bias_rows(g, &t, r, b, h, s);
        }
        attention_state *state = g->stretches > 1 ? partial_state(g, unit) : &local;
        attention_begin(state, t.rows, g->d);
        attention_keys(&t, state);
        if (g->stretches > 1)
            continue;
        for (int64_t r = 0; r < t.rows; r++)
            finish_row(g, state, r, b, head % g->kv_heads * shared + (row + r) / g->rows,
                       (row + r) % g->rows);
    }
}

/* Puts the stretches of each head and tile together. */
static void merge(const gqa *g)
{
    int64_t shared = g->heads / g->kv_heads, all = shared * g->rows;
    for (int64_t unit = 0; unit < g->batch * g->kv_heads * g->tiles; unit++) {
        int64_t head = unit / g->tiles, row = unit % g->tiles * ATTENTION_ROWS;
        attention_state *state = partial_state(g, unit * g->stretches);
        for (int64_t r = 0; r < ATTENTION_ROWS && row + r < all; r++) {
            for (int64_t i = 1; i < g->stretches; i++)
                attention_merge(state, partial_state(g, unit * g->stretches + i), r, g->d);
            finish_row(g, state, r, head / g->kv_heads,
                       head % g->kv_heads * shared + (row + r) / g->rows, (row + r) % g->rows);
        }
    }
}

static brink_status inputs(const kernel_args *a, gqa *g)
{
    const tensor *q = a->in[0], *k = kernel_in(a, 1), *v = kernel_in(a, 2);
    g->heads = onnx_int(a->node, ATTR_num_heads, 0);
    g->kv_heads = onnx_int(a->node, ATTR_kv_num_heads, 0);
    for (uint32_t i = 0; i < a->in_count; i++) {
        const tensor *t = a->in[i];
        bool integer = i == 5 || i == 6 || i == 9;
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
    g->bias = kernel_in(a, 10);
    g->sink = kernel_in(a, 11);
    if (kernel_in(a, 12) != NULL || kernel_in(a, 13) != NULL)
        return kernel_fail(a, BRINK_UNSUPPORTED, "a quantised key-value cache");
    for (uint32_t i = 14; i <= 15; i++)
        if (kernel_in(a, i) != NULL && tensor_count(a->in[i]) != g->d)
            return kernel_fail(a, BRINK_BAD_INPUT, "norm weight of %lld for heads of %lld",
                               (long long)tensor_count(a->in[i]), (long long)g->d);
    g->q_norm = kernel_in(a, 14) != NULL ? a->in[14]->data : NULL;
    g->k_norm = kernel_in(a, 15) != NULL ? a->in[15]->data : NULL;
    g->first_prompt = g->rows == tensor_int(a->in[6], 0);
    if (tensor_count(g->seqlens) != g->batch)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld entries of seqlens_k for a batch of %lld",
                           (long long)tensor_count(g->seqlens), (long long)g->batch);
    if (g->positions != NULL && tensor_count(g->positions) != 1 &&
        tensor_count(g->positions) != g->batch * g->rows)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld position_ids for %lld rows",
                           (long long)tensor_count(g->positions), (long long)(g->batch * g->rows));
    if (g->sink != NULL && tensor_count(g->sink) != g->heads)
        return kernel_fail(a, BRINK_BAD_INPUT, "head_sink of %lld for %lld heads",
                           (long long)tensor_count(g->sink), (long long)g->heads);
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
    g->window = onnx_int(a->node, ATTR_local_window_size, -1);
    g->softcap = onnx_float(a->node, ATTR_softcap, 0);
    g->smooth = onnx_int(a->node, ATTR_smooth_softmax, 0) == 1;
    g->epsilon = onnx_float(a->node, ATTR_qk_norm_epsilon, 1e-6f);
    g->scale = onnx_float(a->node, ATTR_scale, 0);
    if (g->scale == 0)
        g->scale = 1 / sqrtf((float)g->d);
    return BRINK_OK;
}

/* What only the data says: every length and position is inside its buffer. */
static brink_status lengths(const kernel_args *a, const gqa *g, int64_t present_rows)
{
    for (int64_t b = 0; b < g->batch; b++) {
        int64_t total = total_of(g, b), end = past_of(g, b) + g->rows;
        if (total < 1 || total > present_rows || end > present_rows)
            return kernel_fail(a, BRINK_BAD_INPUT,
                               "seqlens_k %lld with %lld new rows, the cache "
                               "has %lld",
                               (long long)(total - 1), (long long)g->rows, (long long)present_rows);
        if (past_of(g, b) > g->past_rows)
            return kernel_fail(a, BRINK_BAD_INPUT,
                               "seqlens_k %lld means %lld past rows, there are "
                               "%lld",
                               (long long)(total - 1), (long long)past_of(g, b),
                               (long long)g->past_rows);
        if (g->bias != NULL && (g->bias->rank != 4 || g->bias->dims[3] < total ||
                                (g->bias->dims[0] != 1 && g->bias->dims[0] != g->batch) ||
                                (g->bias->dims[1] != 1 && g->bias->dims[1] != g->heads) ||
                                (g->bias->dims[2] != 1 && g->bias->dims[2] != g->rows)))
            return kernel_fail(a, BRINK_BAD_INPUT, "attention_bias does not fit %lld keys",
                               (long long)total);
        for (int64_t s = 0; g->half > 0 && s < g->rows; s++) {
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

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64;
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

    thread_pool *pool = a->context->pool;
    uint64_t threads = thread_pool_size(pool);
    int64_t kv = g.batch * g.kv_heads, longest = 0;
    for (int64_t b = 0; b < g.batch; b++)
        longest = total_of(&g, b) > longest ? total_of(&g, b) : longest;
    g.tiles = (g.heads / g.kv_heads * g.rows + ATTENTION_ROWS - 1) / ATTENTION_ROWS;
    g.stretches = 1;
    if (threads > 1 && kv * g.tiles < 8 * (int64_t)threads) {
        g.stretches = 8 * (int64_t)threads / (kv * g.tiles);
        if (g.stretches > longest / STRETCH)
            g.stretches = longest / STRETCH;
        if (g.stretches < 1)
            g.stretches = 1;
    }
    uint64_t row = (uint64_t)(ATTENTION_ROWS * g.d) * sizeof(float);
    g.each = rounded(ATTENTION_ROWS * ATTENTION_KEYS * sizeof(float) + row);
    g.partial_each = rounded(sizeof(attention_state)) + rounded(row);
    uint64_t queries = rounded((uint64_t)(g.batch * g.heads * g.rows * g.d) * sizeof(float));
    uint64_t parts = g.stretches > 1 ? g.partial_each * (uint64_t)(kv * g.tiles * g.stretches) : 0;
    uint64_t missing = rounded((uint64_t)(kv * g.capacity * g.d) * sizeof(float));
    uint64_t extra = (out[0] == NULL ? missing : 0) + (out[1] == NULL ? missing : 0);
    char *memory = kernel_scratch(a, threads * g.each + queries + parts + extra);
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    g.memory = memory;
    g.queries = (float *)(void *)(memory + threads * g.each);
    g.partial = memory + threads * g.each + queries;
    char *rest = g.partial + parts;
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
    tensor *y = kernel_out(a, 0);
    thread_for(pool, 2 * kv, grain_for(g.past_rows * g.d), past_range, &g);
    clear_tails(&g, present_rows);
    thread_for(pool, g.batch * g.rows, grain_for(2 * (g.heads + g.kv_heads) * g.d), append_range,
               &g);
    if (y == NULL)
        return BRINK_OK;
    g.y = y->data;
    thread_for(pool, kv * g.tiles * g.stretches,
               grain_for(ATTENTION_ROWS * longest / g.stretches * g.d / 8), attend_range, &g);
    if (g.stretches > 1)
        merge(&g);
    return BRINK_OK;
}
