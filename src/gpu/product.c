/* product.c — MatMul, Gemm, and products with quantised weights, which are widened as tiles of them
   are read.

   Source: ONNX MatMul and Gemm, onnxruntime's MatMulNBits, the planner's MatMulWeights. Sums are
   f32. */
#include "cpu/loops.h"
#include "gpu/gpu.h"
#include "gpu/sources.h"

#include <stdio.h>
#include <string.h>

enum { BATCH_RANK = 8, TILE = 64 };

typedef struct parameters {
    uint32_t m, n, k, batch_rank, x_row, x_step, w_row, w_step;
    float alpha, beta;
    uint32_t block, c_row, batch[BATCH_RANK], x_batch[BATCH_RANK], w_batch[BATCH_RANK];
    uint32_t c_step, unused[3];
} parameters;
_Static_assert(sizeof(parameters) <= GPU_PARAMETERS, "a uniform block");

static bool is_f32(const tensor *t)
{
    return t != NULL && t->type == BRINK_F32;
}

static bool same_root(const tensor *a, const tensor *b)
{
    return ((const plan_tensor *)a)->root == ((const plan_tensor *)b)->root;
}

static brink_status encode(gpu_program *g, const parameters *p, gpu_dispatch *d)
{
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
    if (!is_f32(x) || !is_f32(w) || x->rank < 2 || w->rank < 2 || same_root(x, w))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    parameters p = {.m = (uint32_t)x->dims[x->rank - 2],
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
    return encode(
        g, &p, &(gpu_dispatch){.head = F32_WEIGHT NO_ADDEND, .tensors = {out, x, w}, .count = 3});
}

brink_status gpu_gemm(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *c = kernel_in(a, 2), *out = a->out[0];
    if (!is_f32(x) || !is_f32(w) || (c != NULL && !is_f32(c)) || x->rank != 2 || w->rank != 2 ||
        same_root(x, w) || (c != NULL && (same_root(c, x) || same_root(c, w))))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    bool flip_x = onnx_int(a->node, ATTR_transA, 0) != 0;
    bool flip_w = onnx_int(a->node, ATTR_transB, 0) != 0;
    parameters p = {.m = (uint32_t)out->dims[0],
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
    return encode(g, &p, &d);
}

/* Bytes, one zero point and scale a column or for all: x (w − zero) scale. */
brink_status gpu_matmul_weights(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *scale = a->in[2], *zero = kernel_in(a, 3);
    const tensor *bias = kernel_in(a, 4), *out = a->out[0];
    bool is_signed = w != NULL && w->type == BRINK_I8;
    if (!is_f32(x) || w == NULL || (w->type != BRINK_I8 && w->type != BRINK_U8) || w->rank != 2 ||
        !is_f32(scale) || (zero != NULL && zero->type != w->type) ||
        (bias != NULL && (!is_f32(bias) || bias->rank != 1)))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    bool flip = onnx_int(a->node, ATTR_transB, 0) != 0;
    parameters p = {.n = (uint32_t)w->dims[flip ? 0 : 1],
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
    return encode(g, &p, &d);
}

/* 4 and 8 bits a weight in blocks along k, each with a scale and perhaps a zero point. */
typedef struct nbits {
    const tensor *w, *scale, *zero, *bias, *out;
    int64_t n;
} nbits;

static brink_status nbits_product(gpu_program *g, const kernel_args *a, const nbits *part)
{
    const tensor *x = a->in[0], *w = part->w, *scale = part->scale, *zero = part->zero;
    const tensor *bias = part->bias, *out = part->out;
    int64_t bits = onnx_int(a->node, ATTR_bits, 4), block = onnx_int(a->node, ATTR_block_size, 0);
    int64_t k = onnx_int(a->node, ATTR_K, 0), n = part->n;
    if (!is_f32(x) || w == NULL || w->type != BRINK_U8 || !is_f32(scale) ||
        (bits != 4 && bits != 8) || block < 16 || k <= 0 || n <= 0 ||
        (zero != NULL && zero->type != BRINK_U8) || (bias != NULL && !is_f32(bias)))
        return BRINK_UNSUPPORTED;
    int64_t blocks = (k + block - 1) / block;
    if (g == NULL)
        return BRINK_OK;
    if (tensor_count(w) != n * blocks * block * bits / 8 || tensor_count(scale) < n * blocks ||
        (zero != NULL && tensor_count(zero) < n * ((blocks * bits + 7) / 8)) ||
        (bias != NULL && tensor_count(bias) < n) || tensor_count(w) > UINT32_MAX)
        return kernel_fail(a, BRINK_BAD_INPUT, "the weights do not fit N %lld, K %lld",
                           (long long)n, (long long)k);
    parameters p = {.m = (uint32_t)(tensor_count(out) / n),
                    .n = (uint32_t)n,
                    .k = (uint32_t)k,
                    .x_row = (uint32_t)k,
                    .x_step = 1,
                    .w_row = (uint32_t)blocks,
                    .alpha = 1,
                    .block = (uint32_t)block};
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
    PUT("const each = %uu;\nconst bits = %uu;\n"
        "@group(0) @binding(3) var<storage, ACCESS_3> w: array<u32>;\n"
        "@group(0) @binding(4) var<storage, ACCESS_4> scale: array<f32>;\n"
        "fn code(word: u32, at: u32) -> f32 {\n"
        "  return f32(word >> (bits * (at %% each)) & ((1u << bits) - 1u));\n}\n",
        (uint32_t)(32 / bits), (uint32_t)bits);
    if (zero_at != 0)
        PUT("@group(0) @binding(%u) var<storage, ACCESS_%u> zero: array<u32>;\n", zero_at, zero_at);
    if (bias_at != 0)
        PUT("@group(0) @binding(%u) var<storage, ACCESS_%u> bias: array<f32>;\n", bias_at, bias_at);
    PUT("fn addend(m: u32, n: u32) -> f32 { return %s; }\n", bias_at ? "bias[n]" : "0.0");
    PUT("fn weight(base: u32, k: u32, n: u32) -> f32 {\n"
        "  let at = n * p.w_row * p.block + k;\n"
        "  let b = k / p.block;\n");
    if (zero_at != 0)
        PUT("  let z_at = n * ((p.w_row * bits + 7u) / 8u * 8u / bits) + b;\n"
            "  let z = code(zero[z_at / each], z_at);\n");
    else
        PUT("  let z = %u.0;\n", 1u << (bits - 1));
    PUT("  return (code(w[at / each], at) - z) * scale[n * p.w_row + b];\n}\n");
#undef PUT
    return encode(g, &p, &d);
}

brink_status gpu_matmul_nbits(gpu_program *g, const kernel_args *a)
{
    const nbits part = {a->in[1],        a->in[2],  kernel_in(a, 3),
                        kernel_in(a, 5), a->out[0], onnx_int(a->node, ATTR_N, 0)};
    return kernel_in(a, 4) != NULL ? BRINK_UNSUPPORTED : nbits_product(g, a, &part);
}

/* Inputs: x, three scales, weights, zero points and biases; see cpu/matmul_nbits_group.c. */
brink_status gpu_matmul_nbits_group(gpu_program *g, const kernel_args *a)
{
    uint32_t count = 0;
    const int64_t *columns = onnx_ints(a->node, ATTR_split, &count);
    for (uint32_t i = 0; i < count; i++) {
        const nbits part = {kernel_in(a, 4 + i),  kernel_in(a, 1 + i), kernel_in(a, 7 + i),
                            kernel_in(a, 10 + i), a->out[i],           columns[i]};
        TRY(nbits_product(g, a, &part));
    }
    return BRINK_OK;
}
