/* attention_heads.c — attention of all heads of a batch by units of key-value head and row tile.

   Each unit of work takes one key-value head and up to 32 rows of the query heads that share it, so
   that keys and values are read once for all of them. Where that gives too few units for the threads
   (one new row), the keys are also cut in stretches whose states are merged at the end. Scores exist
   for one tile and one block of keys at a time, unless an output asks for all of them. */
#include "cpu/attention_heads.h"

#include "cpu/loops.h"
#include "cpu/simd.h"

#include <math.h>
#include <string.h>

enum { STRETCH = 256 };

static int64_t total_of(const attention_heads *h, int64_t b)
{
    int64_t total = h->total == NULL ? h->keys : h->total[b];
    return total < 0 ? 0 : total > h->keys ? h->keys : total;
}

/* Keys [low, high) that row s of batch b sees. */
static void visible(const attention_heads *h, int64_t b, int64_t s, int64_t *low, int64_t *high)
{
    int64_t position = (h->offset == NULL ? 0 : h->offset[b]) + s;
    *high = total_of(h, b);
    bool open = h->right < 0 || (h->open_end && s == h->rows - 1);
    if (!open && position + h->right + 1 < *high)
        *high = position + h->right + 1;
    if ((h->bias[0] != NULL || h->mask != NULL) && *high > h->bias_keys)
        *high = h->bias_keys;
    *low = h->left >= 0 && position > h->left ? position - h->left : 0;
    *high = *high < 0 ? 0 : *high;
    *low = *low > *high ? *high : *low;
}

static int64_t at(const attention_strides *s, int64_t b, int64_t head, int64_t row)
{
    return b * s->batch + head * s->head + row * s->row;
}

/* The scores of a tile for those who ask for them; `first` is its first row's place among all heads'
   rows of the batch. */
static void write_scores(const attention_heads *h, const attention *t, int64_t first, float *to)
{
    const simd_table *s = simd();
    s->dots(t->rows, h->keys, t->d, t->q, t->q_row, t->k, t->k_row, to, h->keys);
    for (int64_t r = 0; r < t->rows && h->stage != ATTENTION_RAW; r++) {
        float *row = to + r * h->keys;
        attention_softcap(row, h->keys, h->softcap);
        if (h->stage == ATTENTION_SOFTCAP)
            continue;
        int64_t n = t->high[r] - t->low[r];
        float *seen = row + t->low[r];
        float none = h->stage == ATTENTION_SOFTMAX || h->zeros ? 0 : -INFINITY;
        for (int64_t i = 0; i < h->keys; i++)
            if (i < t->low[r] || i >= t->high[r])
                row[i] = none;
        attention_bias(t, r, t->low[r], n, seen);
        if (h->stage == ATTENTION_MASKED)
            continue;
        float top = s->top(seen, n), extra = -INFINITY;
        if (h->sink != NULL || h->smooth)
            extra = h->sink != NULL ? h->sink[(first + r) / h->rows] : 0;
        if (top == -INFINITY)
            memset(seen, 0, (size_t)n * sizeof(float));
        else
            s->softmax(seen, seen, n, extra, expf(extra - (top > extra ? top : extra)));
    }
}

static void finish_row(const attention_heads *h, attention_state *state, int64_t r, int64_t b,
                       int64_t head, int64_t s)
{
    if (h->sink != NULL)
        attention_sink(state, r, h->dv, h->sink[head]);
    else if (h->smooth)
        attention_sink(state, r, h->dv, 0);
    attention_end(state, r, h->dv, h->y + at(&h->y_at, b, head, s));
}

static attention_state *partial_state(const attention_heads *h, int64_t index)
{
    attention_state *state =
        (attention_state *)(void *)(h->partial + (uint64_t)index * h->partial_each);
    state->values = (float *)(void *)((char *)state + whole_lines(sizeof *state));
    return state;
}

static void attend_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const attention_heads *h = arg;
    int64_t shared = h->heads / h->kv_heads, all = shared * h->rows;
    float *scores = (float *)(void *)(h->memory + thread * h->each);
    float *queries = scores + ATTENTION_ROWS * ATTENTION_KEYS;
    float *turned = queries + ATTENTION_ROWS * h->d;
    attention_state local = {.values = turned + h->d * simd()->tile_columns};
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t stretch = unit % h->stretches, tile = unit / h->stretches % h->tiles;
        int64_t pair = unit / (h->stretches * h->tiles), b = pair / h->kv_heads;
        int64_t kv = pair % h->kv_heads, row = tile * ATTENTION_ROWS, total = total_of(h, b);
        attention t = {.rows = all - row < ATTENTION_ROWS ? all - row : ATTENTION_ROWS,
                       .d = h->d,
                       .dv = h->dv,
                       .q = queries,
                       .q_row = h->d,
                       .k = h->k + at(&h->k_at, b, kv, 0),
                       .v = h->v + at(&h->v_at, b, kv, 0),
                       .k_row = h->k_at.row,
                       .v_row = h->v_at.row,
                       .first = 0,
                       .last = total,
                       .softcap = h->softcap,
                       .scores = scores,
                       .turned = turned};
        if (h->stretches > 1) {
            int64_t each = (total + h->stretches - 1) / h->stretches;
            t.first = stretch * each < total ? stretch * each : total;
            t.last = t.first + each < total ? t.first + each : total;
        }
        for (int64_t r = 0; r < t.rows; r++) {
            int64_t head = kv * shared + (row + r) / h->rows, s = (row + r) % h->rows;
            const float *q = h->q + at(&h->q_at, b, head, s);
            for (int64_t i = 0; i < h->d; i++)
                queries[r * h->d + i] = q[i] * h->scale;
            visible(h, b, s, &t.low[r], &t.high[r]);
            for (int w = 0; w < 2; w++)
                if (h->bias[w] != NULL)
                    t.bias[w][r] = h->bias[w] + at(&h->bias_at[w], b, head, s);
            if (h->mask != NULL)
                t.mask[r] = h->mask + at(&h->mask_at, b, head, s);
        }
        if (h->scores != NULL)
            write_scores(h, &t, kv * shared * h->rows + row,
                         h->scores + (pair * all + row) * h->keys);
        if (h->y == NULL)
            continue;
        attention_state *state = h->stretches > 1 ? partial_state(h, unit) : &local;
        attention_begin(state, t.rows, h->dv);
        attention_keys(&t, state);
        if (h->stretches > 1)
            continue;
        for (int64_t r = 0; r < t.rows; r++)
            finish_row(h, state, r, b, kv * shared + (row + r) / h->rows, (row + r) % h->rows);
    }
}

/* Puts the stretches of each head and tile together. */
static void merge(const attention_heads *h)
{
    int64_t shared = h->heads / h->kv_heads, all = shared * h->rows;
    for (int64_t unit = 0; unit < h->batch * h->kv_heads * h->tiles; unit++) {
        int64_t pair = unit / h->tiles, row = unit % h->tiles * ATTENTION_ROWS;
        attention_state *state = partial_state(h, unit * h->stretches);
        for (int64_t r = 0; r < ATTENTION_ROWS && row + r < all; r++) {
            for (int64_t i = 1; i < h->stretches; i++)
                attention_merge(state, partial_state(h, unit * h->stretches + i), r, h->dv);
            finish_row(h, state, r, pair / h->kv_heads,
                       pair % h->kv_heads * shared + (row + r) / h->rows, (row + r) % h->rows);
        }
    }
}

/* Stretches of keys a tile when the longest sequence has `keys`. */
static int64_t stretches_for(const attention_heads *h, uint64_t threads, int64_t keys)
{
    int64_t units = h->batch * h->kv_heads * h->tiles, stretches;
    if (threads <= 1 || units == 0 || units >= 8 * (int64_t)threads || h->scores != NULL)
        return 1;
    stretches = 8 * (int64_t)threads / units;
    stretches = stretches < keys / STRETCH ? stretches : keys / STRETCH;
    return stretches < 1 ? 1 : stretches;
}

uint64_t attention_heads_scratch(const kernel_args *a, attention_heads *h)
{
    uint64_t threads = thread_pool_size(a->context->pool);
    h->apart = a->rows_apart && h->batch == 1 && h->rows > 1 && h->scores == NULL;
    int64_t rows = h->heads / h->kv_heads * (h->apart ? 1 : h->rows);
    h->tiles = (rows + ATTENTION_ROWS - 1) / ATTENTION_ROWS;
    h->stretches = stretches_for(h, threads, h->keys);
    uint64_t values = (uint64_t)(ATTENTION_ROWS * h->dv) * sizeof(float);
    uint64_t queries = (uint64_t)((ATTENTION_ROWS + simd()->tile_columns) * h->d) * sizeof(float);
    h->each = whole_lines(ATTENTION_ROWS * ATTENTION_KEYS * sizeof(float) + queries + values);
    h->partial_each = whole_lines(sizeof(attention_state)) + whole_lines(values);
    int64_t parts = h->stretches > 1 ? h->batch * h->kv_heads * h->tiles * h->stretches : 0;
    return threads * h->each + h->partial_each * (uint64_t)parts;
}

/* The last keys are the rows' own: a row that came alone would end them. Where its keys are cut, and how its
   products are summed, then follows from its own place. */
static void run_apart(const kernel_args *a, const attention_heads *h, void *memory)
{
    int64_t offset = h->offset == NULL ? 0 : h->offset[0], total = total_of(h, 0);
    for (int64_t s = 0; s < h->rows; s++) {
        int64_t position = offset + s, keys = total - h->rows + s + 1;
        attention_heads row = *h;
        row.apart = false;
        row.rows = 1;
        row.q += s * h->q_at.row;
        row.y += s * h->y_at.row;
        row.offset = &position;
        row.total = &keys;
        for (int w = 0; w < 2; w++)
            if (h->bias[w] != NULL)
                row.bias[w] += s * h->bias_at[w].row;
        if (h->mask != NULL)
            row.mask += s * h->mask_at.row;
        attention_heads_run(a, &row, memory);
    }
}

void attention_heads_run(const kernel_args *a, attention_heads *h, void *memory)
{
    if (h->apart) {
        run_apart(a, h, memory);
        return;
    }
    thread_pool *pool = a->context->pool;
    int64_t most = 0;
    for (int64_t b = 0; b < h->batch; b++)
        most = total_of(h, b) > most ? total_of(h, b) : most;
    h->memory = memory;
    h->partial = h->memory + thread_pool_size(pool) * h->each;
    h->stretches = stretches_for(h, thread_pool_size(pool), most);
    int64_t cost = ATTENTION_ROWS * most / h->stretches * (h->d + h->dv) / 16;
    thread_for(pool, h->batch * h->kv_heads * h->tiles * h->stretches, grain_for(cost),
               attend_range, h);
    if (h->stretches > 1 && h->y != NULL)
        merge(h);
}

brink_status attention_heads_simple(const kernel_args *a, attention_heads *h)
{
    void *memory = kernel_scratch(a, attention_heads_scratch(a, h));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    attention_heads_run(a, h, memory);
    return BRINK_OK;
}

/* ── Keys and values ── */

static void append_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const attention_append *p = arg;
    for (int64_t i = begin; i < end; i++) {
        int64_t b = i / p->heads, head = i % p->heads;
        float *to = p->to + i * p->capacity * p->d;
        if (p->from_past != NULL)
            memmove(to, p->from_past + i * p->past_rows * p->d,
                    (size_t)(p->past * p->d) * sizeof(float));
        to += p->past * p->d;
        for (int64_t r = 0; r < p->rows; r++, to += p->d) {
            const float *x = p->x + at(&p->x_at, b, head, r);
            if (p->bias == NULL)
                memcpy(to, x, (size_t)p->d * sizeof(float));
            else
                for (int64_t j = 0; j < p->d; j++)
                    to[j] = x[j] + p->bias[head * p->d + j];
        }
        int64_t after = p->capacity - p->past - p->rows;
        if (after > 0 && p->from_past != NULL && p->past_rows == p->capacity) /* a shared buffer */
            memcpy(to, p->from_past + (i * p->past_rows + p->past + p->rows) * p->d,
                   (size_t)(after * p->d) * sizeof(float));
        else if (after > 0)
            memset(to, 0, (size_t)(after * p->d) * sizeof(float));
    }
}

void attention_append_run(const kernel_args *a, const attention_append *p)
{
    attention_append job = *p;
    thread_for(a->context->pool, p->batch * p->heads, grain_for((p->past + p->rows) * p->d),
               append_range, &job);
}

/* ── Padding masks ── */

brink_status attention_mask_count(const kernel_args *a, const tensor *mask,
                                  const attention_heads *h, int64_t past, int64_t *count)
{
    const int64_t *dims = mask->dims;
    bool fits = false;
    *count = h->batch * h->keys;
    if (mask->type != BRINK_I32 && mask->type != BRINK_I64)
        return kernel_bad_type(a, mask->type);
    switch (mask->rank) {
    case 1:
        fits = dims[0] == h->batch || dims[0] == 2 * h->batch || dims[0] == 3 * h->batch + 2;
        break;
    case 2:
        fits = (dims[0] == h->batch && (dims[1] == h->keys || dims[1] == h->keys - past)) ||
               ((dims[0] == h->batch || dims[0] == 1) && dims[1] == 1);
        break;
    case 3:
        fits = dims[0] == h->batch && dims[1] == h->rows && dims[2] == h->keys;
        *count *= h->rows;
        break;
    case 4:
        fits =
            dims[0] == h->batch && dims[1] == 1 && dims[2] >= past + h->rows && dims[3] >= h->keys;
        *count *= h->rows;
        break;
    default:
        break;
    }
    if (!fits)
        return kernel_fail(a, BRINK_BAD_INPUT,
                           "a mask of rank %u does not fit a batch of %lld with %lld rows and "
                           "%lld keys",
                           mask->rank, (long long)h->batch, (long long)h->rows, (long long)h->keys);
    return BRINK_OK;
}

void attention_mask_write(const tensor *mask, attention_heads *h, int64_t past, float filter,
                          float *to)
{
    int64_t rows = mask->rank > 2 ? h->rows : 1, keys = h->keys;
    h->bias[1] = to;
    h->bias_at[1] = (attention_strides){rows * keys, 0, mask->rank > 2 ? keys : 0};
    for (int64_t b = 0; b < h->batch; b++)
        for (int64_t r = 0; r < rows; r++, to += keys)
            for (int64_t t = 0; t < keys; t++) {
                bool seen = true;
                if (mask->rank == 1) {
                    seen = t < tensor_int(mask, b);
                    if (mask->dims[0] == 2 * h->batch)
                        seen = seen && t >= tensor_int(mask, h->batch + b);
                } else if (mask->rank == 2) {
                    /* One column repeats and so shifts all scores alike; a mask of the new keys
                       alone leaves the past visible. */
                    int64_t column = t - (keys - mask->dims[1]);
                    if (mask->dims[1] != 1 || keys == 1)
                        seen = column < 0 || tensor_int(mask, b * mask->dims[1] + column) > 0;
                } else if (mask->rank == 3) {
                    seen = tensor_int(mask, (b * rows + r) * keys + t) > 0;
                } else {
                    seen = tensor_int(mask, (b * mask->dims[2] + past + r) * mask->dims[3] + t) > 0;
                }
                to[t] = seen ? 0 : filter;
            }
}
