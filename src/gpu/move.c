/* move.c — Transpose, Concat, Split, Slice, Expand, DepthToSpace: strided copies on the GPU.

   Source: as cpu/move.c. Elements of four and eight bytes; bytes by pick.c; others on the CPU. */
#include "cpu/loops.h"
#include "gpu/gpu.h"
#include "gpu/sources.h"
#include "gpu/walk.h"

#include <string.h>

enum { MOVE_RANK = 8 };

typedef struct move {
    uint32_t count, rank, from, to;
    uint32_t dims[MOVE_RANK], to_strides[MOVE_RANK], from_strides[MOVE_RANK];
} move;

static bool takes(const kernel_args *a)
{
    for (uint32_t i = 0; i < a->out_count; i++) {
        if (a->out[i] == NULL)
            continue;
        uint32_t size = element_bytes(a->out[i]->type);
        bool byte = gpu_is_byte(a->out[i]->type) && a->out_count == 1;
        if ((size != 4 && size != 8 && !byte) ||
            (a->in[0] != NULL && a->in[0]->type != a->out[i]->type))
            return false;
    }
    return true;
}

/* The whole output, dense, by operand 1 of the walk. */
static brink_status fill(gpu_program *g, const kernel_args *a, int64_t from, nd *w)
{
    if (!gpu_is_byte(a->out[0]->type))
        return gpu_copy_walk(g, a->out[0], 0, a->in[0], from, w);
    nd_collapse(w);
    if (w->rank > MOVE_RANK)
        return kernel_fail(a, BRINK_UNSUPPORTED, "gpu: more than %d dimensions", MOVE_RANK);
    return gpu_pick_walk(g, a, a->in[0], from, w);
}

/* Operand 0 of the walk is `to`, operand 1 `from`; both begin at their offsets, in elements. */
brink_status gpu_copy_walk(gpu_program *g, const tensor *to, int64_t to_offset, const tensor *from,
                           int64_t from_offset, nd *w)
{
    int64_t count = 1;
    nd_collapse(w);
    for (uint32_t i = 0; i < w->rank; i++)
        count *= w->dims[i];
    if (count == 0)
        return BRINK_OK;
    if (w->rank > MOVE_RANK || tensor_count(from) > UINT32_MAX || tensor_count(to) > UINT32_MAX)
        return core_fail(g->d->context, BRINK_UNSUPPORTED,
                         "gpu: a copy of %lld elements in %u "
                         "dimensions",
                         (long long)count, w->rank);
    move m = {(uint32_t)count, w->rank, (uint32_t)from_offset, (uint32_t)to_offset, {0}, {0}, {0}};
    for (uint32_t i = 0; i < w->rank; i++) {
        m.dims[i] = (uint32_t)w->dims[i];
        m.to_strides[i] = (uint32_t)w->stride[0][i];
        m.from_strides[i] = (uint32_t)w->stride[1][i];
    }
    return gpu_encode(g, &(gpu_dispatch){.head = element_bytes(to->type) == 8
                                                     ? "alias E = vec2<u32>;\n"
                                                     : "alias E = u32;\n",
                                         .body = gpu_source_move,
                                         .tensors = {to, from},
                                         .count = 2,
                                         .parameters = &m,
                                         .bytes = sizeof m,
                                         .groups = ((uint64_t)count + 63) / 64});
}

brink_status gpu_transpose(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *out = a->out[0];
    uint32_t count = 0, axis;
    const int64_t *perm = onnx_ints(a->node, ATTR_perm, &count);
    int64_t dense[BRINK_MAX_RANK];
    nd w;
    if (!takes(a) || (perm != NULL && count != x->rank))
        return BRINK_UNSUPPORTED;
    for (uint32_t i = 0; perm != NULL && i < count; i++)
        if (!axis_wrap(perm[i], x->rank, &axis))
            return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    dense_strides(x->rank, x->dims, dense);
    nd_dense(&w, out->rank, out->dims);
    for (uint32_t i = 0; i < out->rank; i++) {
        axis_wrap(perm != NULL ? perm[i] : (int64_t)(out->rank - 1 - i), x->rank, &axis);
        w.stride[1][i] = dense[axis];
    }
    return fill(g, a, 0, &w);
}

/* `outer` runs of `run` elements between rows of different length. */
static brink_status copy_runs(gpu_program *g, int64_t outer, int64_t run, const tensor *to,
                              int64_t to_offset, int64_t to_row, const tensor *from,
                              int64_t from_offset, int64_t from_row)
{
    nd w = {.rank = 2, .operands = 2, .dims = {outer, run}, .stride = {{to_row, 1}, {from_row, 1}}};
    return outer > 0 && run > 0 ? gpu_copy_walk(g, to, to_offset, from, from_offset, &w) : BRINK_OK;
}

brink_status gpu_copy_runs(gpu_program *g, int64_t outer, int64_t run, const tensor *to,
                           int64_t to_row, const tensor *from, int64_t from_row)
{
    return copy_runs(g, outer, run, to, 0, to_row, from, 0, from_row);
}

brink_status gpu_concat(gpu_program *g, const kernel_args *a)
{
    const tensor *out = a->out[0];
    uint32_t axis;
    if (!takes(a) || !axis_wrap(onnx_int(a->node, ATTR_axis, 1), out->rank, &axis) ||
        (gpu_is_byte(out->type) && a->in_count >= GPU_BINDINGS))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    int64_t outer = dims_product(out, 0, axis), inner = dims_product(out, axis + 1, out->rank);
    int64_t row = out->dims[axis] * inner, at = 0;
    if (a->in_count < GPU_BINDINGS && gpu_class_of(out->type) != GPU_NO_CLASS)
        return gpu_pick_concat(g, a, inner, axis);
    for (uint32_t i = 0; i < a->in_count; i++) {
        int64_t run = a->in[i]->dims[axis] * inner;
        TRY(copy_runs(g, outer, run, out, at, row, a->in[i], 0, run));
        at += run;
    }
    return BRINK_OK;
}

brink_status gpu_split(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0];
    uint32_t axis;
    bool all = takes(a) && axis_wrap(onnx_int(a->node, ATTR_axis, 0), x->rank, &axis);
    for (uint32_t i = 0; i < a->out_count; i++)
        all = all && a->out[i] != NULL;
    if (!all)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    int64_t outer = dims_product(x, 0, axis), inner = dims_product(x, axis + 1, x->rank);
    int64_t row = x->dims[axis] * inner, at = 0;
    for (uint32_t i = 0; i < a->out_count; i++) {
        int64_t run = a->out[i]->dims[axis] * inner;
        if (run > row - at)
            return kernel_fail(a, BRINK_BAD_INPUT, "parts are longer than dimension %lld",
                               (long long)x->dims[axis]);
        TRY(copy_runs(g, outer, run, a->out[i], 0, run, x, at, row));
        at += run;
    }
    return BRINK_OK;
}

brink_status gpu_slice(gpu_program *g, const kernel_args *a)
{
    int64_t from;
    nd w;
    if (!takes(a))
        return BRINK_UNSUPPORTED;
    if (g == NULL || tensor_count(a->out[0]) == 0)
        return BRINK_OK;
    TRY(slice_walk(a, &w, &from));
    return fill(g, a, from, &w);
}

brink_status gpu_expand(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0];
    if (!takes(a))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    nd w;
    nd_broadcast(&w, a->out[0], &x, 1);
    return fill(g, a, 0, &w);
}

/* [N, C, H, W] with C as blocks of b by b, in either order, and channels. */
static brink_status blocks(gpu_program *g, const kernel_args *a, bool to_space)
{
    const tensor *x = a->in[0], *out = a->out[0];
    int64_t b = onnx_int(a->node, ATTR_blocksize, 0), dense[BRINK_MAX_RANK];
    bool crd = strcmp(onnx_string(a->node, ATTR_mode, "DCR"), "CRD") == 0;
    if (!takes(a) || x->rank != 4 || b < 1)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    dense_strides(4, x->dims, dense);
    int64_t channels = to_space ? out->dims[1] : x->dims[1];
    int64_t c = dense[1], h = dense[2];
    nd w = {0};
    if (to_space) /* out [N, C, H, b, W, b] */
        nd_dense(&w, 6, (int64_t[]){out->dims[0], channels, x->dims[2], b, x->dims[3], b});
    else if (crd) /* out [N, C, b, b, H, W] */
        nd_dense(&w, 6, (int64_t[]){out->dims[0], channels, b, b, out->dims[2], out->dims[3]});
    else /* out [N, b, b, C, H, W] */
        nd_dense(&w, 6, (int64_t[]){out->dims[0], b, b, channels, out->dims[2], out->dims[3]});
    const int64_t space[6] = {dense[0], crd ? b * b * c : c,   h, crd ? b * c : b * channels * c,
                              1,        crd ? c : channels * c};
    const int64_t depth[6] = {dense[0], crd ? c : h, crd ? h : 1, crd ? 1 : c, b * h, b};
    memcpy(w.stride[1], to_space ? space : depth, sizeof space);
    return fill(g, a, 0, &w);
}

brink_status gpu_depth_to_space(gpu_program *g, const kernel_args *a)
{
    return blocks(g, a, true);
}

brink_status gpu_space_to_depth(gpu_program *g, const kernel_args *a)
{
    return blocks(g, a, false);
}
