/* product.c — MatMul, Gemm, and products with byte weights, which are widened as tiles are read.

   Source: ONNX MatMul and Gemm, the planner's MatMulWeights. Sums are f32. */
#include "gpu/product.h"

#include "cpu/loops.h"
#include "gpu/sources.h"

#include <stdio.h>
#include <string.h>

enum { TILE = 64 };

/* Four weights one by one. */
static const char quad_of_weights[] = "const along_k = false;\n"
                                      "fn quad(base: u32, k: u32, n: u32) -> vec4<f32> {\n"
                                      "  var w_ = vec4<f32>(weight(base, k, n), 0.0, 0.0, 0.0);\n"
                                      "  if (k + 1u < p.k) { w_.y = weight(base, k + 1u, n); }\n"
                                      "  if (k + 2u < p.k) { w_.z = weight(base, k + 2u, n); }\n"
                                      "  if (k + 3u < p.k) { w_.w = weight(base, k + 3u, n); }\n"
                                      "  return w_;\n}\n";

brink_status gpu_product(gpu_program *g, gpu_product_parameters *p, gpu_dispatch *d)
{
    char head[8192];
    const char *own = d->head;
    if (strstr(own, "fn quad(") == NULL) {
        snprintf(head, sizeof head, "%s%s", own, quad_of_weights);
        d->head = head;
    }
    p->y_row = p->y_row == 0 ? p->n : p->y_row;
    uint64_t batches = 1, tiles = ((uint64_t)p->m + TILE - 1) / TILE * ((p->n + TILE - 1) / TILE);
    for (uint32_t i = 0; i < p->batch_rank; i++)
        batches *= p->batch[i];
    d->body = gpu_source_product;
    d->parameters = p;
    d->bytes = sizeof *p;
    d->groups = batches * tiles;
    brink_status status = gpu_encode(g, d);
    d->head = own;
    return status;
}

#define F32_WEIGHT                                                                                 \
    "@group(0) @binding(3) var<storage, ACCESS_3> w: array<f32>;\n"                                \
    "fn weight(base: u32, k: u32, n: u32) -> f32 { return w[base + k * p.w_row + n * p.w_step]; }\n"
/* … of f16 and bf16, two a word. */
#define HALF_WEIGHT                                                                                \
    "@group(0) @binding(3) var<storage, ACCESS_3> w: array<u32>;\n"                                \
    "fn weight(base: u32, k: u32, n: u32) -> f32 {\n"                                              \
    "  let at = base + k * p.w_row + n * p.w_step;\n"                                              \
    "  return unpack2x16float(w[at / 2u])[at % 2u];\n}\n"
#define BRAIN_WEIGHT                                                                               \
    "@group(0) @binding(3) var<storage, ACCESS_3> w: array<u32>;\n"                                \
    "fn weight(base: u32, k: u32, n: u32) -> f32 {\n"                                              \
    "  let at = base + k * p.w_row + n * p.w_step;\n"                                              \
    "  return bitcast<f32>((w[at / 2u] >> (16u * (at % 2u))) << 16u);\n}\n"
#define NO_ADDEND "fn addend(m: u32, n: u32) -> f32 { return 0.0; }\n"

static bool is_weight(const tensor *w)
{
    return w != NULL && (w->type == BRINK_F32 || w->type == BRINK_F16 || w->type == BRINK_BF16);
}

/* How weights are read, then what is added at the end. */
static const char *put_head(char *head, size_t size, const tensor *w, const char *addend)
{
    snprintf(head, size, "%s%s",
             w->type == BRINK_F16    ? HALF_WEIGHT
             : w->type == BRINK_BF16 ? BRAIN_WEIGHT
                                     : F32_WEIGHT,
             addend);
    return head;
}

brink_status gpu_matmul(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *out = a->out[0];
    if (!gpu_is_f32(x) || !is_weight(w) || x->rank < 2 || w->rank < 2 || gpu_root(x) == gpu_root(w))
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
    char head[1024];
    return gpu_product(g, &p,
                       &(gpu_dispatch){.head = put_head(head, sizeof head, w, NO_ADDEND),
                                       .tensors = {out, x, w},
                                       .count = 3});
}

brink_status gpu_gemm(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *c = kernel_in(a, 2), *out = a->out[0];
    if (!gpu_is_f32(x) || !is_weight(w) || (c != NULL && !gpu_is_f32(c)) || x->rank != 2 ||
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
    char head[1024];
    gpu_dispatch d = {
        .head = put_head(head, sizeof head, w, NO_ADDEND), .tensors = {out, x, w}, .count = 3};
    if (c != NULL) {
        d.tensors[d.count++] = c;
        put_head(
            head, sizeof head, w,
            "@group(0) @binding(4) var<storage, ACCESS_4> c: array<f32>;\n"
            "fn addend(m: u32, n: u32) -> f32 { return p.beta * c[m * p.c_row + n * p.c_step]; }\n");
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
        "  let bits = (word >> (8u * (at %% 4u))) & 255u;\n"
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

/* bitsandbytes' four-bit floats: one flat run of codes, the first in the high half of a byte; the values
   are those of cpu/matmul_bnb4.c. */
brink_status gpu_matmul_bnb4(gpu_program *g, const kernel_args *a)
{
    static const char fp4[] =
        "0.0, 0.00520833333, 0.66666667, 1.0, 0.33333333, 0.5, 0.16666667, 0.25, 0.0, "
        "-0.00520833333, -0.66666667, -1.0, -0.33333333, -0.5, -0.16666667, -0.25";
    static const char nf4[] =
        "-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, "
        "-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0, "
        "0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, "
        "0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0";
    const tensor *x = a->in[0], *w = a->in[1], *scales = a->in[2], *out = a->out[0];
    int64_t n = onnx_int(a->node, ATTR_N, 0), k = onnx_int(a->node, ATTR_K, 0);
    int64_t block = onnx_int(a->node, ATTR_block_size, 0);
    if (!gpu_is_f32(x) || w->type != BRINK_U8 || x->rank == 0 || block < 1 || k < 1 || n < 1 ||
        n > UINT32_MAX || k > UINT32_MAX || block > UINT32_MAX ||
        (scales->type != BRINK_F32 && scales->type != BRINK_F16) || gpu_root(x) == gpu_root(w))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    if (x->dims[x->rank - 1] != k || tensor_count(w) < (n * k + 1) / 2 ||
        tensor_count(scales) < (n * k + block - 1) / block)
        return kernel_fail(a, BRINK_BAD_INPUT, "weights of %lld bytes for [%lld, %lld]",
                           (long long)tensor_count(w), (long long)n, (long long)k);
    gpu_product_parameters p = {.m = (uint32_t)(tensor_count(out) / n),
                                .n = (uint32_t)n,
                                .k = (uint32_t)k,
                                .x_row = (uint32_t)k,
                                .x_step = 1,
                                .alpha = 1,
                                .block = (uint32_t)block};
    bool half = scales->type == BRINK_F16;
    char head[2048];
    snprintf(head, sizeof head,
             "@group(0) @binding(3) var<storage, ACCESS_3> w: array<u32>;\n"
             "@group(0) @binding(4) var<storage, ACCESS_4> scale: array<%s>;\n"
             "var<private> codes: array<f32, 16> = array<f32, 16>(%s);\n"
             "fn weight(base: u32, k: u32, n: u32) -> f32 {\n"
             "  let at = n * p.k + k;\n  let b = at / p.block;\n"
             "  let code = (w[at / 8u] >> (4u * ((at %% 8u) ^ 1u))) & 15u;\n"
             "  return codes[code] * %s;\n}\n" NO_ADDEND,
             half ? "u32" : "f32", onnx_int(a->node, ATTR_quant_type, 0) == 0 ? fp4 : nf4,
             half ? "unpack2x16float(scale[b / 2u])[b % 2u]" : "scale[b]");
    return gpu_product(g, &p,
                       &(gpu_dispatch){.head = head, .tensors = {out, x, w, scales}, .count = 4});
}
