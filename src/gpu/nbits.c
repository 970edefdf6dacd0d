/* nbits.c — MatMulNBits and the planner's MatMulNBitsGroup: weights of 4 or 8 bits in blocks along k,
   each block with a scale and perhaps a zero point; x stays f32.

   Source: onnxruntime's com.microsoft.MatMulNBits, graph/pass_projection.c. A few rows of x, as in
   decoding, go through rows_nbits.wgsl, all products of one input in one dispatch; more through the
   tiles of product.wgsl. */
#include "gpu/product.h"
#include "gpu/sources.h"

#include <stdio.h>

enum { PARTS = 3, MOST_ROWS = 4, COLUMNS = 8, UNIT = 32 };

/* Columns n of the products of one input. */
typedef struct part {
    const tensor *w;           /* [n, blocks, block * bits / 8] bytes  */
    const tensor *scale;       /* [n, blocks], f32 or f16              */
    const tensor *zero, *bias; /* [n, blocks] of `bits` each; [n]; NULL: none */
    const tensor *out;
    int64_t n;
} part;

typedef struct nbits {
    const tensor *x;
    int64_t bits, block, k, blocks;
    part parts[PARTS];
    uint32_t count;
} nbits;

/* ── Reading the node ── */

static bool takes(const nbits *p)
{
    if (!gpu_is_f32(p->x) || (p->bits != 4 && p->bits != 8) || p->block < 16 || p->k <= 0)
        return false;
    for (uint32_t i = 0; i < p->count; i++) {
        const part *q = &p->parts[i];
        if (q->w == NULL || q->w->type != BRINK_U8 || q->scale == NULL || !gpu_is_f32(q->out) ||
            (q->scale->type != BRINK_F32 && q->scale->type != BRINK_F16) || q->n <= 0 ||
            (q->zero != NULL && q->zero->type != BRINK_U8) || (q->bias && !gpu_is_f32(q->bias)))
            return false;
    }
    return p->count > 0;
}

static brink_status check(const kernel_args *a, const nbits *p, const part *q)
{
    int64_t bytes = p->blocks * p->block * p->bits / 8;
    if (tensor_count(q->w) != q->n * bytes || tensor_count(q->scale) < q->n * p->blocks ||
        (q->zero && tensor_count(q->zero) < q->n * ((p->blocks * p->bits + 7) / 8)) ||
        (q->bias != NULL && tensor_count(q->bias) < q->n) || q->n * bytes > UINT32_MAX)
        return kernel_fail(a, BRINK_BAD_INPUT, "the weights do not fit N %lld, K %lld",
                           (long long)q->n, (long long)p->k);
    return BRINK_OK;
}

static nbits read(const kernel_args *a)
{
    nbits p = {.x = a->in[0],
               .bits = onnx_int(a->node, ATTR_bits, 4),
               .block = onnx_int(a->node, ATTR_block_size, 0),
               .k = onnx_int(a->node, ATTR_K, 0)};
    p.blocks = p.block > 0 ? (p.k + p.block - 1) / p.block : 0;
    return p;
}

/* ── The text before a kernel ── */

typedef struct head {
    char text[2048];
    size_t used;
} head;

#define PUT(h, ...)                                                                                \
    (h)->used += (size_t)snprintf((h)->text + (h)->used, sizeof(h)->text - (h)->used, __VA_ARGS__)

/* fn scale_of(i) and zero_of(n, block); `blocks` is the parameter that has their number. */
static void put_scales(head *h, const nbits *p, uint32_t scale_at, uint32_t zero_at,
                       const char *blocks)
{
    bool half = p->parts[0].scale->type == BRINK_F16;
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
    PUT(h,
        "@group(0) @binding(%u) var<storage, ACCESS_%u> zero: array<u32>;\n"
        "fn zero_of(n: u32, b: u32) -> f32 {\n"
        "  let at = n * ((%s * bits + 7u) / 8u * 8u / bits) + b;\n"
        "  return f32(zero[at * bits / 32u] >> (at * bits %% 32u) & ((1u << bits) - 1u));\n}\n",
        zero_at, zero_at, blocks);
}

/* ── Weights larger than a binding ── */

/* How many columns one binding takes: all, or a number that keeps every offset aligned. */
static uint64_t columns_bound(const gpu_device *d, uint64_t column, int64_t columns)
{
    uint64_t most = d->limits.maxStorageBufferBindingSize / column;
    return most >= (uint64_t)columns ? (uint64_t)columns : most / GPU_ALIGN * GPU_ALIGN;
}

/* Columns n to n + some of what `whole` binds for all columns. */
static gpu_binding share(const gpu_binding *whole, uint64_t columns, uint64_t n, uint64_t some)
{
    uint64_t each = whole->bytes / columns;
    return some == columns ? *whole : (gpu_binding){whole->buffer, n * each, some * each};
}

/* ── Many rows ── */

static brink_status tiles(gpu_program *g, const nbits *p, const part *q)
{
    gpu_product_parameters parameters = {.m = (uint32_t)(tensor_count(q->out) / q->n),
                                         .n = (uint32_t)q->n,
                                         .k = (uint32_t)p->k,
                                         .x_row = (uint32_t)p->k,
                                         .x_step = 1,
                                         .w_row = (uint32_t)p->blocks,
                                         .alpha = 1,
                                         .block = (uint32_t)p->block};
    head h = {.used = 0};
    gpu_dispatch d = {.head = h.text, .tensors = {q->out, p->x, q->w, q->scale}, .count = 4};
    if (q->zero != NULL)
        d.tensors[d.count++] = q->zero;
    put_scales(&h, p, 4, q->zero != NULL ? d.count : 0, "p.w_row");
    if (q->bias != NULL) {
        d.tensors[d.count++] = q->bias;
        PUT(&h, "@group(0) @binding(%u) var<storage, ACCESS_%u> bias: array<f32>;\n", d.count,
            d.count);
    }
    PUT(&h,
        "@group(0) @binding(3) var<storage, ACCESS_3> w: array<u32>;\n"
        "fn addend(m: u32, n: u32) -> f32 { return %s; }\n"
        "fn weight(base: u32, k: u32, n: u32) -> f32 {\n"
        "  let at = n * p.w_row * p.block + k;\n"
        "  let b = k / p.block;\n"
        "  let code = w[at * bits / 32u] >> (at * bits %% 32u) & ((1u << bits) - 1u);\n"
        "  return (f32(code) - zero_of(n, b)) * scale_of(n * p.w_row + b);\n}\n",
        q->bias != NULL ? "bias[p.y_at + n]" : "0.0");
    uint64_t columns = (uint64_t)q->n;
    uint64_t most = columns_bound(g->d, (uint64_t)(p->blocks * p->block * p->bits / 8), q->n);
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
            d.bindings[2 + i] = share(&whole[i], columns, n, some);
        parameters.n = (uint32_t)some;
        parameters.y_at = (uint32_t)n;
        TRY(gpu_product(g, &parameters, &d));
    }
    return BRINK_OK;
}

/* ── Few rows ── */

typedef struct rows_parameters {
    uint32_t k, n, units, block, blocks, x_at, ends[2], y_at[4], widths[4];
} rows_parameters;

/* *done stays false where the tiles have to do it. */
static brink_status few_rows(gpu_program *g, const nbits *p, int64_t m, bool *done)
{
    const tensor *w[PARTS], *scale[PARTS], *zero[PARTS];
    rows_parameters parameters = {.k = (uint32_t)p->k,
                                  .units = (uint32_t)(p->k / UNIT),
                                  .block = (uint32_t)(p->block / UNIT),
                                  .blocks = (uint32_t)p->blocks};
    head h = {.used = 0};
    gpu_dispatch d = {.head = h.text,
                      .body = gpu_source_rows_nbits,
                      .count = 3,
                      .written = 1,
                      .parameters = &parameters,
                      .bytes = sizeof parameters};
    if (m > MOST_ROWS || p->k % p->block != 0 || p->block % UNIT != 0 ||
        !gpu_arena(g, &d.bindings[0]) || !gpu_arena_offset(g, p->x, 4, &parameters.x_at))
        return BRINK_OK;
    int64_t columns = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const part *q = &p->parts[i];
        w[i] = q->w;
        scale[i] = q->scale;
        zero[i] = q->zero;
        if (q->bias != NULL || (q->zero == NULL) != (zero[0] == NULL) ||
            q->scale->type != scale[0]->type || tensor_count(q->scale) != q->n * p->blocks ||
            !gpu_arena_offset(g, q->out, 4, &parameters.y_at[i]))
            return BRINK_OK;
        if (q->zero != NULL && tensor_count(q->zero) != q->n * ((p->blocks * p->bits + 7) / 8))
            return BRINK_OK;
        columns += q->n;
        parameters.widths[i] = (uint32_t)q->n;
        if (i < 2)
            parameters.ends[i] = (uint32_t)columns;
    }
    if (columns * p->k > UINT32_MAX)
        return BRINK_OK;
    for (uint32_t i = p->count - 1; i < 2; i++) /* no column lies past the last product */
        parameters.ends[i] = UINT32_MAX;
    parameters.n = (uint32_t)columns;
    TRY(gpu_joined(g, w, p->count, &d.bindings[1]));
    TRY(gpu_joined(g, scale, p->count, &d.bindings[2]));
    if (zero[0] != NULL)
        TRY(gpu_joined(g, zero, p->count, &d.bindings[d.count++]));
    uint64_t column = (uint64_t)(p->k * p->bits / 8), most = columns_bound(g->d, column, columns);
    if (d.bindings[1].bytes == 0 || d.bindings[2].bytes == 0 ||
        (zero[0] != NULL && d.bindings[3].bytes == 0) ||
        (most < (uint64_t)columns && p->count > 1) || most == 0)
        return BRINK_OK;
    PUT(&h, "const rows = %uu;\n", (uint32_t)m);
    put_scales(&h, p, 3, zero[0] != NULL ? 4 : 0, "p.blocks");
    *done = true;
    const gpu_dispatch whole = d;
    for (uint64_t n = 0; n < (uint64_t)columns; n += most) {
        uint64_t some = (uint64_t)columns - n < most ? (uint64_t)columns - n : most;
        for (uint32_t i = 1; i < d.count;
             i++) { /* the same share of weights, scales, zero points */
            uint64_t each = whole.bindings[i].bytes / (uint64_t)columns;
            d.bindings[i].offset = n * each;
            d.bindings[i].bytes = most < (uint64_t)columns ? some * each : whole.bindings[i].bytes;
        }
        parameters.n = (uint32_t)some;
        d.groups = (some + COLUMNS - 1) / COLUMNS;
        TRY(gpu_encode(g, &d));
        parameters.y_at[0] += (uint32_t)some;
    }
    return BRINK_OK;
}

static brink_status run(gpu_program *g, const kernel_args *a, const nbits *p)
{
    if (!takes(p))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    for (uint32_t i = 0; i < p->count; i++)
        TRY(check(a, p, &p->parts[i]));
    int64_t m = tensor_count(p->parts[0].out) / p->parts[0].n;
    bool done = m == 0;
    if (!done)
        TRY(few_rows(g, p, m, &done));
    for (uint32_t i = 0; !done && i < p->count; i++)
        TRY(tiles(g, p, &p->parts[i]));
    return BRINK_OK;
}

brink_status gpu_matmul_nbits(gpu_program *g, const kernel_args *a)
{
    nbits p = read(a);
    p.count = 1;
    p.parts[0] = (part){a->in[1],        a->in[2],  kernel_in(a, 3),
                        kernel_in(a, 5), a->out[0], onnx_int(a->node, ATTR_N, 0)};
    return kernel_in(a, 4) != NULL ? BRINK_UNSUPPORTED : run(g, a, &p);
}

/* Inputs: x, three scales, weights, zero points and biases; see cpu/matmul_nbits_group.c. */
brink_status gpu_matmul_nbits_group(gpu_program *g, const kernel_args *a)
{
    nbits p = read(a);
    const int64_t *columns = onnx_ints(a->node, ATTR_split, &p.count);
    for (uint32_t i = 0; i < p.count; i++)
        p.parts[i] = (part){kernel_in(a, 4 + i),  kernel_in(a, 1 + i), kernel_in(a, 7 + i),
                            kernel_in(a, 10 + i), a->out[i],           columns[i]};
    return run(g, a, &p);
}
