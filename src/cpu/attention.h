/* attention.h — softmax(q · kᵀ * scale) · v over a key-value buffer, by blocks of keys.

   Rows that share keys (positions of one or several query heads) are worked on together. */
#ifndef CPU_ATTENTION_H
#define CPU_ATTENTION_H

#include "graph/kernel.h"

enum { ATTENTION_ROWS = 32, ATTENTION_KEYS = 128 };

/* One group of rows against the keys [first, last). */
typedef struct attention {
    int64_t rows, d, dv; /* rows <= ATTENTION_ROWS; sizes of a key and of a value */
    const float *q;      /* [rows, d], scaled, rows q_row apart */
    int64_t q_row;
    const float *k, *v; /* [last, d] and [last, dv], rows k_row and v_row apart */
    int64_t k_row, v_row;
    int64_t first, last;
    int64_t low[ATTENTION_ROWS]; /* keys [low, high) are visible to a row */
    int64_t high[ATTENTION_ROWS];
    const float *bias[2][ATTENTION_ROWS]; /* both added to the scores, by key; NULL: none */
    const uint8_t *mask[ATTENTION_ROWS];  /* 0: the row does not see this key; NULL: none */
    float softcap; /* 0: none; else scores become softcap * tanh(s / softcap) */
    float *scores; /* [ATTENTION_ROWS, ATTENTION_KEYS] to work in   */
    float *turned; /* [d, tile_columns]: keys side by side, to work in */
} attention;

/* What a row has seen so far: the sum of exp(score − top), and of exp(score − top) * v. */
typedef struct attention_state {
    float top[ATTENTION_ROWS], sum[ATTENTION_ROWS];
    float *values; /* [rows, dv] */
} attention_state;

/* The steps from a score to what the softmax takes: keys [begin, begin + n) of row r. */
void attention_softcap(float *scores, int64_t n, float softcap);
void attention_bias(const attention *a, int64_t r, int64_t begin, int64_t n, float *scores);

void attention_begin(attention_state *s, int64_t rows, int64_t dv);
void attention_keys(const attention *a, attention_state *s);

/* Adds what `from` saw of row r. */
void attention_merge(attention_state *s, const attention_state *from, int64_t r, int64_t dv);

/* Takes in one more score without a value (a sink), and writes row r of the result. */
void attention_sink(attention_state *s, int64_t r, int64_t dv, float score);
void attention_end(const attention_state *s, int64_t r, int64_t dv, float *to);

#endif
