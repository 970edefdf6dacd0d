/* tf_idf.c — TfIdfVectorizer over integers: counts of known n-grams in each row.

   Source: ONNX TfIdfVectorizer; as in its reference, single items count once, whatever the skips. The n-grams of the pool stand in a hash
   table with open addressing, made anew at each call in time of its size. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

typedef struct gram {
    int64_t start; /* in the pool */
    int64_t length;
    int64_t id; /* its number in the pool; −1: the place is free */
} gram;

typedef struct vocabulary {
    const int64_t *pool;
    gram *grams;
    uint64_t mask; /* places − 1 */
} vocabulary;

static uint64_t mix(uint64_t h, int64_t item)
{
    h = (h ^ (uint64_t)item) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

/* The place of an n-gram whose hash is h, or the free one where it would stand. */
static gram *find(const vocabulary *v, uint64_t h, const tensor *x, int64_t start, int64_t skip,
                  int64_t length)
{
    for (uint64_t i = h & v->mask;; i = (i + 1) & v->mask) {
        gram *g = &v->grams[i];
        bool same = g->id >= 0 && g->length == length;
        for (int64_t k = 0; same && k < length; k++)
            same = v->pool[g->start + k] ==
                   (x != NULL ? tensor_int(x, start + k * skip) : v->pool[start + k]);
        if (same || g->id < 0)
            return g;
    }
}

/* Enters every n-gram of the pool with min to max items. */
static brink_status fill(const kernel_args *a, vocabulary *v, uint32_t pool_count, int64_t min,
                         int64_t max)
{
    uint32_t sizes, indexes;
    const int64_t *starts = onnx_ints(a->node, ATTR_ngram_counts, &sizes);
    int64_t id = 0;
    onnx_ints(a->node, ATTR_ngram_indexes, &indexes);
    for (uint32_t s = 0; s < sizes; s++) {
        int64_t length = s + 1, end = s + 1 < sizes ? starts[s + 1] : pool_count;
        if (starts[s] < 0 || end < starts[s] || end > pool_count)
            return kernel_fail(a, BRINK_BAD_INPUT, "ngram_counts does not fit the pool");
        for (int64_t at = starts[s]; at + length <= end; at += length, id++) {
            if (id >= indexes)
                return kernel_fail(a, BRINK_BAD_INPUT, "ngram_indexes is shorter than the pool");
            if (length < min || length > max)
                continue;
            uint64_t h = (uint64_t)length;
            for (int64_t k = 0; k < length; k++)
                h = mix(h, v->pool[at + k]);
            *find(v, h, NULL, at, 1, length) = (gram){at, length, id};
        }
    }
    return BRINK_OK;
}

brink_status cpu_tf_idf_vectorizer(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    uint32_t pool_count, count;
    const int64_t *column = onnx_ints(a->node, ATTR_ngram_indexes, &count);
    vocabulary v = {.pool = onnx_ints(a->node, ATTR_pool_int64s, &pool_count), .mask = 15};
    int64_t min = onnx_int(a->node, ATTR_min_gram_length, 1);
    int64_t max = onnx_int(a->node, ATTR_max_gram_length, 1);
    int64_t skips = onnx_int(a->node, ATTR_max_skip_count, 0);
    int64_t width = x->rank == 0 ? 1 : x->dims[x->rank - 1];
    int64_t rows = x->rank == 2 ? x->dims[0] : 1, columns = out->dims[out->rank - 1];
    if (x->type != BRINK_I32 && x->type != BRINK_I64)
        return kernel_bad_type(a, x->type);
    uint32_t sizes;
    onnx_ints(a->node, ATTR_ngram_counts, &sizes);
    max = max > width ? width : max > sizes ? sizes : max;
    skips = skips > width ? width : skips;
    while (v.mask < 2 * (uint64_t)pool_count)
        v.mask = 2 * v.mask + 1;
    v.grams = kernel_scratch(a, (v.mask + 1) * sizeof *v.grams);
    if (v.grams == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint64_t i = 0; i <= v.mask; i++)
        v.grams[i].id = -1;
    TRY(fill(a, &v, pool_count, min, max));
    const char *mode = onnx_string(a->node, ATTR_mode, "TF");
    const onnx_attr *weights = onnx_find(a->node, ATTR_weights);
    bool scaled = strcmp(mode, "TF") != 0, once = strcmp(mode, "IDF") == 0;
    uint32_t weight_count =
        weights != NULL && weights->kind == ATTR_KIND_FLOATS ? weights->count : 0;
    float *y = out->data;
    memset(y, 0, (size_t)tensor_count(out) * sizeof *y);
    for (int64_t r = 0; r < rows; r++, y += columns)
        for (int64_t skip = 1; skip <= skips + 1; skip++)
            for (int64_t start = 0; start < width; start++) {
                for (int64_t n = 1; n <= max && start + (n - 1) * skip < width; n++) {
                    if (n < min || (n == 1 && skip > 1))
                        continue;
                    uint64_t h = (uint64_t)n;
                    for (int64_t k = 0; k < n; k++)
                        h = mix(h, tensor_int(x, r * width + start + k * skip));
                    const gram *g = find(&v, h, x, r * width + start, skip, n);
                    if (g->id < 0 || column[g->id] >= columns)
                        continue;
                    bool has = scaled && (uint64_t)g->id < weight_count;
                    float w = has ? weights->floats[g->id] : 1;
                    y[column[g->id]] = once ? w : y[column[g->id]] + w;
                }
            }
    return BRINK_OK;
}
