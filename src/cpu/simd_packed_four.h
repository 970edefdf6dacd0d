/* simd_packed_four.h — packed_rows with vectors of four lanes.

   A file that includes this has defined PACKED rows of weights as HALVES vectors, PACKED_ROWS and
   block_products. */

static inline __attribute__((always_inline)) vf packed_scale(const void *from, int64_t b, int h,
                                                             bool narrow)
{
    int64_t at = b * PACKED + h * LANES;
    return narrow ? v_halves((const uint16_t *)from + at) : v_load((const float *)from + at);
}

/* scale * zero of a block. */
static inline __attribute__((always_inline)) vf packed_minimum(const packed_dot *d, int64_t b,
                                                               int h, vf scale, float middle)
{
    return d->minimum == NULL ? scale * middle : packed_scale(d->minimum, b, h, d->narrow);
}

static inline void store_columns(const packed_dot *d, int64_t row, const vf v[HALVES])
{
    float *to = d->y + row * d->y_row;
    for (int64_t h = 0; h < HALVES && h * LANES < d->columns; h++)
        if (d->columns - h * LANES >= LANES)
            v_store(to + h * LANES, v[h]);
        else
            v_store_part(to + h * LANES, v[h], d->columns - h * LANES);
}

/* `rows` rows of x from row `from` on; both are constant where this is inlined, and so is `shift`
   for blocks of 32. */
static inline __attribute__((always_inline)) void packed_rows(const packed_dot *d, int64_t from,
                                                              int rows, int bits, int shift)
{
    const int n = 1 << shift;
    const int8_t *x = d->x + from * d->x_row;
    const float *x_scale = d->x_scale + from * d->blocks, *x_sum = d->x_sum + from * d->blocks;
    const uint8_t *w = d->w;
    vf sum[PACKED_ROWS][HALVES];
#pragma unroll
    for (int r = 0; r < rows; r++)
#pragma unroll
        for (int h = 0; h < HALVES; h++)
            sum[r][h] = (vf){0};
    for (int64_t b = 0; b < d->blocks; b++, x += n, w += n * bits * PACKED / 8) {
        vi product[PACKED_ROWS][HALVES];
#pragma unroll
        for (int r = 0; r < rows; r++)
#pragma unroll
            for (int h = 0; h < HALVES; h++)
                product[r][h] = (vi){0};
        block_products(rows, bits, n, w, x, d->x_row, product);
#pragma unroll
        for (int h = 0; h < HALVES; h++) {
            vf scale = packed_scale(d->scale, b, h, d->narrow);
            vf minimum = packed_minimum(d, b, h, scale, (float)(1 << (bits - 1)));
            if (bits == 8)
                minimum -= scale * 128;
#pragma unroll
            for (int r = 0; r < rows; r++) {
                int64_t at = r * d->blocks + b;
                vf p = __builtin_convertvector(product[r][h], vf) * scale;
                sum[r][h] = v_fma(p, v_set(x_scale[at]), sum[r][h]);
                sum[r][h] = v_fma(-minimum, v_set(x_sum[at]), sum[r][h]);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < rows; r++)
        store_columns(d, from + r, sum[r]);
}
