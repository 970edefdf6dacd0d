/* pick.c — operators whose output's elements are elements of the input, or one value: Pad, Tile,
   CenterCropPad, Trilu, GatherElements, GatherND, and Concat of what move.c leaves.

   Source: ONNX; as cpu/move.c, cpu/gather.c and cpu/shape_ops.c. Bound by memory. Each says in WGSL, of
   output element i, where it comes from. Elements of one, four and eight bytes. */
#include "cpu/indices.h"
#include "gpu/walk.h"

#include <stdio.h>
#include <string.h>

/* The walk's arrays, by operand; what an operator does not use stays 0. */
enum { A, B, C, FILL = 5 };

static uint32_t *array(gpu_walk *w, uint32_t which)
{
    return w->strides + which * GPU_WALK_RANK;
}

static const char walking[] = "fn par(which: u32, d: u32) -> u32 {\n"
                              "    return walk.strides[2u * which + d / 4u][d % 4u];\n}\n"
                              "fn dim(d: u32) -> u32 { return walk.dims[d / 4u][d % 4u]; }\n";

static bool moves(const tensor *x, const tensor *out)
{
    return x != NULL && out != NULL && x->type == out->type &&
           gpu_class_of(out->type) != GPU_NO_CLASS;
}

static bool is_index(const tensor *t)
{
    return t != NULL && (t->type == BRINK_I64 || t->type == BRINK_I32);
}

/* The output's dimensions, and x's dense strides as array A. */
static void walk_output(gpu_walk *w, const tensor *x, const tensor *out)
{
    int64_t dense[BRINK_MAX_RANK];
    dense_strides(x->rank, x->dims, dense);
    w->rank = out->rank;
    for (uint32_t d = 0; d < out->rank; d++)
        w->dims[d] = (uint32_t)out->dims[d];
    for (uint32_t d = 0; d < x->rank; d++)
        array(w, A)[d] = (uint32_t)dense[d];
}

/* `body` is that of result(i), which reads x by load1 and indices by load2. */
static brink_status pick(gpu_program *g, const kernel_args *a, const tensor *x,
                         const tensor *indices, gpu_walk *w, const char *body)
{
    const tensor *out = a->out[0];
    gpu_operands o = {.list = {out, x, indices}, .count = indices != NULL ? 3 : 2};
    gpu_wgsl head = {.used = 0};
    if (tensor_count(x) > UINT32_MAX)
        return kernel_fail(a, BRINK_OUT_OF_MEMORY, "gpu: %lld elements",
                           (long long)tensor_count(x));
    const char *name = gpu_class_name(gpu_class_of(out->type));
    gpu_put_storage(&head, &o);
    gpu_put(&head, "%sfn fill() -> %s { return %s; }\n", walking, name,
            gpu_class_of(out->type) == GPU_LONG    ? "vec2<u32>(par(5u, 0u), par(5u, 1u))"
            : gpu_class_of(out->type) == GPU_PLAIN ? "par(5u, 0u)"
            : gpu_class_of(out->type) == GPU_FLOAT ? "bitcast<f32>(par(5u, 0u))"
                                                   : "bitcast<i32>(par(5u, 0u))");
    if (indices != NULL)
        gpu_put(&head, "fn index(at: u32) -> i32 { return %s; }\n",
                indices->type == BRINK_I64 ? "i32(load2(at).x)" : "load2(at)");
    gpu_put(&head, "fn result(i: u32) -> %s {\n%s}\n", name, body);
    gpu_put_result(&head, out);
    return gpu_encode_walk(g, &o, &head, w);
}

/* ── By coordinates: Pad, CenterCropPad, Tile ── */

/* Array B: what lies before; C: dimensions of x. */
static const char *const edges[] = {
    "if (k < 0 || k >= n) { return fill(); }",
    ("if ((k < 0 || k >= n) && n > 1) { let t = 2 * (n - 1); k = (k % t + t) % t; "
     "k = select(t - k, k, k < n); } else if (n == 1) { k = 0; }"),
    "k = clamp(k, 0, n - 1);",
    "k = (k % n + n) % n;",
};
enum { CONSTANT, REFLECT, EDGE, WRAP };

static brink_status padded(gpu_program *g, const kernel_args *a, const int64_t *before,
                           uint32_t mode, const void *value)
{
    const tensor *x = a->in[0], *out = a->out[0];
    gpu_walk w = {0};
    char body[1024];
    walk_output(&w, x, out);
    for (uint32_t d = 0; d < x->rank; d++) {
        array(&w, B)[d] = (uint32_t)before[d];
        array(&w, C)[d] = (uint32_t)x->dims[d];
    }
    if (value != NULL)
        memcpy(array(&w, FILL), value, element_bytes(x->type));
    if (tensor_count(x) == 0 && mode != CONSTANT && tensor_count(out) > 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "padding of an empty input");
    snprintf(body, sizeof body,
             "    var rest = i;\n    var source = 0u;\n"
             "    for (var d = walk.rank; d > 0u; d--) {\n"
             "        let n = i32(par(2u, d - 1u));\n"
             "        var k = i32(rest %% dim(d - 1u)) - i32(par(1u, d - 1u));\n"
             "        rest /= dim(d - 1u);\n        %s\n"
             "        source += u32(k) * par(0u, d - 1u);\n    }\n    return load1(source);\n",
             edges[mode]);
    return pick(g, a, x, NULL, &w, body);
}

static int64_t listed(const kernel_args *a, attr_name name, uint32_t input, uint32_t i)
{
    uint32_t count = 0;
    const int64_t *list = onnx_ints(a->node, name, &count);
    return list != NULL ? list[i] : tensor_int(a->in[input], i);
}

brink_status gpu_pad(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *pads = kernel_in(a, 1), *constant = kernel_in(a, 2);
    const tensor *axes = kernel_in(a, 3);
    const char *name = onnx_string(a->node, ATTR_mode, "constant");
    uint32_t count = 0, axis,
             mode = strcmp(name, "reflect") == 0 ? REFLECT
                    : strcmp(name, "edge") == 0  ? EDGE
                    : strcmp(name, "wrap") == 0  ? WRAP
                                                 : CONSTANT;
    const int64_t *given = onnx_ints(a->node, ATTR_pads, &count);
    int64_t before[BRINK_MAX_RANK] = {0};
    if (!moves(x, a->out[0]) || (given == NULL && pads == NULL) ||
        (constant != NULL && constant->type != x->type))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    count = given != NULL ? count : (uint32_t)tensor_count(pads);
    uint32_t named = axes != NULL ? (uint32_t)tensor_count(axes) : x->rank;
    if (count != 2 * named)
        return kernel_fail(a, BRINK_BAD_INPUT, "%u pads for %u axes", count, named);
    for (uint32_t i = 0; i < named; i++) {
        int64_t at = axes != NULL ? tensor_int(axes, i) : (int64_t)i;
        if (!axis_wrap(at, x->rank, &axis))
            return kernel_fail(a, BRINK_BAD_INPUT, "axis %lld is outside rank %u", (long long)at,
                               x->rank);
        before[axis] = listed(a, ATTR_pads, 1, i);
    }
    float f = onnx_float(a->node, ATTR_value, 0);
    const void *value = x->type == BRINK_F32 ? &f : NULL;
    if (constant != NULL && tensor_count(constant) > 0)
        value = constant->data;
    return padded(g, a, before, mode, value);
}

brink_status gpu_center_crop_pad(gpu_program *g, const kernel_args *a)
{
    int64_t before[BRINK_MAX_RANK] = {0};
    if (!moves(a->in[0], a->out[0]))
        return BRINK_UNSUPPORTED;
    for (uint32_t d = 0; g != NULL && d < a->in[0]->rank; d++)
        before[d] = (a->out[0]->dims[d] - a->in[0]->dims[d]) / 2;
    return g == NULL ? BRINK_OK : padded(g, a, before, CONSTANT, NULL);
}

brink_status gpu_tile(gpu_program *g, const kernel_args *a)
{
    static const int64_t before[BRINK_MAX_RANK] = {0};
    if (!moves(a->in[0], a->out[0]))
        return BRINK_UNSUPPORTED;
    return g == NULL ? BRINK_OK : padded(g, a, before, WRAP, NULL);
}

/* ── Trilu ── */

brink_status gpu_trilu(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *diagonal = kernel_in(a, 1);
    if (!moves(x, a->out[0]) || x->rank < 2)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    int64_t k = diagonal != NULL ? tensor_int(diagonal, 0) : 0;
    int64_t rows = x->dims[x->rank - 2], columns = x->dims[x->rank - 1];
    gpu_walk w = {0};
    array(&w, A)[0] = (uint32_t)rows;
    array(&w, A)[1] = (uint32_t)columns;
    array(&w, A)[2] = (uint32_t)(k > columns ? columns : k < -rows ? -rows : k);
    return pick(
        g, a, x, NULL, &w,
        onnx_int(a->node, ATTR_upper, 1) != 0
            ? "    let cut = i32(i / par(0u, 1u) % par(0u, 0u)) + i32(par(0u, 2u));\n"
              "    if (i32(i % par(0u, 1u)) < cut) { return fill(); }\n    return load1(i);\n"
            : "    let cut = i32(i / par(0u, 1u) % par(0u, 0u)) + i32(par(0u, 2u));\n"
              "    if (i32(i % par(0u, 1u)) > cut) { return fill(); }\n"
              "    return load1(i);\n");
}

/* ── By indices, which the host has looked at ── */

brink_status gpu_gather_elements(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *indices = a->in[1], *out = a->out[0];
    uint32_t axis;
    if (!moves(x, out) || !is_index(indices) || gpu_root(x) == gpu_root(indices) ||
        !axis_wrap(onnx_int(a->node, ATTR_axis, 0), x->rank, &axis))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    for (uint32_t d = 0; d < x->rank; d++)
        if (d != axis && out->dims[d] > x->dims[d])
            return kernel_fail(a, BRINK_BAD_INPUT, "dimension %u of the indices is %lld, of x %lld",
                               d, (long long)out->dims[d], (long long)x->dims[d]);
    for (int64_t i = 0, count = tensor_count(indices); i < count; i++) {
        int64_t index = tensor_int(indices, i);
        if (!index_wrap(&index, x->dims[axis]))
            return index_fail(a, index, x->dims[axis]);
    }
    gpu_walk w = {0};
    walk_output(&w, x, out);
    array(&w, B)[0] = array(&w, A)[axis];
    array(&w, B)[1] = (uint32_t)x->dims[axis];
    array(&w, A)[axis] = 0;
    return pick(g, a, x, indices, &w,
                "    let k = index(i);\n"
                "    return load1(at(i, 0u) + u32(select(k, k + i32(par(1u, 1u)), k < 0)) * "
                "par(1u, 0u));\n");
}

brink_status gpu_gather_nd(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *indices = a->in[1], *out = a->out[0];
    uint32_t batches = (uint32_t)onnx_int(a->node, ATTR_batch_dims, 0);
    if (!moves(x, out) || !is_index(indices) || gpu_root(x) == gpu_root(indices) ||
        indices->rank == 0 || batches >= indices->rank)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    int64_t width = indices->dims[indices->rank - 1], dense[BRINK_MAX_RANK], offset;
    if (width + batches > x->rank)
        return kernel_fail(a, BRINK_BAD_INPUT, "index tuples of %lld, the data's rank is %u",
                           (long long)width, x->rank);
    for (uint32_t d = 0; d < batches; d++)
        if (indices->dims[d] != x->dims[d])
            return kernel_fail(a, BRINK_BAD_INPUT, "batch dimension %u differs", d);
    dense_strides(x->rank, x->dims, dense);
    int64_t each = dims_product(indices, batches, indices->rank - 1);
    int64_t tuples = dims_product(indices, 0, indices->rank - 1);
    for (int64_t i = 0; tensor_count(out) > 0 && i < tuples; i++)
        TRY(index_tuple(a, x, dense, indices, i, batches, width, &offset));
    gpu_walk w = {0};
    for (int64_t d = 0; d < width; d++) {
        array(&w, A)[d] = (uint32_t)dense[batches + d];
        array(&w, B)[d] = (uint32_t)x->dims[batches + d];
    }
    array(&w, C)[0] = (uint32_t)width;
    array(&w, C)[1] = (uint32_t)dims_product(x, batches + (uint32_t)width, x->rank);
    array(&w, C)[2] = (uint32_t)each;
    array(&w, C)[3] = (uint32_t)dims_product(x, batches, x->rank);
    return pick(g, a, x, indices, &w,
                "    let tuple = i / par(2u, 1u);\n"
                "    var source = tuple / par(2u, 2u) * par(2u, 3u) + i % par(2u, 1u);\n"
                "    for (var d = 0u; d < par(2u, 0u); d++) {\n"
                "        let k = index(tuple * par(2u, 0u) + d);\n"
                "        source += u32(select(k, k + i32(par(1u, d)), k < 0)) * par(0u, d);\n"
                "    }\n    return load1(source);\n");
}

/* ── Bytes, as move.c and gather.c ask for them ── */

brink_status gpu_pick_walk(gpu_program *g, const kernel_args *a, const tensor *x, int64_t offset,
                           const nd *n)
{
    gpu_walk w = {.rank = n->rank};
    for (uint32_t d = 0; d < n->rank; d++) {
        w.dims[d] = (uint32_t)n->dims[d];
        array(&w, A)[d] = (uint32_t)n->stride[1][d];
    }
    array(&w, B)[0] = (uint32_t)offset;
    return pick(g, a, x, NULL, &w, "    return load1(par(1u, 0u) + at(i, 0u));\n");
}

brink_status gpu_pick_rows(gpu_program *g, const kernel_args *a, int64_t inner, int64_t bound)
{
    gpu_walk w = {0};
    array(&w, A)[0] = (uint32_t)inner;
    array(&w, A)[1] = (uint32_t)tensor_count(a->in[1]);
    array(&w, A)[2] = (uint32_t)bound;
    return pick(g, a, a->in[0], a->in[1], &w,
                "    let k = index(i / par(0u, 0u) % par(0u, 1u));\n"
                "    let row = u32(select(k, k + i32(par(0u, 2u)), k < 0));\n"
                "    let outer = i / (par(0u, 0u) * par(0u, 1u));\n"
                "    return load1((outer * par(0u, 2u) + row) * par(0u, 0u) + i % par(0u, 0u));\n");
}

/* Each row of the output is one of every input; array A has their lengths. One dispatch. */
brink_status gpu_pick_concat(gpu_program *g, const kernel_args *a, int64_t inner, uint32_t axis)
{
    gpu_operands o = {.list = {a->out[0]}, .count = 1};
    gpu_walk w = {0};
    gpu_wgsl head = {.used = 0};
    uint32_t at[GPU_BINDINGS - 1];
    for (uint32_t i = 0; i < a->in_count; i++) {
        at[i] = gpu_bind(&o, a->in[i]);
        array(&w, A)[i] = (uint32_t)(a->in[i]->dims[axis] * inner);
    }
    array(&w, B)[0] = (uint32_t)(a->out[0]->dims[axis] * inner);
    gpu_put_storage(&head, &o);
    gpu_put(&head,
            "%sfn result(i: u32) -> %s {\n    var k = i %% par(1u, 0u);\n"
            "    let row = i / par(1u, 0u);\n",
            walking, gpu_class_name(gpu_class_of(a->out[0]->type)));
    for (uint32_t i = 0; i + 1 < a->in_count; i++)
        gpu_put(&head,
                "    if (k < par(0u, %uu)) { return load%u(row * par(0u, %uu) + k); }\n"
                "    k -= par(0u, %uu);\n",
                i, at[i], i, i);
    gpu_put(&head, "    return load%u(row * par(0u, %uu) + k);\n}\n", at[a->in_count - 1],
            a->in_count - 1);
    gpu_put_result(&head, a->out[0]);
    return gpu_encode_walk(g, &o, &head, &w);
}
