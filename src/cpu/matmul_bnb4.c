/* matmul_bnb4.c — x[m, k] times w[n, k] in bitsandbytes' 4-bit floats: MatMulBnb4.

   Source: onnxruntime's com.microsoft.MatMulBnb4; Dettmers et al., "QLoRA" (2023), for NF4. The
   weights are one flat run of codes, the first in the high half of a byte, and each block of
   `block_size` of them has the scale that its largest magnitude had. Unpacked by panels for the f32
   product. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/product.h"

/* Sign, two bits of exponent, one of mantissa, over 12. */
static const float fp4[16] = {
    0.0f,  0.00520833333f,  0.66666667f,  1.0f,  0.33333333f,  0.5f,  0.16666667f,  0.25f,
    -0.0f, -0.00520833333f, -0.66666667f, -1.0f, -0.33333333f, -0.5f, -0.16666667f, -0.25f};

/* Quantiles of the normal distribution, scaled to [−1, 1]. */
static const float nf4[16] = {-1.0f,
                              -0.6961928009986877f,
                              -0.5250730514526367f,
                              -0.39491748809814453f,
                              -0.28444138169288635f,
                              -0.18477343022823334f,
                              -0.09105003625154495f,
                              0.0f,
                              0.07958029955625534f,
                              0.16093020141124725f,
                              0.24611230194568634f,
                              0.33791524171829224f,
                              0.44070982933044434f,
                              0.5626170039176941f,
                              0.7229568362236023f,
                              1.0f};

typedef struct bnb4 {
    const uint8_t *w;
    const tensor *scales;
    const float *codes;
    int64_t k, block;
} bnb4;

static void unpack_run(const void *source, int64_t n, int64_t k, int64_t count, float *to)
{
    const bnb4 *p = source;
    for (int64_t i = 0, at = n * p->k + k; i < count; i++, at++) {
        uint8_t code = at & 1 ? p->w[at / 2] & 15 : p->w[at / 2] >> 4;
        to[i] = p->codes[code] * (float)tensor_number(p->scales, at / p->block);
    }
}

brink_status cpu_matmul_bnb4(const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1];
    int64_t n = onnx_int(a->node, ATTR_N, 0), kind = onnx_int(a->node, ATTR_quant_type, 0);
    bnb4 b = {.w = w->data,
              .scales = a->in[2],
              .codes = kind == 0 ? fp4 : nf4,
              .k = onnx_int(a->node, ATTR_K, 0),
              .block = onnx_int(a->node, ATTR_block_size, 0)};
    if (x->type != BRINK_F32 || x->rank == 0)
        return kernel_bad_type(a, x->type);
    if (b.k <= 0 || n <= 0 || b.k > INT32_MAX || n > INT32_MAX || x->dims[x->rank - 1] != b.k ||
        b.block <= 0 || (kind != 0 && kind != 1))
        return kernel_fail(a, BRINK_BAD_INPUT, "K %lld, N %lld, block_size %lld, quant_type %lld",
                           (long long)b.k, (long long)n, (long long)b.block, (long long)kind);
    int64_t bytes = (n * b.k + 1) / 2, blocks = (n * b.k + b.block - 1) / b.block;
    if (w->type != BRINK_U8 || tensor_count(w) < bytes || tensor_count(b.scales) < blocks)
        return kernel_fail(a, BRINK_BAD_INPUT, "B has %lld bytes of %lld, %lld scales of %lld",
                           (long long)tensor_count(w), (long long)bytes,
                           (long long)tensor_count(b.scales), (long long)blocks);
    product p = {.m = tensor_count(x) / b.k,
                 .n = n,
                 .k = b.k,
                 .x = x->data,
                 .x_row = b.k,
                 .y = a->out[0]->data,
                 .y_row = n,
                 .run = unpack_run,
                 .source = &b};
    return product_simple(a, &p);
}
