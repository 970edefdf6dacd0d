/* attention.c — attention over blocks of keys with a running maximum.

   Source: Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018); Dao et al.,
   "FlashAttention" (2022), whose blocks keep scores in the cache. Bound by memory (keys and values
   are read once for all rows) with few rows, by compute with many.

   Invariant: values[r] / sum[r] is the attention over the keys seen so far. */
#include "cpu/attention.h"

#include "cpu/simd.h"

#include <math.h>
#include <string.h>

void attention_begin(attention_state *s, int64_t rows, int64_t dv)
{
    for (int64_t r = 0; r < rows; r++) {
        s->top[r] = -INFINITY;
        s->sum[r] = 0;
    }
    memset(s->values, 0, (size_t)(rows * dv) * sizeof(float));
}

static void rescale(attention_state *s, int64_t r, int64_t dv, float top)
{
    if (top <= s->top[r])
        return;
    float factor = s->top[r] == -INFINITY ? 0 : expf(s->top[r] - top);
    s->top[r] = top;
    s->sum[r] *= factor;
    for (int64_t i = 0; i < dv; i++)
        s->values[r * dv + i] *= factor;
}

void attention_softcap(float *scores, int64_t n, float softcap)
{
    if (softcap == 0)
        return;
    for (int64_t i = 0; i < n; i++)
        scores[i] /= softcap;
    simd()->tanh(scores, scores, n);
    for (int64_t i = 0; i < n; i++)
        scores[i] *= softcap;
}

void attention_bias(const attention *a, int64_t r, int64_t begin, int64_t n, float *scores)
{
    for (int w = 0; w < 2; w++) {
        const float *bias = a->bias[w][r];
        for (int64_t i = 0; bias != NULL && i < n; i++)
            scores[i] += bias[begin + i];
    }
    const uint8_t *mask = a->mask[r];
    for (int64_t i = 0; mask != NULL && i < n; i++)
        scores[i] = mask[begin + i] ? scores[i] : -INFINITY;
}

/* Scores of keys [begin, begin + n) become weights; keys a row does not see weigh nothing. */
static void weigh(const attention *a, attention_state *s, int64_t r, int64_t begin, int64_t n,
                  float *scores)
{
    int64_t low = a->low[r] - begin, high = a->high[r] - begin;
    low = low < 0 ? 0 : low > n ? n : low;
    high = high > n ? n : high < low ? low : high;
    float *seen = scores + low;
    int64_t count = high - low;
    attention_softcap(seen, count, a->softcap);
    attention_bias(a, r, begin + low, count, seen);
    float top = simd()->top(seen, count);
    rescale(s, r, a->dv, top);
    memset(scores, 0, (size_t)low * sizeof(float));
    memset(scores + high, 0, (size_t)(n - high) * sizeof(float));
    if (s->top[r] == -INFINITY)
        memset(seen, 0, (size_t)count * sizeof(float));
    else
        s->sum[r] += simd()->exp_shift(seen, count, s->top[r]);
}

/* Scores of keys [begin, begin + n). With many rows keys are turned so that lanes are keys and no
   sum crosses lanes. */
static void score(const attention *a, int64_t begin, int64_t n)
{
    const simd_table *t = simd();
    const float *k = a->k + begin * a->k_row;
    if (a->rows <= 4) {
        t->dots(a->rows, n, a->d, a->q, a->q_row, k, a->k_row, a->scores, ATTENTION_KEYS);
        return;
    }
    for (int64_t c = 0; c < n; c += t->tile_columns) {
        int64_t columns = n - c < t->tile_columns ? n - c : t->tile_columns;
        t->turn(a->turned, k + c * a->k_row, a->k_row, columns, a->d);
        for (int64_t r = 0; r < a->rows; r += t->tile_rows) {
            int64_t rows = a->rows - r < t->tile_rows ? a->rows - r : t->tile_rows;
            t->tile(rows, columns, a->d, a->q + r * a->q_row, a->q_row, a->turned, t->tile_columns,
                    a->scores + r * ATTENTION_KEYS + c, ATTENTION_KEYS, false);
        }
    }
}

/* values += weights · v for keys [begin, begin + n). A tile reads whole vectors, past the end of a row
   of v where that is narrower; the last rows, after which there may be nothing, go one by one. */
static void add_values(const attention *a, attention_state *s, int64_t begin, int64_t n)
{
    const simd_table *t = simd();
    for (int64_t c = 0; c < a->dv; c += t->tile_columns) {
        int64_t columns = a->dv - c < t->tile_columns ? a->dv - c : t->tile_columns;
        int64_t over = (t->tile_columns - columns + a->v_row - 1) / a->v_row;
        int64_t safe = n > over ? n - over : 0;
        const float *v = a->v + begin * a->v_row + c;
        for (int64_t r = 0; r < a->rows; r += t->tile_rows) {
            int64_t rows = a->rows - r < t->tile_rows ? a->rows - r : t->tile_rows;
            const float *scores = a->scores + r * ATTENTION_KEYS;
            float *to = s->values + r * a->dv + c;
            t->tile(rows, columns, safe, scores, ATTENTION_KEYS, v, a->v_row, to, a->dv, true);
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = safe; j < n; j++)
                    t->axpy(to + i * a->dv, scores[i * ATTENTION_KEYS + j], v + j * a->v_row,
                            columns);
        }
    }
}

void attention_keys(const attention *a, attention_state *s)
{
    int64_t first = a->last, last = a->first;
    for (int64_t r = 0; r < a->rows; r++) {
        first = a->low[r] < first ? a->low[r] : first;
        last = a->high[r] > last ? a->high[r] : last;
    }
    first = first < a->first ? a->first : first;
    last = last > a->last ? a->last : last;
    for (int64_t begin = first; begin < last; begin += ATTENTION_KEYS) {
        int64_t n = last - begin < ATTENTION_KEYS ? last - begin : ATTENTION_KEYS;
        score(a, begin, n);
        for (int64_t r = 0; r < a->rows; r++)
            weigh(a, s, r, begin, n, a->scores + r * ATTENTION_KEYS);
        add_values(a, s, begin, n);
    }
}

void attention_merge(attention_state *s, const attention_state *from, int64_t r, int64_t dv)
{
    if (from->top[r] == -INFINITY)
        return;
    rescale(s, r, dv, from->top[r]);
    float factor = expf(from->top[r] - s->top[r]);
    s->sum[r] += factor * from->sum[r];
    for (int64_t i = 0; i < dv; i++)
        s->values[r * dv + i] += factor * from->values[r * dv + i];
}

void attention_sink(attention_state *s, int64_t r, int64_t dv, float score)
{
    rescale(s, r, dv, score);
    if (s->top[r] != -INFINITY)
        s->sum[r] += expf(score - s->top[r]);
}

void attention_end(const attention_state *s, int64_t r, int64_t dv, float *to)
{
    float inverse = s->sum[r] > 0 ? 1 / s->sum[r] : 0; /* a row that sees nothing is zero */
    for (int64_t i = 0; i < dv; i++)
        to[i] = s->values[r * dv + i] * inverse;
}
