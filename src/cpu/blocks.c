/* blocks.c — DepthToSpace, SpaceToDepth, Col2Im.

   Source: ONNX. Bound by memory. The first two are one strided copy over six dimensions; Col2Im adds
   each column of blocks into its image, images on all threads. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

/* Copies x seen as `dims` with its axes in the order `perm`. */
static brink_status permuted(const kernel_args *a, const int64_t *dims, const uint32_t *perm)
{
    uint32_t size = element_bytes(a->out[0]->type);
    int64_t dense[6], to[6];
    nd w;
    if (size == 0)
        return kernel_bad_type(a, a->out[0]->type);
    dense_strides(6, dims, dense);
    for (uint32_t i = 0; i < 6; i++)
        to[i] = dims[perm[i]];
    nd_dense(&w, 6, to);
    for (uint32_t i = 0; i < 6; i++)
        w.stride[1][i] = dense[perm[i]];
    nd_copy(a->context->pool, &w, a->out[0]->data, a->in[0]->data, size);
    return BRINK_OK;
}

/* Blocks lie in depth before the channel (DCR) or after it (CRD). */
static bool blocks_first(const kernel_args *a)
{
    return strcmp(onnx_string(a->node, ATTR_mode, "DCR"), "CRD") != 0;
}

brink_status cpu_depth_to_space(const kernel_args *a)
{
    const int64_t *d = a->in[0]->dims;
    int64_t b = onnx_int(a->node, ATTR_blocksize, 1), c = d[1] / (b * b);
    if (blocks_first(a))
        return permuted(a, (int64_t[]){d[0], b, b, c, d[2], d[3]}, (uint32_t[]){0, 3, 4, 1, 5, 2});
    return permuted(a, (int64_t[]){d[0], c, b, b, d[2], d[3]}, (uint32_t[]){0, 1, 4, 2, 5, 3});
}

brink_status cpu_space_to_depth(const kernel_args *a)
{
    const int64_t *d = a->in[0]->dims;
    int64_t b = onnx_int(a->node, ATTR_blocksize, 1);
    const uint32_t first[] = {0, 3, 5, 1, 2, 4}, after[] = {0, 1, 3, 5, 2, 4};
    return permuted(a, (int64_t[]){d[0], d[1], d[2] / b, b, d[3] / b, b},
                    blocks_first(a) ? first : after);
}

/* ── Col2Im ── */

typedef struct col_job {
    const tensor *x;
    tensor *out;
    uint32_t rank; /* of the image */
    int64_t blocks, columns, pixels;
    int64_t image[BRINK_MAX_RANK], block[BRINK_MAX_RANK], steps[BRINK_MAX_RANK];
    int64_t stride[BRINK_MAX_RANK], dilation[BRINK_MAX_RANK], pad[BRINK_MAX_RANK];
} col_job;

/* Where in the image, of all dimensions but the last, row `row` of block element `element` lies;
   −1 if outside. *first is the last dimension's coordinate at column 0. */
static int64_t image_row(const col_job *job, int64_t element, int64_t row, int64_t *first)
{
    uint32_t last = job->rank - 1;
    int64_t at = 0, stride = job->image[last];
    *first = element % job->block[last] * job->dilation[last] - job->pad[last];
    element /= job->block[last];
    for (uint32_t d = last; d-- > 0;) {
        int64_t p = row % job->steps[d] * job->stride[d] +
                    element % job->block[d] * job->dilation[d] - job->pad[d];
        row /= job->steps[d];
        element /= job->block[d];
        if (p < 0 || p >= job->image[d])
            return -1;
        at += p * stride;
        stride *= job->image[d];
    }
    return at;
}

#define COL2IM(type, T, A)                                                                         \
    static void col2im_##T(void *arg, int64_t begin, int64_t end, uint32_t thread)                 \
    {                                                                                              \
        (void)thread;                                                                              \
        const col_job *job = arg;                                                                  \
        uint32_t last = job->rank - 1;                                                             \
        int64_t n = job->steps[last], first;                                                       \
        for (int64_t i = begin; i < end; i++) {                                                    \
            T *to = (T *)job->out->data + i * job->pixels;                                         \
            const T *x = (const T *)job->x->data + i * job->blocks * job->columns;                 \
            memset(to, 0, (size_t)job->pixels * sizeof(T));                                        \
            for (int64_t e = 0; e < job->blocks; e++)                                              \
                for (int64_t row = 0; row < job->columns / n; row++, x += n) {                     \
                    int64_t at = image_row(job, e, row, &first);                                   \
                    for (int64_t c = 0; at >= 0 && c < n; c++) {                                   \
                        int64_t p = first + c * job->stride[last];                                 \
                        if (p >= 0 && p < job->image[last])                                        \
                            to[at + p] = (T)((A)to[at + p] + (A)x[c]);                             \
                    }                                                                              \
                }                                                                                  \
        }                                                                                          \
    }
#define COL2IM_INTEGER(type, T) COL2IM(type, T, uint64_t)
#define COL2IM_FLOAT(type, T) COL2IM(type, T, T)
INTEGER_TYPES(COL2IM_INTEGER)
FLOAT_TYPES(COL2IM_FLOAT)

/* Entry i of an attribute, `otherwise` without it; must be in [low, 2^31). */
static brink_status entry(const kernel_args *a, attr_name name, uint32_t i, uint32_t needed,
                          int64_t low, int64_t otherwise, int64_t *out)
{
    uint32_t count;
    const int64_t *list = onnx_ints(a->node, name, &count);
    *out = list != NULL && count == needed ? list[i] : otherwise;
    if ((list != NULL && count != needed) || *out < low || *out > INT32_MAX)
        return kernel_fail(a, BRINK_BAD_INPUT, "strides, pads or dilations of an image of rank %u",
                           a->out[0]->rank - 2);
    return BRINK_OK;
}

brink_status cpu_col2im(const kernel_args *a)
{
    const tensor *x = a->in[0], *block = a->in[2];
    tensor *out = a->out[0];
    col_job job = {.x = x, .out = out, .rank = out->rank - 2, .blocks = 1, .columns = 1};
    for (uint32_t d = 0; d < job.rank; d++) {
        int64_t end;
        job.image[d] = out->dims[d + 2];
        job.block[d] = d < tensor_count(block) ? tensor_int(block, d) : 0;
        if (job.block[d] < 1 || job.block[d] > x->dims[1])
            return kernel_fail(a, BRINK_BAD_INPUT, "block_shape holds %lld",
                               (long long)job.block[d]);
        TRY(entry(a, ATTR_strides, d, job.rank, 1, 1, &job.stride[d]));
        TRY(entry(a, ATTR_dilations, d, job.rank, 1, 1, &job.dilation[d]));
        TRY(entry(a, ATTR_pads, d, 2 * job.rank, 0, 0, &job.pad[d]));
        TRY(entry(a, ATTR_pads, d + job.rank, 2 * job.rank, 0, 0, &end));
        int64_t room = job.image[d] + job.pad[d] + end - job.dilation[d] * (job.block[d] - 1) - 1;
        job.steps[d] = room < 0 ? 0 : room / job.stride[d] + 1;
        job.blocks *= job.block[d];
        if (job.blocks > x->dims[1] || (job.steps[d] > 0 && job.columns > INT64_MAX / job.steps[d]))
            return kernel_fail(a, BRINK_BAD_INPUT, "the blocks or the image are too large");
        job.columns *= job.steps[d];
    }
    job.pixels = dims_product(out, 2, out->rank);
    if (x->dims[1] != out->dims[1] * job.blocks || x->dims[2] != job.columns)
        return kernel_fail(a, BRINK_BAD_INPUT,
                           "the input has %lld columns of %lld, the image %lld of %lld per channel",
                           (long long)x->dims[2], (long long)x->dims[1], (long long)job.columns,
                           (long long)job.blocks);
    thread_range_fn fn;
    switch (out->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        fn = col2im_##T;                                                                           \
        break;
        INTEGER_TYPES(CASE)
        FLOAT_TYPES(CASE)
#undef CASE
    default:
        return kernel_bad_type(a, out->type);
    }
    if (job.columns == 0)
        memset(out->data, 0, (size_t)tensor_count(out) * element_bytes(out->type));
    else
        thread_for(a->context->pool, out->dims[0] * out->dims[1],
                   grain_for(job.blocks * job.columns), fn, &job);
    return BRINK_OK;
}
