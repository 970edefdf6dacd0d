/* nbits_packed.c — MatMulNBits from weights in the order that the vector unit reads them.

   `lanes` rows of weights lie side by side (the panels of Goto and van de Geijn, 2008, with bytes
   for elements): of each row four elements along k fill one 32-bit lane, so that a broadcast of four
   activations meets all rows at once, no sum crosses lanes, and a group of rows is one stream. One
   layout serves a single row of x and many.

     4 bits: byte [unit][lane][j] holds elements 8u + j (low) and 8u + 4 + j (high), 8 a unit;
     5 bits: the same of a block, then of each of its units bit [half][lane][j], the fifth of element
             8u + 4 half + j;
     8 bits: byte [unit][lane][j] holds element 4u + j, 4 a unit.

   8-bit weights that use no more than 32 codes about their middle, as files converted from Q5_0 have
   them, are kept in 5 bits.

   Scales and, where zero points are not all the middle, minima (scale * zero) lie [group, block,
   lane], both in f16 where every one of them is f16 but for f32's own rounding. Rows beyond n are
   zeros. With one row of x the bound is memory: 0.56 bytes a 4-bit weight with f16 scales, 0.625 with
   minima. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/nbits.h"
#include "cpu/simd.h"

#include "core/half.h"

#include <math.h>
#include <string.h>

struct nbits_weights {
    int64_t n, k, block, bits; /* as the node that they were packed for says */
    int64_t kept;              /* bits of a code here                        */
    int64_t lanes, groups;
    bool narrow, minima;
    uint64_t group_bytes, scale_bytes; /* of a group                                          */
    const uint8_t *w; /* [groups, group_bytes]; NULL: each group is packed where it is needed */
    const char *scale, *minimum; /* [groups, blocks, lanes]                                   */
};

/* Where a group's parts begin. */
typedef struct packed_group {
    uint8_t *w;
    char *scale, *minimum;
} packed_group;

static packed_group group_at(const nbits_weights *w, int64_t g)
{
    uint64_t scales = (uint64_t)g * w->scale_bytes;
    return (packed_group){.w = (uint8_t *)(uintptr_t)w->w + (uint64_t)g * w->group_bytes,
                          .scale = (char *)(uintptr_t)w->scale + scales,
                          .minimum = w->minima ? (char *)(uintptr_t)w->minimum + scales : NULL};
}

static const char layout; /* its address names this layout among packed weights */

/* Of short products that are worth the threads' meeting. */
enum { SHARED_BYTES = 8 << 10 };

/* Whether f is an f16 but for the rounding that made it an f32: up to two of its last places off. */
static bool is_narrow(float f)
{
    uint32_t u = float_bits(f), magnitude = u & 0x7FFFFFFFu;
    if (magnitude >= 0x38800000u &&
        magnitude < 0x477FE000u) /* neither subnormal nor infinite there */
        return ((u + 2) & 0x1FFFu) <= 4;
    float h = half_to_float(float_to_half(f));
    return fabsf(h - f) <= fabsf(f) * 0x1p-22f;
}

/* What is taken off a code to fit it into `kept` bits: the middle stays in the middle. */
static int offset_of(const nbits_weights *to)
{
    return (1 << (to->bits - 1)) - (1 << (to->kept - 1));
}

typedef struct packer {
    const nbits *p;
    const nbits_weights *to;
    int64_t first; /* group of the slice */
} packer;

static void put(bool narrow, char *array, int64_t at, float value)
{
    if (narrow) {
        uint16_t half = float_to_half(value);
        memcpy(array + at * 2, &half, 2);
    } else {
        memcpy(array + at * 4, &value, 4);
    }
}

typedef uint8_t bytes __attribute__((vector_size(16)));
typedef uint32_t words __attribute__((vector_size(16)));

/* Elements 0 to 7 of each four bytes, two a byte, to low (0 to 3) and high nibbles (4 to 7). */
static words order_nibbles(bytes in)
{
    bytes even = in & 15, odd = in >> 4;
    words a = (words)__builtin_shufflevector(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6,
                                             22, 7, 23);
    words b = (words)__builtin_shufflevector(even, odd, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
                                             29, 14, 30, 15, 31);
    words first = __builtin_shufflevector(a, b, 0, 2, 4, 6);
    return first | __builtin_shufflevector(a, b, 1, 3, 5, 7) << 4;
}

/* A row of 4- or 8-bit weights to every lanes-th word, as they are but for the nibbles' order. */
static void spread_row(const uint8_t *row, int64_t size, bool nibbles, int64_t lanes, uint8_t *to)
{
    int64_t i = 0;
    for (; i + 16 <= size; i += 16, to += lanes * 16) {
        bytes in;
        memcpy(&in, row + i, 16);
        words out = nibbles ? order_nibbles(in) : (words)in;
        for (int w = 0; w < 4; w++)
            memcpy(to + w * lanes * 4, (const char *)&out + w * 4, 4);
    }
    if (i < size) { /* rows are of whole eights */
        bytes in = {0};
        memcpy(&in, row + i, 8);
        words out = nibbles ? order_nibbles(in) : (words)in;
        memcpy(to, &out, 4);
        memcpy(to + lanes * 4, (const char *)&out + 4, 4);
    }
}

/* The lowest bits of four bytes side by side. */
static uint32_t lowest_bits(uint32_t four)
{
    return (four & 0x01010101u) * 0x01020408u >> 24 & 15;
}

/* A row of 8-bit weights in 5 bits; what is there is zero. Bytes after the k-th may be anything: what
   they borrow from goes to bytes after them. */
static void narrow_row(const uint8_t *row, const nbits_weights *w, int64_t lane, uint8_t *to)
{
    int64_t lanes = w->lanes, units = w->block / 8, bit = lane * 4 % 8;
    uint64_t offset = (uint64_t)offset_of(w) * 0x0101010101010101u;
    for (int64_t k = 0; k < w->k; k += w->block, to += w->block * 5 / 8 * lanes)
        for (int64_t u = 0; u < units && k + u * 8 < w->k; u++, row += 8) {
            uint64_t codes;
            memcpy(&codes, row, 8);
            codes -= offset;
            uint64_t low = codes & 0x0F0F0F0F0F0F0F0Fu;
            uint32_t four = (uint32_t)low | (uint32_t)(low >> 32) << 4;
            memcpy(to + (u * lanes + lane) * 4, &four, 4);
            uint8_t *fifth = to + (units * 4 + u) * lanes + lane / 2;
            fifth[0] |= (uint8_t)(lowest_bits((uint32_t)(codes >> 4)) << bit);
            fifth[lanes / 2] |= (uint8_t)(lowest_bits((uint32_t)(codes >> 36)) << bit);
        }
}

static void pack_group(const nbits *p, const nbits_weights *w, int64_t g, packed_group to)
{
    int64_t lanes = w->lanes, row_bytes = p->blocks * p->block * p->bits / 8;
    int offset = offset_of(w);
    if (w->kept == 5 || (g + 1) * lanes > p->n)
        memset(to.w, 0, w->group_bytes);
    for (int64_t lane = 0; lane < lanes; lane++) {
        int64_t n = g * lanes + lane;
        const uint8_t *row = n < p->n ? p->w + n * row_bytes : NULL;
        if (row != NULL && w->kept == 5)
            narrow_row(row, w, lane, to.w);
        else if (row != NULL)
            spread_row(row, row_bytes, p->bits == 4, lanes, to.w + lane * 4);
        for (int64_t b = 0; b < p->blocks; b++) {
            float scale = row != NULL ? nbits_scale(p, n * p->blocks + b) : 0;
            put(w->narrow, to.scale, b * lanes + lane, scale);
            if (w->minima)
                put(w->narrow, to.minimum, b * lanes + lane,
                    row != NULL ? scale * (nbits_zero(p, n, b) - (float)offset) : 0);
        }
    }
}

static void pack_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const packer *j = arg;
    for (int64_t g = j->first + begin; g < j->first + end; g++)
        pack_group(j->p, j->to, g, group_at(j->to, g));
}

/* Whether 8-bit weights fit into 5 bits. */
static bool fits_five_bits(const nbits *p)
{
    int64_t row = p->blocks * p->block;
    for (int64_t n = 0; n < p->n; n++) {
        uint8_t outside = 0;
        for (int64_t i = 0; i < p->k; i++)
            outside |= (uint8_t)(p->w[n * row + i] - (128 - 16)) & 0xE0;
        if (outside != 0)
            return false;
    }
    return true;
}

/* Whether all zero points are the middle, and whether halves hold scales and minima. */
static void survey(const nbits *p, int offset, bool *minima, bool *narrow)
{
    float middle = (float)(1 << (p->bits - 1));
    *minima = false;
    *narrow = true;
    for (int64_t n = 0; n < p->n; n++)
        for (int64_t b = 0; b < p->blocks; b++) {
            float scale = nbits_scale(p, n * p->blocks + b);
            float zero = p->zeros != NULL ? nbits_zero(p, n, b) : middle;
            *minima |= zero != middle;
            *narrow = *narrow && is_narrow(scale) &&
                      (zero == middle || is_narrow(scale * (zero - (float)offset)));
        }
}

static void set_sizes(const nbits *p, nbits_weights *to)
{
    to->groups = (p->n + to->lanes - 1) / to->lanes;
    to->group_bytes = (uint64_t)(p->blocks * p->block * to->kept / 8 * to->lanes);
    to->scale_bytes = (uint64_t)(p->blocks * to->lanes) * (to->narrow ? 2 : 4);
}

/* The size of a packed form, and where its parts begin if there is a `base`. */
static uint64_t set_parts(nbits_weights *to, char *base)
{
    uint64_t scales = whole_lines((uint64_t)to->groups * to->scale_bytes);
    uint64_t at = whole_lines(sizeof *to);
    uint64_t weights = at + scales * (to->minima ? 2 : 1);
    if (base != NULL) {
        to->scale = base + at;
        to->minimum = to->minima ? base + at + scales : NULL;
        to->w = (const uint8_t *)base + weights;
    }
    return weights + whole_lines((uint64_t)to->groups * to->group_bytes);
}

/* Slice by slice, so that of the source no more than one is in memory. */
static void fill(thread_pool *pool, const nbits *p, const nbits_weights *to, const packing *store)
{
    int64_t slice = 1 + (int64_t)((1 << 20) / to->group_bytes);
    uint64_t row_bytes = (uint64_t)(p->blocks * p->block * p->bits / 8);
    packer j = {.p = p, .to = to};
    for (; j.first < to->groups; j.first += slice) {
        int64_t count = to->groups - j.first < slice ? to->groups - j.first : slice;
        int64_t n = j.first * to->lanes,
                end = n + count * to->lanes < p->n ? n + count * to->lanes : p->n;
        thread_for(pool, count, 1 + 4096 / (p->k + 1), pack_range, &j);
        /* and the page that the slice before ended in */
        packing_done_with(store, p->w + (n == 0 ? 0 : (uint64_t)n * row_bytes - 4096),
                          (uint64_t)(end - n) * row_bytes + (n == 0 ? 0 : 4096));
    }
}

static uint64_t bytes_of(const tensor *t)
{
    return (uint64_t)tensor_count(t) * element_bytes(t->type);
}

brink_status cpu_prepare_matmul_nbits(const kernel_args *a, packing *store, const void **out)
{
    return nbits_pack(a, onnx_int(a->node, ATTR_N, 0), store, out);
}

brink_status nbits_pack_as(const kernel_args *a, const nbits *p, const packing_key *key,
                           packing *store, const void **out)
{
    nbits_weights head = {.n = p->n,
                          .k = p->k,
                          .block = p->block,
                          .bits = p->bits,
                          .lanes = simd()->packed_lanes,
                          .kept = p->bits == 8 && fits_five_bits(p) ? 5 : p->bits};
    survey(p, offset_of(&head), &head.minima, &head.narrow);
    set_sizes(p, &head);
    nbits_weights *to = packing_add(store, key, set_parts(&head, NULL));
    if (to == NULL)
        return BRINK_OUT_OF_MEMORY;
    *to = head;
    set_parts(to, (char *)to);
    fill(a->context->pool, p, to, store);
    *out = to;
    return BRINK_OK;
}

brink_status nbits_pack(const kernel_args *a, int64_t n, packing *store, const void **out)
{
    nbits p;
    if (!simd()->packed_stays || kernel_in(a, 4) != NULL || nbits_read(a, n, &p) != BRINK_OK ||
        p.bits == 2 || a->in[1]->data == NULL || p.scales->data == NULL ||
        (p.zeros != NULL && p.zeros->data == NULL))
        return BRINK_OK; /* what is wrong with it is said when it runs */
    packing_key key = {&layout, {p.w, p.scales->data, p.zeros != NULL ? p.zeros->data : NULL}};
    const nbits_weights *found = packing_find(store, &key);
    if (found != NULL) { /* a node that takes the same bytes for another shape packs them itself */
        bool same =
            found->n == p.n && found->k == p.k && found->block == p.block && found->bits == p.bits;
        *out = same ? found : NULL;
        return BRINK_OK;
    }
    TRY(nbits_pack_as(a, &p, &key, store, out));
    packing_done_with(store, p.scales->data, bytes_of(p.scales));
    if (p.zeros != NULL)
        packing_done_with(store, p.zeros->data, bytes_of(p.zeros));
    return BRINK_OK;
}

/* One row of x at a time, blocks in their order; the rest of q_row are zeros. */
static void quantize_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const nbits *p = arg;
    for (int64_t row = begin; row < end; row++) {
        int8_t *q = p->q + row * p->q_row;
        for (int64_t b = 0; b < p->blocks; b++)
            nbits_quantize(p, row, b, q + b * p->block);
        memset(q + p->k, 0, (size_t)(p->q_row - p->k));
    }
}

/* To what y holds, some rows at a time. */
static void add_group(const nbits *p, const packed_dot *whole)
{
    enum { ROWS = 16, LANES = 64 };
    float sums[ROWS * LANES];
    packed_dot d = *whole;
    d.y = sums;
    d.y_row = LANES;
    for (int64_t m = 0; m < whole->rows; m += ROWS) {
        d.rows = whole->rows - m < ROWS ? whole->rows - m : ROWS;
        d.x = whole->x + m * d.x_row;
        d.x_scale = whole->x_scale + m * d.blocks;
        d.x_sum = whole->x_sum + m * d.blocks;
        simd()->packed_dot(&d);
        for (int64_t r = 0; r < d.rows; r++)
            for (int64_t c = 0; c < d.columns; c++)
                whole->y[(m + r) * p->n + c] += sums[r * LANES + c];
    }
}

static void group_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const nbits *p = arg;
    const nbits_weights *w = p->packed;
    for (int64_t g = begin; g < end; g++) {
        int64_t n = g * w->lanes;
        packed_group at;
        if (w->w == NULL) {
            char *own = p->memory + thread * p->each;
            at.w = (uint8_t *)own + 2 * w->scale_bytes;
            at.scale = own;
            at.minimum = w->minima ? own + w->scale_bytes : NULL;
            pack_group(p, w, g, at);
        } else {
            at = group_at(w, g);
        }
        packed_dot d = {.blocks = p->blocks,
                        .block = p->block,
                        .bits = (int32_t)w->kept,
                        .narrow = w->narrow,
                        .w = at.w,
                        .scale = at.scale,
                        .minimum = at.minimum,
                        .rows = p->m,
                        .x = p->q,
                        .x_row = p->q_row,
                        .x_scale = p->x_scale,
                        .x_sum = p->x_sum,
                        .x_wide = p->x_wide,
                        .columns = p->n - n < w->lanes ? p->n - n : w->lanes,
                        .y = p->y + n,
                        .y_row = p->n};
        if (p->add)
            add_group(p, &d);
        else
            (p->x_wide != NULL ? simd()->packed_dot_f32 : simd()->packed_dot)(&d);
        for (int64_t m = 0; p->bias != NULL && m < p->m; m++)
            for (int64_t c = 0; c < d.columns; c++)
                d.y[m * p->n + c] += p->bias[n + c];
    }
}

/* x with rows filled up to whole blocks. */
static void widen_rows(const nbits *p)
{
    for (int64_t m = 0; m < p->m; m++) {
        memcpy(p->x_wide + m * p->q_row, p->x + m * p->k, (size_t)p->k * sizeof(float));
        memset(p->x_wide + m * p->q_row + p->k, 0, (size_t)(p->q_row - p->k) * sizeof(float));
    }
}

/* The groups of all parts behind one another. */
typedef struct parts_job {
    nbits *parts;
    uint32_t count;
    int64_t first[NBITS_RUN + 1]; /* groups before each part, and all */
} parts_job;

static void parts_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const parts_job *job = arg;
    for (uint32_t i = 0; i < job->count; i++) {
        int64_t from = begin > job->first[i] ? begin : job->first[i];
        int64_t to = end < job->first[i + 1] ? end : job->first[i + 1];
        if (from < to)
            group_range(&job->parts[i], from - job->first[i], to - job->first[i], thread);
    }
}

/* The first part that reads the same x; the parts before p are counted. */
static nbits *same_input(nbits *parts, nbits *p)
{
    for (; parts != p; parts++)
        if (parts->x == p->x)
            return parts;
    return p;
}

/* Bytes for x as the inner loops want it, and its places at `at` unless that is NULL. */
static uint64_t place_input(nbits *p, bool exact, char *at)
{
    uint64_t sums = whole_lines((uint64_t)(p->m * p->blocks) * sizeof(float));
    uint64_t values = (uint64_t)(p->m * p->q_row);
    if (at != NULL && exact)
        p->x_wide = (float *)(void *)at;
    else if (at != NULL) {
        p->x_scale = (float *)(void *)at;
        p->x_sum = (float *)(void *)(at + sums);
        p->q = (int8_t *)(at + 2 * sums);
    }
    return whole_lines(exact ? values * sizeof(float) : 2 * sums + values);
}

static void prepare_input(thread_pool *pool, nbits *p, bool exact)
{
    if (exact)
        widen_rows(p);
    else
        thread_for(pool, p->m, grain_for(p->k), quantize_range, p);
}

brink_status nbits_packed_run(const kernel_args *a, nbits *parts, uint32_t count)
{
    thread_pool *pool = a->context->pool;
    bool exact = nbits_exact(a, &parts[0]);
    nbits_weights own = {
        .lanes = simd()->packed_lanes, .bits = parts[0].bits, .kept = parts[0].bits};
    if (parts[0].packed == NULL) {
        own.minima = parts[0].zeros != NULL;
        set_sizes(&parts[0], &own);
        parts[0].packed = &own;
        parts[0].each = whole_lines(own.group_bytes + 2 * own.scale_bytes);
    }
    uint64_t each = parts[0].each * thread_pool_size(pool), bytes = each;
    for (uint32_t i = 0; i < count; i++) {
        parts[i].q_row = parts[i].blocks * parts[i].block;
        if (same_input(parts, &parts[i]) == &parts[i])
            bytes += place_input(&parts[i], exact, NULL);
    }
    char *at = kernel_scratch(a, bytes);
    if (at == NULL)
        return BRINK_OUT_OF_MEMORY;
    parts[0].memory = at;
    at += each;
    parts_job job = {.parts = parts, .count = count};
    nbits whole = {.m = parts[0].m, .k = parts[0].k};
    for (uint32_t i = 0; i < count; i++) {
        nbits *p = &parts[i], *first = same_input(parts, p);
        if (first == p) {
            at += place_input(p, exact, at);
            prepare_input(pool, p, exact);
        }
        p->q = first->q;
        p->x_wide = first->x_wide;
        p->x_scale = first->x_scale;
        p->x_sum = first->x_sum;
        job.first[i + 1] = job.first[i] + p->packed->groups;
        whole.n += p->n;
    }
    int64_t lanes = parts[0].packed->lanes;
    int64_t grain = nbits_grain(&whole, lanes, exact ? 4 : 32, thread_pool_size(pool)) / lanes;
    if (parts[0].add && job.first[count] * (int64_t)parts[0].packed->group_bytes > SHARED_BYTES)
        grain = (job.first[count] + thread_pool_size(pool) - 1) / thread_pool_size(pool);
    thread_for(pool, job.first[count], grain, parts_range, &job);
    return BRINK_OK;
}
