/* top_k.c — TopK: the k largest or least elements along an axis.

   Source: ONNX TopK. A heap of the k best so far with the worst on top, then a heap sort in place:
   n log k comparisons. Of equal elements the one with the lower index comes first; NaN counts as the
   largest number, as in numpy's sort. Rows are spread over the threads. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

typedef struct top_job {
    const tensor *x;
    tensor *values, *indices;
    int64_t n, k, inner;
    bool least;
    int64_t *memory; /* [threads, k]: a heap of indices */
} top_job;

#define HEAP(type, T)                                                                              \
    /* Whether element i comes before element j in the output. */                                  \
    static bool before_##T(const T *x, int64_t step, int64_t i, int64_t j, bool least)             \
    {                                                                                              \
        T p = x[i * step], q = x[j * step];                                                        \
        bool more = p > q || (p != p && q == q), less = p < q || (p == p && q != q);               \
        return (least ? less : more) || (!more && !less && i < j);                                 \
    }                                                                                              \
    /* Restores the heap below `at`: no element comes before one of its children. */               \
    static void sift_##T(const T *x, int64_t step, int64_t *heap, int64_t k, int64_t at,           \
                         bool least)                                                               \
    {                                                                                              \
        int64_t moved = heap[at];                                                                  \
        for (int64_t child; (child = 2 * at + 1) < k; at = child) {                                \
            if (child + 1 < k && before_##T(x, step, heap[child], heap[child + 1], least))         \
                child++;                                                                           \
            if (!before_##T(x, step, moved, heap[child], least))                                   \
                break;                                                                             \
            heap[at] = heap[child];                                                                \
        }                                                                                          \
        heap[at] = moved;                                                                          \
    }                                                                                              \
    static void top_##T(const T *x, int64_t n, int64_t step, int64_t *heap, int64_t k, bool least) \
    {                                                                                              \
        for (int64_t i = 0; i < k; i++)                                                            \
            heap[i] = i;                                                                           \
        for (int64_t i = k / 2; i-- > 0;)                                                          \
            sift_##T(x, step, heap, k, i, least);                                                  \
        for (int64_t i = k; i < n; i++)                                                            \
            if (before_##T(x, step, i, heap[0], least)) {                                          \
                heap[0] = i;                                                                       \
                sift_##T(x, step, heap, k, 0, least);                                              \
            }                                                                                      \
        for (int64_t last = k - 1; last > 0; last--) { /* the worst goes to the end */             \
            int64_t worst = heap[0];                                                               \
            heap[0] = heap[last];                                                                  \
            heap[last] = worst;                                                                    \
            sift_##T(x, step, heap, last, 0, least);                                               \
        }                                                                                          \
    }
INTEGER_TYPES(HEAP)
FLOAT_TYPES(HEAP)

static void top_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const top_job *job = arg;
    uint32_t size = element_bytes(job->x->type);
    int64_t *heap = job->memory + (int64_t)thread * job->k;
    for (int64_t r = begin; r < end; r++) {
        int64_t o = r / job->inner, c = r % job->inner;
        const char *x = (const char *)job->x->data + (o * job->n * job->inner + c) * size;
        switch (job->x->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        top_##T((const T *)(const void *)x, job->n, job->inner, heap, job->k, job->least);         \
        break;
            INTEGER_TYPES(CASE)
            FLOAT_TYPES(CASE)
#undef CASE
        default:
            return;
        }
        for (int64_t i = 0; i < job->k; i++) {
            int64_t to = (o * job->k + i) * job->inner + c;
            if (job->values != NULL)
                memcpy((char *)job->values->data + to * size, x + heap[i] * job->inner * size,
                       size);
            if (job->indices != NULL)
                ((int64_t *)job->indices->data)[to] = heap[i];
        }
    }
}

brink_status cpu_top_k(const kernel_args *a)
{
    const tensor *x = a->in[0];
    top_job job = {.x = x, .values = kernel_out(a, 0), .indices = kernel_out(a, 1)};
    const tensor *out = job.values != NULL ? job.values : job.indices;
    uint32_t axis;
    if (out == NULL)
        return BRINK_OK;
    if (element_bytes(x->type) == 0 || x->type == BRINK_BOOL)
        return kernel_bad_type(a, x->type);
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, -1), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
    job.n = x->dims[axis];
    job.k = out->dims[axis];
    job.inner = dims_product(x, axis + 1, x->rank);
    job.least = onnx_int(a->node, ATTR_largest, 1) == 0;
    if (job.k > job.n)
        return kernel_fail(a, BRINK_BAD_INPUT, "K is %lld, the dimension %lld", (long long)job.k,
                           (long long)job.n);
    uint64_t threads = thread_pool_size(a->context->pool);
    job.memory = kernel_scratch(a, (threads + 1) * (uint64_t)job.k * sizeof *job.memory + 8);
    if (job.memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (job.k > 0)
        thread_for(a->context->pool, dims_product(x, 0, axis) * job.inner, grain_for(job.n * 2),
                   top_range, &job);
    return BRINK_OK;
}
