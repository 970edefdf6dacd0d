/* unique.c — equal slices by a bottom-up merge sort of their indices (stable, n log n comparisons). */
#include "graph/unique.h"

#include "core/half.h"

#include <string.h>

static int compare_reals(double p, double q)
{
    if (p < q || p > q)
        return p < q ? -1 : 1;
    return p == q ? 0 : (p != p) - (q != q);
}

static int compare_elements(brink_type type, const void *data, int64_t i, int64_t k)
{
    switch (type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        return (((const T *)data)[i] > ((const T *)data)[k]) -                                     \
               (((const T *)data)[i] < ((const T *)data)[k]);
        CASE(BRINK_I8, int8_t)
        CASE(BRINK_U8, uint8_t)
        CASE(BRINK_BOOL, uint8_t)
        CASE(BRINK_I16, int16_t)
        CASE(BRINK_U16, uint16_t)
        CASE(BRINK_I32, int32_t)
        CASE(BRINK_U32, uint32_t)
        CASE(BRINK_I64, int64_t)
        CASE(BRINK_U64, uint64_t)
#undef CASE
    case BRINK_F32:
        return compare_reals(((const float *)data)[i], ((const float *)data)[k]);
    case BRINK_F64:
        return compare_reals(((const double *)data)[i], ((const double *)data)[k]);
    case BRINK_F16:
        return compare_reals(half_to_float(((const uint16_t *)data)[i]),
                             half_to_float(((const uint16_t *)data)[k]));
    case BRINK_BF16:
        return compare_reals(bfloat_to_float(((const uint16_t *)data)[i]),
                             bfloat_to_float(((const uint16_t *)data)[k]));
    default:
        return 0;
    }
}

int slices_compare(const slices *s, int64_t i, int64_t k)
{
    int order = 0;
    for (int64_t o = 0; order == 0 && o < s->outer; o++)
        for (int64_t c = 0; order == 0 && c < s->inner; c++)
            order = compare_elements(s->type, s->data, (o * s->n + i) * s->inner + c,
                                     (o * s->n + k) * s->inner + c);
    return order;
}

int64_t slices_sort(const slices *s, int64_t *order, int64_t *work)
{
    int64_t n = s->n, *from = order, *to = work;
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    for (int64_t run = 1; run < n; run *= 2) {
        for (int64_t begin = 0; begin < n; begin += 2 * run) {
            int64_t middle = n - begin < run ? n : begin + run;
            int64_t end = n - begin < 2 * run ? n : begin + 2 * run;
            int64_t i = begin, k = middle;
            for (int64_t at = begin; at < end; at++) {
                bool left = k == end || (i < middle && slices_compare(s, from[i], from[k]) <= 0);
                to[at] = left ? from[i++] : from[k++];
            }
        }
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order)
        memcpy(order, from, (size_t)n * sizeof *order);
    int64_t groups = n > 0;
    for (int64_t i = 1; i < n; i++)
        groups += slices_compare(s, order[i - 1], order[i]) != 0;
    return groups;
}
