/* simd_packed.h — which rows and block sizes packed_rows and packed_rows_f32 are made for.

   A file that includes this has defined them, PACKED (lanes) and PACKED_ROWS (a power of two: rows of
   x at a time). What is left of the rows goes by halves. Blocks of 32 have their own copies: nearly
   all models use them. With PACKED_FOR_RUN weights do not stay packed, and f32 activations take
   another way. */
#define EACH_ROWS(function, bits, shift)                                                           \
    do {                                                                                           \
        int64_t from = 0;                                                                          \
        for (; from + PACKED_ROWS <= d->rows; from += PACKED_ROWS)                                 \
            function(d, from, PACKED_ROWS, bits, shift);                                           \
        if (PACKED_ROWS > 4 && d->rows - from >= 4) {                                              \
            function(d, from, 4, bits, shift);                                                     \
            from += 4;                                                                             \
        }                                                                                          \
        if (d->rows - from >= 2) {                                                                 \
            function(d, from, 2, bits, shift);                                                     \
            from += 2;                                                                             \
        }                                                                                          \
        if (d->rows > from)                                                                        \
            function(d, from, 1, bits, shift);                                                     \
    } while (0)

#ifndef PACKED_FOR_RUN
static void packed_dot_fast(const packed_dot *d)
{
    int shift = __builtin_ctzll((uint64_t)d->block);
    if (d->bits == 4 && shift == 5)
        EACH_ROWS(packed_rows, 4, 5);
    else if (d->bits == 4)
        EACH_ROWS(packed_rows, 4, shift);
    else if (d->bits == 5 && shift == 5)
        EACH_ROWS(packed_rows, 5, 5);
    else if (d->bits == 5)
        EACH_ROWS(packed_rows, 5, shift);
    else if (shift == 5)
        EACH_ROWS(packed_rows, 8, 5);
    else
        EACH_ROWS(packed_rows, 8, shift);
}

static void packed_dot_f32(const packed_dot *d)
{
    int shift = __builtin_ctzll((uint64_t)d->block);
    if (d->bits == 4)
        EACH_ROWS(packed_rows_f32, 4, shift);
    else if (d->bits == 5)
        EACH_ROWS(packed_rows_f32, 5, shift);
    else
        EACH_ROWS(packed_rows_f32, 8, shift);
}

#define PACKED_ENTRIES                                                                             \
    .packed_lanes = PACKED, .packed_stays = true, .packed_dot = packed_dot_fast,                   \
    .packed_dot_f32 = packed_dot_f32
#else
/* Functions of their own: a browser compiles each as it grows hot, a small one sooner. */
#define PACKED_FUNCTION(name, rows, bits)                                                          \
    static __attribute__((noinline)) void name(const packed_dot *d, int64_t from, int shift)       \
    {                                                                                              \
        packed_rows(d, from, rows, bits, shift);                                                   \
    }
PACKED_FUNCTION(packed_4_bits, PACKED_ROWS, 4)
PACKED_FUNCTION(packed_8_bits, PACKED_ROWS, 8)
PACKED_FUNCTION(packed_4_bits_row, 1, 4)
PACKED_FUNCTION(packed_8_bits_row, 1, 8)
#undef PACKED_FUNCTION

static void packed_dot_fast(const packed_dot *d)
{
    int shift = __builtin_ctzll((uint64_t)d->block);
    int64_t from = 0;
    for (; from + PACKED_ROWS <= d->rows; from += PACKED_ROWS)
        (d->bits == 4 ? packed_4_bits : packed_8_bits)(d, from, shift);
    for (; from < d->rows; from++)
        (d->bits == 4 ? packed_4_bits_row : packed_8_bits_row)(d, from, shift);
}

#define PACKED_ENTRIES .packed_lanes = PACKED, .packed_dot = packed_dot_fast
#endif
#undef EACH_ROWS
