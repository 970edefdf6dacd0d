/* suppress.c — see suppress.h.

   Source: ONNX NonMaxSuppression. Greedy: boxes by falling score, each dropped when it overlaps one
   that was taken by more than the threshold. */
#include "graph/suppress.h"

#include <math.h>

/* Corners in rising order, whatever the order they are given in. */
static void corners(const suppression *s, const float *box, float *low, float *high)
{
    for (int k = 0; k < 2; k++) {
        float a = s->centered ? box[k] - box[k + 2] / 2 : box[k];
        float b = s->centered ? box[k] + box[k + 2] / 2 : box[k + 2];
        low[k] = fminf(a, b);
        high[k] = fmaxf(a, b);
    }
}

static bool overlaps(const suppression *s, const float *a, const float *b)
{
    float low[2][2], high[2][2], size[2], common = 1;
    corners(s, a, low[0], high[0]);
    corners(s, b, low[1], high[1]);
    for (int i = 0; i < 2; i++)
        size[i] = (high[i][0] - low[i][0]) * (high[i][1] - low[i][1]);
    for (int k = 0; k < 2; k++) {
        float side = fminf(high[0][k], high[1][k]) - fmaxf(low[0][k], low[1][k]);
        if (!(side > 0))
            return false;
        common *= side;
    }
    if (!(size[0] > 0) || !(size[1] > 0))
        return false;
    return common / (size[0] + size[1] - common) > s->overlap;
}

static bool before(const float *scores, int64_t a, int64_t b)
{
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
}

/* Restores a heap whose root is the last in order. */
static void sift(const float *scores, int64_t *order, int64_t root, int64_t n)
{
    for (int64_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && before(scores, order[child], order[child + 1]))
            child++;
        if (!before(scores, order[root], order[child]))
            return;
        int64_t swap = order[root];
        order[root] = order[child];
        order[child] = swap;
    }
}

static void sort(const float *scores, int64_t *order, int64_t n)
{
    for (int64_t i = n / 2; i-- > 0;)
        sift(scores, order, i, n);
    for (int64_t end = n; end-- > 1;) {
        int64_t swap = order[0];
        order[0] = order[end];
        order[end] = swap;
        sift(scores, order, 0, end);
    }
}

int64_t suppress(const suppression *s, int64_t *order, int64_t *to)
{
    int64_t selected = 0, *taken = order + s->count;
    for (int64_t group = 0; group < s->batches * s->classes; group++) {
        const float *scores = s->scores + group * s->count;
        const float *boxes = s->boxes + group / s->classes * s->count * 4;
        int64_t n = 0, kept = 0;
        for (int64_t i = 0; i < s->count; i++)
            if (!s->by_score || scores[i] > s->score)
                order[n++] = i;
        sort(scores, order, n);
        for (int64_t i = 0; i < n && kept < s->limit; i++) {
            bool free = true;
            for (int64_t k = 0; k < kept && free; k++)
                free = !overlaps(s, boxes + order[i] * 4, boxes + taken[k] * 4);
            if (!free)
                continue;
            taken[kept++] = order[i];
            if (to != NULL) {
                to[3 * selected] = group / s->classes;
                to[3 * selected + 1] = group % s->classes;
                to[3 * selected + 2] = order[i];
            }
            selected++;
        }
    }
    return selected;
}
