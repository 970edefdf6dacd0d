/* product.c — MatMul, Gemm, and products with byte weights, which are widened as tiles are read.

   Source: ONNX MatMul and Gemm, the planner's MatMulWeights. Sums are f32. */
#include "gpu/product.h"

#include "cpu/loops.h"
#include "gpu/sources.h"

#include <stdio.h>
#include <string.h>

enum { TILE = 64 };

brink_status gpu_product(gpu_program *g, gpu_product_parameters *p, gpu_dispatch *d)
{
    p->y_row = p->y_row == 0 ? p->n : p->y_row;
    uint64_t batches = 1, tiles = ((uint64_t)p->m + TILE - 1) / TILE * ((p->n + TILE - 1) / TILE);
    for (uint32_t i = 0; i < p->batch_rank; i++)
        batches *= p->batch[i];
    d->body = gpu_source_product;
    d->parameters = p;
    d->bytes = sizeof *p;
    d->groups = batches * tiles;
    return gpu_encode(g, d);
}

#define F32_WEIGHT                                                                                 \
    "@group(0) @binding(3) var<storage, ACCESS_3> w: array<f32>;\n"                                \
    "fn weight(base: u32, k: u32, n: u32) -> f32 { return w[base + k * p.w_row + n * p.w_step]; }\n"
#define NO_ADDEND "fn addend(m: u32, n: u32) -> f32 { return 0.0; }\n"

brink_status gpu_matmul(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *out = a->out[0];
    if (!gpu_is_f32(x) || !gpu_is_f32(w) || x->rank < 2 || w->rank < 2 ||
        gpu_root(x) == gpu_root(w))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    gpu_product_parameters p = {.m = (uint32_t)x->dims[x->rank - 2],
                                .k = (uint32_t)x->dims[x->rank - 1],
                                .n = (uint32_t)w->dims[w->rank - 1],
                                .x_step = 1,
                                .w_step = 1,
                                .alpha = 1};
    if (x->dims[x->rank - 1] != w->dims[w->rank - 2])
        return kernel_fail(a, BRINK_BAD_INPUT, "inner dimensions %lld and %lld differ",
                           (long long)x->dims[x->rank - 1], (long long)w->dims[w->rank - 2]);
    p.x_row = p.k;
    p.w_row = p.n;
    int64_t x_dense[BRINK_MAX_RANK], w_dense[BRINK_MAX_RANK];
    dense_strides(x->rank, x->dims, x_dense);
    dense_strides(w->rank, w->dims, w_dense);
    p.batch_rank = out->rank - 2;
    for (uint32_t i = 0; i < p.batch_rank; i++) {
        uint32_t from_x = i + x->rank, from_w = i + w->rank; /* + out->rank */
        p.batch[i] = (uint32_t)out->dims[i];
        if (from_x >= out->rank && x->dims[from_x - out->rank] != 1)
            p.x_batch[i] = (uint32_t)x_dense[from_x - out->rank];
        if (from_w >= out->rank && w->dims[from_w - out->rank] != 1)
            p.w_batch[i] = (uint32_t)w_dense[from_w - out->rank];
    }
    if (w->rank == 2 || p.batch_rank == 0) { /* one matrix for all: rows are rows of one product */
        int64_t rows = tensor_count(out) / (p.n ? p.n : 1);
        if (w->rank == 2 && rows <= UINT32_MAX) {
            p.m = (uint32_t)rows;
            p.batch_rank = 0;
        }
    }
    return gpu_product(
        g, &p, &(gpu_dispatch){.head = F32_WEIGHT NO_ADDEND, .tensors = {out, x, w}, .count = 3});
}

brink_status gpu_gemm(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *c = kernel_in(a, 2), *out = a->out[0];
    if (!gpu_is_f32(x) || !gpu_is_f32(w) || (c != NULL && !gpu_is_f32(c)) || x->rank != 2 ||
        w->rank != 2 || gpu_root(x) == gpu_root(w) ||
        (c != NULL && (gpu_root(c) == gpu_root(x) || gpu_root(c) == gpu_root(w))))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    bool flip_x = onnx_int(a->node, ATTR_transA, 0) != 0;
    bool flip_w = onnx_int(a->node, ATTR_transB, 0) != 0;
    gpu_product_parameters p = {.m = (uint32_t)out->dims[0],
                                .n = (uint32_t)out->dims[1],
                                .k = (uint32_t)x->dims[flip_x ? 0 : 1],
                                .x_row = flip_x ? 1 : (uint32_t)x->dims[1],
                                .x_step = flip_x ? (uint32_t)x->dims[1] : 1,
                                .w_row = flip_w ? 1 : (uint32_t)w->dims[1],
                                .w_step = flip_w ? (uint32_t)w->dims[1] : 1,
                                .alpha = onnx_float(a->node, ATTR_alpha, 1),
                                .beta = onnx_float(a->node, ATTR_beta, 1)};
    gpu_dispatch d = {.head = F32_WEIGHT NO_ADDEND, .tensors = {out, x, w}, .count = 3};
    if (c != NULL) {
        d.tensors[d.count++] = c;
        d.head = F32_WEIGHT
            "@group(0) @binding(4) var<storage, ACCESS_4> c: array<f32>;\n"
            "fn addend(m: u32, n: u32) -> f32 { return p.beta * c[m * p.c_row + n * p.c_step]; }\n";
        int64_t columns = c->rank == 0 ? 1 : c->dims[c->rank - 1];
        int64_t rows = c->rank < 2 ? 1 : c->dims[c->rank - 2];
        p.c_step = columns != 1;
        p.c_row = rows != 1 ? (uint32_t)columns : 0;
    }
    return gpu_product(g, &p, &d);
}

/* Bytes, one zero point and scale a column or for all: x (w − zero) scale. */
brink_status gpu_matmul_weights(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *scale = a->in[2], *zero = kernel_in(a, 3);
    const tensor *bias = kernel_in(a, 4), *out = a->out[0];
    bool is_signed = w != NULL && w->type == BRINK_I8;
    if (!gpu_is_f32(x) || w == NULL || (w->type != BRINK_I8 && w->type != BRINK_U8) ||
        w->rank != 2 || !gpu_is_f32(scale) || (zero != NULL && zero->type != w->type) ||
        (bias != NULL && (!gpu_is_f32(bias) || bias->rank != 1)))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    bool flip = onnx_int(a->node, ATTR_transB, 0) != 0;
    gpu_product_parameters p = {.n = (uint32_t)w->dims[flip ? 0 : 1],
                                .k = (uint32_t)w->dims[flip ? 1 : 0],
                                .x_step = 1,
                                .w_row = flip ? 1 : (uint32_t)w->dims[1],
                                .w_step = flip ? (uint32_t)w->dims[1] : 1,
                                .alpha = 1};
    p.x_row = p.k;
    p.m = p.n == 0 ? 0 : (uint32_t)(tensor_count(out) / p.n);
    char head[2048];
    gpu_dispatch d = {.head = head, .tensors = {out, x, w, scale}, .count = 4};
    uint32_t zero_at = 0, bias_at = 0;
    if (zero != NULL) {
        d.tensors[d.count++] = zero;
        zero_at = d.count;
    }
    if (bias != NULL) {
        d.tensors[d.count++] = bias;
        bias_at = d.count;
    }
    size_t used = 0;
#define PUT(...) used += (size_t)snprintf(head + used, sizeof head - used, __VA_ARGS__)
    PUT("@group(0) @binding(3) var<storage, ACCESS_3> w: array<u32>;\n"
        "@group(0) @binding(4) var<storage, ACCESS_4> scale: array<f32>;\n"
        "fn code(word: u32, at: u32) -> f32 {\n"
        "  let bits = word >> (8u * (at %% 4u)) & 255u;\n"
        "  return %s;\n}\n",
        is_signed ? "f32(i32(bits << 24u) >> 24u)" : "f32(bits)");
    if (zero_at != 0)
        PUT("@group(0) @binding(%u) var<storage, ACCESS_%u> zero: array<u32>;\n", zero_at, zero_at);
    if (bias_at != 0)
        PUT("@group(0) @binding(%u) var<storage, ACCESS_%u> bias: array<f32>;\n", bias_at, bias_at);
    PUT("fn addend(m: u32, n: u32) -> f32 { return %s; }\n", bias_at ? "bias[n]" : "0.0");
    PUT("fn weight(base: u32, k: u32, n: u32) -> f32 {\n"
        "  let at = k * p.w_row + n * p.w_step;\n  var z = 0.0;\n");
    if (zero_at != 0 && tensor_count(zero) == 1)
        PUT("  z = code(zero[0], 0u);\n");
    else if (zero_at != 0)
        PUT("  z = code(zero[n / 4u], n);\n");
    PUT("  return (code(w[at / 4u], at) - z) * scale[%s];\n}\n",
        tensor_count(scale) == 1 ? "0" : "n");
#undef PUT
    return gpu_product(g, &p, &d);
}
