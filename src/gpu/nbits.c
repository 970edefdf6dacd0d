/* nbits.c — MatMulNBits and the planner's MatMulNBitsGroup: weights of 4 or 8 bits in blocks along k,
   each block with a scale and perhaps a zero point.

   Source: onnxruntime's com.microsoft.MatMulNBits, graph/pass_projection.c. One row of x, as in decoding,
   goes through row.c; more in 8 bits through nbits_bytes.c where the policy allows, else as they are
   through the tiles of product.wgsl. */
#include "gpu/nbits.h"

#include "gpu/product.h"
#include "gpu/sources.h"

#include <assert.h>
#include <stdio.h>

/* ── Reading the node ── */

static bool takes(const gpu_nbits *p)
{
    if (!gpu_is_f32(p->x) || (p->bits != 4 && p->bits != 8) || p->block < 16 ||
        p->block % 16 != 0 || p->k <= 0)
        return false;
    for (uint32_t i = 0; i < p->count; i++) {
        const gpu_nbits_part *q = &p->parts[i];
        if (q->w == NULL || q->w->type != BRINK_U8 || q->scale == NULL || !gpu_is_f32(q->out) ||
            (q->scale->type != BRINK_F32 && q->scale->type != BRINK_F16) || q->n <= 0 ||
            (q->zero != NULL && q->zero->type != BRINK_U8 && q->zero->type != BRINK_F32 &&
             q->zero->type != BRINK_F16) ||
            (q->bias && !gpu_is_f32(q->bias)))
            return false;
    }
    return p->count > 0;
}

static brink_status check(const kernel_args *a, const gpu_nbits *p, const gpu_nbits_part *q)
{
    int64_t bytes = p->blocks * p->block * p->bits / 8;
    if (tensor_count(q->w) != q->n * bytes || tensor_count(q->scale) < q->n * p->blocks ||
        (q->zero && tensor_count(q->zero) < gpu_nbits_zeros(p, q)) ||
        (q->bias != NULL && tensor_count(q->bias) < q->n) || q->n * bytes > UINT32_MAX)
        return kernel_fail(a, BRINK_BAD_INPUT, "the weights do not fit N %lld, K %lld",
                           (long long)q->n, (long long)p->k);
    return BRINK_OK;
}

static gpu_nbits read(const kernel_args *a)
{
    gpu_nbits p = {.x = a->in[0],
                   .bits = onnx_int(a->node, ATTR_bits, 4),
                   .block = onnx_int(a->node, ATTR_block_size, 0),
                   .k = onnx_int(a->node, ATTR_K, 0),
                   .exact = a->exact || onnx_int(a->node, ATTR_accuracy_level, 0) == 1};
    p.blocks = p.block > 0 ? (p.k + p.block - 1) / p.block : 0;
    return p;
}

/* ── The text before a kernel ── */

void gpu_nbits_put(gpu_text_head *h, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    gpu_text_append(h->text, sizeof h->text, &h->used, format, args);
    va_end(args);
    assert(h->used + 1 < sizeof h->text);
}

void gpu_nbits_scales(gpu_text_head *h, const gpu_nbits *p, uint32_t scale_at, uint32_t zero_at,
                      const char *blocks)
{
    bool half = p->parts[0].scale->type == BRINK_F16;
    brink_type zero = zero_at != 0 ? p->parts[0].zero->type : BRINK_UNDEFINED;
    PUT(h,
        "const bits = %uu;\n"
        "@group(0) @binding(%u) var<storage, ACCESS_%u> scale: array<%s>;\n"
        "fn scale_of(i: u32) -> f32 { return %s; }\n",
        (uint32_t)p->bits, scale_at, scale_at, half ? "u32" : "f32",
        half ? "unpack2x16float(scale[i / 2u])[i % 2u]" : "scale[i]");
    if (zero_at == 0) {
        PUT(h, "fn zero_of(n: u32, b: u32) -> f32 { return %u.0; }\n", 1u << (p->bits - 1));
        return;
    }
    if (zero != BRINK_U8) {
        PUT(h,
            "@group(0) @binding(%u) var<storage, ACCESS_%u> zero: array<%s>;\n"
            "fn zero_of(n: u32, b: u32) -> f32 { let i = n * %s + b; return %s; }\n",
            zero_at, zero_at, zero == BRINK_F16 ? "u32" : "f32", blocks,
            zero == BRINK_F16 ? "unpack2x16float(zero[i / 2u])[i % 2u]" : "zero[i]");
        return;
    }
    PUT(h,
        "@group(0) @binding(%u) var<storage, ACCESS_%u> zero: array<u32>;\n"
        "fn zero_of(n: u32, b: u32) -> f32 {\n"
        "  let at = n * ((%s * bits + 7u) / 8u * 8u / bits) + b;\n"
        "  return f32((zero[at * bits / 32u] >> (at * bits %% 32u)) & ((1u << bits) - 1u));\n}\n",
        zero_at, zero_at, blocks);
}

/* ── Several products as one ── */

static bool has_biases(const gpu_nbits *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (p->parts[i].bias != NULL)
            return true;
    return false;
}

bool gpu_nbits_joins(const gpu_program *g, const gpu_nbits *p)
{
    int64_t columns = 0;
    bool biases = has_biases(p);
    for (uint32_t i = 0; i < p->count; i++) {
        const gpu_nbits_part *q = &p->parts[i], *first = &p->parts[0];
        const tensor *constants[4] = {q->w, q->scale, q->zero, q->bias};
        if (q->scale->type != first->scale->type || (q->zero == NULL) != (first->zero == NULL) ||
            (q->zero != NULL && q->zero->type != first->zero->type) ||
            (q->bias == NULL) == biases || tensor_count(q->scale) != q->n * p->blocks ||
            tensor_count(q->w) != q->n * p->k * p->bits / 8 ||
            (q->zero != NULL && tensor_count(q->zero) != gpu_nbits_zeros(p, q)) ||
            (q->bias != NULL && tensor_count(q->bias) != q->n))
            return false;
        for (uint32_t c = 0; c < 4; c++)
            if (constants[c] != NULL && !gpu_is_fixed(g->p, gpu_root(constants[c])))
                return false;
        columns += q->n;
    }
    uint64_t bytes = (uint64_t)(columns * p->k * p->bits / 8);
    return bytes / 4 <= UINT32_MAX &&
           (p->count == 1 || bytes <= g->d->limits.maxStorageBufferBindingSize);
}

brink_status gpu_nbits_join(gpu_program *g, const gpu_nbits *p, gpu_text_head *h, gpu_dispatch *d,
                            const char *blocks, gpu_binding *w, gpu_binding *scale,
                            gpu_binding *zero)
{
    const tensor *list[4][GPU_NBITS_PARTS];
    for (uint32_t i = 0; i < p->count; i++) {
        const gpu_nbits_part *q = &p->parts[i];
        list[0][i] = q->w;
        list[1][i] = q->scale;
        list[2][i] = q->zero;
        list[3][i] = q->bias;
    }
    TRY(gpu_joined(g, list[0], p->count, w));
    TRY(gpu_joined(g, list[1], p->count, scale));
    uint32_t at = ++d->count;
    if (list[2][0] != NULL) {
        TRY(gpu_joined(g, list[2], p->count, zero));
        d->count++;
    }
    gpu_nbits_scales(h, p, at, list[2][0] != NULL ? d->count : 0, blocks);
    if (list[3][0] != NULL) {
        TRY(gpu_joined(g, list[3], p->count, &d->bindings[d->count++]));
        PUT(h, "@group(0) @binding(%u) var<storage, ACCESS_%u> biases: array<f32>;\n", d->count,
            d->count);
    }
    PUT(h, "fn bias_of(n: u32) -> f32 { return %s; }\n",
        list[3][0] != NULL ? "biases[p.first + n]" : "0.0");
    return BRINK_OK;
}

/* ── Many rows ── */

static brink_status tiles(gpu_program *g, const gpu_nbits *p, const gpu_nbits_part *q)
{
    gpu_product_parameters parameters = {.m = (uint32_t)(tensor_count(q->out) / q->n),
                                         .n = (uint32_t)q->n,
                                         .k = (uint32_t)p->k,
                                         .x_row = (uint32_t)p->k,
                                         .x_step = 1,
                                         .w_row = (uint32_t)p->blocks,
                                         .alpha = 1,
                                         .block = (uint32_t)p->block};
    gpu_text_head h = {.used = 0};
    gpu_dispatch d = {.head = h.text, .tensors = {q->out, p->x, q->w, q->scale}, .count = 4};
    if (q->zero != NULL)
        d.tensors[d.count++] = q->zero;
    gpu_nbits_scales(&h, p, 4, q->zero != NULL ? d.count : 0, "p.w_row");
    if (q->bias != NULL) {
        d.tensors[d.count++] = q->bias;
        PUT(&h, "@group(0) @binding(%u) var<storage, ACCESS_%u> bias: array<f32>;\n", d.count,
            d.count);
    }
    PUT(&h,
        "@group(0) @binding(3) var<storage, ACCESS_3> w: array<u32>;\n"
        "fn addend(m: u32, n: u32) -> f32 { return %s; }\n"
        "const along_k = true;\n"
        "fn quad(base: u32, k: u32, n: u32) -> vec4<f32> {\n" /* of one block */
        "  let at = n * p.w_row * p.block + k;\n"
        "  let b = k / p.block;\n"
        "  let word = w[at * bits / 32u] >> (at * bits %% 32u);\n"
        "  let codes = vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, bits, 2u * bits, 3u * bits)) &\n"
        "                        vec4<u32>((1u << bits) - 1u));\n"
        "  return (codes - zero_of(n, b)) * scale_of(n * p.w_row + b);\n}\n",
        q->bias != NULL ? "bias[p.y_at + n]" : "0.0");
    uint64_t columns = (uint64_t)q->n;
    uint64_t most = gpu_nbits_bound(g->d, (uint64_t)(p->blocks * p->block * p->bits / 8), q->n);
    if (most >= columns || most == 0)
        return gpu_product(g, &parameters, &d);
    gpu_binding whole[3] = {{0}};
    const uint32_t split = q->zero != NULL ? 3 : 2; /* weights, scales, zero points */
    for (uint32_t i = 0; i < split; i++) {
        TRY(gpu_constant(g, d.tensors[2 + i], &whole[i]));
        d.tensors[2 + i] = NULL;
    }
    parameters.y_row = parameters.n;
    for (uint64_t n = 0; n < columns; n += most) {
        uint64_t some = columns - n < most ? columns - n : most;
        for (uint32_t i = 0; i < split; i++)
            d.bindings[2 + i] = gpu_nbits_share(&whole[i], columns, n, some);
        parameters.n = (uint32_t)some;
        parameters.y_at = (uint32_t)n;
        TRY(gpu_product(g, &parameters, &d));
    }
    return BRINK_OK;
}

static brink_status run(gpu_program *g, const kernel_args *a, const gpu_nbits *p)
{
    if (!takes(p))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    for (uint32_t i = 0; i < p->count; i++)
        TRY(check(a, p, &p->parts[i]));
    int64_t m = tensor_count(p->parts[0].out) / p->parts[0].n;
    bool done = m == 0;
    if (m == 1)
        TRY(gpu_row(g, p, &done));
    if (!done && m > 1)
        TRY(gpu_nbits_bytes(g, p, m, &done));
    for (uint32_t i = 0; !done && i < p->count; i++)
        TRY(tiles(g, p, &p->parts[i]));
    return BRINK_OK;
}

static gpu_nbits read_single(const kernel_args *a)
{
    gpu_nbits p = read(a);
    p.count = 1;
    p.parts[0] = (gpu_nbits_part){a->in[1],        a->in[2],  kernel_in(a, 3),
                                  kernel_in(a, 5), a->out[0], onnx_int(a->node, ATTR_N, 0)};
    return p;
}

/* Inputs: x, three scales, weights, zero points and biases; see cpu/matmul_nbits_group.c. */
static gpu_nbits read_group(const kernel_args *a)
{
    gpu_nbits p = read(a);
    const int64_t *columns = onnx_ints(a->node, ATTR_split, &p.count);
    for (uint32_t i = 0; i < p.count; i++)
        p.parts[i] =
            (gpu_nbits_part){kernel_in(a, 4 + i),  kernel_in(a, 1 + i), kernel_in(a, 7 + i),
                             kernel_in(a, 10 + i), a->out[i],           columns[i]};
    return p;
}

bool gpu_nbits_read(const plan_step *s, gpu_nbits *out)
{
    const kernel_args *a = &s->args;
    if (s->op == OP_brink_MatMulNBitsGroup_1)
        *out = read_group(a);
    else if (s->op == OP_ms_MatMulNBits_1 && kernel_in(a, 4) == NULL)
        *out = read_single(a);
    else
        return false;
    return takes(out);
}

brink_status gpu_matmul_nbits(gpu_program *g, const kernel_args *a)
{
    gpu_nbits p = read_single(a);
    return kernel_in(a, 4) != NULL ? BRINK_UNSUPPORTED : run(g, a, &p);
}

brink_status gpu_matmul_nbits_group(gpu_program *g, const kernel_args *a)
{
    gpu_nbits p = read_group(a);
    return run(g, a, &p);
}
