/* simd_image.h — the inner loops of convolutions, written once for any vector width.

   Included after cpu/simd_vector.h, whose names it uses; PANEL_VECTORS is how wide a tile is, with
   TILE_ROWS rows: at least as many multiply-adds as other instructions matter where two threads
   share a core. `taps` is bound by loads, one a multiply-add; `gather` and `finish` move panels and
   tiles that lie in the first caches. */

enum { PANEL_COLUMNS = LANES * PANEL_VECTORS };

/* Full tiles, narrower ones, and rows by eight (or what a tile has), four, two and one. */
static void panel_tile(int64_t rows, int64_t columns, int64_t k, const float *x, int64_t x_row,
                       const float *panel, float *y, int64_t y_row, bool add)
{
#define CASE(r, v)                                                                                 \
    if (rows == (r) && columns > ((v) - 1) * LANES) {                                              \
        tile_block(r, v, k, x, x_row, panel, PANEL_COLUMNS, y, y_row, add);                        \
        return;                                                                                    \
    }
#define CASES(r) /* the widest first */                                                            \
    PANEL_CASE_3(r)                                                                                \
    CASE(r, 2)                                                                                     \
    CASE(r, 1)
#if PANEL_VECTORS > 2
#define PANEL_CASE_3(r) CASE(r, 3)
#else
#define PANEL_CASE_3(r)
#endif
    for (int64_t some; rows > 0; rows -= some, x += some * x_row, y += some * y_row) {
        CASES(TILE_ROWS)
        CASES(4)
        CASES(2)
        CASES(1)
        some = rows > TILE_ROWS ? TILE_ROWS : rows > 4 ? 4 : rows > 2 ? 2 : 1;
        panel_tile(some, columns, k, x, x_row, panel, y, y_row, add);
    }
#undef PANEL_CASE_3
#undef CASES
#undef CASE
}

static void gather_rows(float *panel, const float *from, const int64_t *offset, int64_t count,
                        int64_t columns)
{
    if (columns == PANEL_COLUMNS) {
        for (int64_t i = 0; i < count; i++, panel += PANEL_COLUMNS)
            for (int v = 0; v < PANEL_VECTORS; v++)
                v_store(panel + v * LANES, v_load(from + offset[i] + v * LANES));
        return;
    }
    for (int64_t i = 0; i < count; i++, panel += PANEL_COLUMNS) {
        const float *row = from + offset[i];
        int64_t c = 0;
        for (; c + LANES <= columns; c += LANES)
            v_store(panel + c, v_load(row + c));
        if (c < columns)
            v_store(panel + c, v_load_part(row + c, columns - c, 0));
        for (c += c < columns ? LANES : 0; c < PANEL_COLUMNS; c += LANES)
            v_store(panel + c, (vf){0});
    }
}

static void taps_row(float *to, const float *from, const int64_t *offset, const float *w,
                     int64_t count, int64_t n)
{
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        vf a = {0}, b = {0}, c = {0}, d = {0};
        for (int64_t t = 0; t < count; t++) {
            const float *x = from + offset[t] + i;
            vf p = v_set(w[t]);
            a = v_fma(p, v_load(x), a);
            b = v_fma(p, v_load(x + LANES), b);
            c = v_fma(p, v_load(x + 2 * LANES), c);
            d = v_fma(p, v_load(x + 3 * LANES), d);
        }
        v_store(to + i, a);
        v_store(to + i + LANES, b);
        v_store(to + i + 2 * LANES, c);
        v_store(to + i + 3 * LANES, d);
    }
    for (; i + LANES <= n; i += LANES) {
        vf a = {0};
        for (int64_t t = 0; t < count; t++)
            a = v_fma(v_set(w[t]), v_load(from + offset[t] + i), a);
        v_store(to + i, a);
    }
    if (i < n) {
        vf a = {0};
        for (int64_t t = 0; t < count; t++)
            a = v_fma(v_set(w[t]), v_load_part(from + offset[t] + i, n - i, 0), a);
        v_store_part(to + i, a, n - i);
    }
}

/* The last element that a pair of vectors would read may lie behind x: left to the scalar end. */
static void even_row(float *to, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES < n; i += LANES)
        v_store(to + i, v_even(v_load(x + 2 * i), v_load(x + 2 * i + LANES)));
    for (; i < n; i++)
        to[i] = x[2 * i];
}

static void zip_rows(float *to, const float *x, const float *y, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        v_store(to + 2 * i, v_zip_low(v_load(x + i), v_load(y + i)));
        v_store(to + 2 * i + LANES, v_zip_high(v_load(x + i), v_load(y + i)));
    }
    for (; i < n; i++) {
        to[2 * i] = x[i];
        to[2 * i + 1] = y[i];
    }
}

static inline vf v_activate(const activation *f, vf x)
{
    const vf zero = {0}, one = v_set(1), a = v_set(f->alpha), b = v_set(f->beta);
    switch (f->kind) {
    case ACTIVATION_SIGMOID:
        return v_sigmoid(x);
    case ACTIVATION_TANH:
        return v_tanh(x);
    case ACTIVATION_RELU:
        return v_max(zero, x);
    case ACTIVATION_AFFINE:
        return v_fma(a, x, b);
    case ACTIVATION_LEAKY_RELU:
        return v_pick(x < zero, a * x, x);
    case ACTIVATION_HARD_SIGMOID:
        return v_max(zero, v_min(one, v_fma(a, x, b)));
    case ACTIVATION_THRESHOLDED_RELU:
        return v_pick(x > a, x, zero);
    case ACTIVATION_SCALED_TANH:
        return a * v_tanh(b * x);
    case ACTIVATION_SOFTSIGN:
        return x / (one + v_abs(x));
    case ACTIVATION_CLIP:
        return v_min(b, v_max(a, x));
    case ACTIVATION_SILU:
        return x * v_sigmoid(x);
    case ACTIVATION_HARD_SWISH:
        return x * v_max(zero, v_min(one, v_fma(a, x, b)));
    case ACTIVATION_MISH: { /* tanh(ln(1 + e)) is e(e + 2) / (e(e + 2) + 2), and 1 from 20 on */
        vf e = v_exp(v_min(v_set(20), x)), p = e * (e + 2.0f);
        return x * (p / (p + 2.0f));
    }
    default:
        return x;
    }
}

static void finish_rows(int64_t rows, int64_t n, const float *x, int64_t x_row, float *to,
                        int64_t to_row, const float *bias, int64_t bias_step, const float *more,
                        const activation *f)
{
    const vf gain = v_set(f->scaled ? f->gain : 1), shift = v_set(f->scaled ? f->shift : 0);
    for (int64_t r = 0; r < rows; r++, x += x_row, to += to_row) {
        vf start = v_set(bias != NULL ? bias[r * bias_step] : 0);
        for (int64_t i = 0; i < n; i += LANES) {
            bool part = n - i < LANES;
            vf v = (part ? v_load_part(x + i, n - i, 0) : v_load(x + i)) + start;
            if (more != NULL)
                v += part ? v_load_part(more + r * to_row + i, n - i, 0)
                          : v_load(more + r * to_row + i);
            v = v_activate(f, v);
            if (f->scaled)
                v = v_fma(v, gain, shift);
            if (part)
                v_store_part(to + i, v, n - i);
            else
                v_store(to + i, v);
        }
    }
}

#define IMAGE_ENTRIES                                                                              \
    .panel_columns = PANEL_COLUMNS, .panel_tile = panel_tile, .gather = gather_rows,               \
    .taps = taps_row, .even = even_row, .zip = zip_rows, .finish = finish_rows
