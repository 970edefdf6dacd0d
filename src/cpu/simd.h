/* simd.h — the inner loops that have a form for each instruction set.

   One table of functions; simd() is the best that the processor has (x86 and ARM: asked at run
   time; wasm: what the file was compiled for). The scalar table is the reference: every entry of the
   others is tested against it. Lengths may be anything, also zero; pointers need no alignment. */
#ifndef CPU_SIMD_H
#define CPU_SIMD_H

#include "cpu/activation.h"

#include <stdbool.h>
#include <stdint.h>

/* Rows of block-quantised weights against rows of quantised activations. */
typedef struct quant_dot {
    int64_t blocks, block; /* of a row: how many, elements of each (a power of two, at least 16) */
    int64_t n;             /* weight rows                                   */
    const uint8_t *w;      /* [n, blocks * block * bits / 8]                */
    const float *scale;    /* [n, blocks]                                   */
    const float *zero;     /* [n, blocks]                                   */
    int64_t rows;          /* of x, at most quant_rows                      */
    const int8_t *x;       /* [rows, x_row], zeros after the last element   */
    int64_t x_row;         /* a multiple of 2 * q4_chunk and of q8_chunk    */
    const float *x_scale;  /* [rows, blocks]                                */
    const float *x_sum;    /* [rows, blocks]: the sum of a block's integers times its scale */
    float *y;              /* y[r * y_row + i] for row r of x, row i of w   */
    int64_t y_row;
} quant_dot;

/* A group of packed weight rows (see nbits_packed.c) against rows of x. */
typedef struct packed_dot {
    int64_t blocks, block; /* of a row: how many, elements of each (a power of two, at least 16) */
    int32_t bits;          /* of a code: 4, 5 or 8                                     */
    bool narrow;           /* scales and minima are f16, not f32                       */
    const uint8_t *w;      /* [blocks, block * bits / 8, lanes]                        */
    const void *scale;     /* [blocks, lanes]                                          */
    const void *minimum;   /* [blocks, lanes]: scale * zero; NULL: zero is the middle  */
    int64_t rows;          /* of x                                                     */
    const int8_t *x;       /* [rows, x_row], zeros after the last element              */
    const float *x_wide;   /* [rows, x_row]: the same in f32, for packed_dot_f32       */
    int64_t x_row;
    const float *x_scale; /* [rows, blocks]                                           */
    const float *x_sum;   /* [rows, blocks]: the sum of a block's integers times its scale */
    int64_t columns;      /* rows of w that there are, at most `lanes`                */
    float *y;             /* y[r * y_row + i] for row r of x, row i of w              */
    int64_t y_row;
} packed_dot;

typedef struct simd_table {
    const char *name;

    /* Elementwise; to may be x. */
    void (*exp)(float *to, const float *x, int64_t n);
    void (*erf)(float *to, const float *x, int64_t n);
    void (*tanh)(float *to, const float *x, int64_t n);
    void (*sigmoid)(float *to, const float *x, int64_t n);
    void (*silu)(float *to, const float *x, int64_t n);
    void (*gelu)(float *to, const float *x, int64_t n);
    void (*gelu_tanh)(float *to, const float *x, int64_t n);

    /* Rows of norms: the sum, the sum of squared distances from `mean`, and
       (x − mean) * inverse * scale + bias (NULL: none). */
    float (*sum)(const float *x, int64_t n);
    float (*squares)(const float *x, float mean, int64_t n);
    void (*normalize)(float *to, const float *x, float mean, float inverse, const float *scale,
                      const float *bias, int64_t n);

    /* exp(x − top) / sum; top and sum also take in `top` and `rest` of terms outside the row:
       −INFINITY and 0 for none. A row of only −INFINITY gives NaN as numpy does. */
    void (*softmax)(float *to, const float *x, int64_t n, float top, float rest);

    /* For attention: the largest of a row (−INFINITY when empty); x = exp(x − top) and its sum. */
    float (*top)(const float *x, int64_t n);
    float (*exp_shift)(float *x, int64_t n, float top);

    /* to[r][j] = q[r] · k[j] for rows of d floats. */
    void (*dots)(int64_t rows, int64_t keys, int64_t d, const float *q, int64_t q_row,
                 const float *k, int64_t k_row, float *to, int64_t to_row);

    /* to[i][j] = k[j][i] for `keys` rows of d floats, 0 < keys <= tile_columns; rows of `to` are
       tile_columns long, those columns that no key has hold anything. */
    void (*turn)(float *to, const float *k, int64_t k_row, int64_t keys, int64_t d);

    float (*dot)(const float *x, const float *y, int64_t n);
    void (*axpy)(float *to, float p, const float *x, int64_t n); /* to += p * x */

    /* y[r][j] += Σ x[r][i] * w[i][j] over i < k: w is read once, in place, for few rows of x. */
    void (*combine)(int64_t rows, int64_t columns, int64_t k, const float *x, int64_t x_row,
                    const float *w, int64_t w_row, float *y, int64_t y_row);

    /* f16 to f32. */
    void (*halves)(float *to, const uint16_t *from, int64_t n);

    /* to[r][c] = (q[r][c] − zero[c]) * scale[c] for rows of panel_columns bytes. */
    void (*widen)(float *to, const uint8_t *q, bool is_signed, const float *zero,
                  const float *scale, int64_t rows);

    /* One tile of a product: y[rows, columns] (+)= x[rows, k] · panel[k, tile_columns], with
       rows <= tile_rows and columns <= tile_columns; rows of x, panel and y lie x_row, panel_row
       and y_row floats apart, and the panel is readable up to tile_columns. */
    int32_t tile_rows, tile_columns;
    void (*tile)(int64_t rows, int64_t columns, int64_t k, const float *x, int64_t x_row,
                 const float *panel, int64_t panel_row, float *y, int64_t y_row, bool add);

    /* y[rows, columns] = x · panel in integers, two steps of k at a time: x [rows, pairs, 2],
       panel [pairs, pair_columns, 2], with rows <= pair_rows and columns <= pair_columns. */
    int32_t pair_rows, pair_columns;
    void (*tile_pairs)(int64_t rows, int64_t columns, int64_t pairs, const int16_t *x,
                       int64_t x_row, const int16_t *panel, int32_t *y, int64_t y_row);

    /* Quantises x to round(x / scale) with scale = max|x| / 127; returns scale. */
    float (*quantize)(int8_t *to, const float *x, int64_t n);

    /* y = Σ over blocks of scale * (x_scale * (w · x) − zero * x_sum). 4 bits: w is nibbles, low
       first, and each 2 * q4_chunk elements of x have the even ones before the odd ones. */
    int32_t quant_rows, q4_chunk, q8_chunk;
    void (*dot_q4)(const quant_dot *d);
    void (*dot_q8)(const quant_dot *d);

    /* Σ x[i] * (w[i] − zero[b]) * scale[b], the activations in f32; for 4 bits each 32 of x have
       the even ones before the odd ones, with zeros after the last element. */
    float (*dot_q4_f32)(const uint8_t *w, const float *scale, const float *zero, const float *x,
                        int64_t blocks, int64_t block);
    float (*dot_q8_f32)(const uint8_t *w, const float *scale, const float *zero, const float *x,
                        int64_t blocks, int64_t block);

    /* The same from packed weights, `packed_lanes` rows of them at once; 0: this table reads them as
       the file has them. Packed weights stay with the model, or a run with many rows packs them. */
    int32_t packed_lanes;
    bool packed_stays;
    void (*packed_dot)(const packed_dot *d);
    void (*packed_dot_f32)(const packed_dot *d);

    /* For convolutions (cpu/slide.c). gather: panel[i, panel_columns] = from[offset[i] + c] for
       c < columns, zero beyond. panel_tile: as tile, of such a panel; all of the last vector of a
       row of y is written. taps: to[i] = Σ over t of w[t] * from[offset[t] + i]. */
    int32_t panel_columns;
    void (*panel_tile)(int64_t rows, int64_t columns, int64_t k, const float *x, int64_t x_row,
                       const float *panel, float *y, int64_t y_row, bool add);
    void (*gather)(float *panel, const float *from, const int64_t *offset, int64_t count,
                   int64_t columns);
    void (*taps)(float *to, const float *from, const int64_t *offset, const float *w, int64_t count,
                 int64_t n);
    void (*even)(float *to, const float *x, int64_t n);                /* to[i] = x[2 * i] */
    void (*zip)(float *to, const float *x, const float *y, int64_t n); /* x[0], y[0], x[1] … */

    /* to[r][i] = f(x[r][i] + bias[r * bias_step] + more[r][i]), rows of x lie x_row apart, those of
       to and more to_row; bias and more may be NULL, to may be x. f is any but those of
       activation_slow. */
    void (*finish)(int64_t rows, int64_t n, const float *x, int64_t x_row, float *to,
                   int64_t to_row, const float *bias, int64_t bias_step, const float *more,
                   const activation *f);
} simd_table;

const simd_table *simd(void);

/* The tables this processor can run, the scalar reference first and the best last; NULL past it. */
const simd_table *simd_list(uint32_t index);

/* For tests: uses this table from now on; NULL goes back to choosing. Not while kernels run. */
void simd_force(const simd_table *table);

#endif
