/* quantize.c — QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, MatMulInteger and
   GatherBlockQuantized on the GPU.

   Source: as cpu/quantize.c, cpu/matmul_integer.c and cpu/gather_block_quantized.c. Bytes lie four a
   word; types of four bits only in tables of GatherBlockQuantized. */
#include "cpu/loops.h"
#include "gpu/sources.h"
#include "gpu/walk.h"

#include <string.h>

static bool is_code(const tensor *t)
{
    return t != NULL && (t->type == BRINK_U8 || t->type == BRINK_I8);
}

/* ── Quantize, dequantize ── */

/* Array 0 of the walk: dim, inner, block and blocks of the scales; see scale_index there. */
static brink_status put_scales(const kernel_args *a, gpu_walk *w, gpu_wgsl *head)
{
    const tensor *x = a->in[0], *scale = a->in[1], *zero = kernel_in(a, 2);
    int64_t block = onnx_int(a->node, ATTR_block_size, 0), count = tensor_count(scale);
    uint32_t axis;
    if (block == 0 && count == 1) {
        gpu_put(head, "fn scale_at(i: u32) -> u32 { return 0u; }\n");
        return BRINK_OK;
    }
    if (block < 0 || x->rank == 0 || !axis_wrap(onnx_int(a->node, ATTR_axis, 1), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u or block_size is negative",
                           x->rank);
    int64_t dim = x->dims[axis], inner = dims_product(x, axis + 1, x->rank);
    int64_t blocks = block > 0 ? (dim + block - 1) / block : dim;
    int64_t want = block > 0 ? dims_product(x, 0, axis) * blocks * inner : dim;
    if (count != want || (zero != NULL && tensor_count(zero) < count))
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld scales, %lld are needed", (long long)count,
                           (long long)want);
    const uint32_t numbers[4] = {(uint32_t)dim, (uint32_t)inner, (uint32_t)block, (uint32_t)blocks};
    memcpy(w->strides, numbers, sizeof numbers);
    gpu_put(head, "fn scale_at(i: u32) -> u32 {\n"
                  "    let s = walk.strides[0];\n    let k = i / s.y %% s.x;\n");
    gpu_put(head, block == 0
                      ? "    return k;\n}\n"
                      : "    return (i / (s.y * s.x) * s.w + k / s.z) * s.y + i %% s.y;\n}\n");
    return BRINK_OK;
}

/* The head so far: storage of the output and of x, scale and zero as load1, load2 and load3. */
static bool start(const kernel_args *a, gpu_operands *o)
{
    *o = (gpu_operands){.list = {a->out[0]}, .count = 1};
    for (uint32_t i = 0; i < 3; i++)
        if (kernel_in(a, i) != NULL && gpu_bind(o, a->in[i]) != i + 1)
            return false; /* two inputs are one */
    return true;
}

static const char *zero_text(const tensor *zero)
{
    return zero == NULL              ? "0"
           : tensor_count(zero) == 1 ? "i32(load3(0u))"
                                     : "i32(load3(scale_at(i)))";
}

/* (q + zero) cut to the type's range. */
static void put_codes(gpu_wgsl *head, brink_type type, const char *x, const char *scale,
                      const char *zero)
{
    gpu_put(head,
            "fn result(i: u32) -> %s {\n    let x = %s;\n    let s = %s;\n    let about = x / s;\n"
            "    let q = round(select(about, div_(x, s), abs(about) < 1024.0)) + f32(%s);\n"
            "    return %s(clamp(select(q, %s, nan_(q)), %s, %s));\n}\n",
            type == BRINK_I8 ? "i32" : "u32", x, scale, zero, type == BRINK_I8 ? "i32" : "u32",
            type == BRINK_I8 ? "-128.0" : "0.0", type == BRINK_I8 ? "-128.0" : "0.0",
            type == BRINK_I8 ? "127.0" : "255.0");
}

brink_status gpu_quantize(gpu_program *g, const kernel_args *a)
{
    const tensor *zero = kernel_in(a, 2), *out = a->out[0];
    gpu_operands o;
    if (!gpu_is_f32(a->in[0]) || !gpu_is_f32(a->in[1]) || !is_code(out) ||
        (zero != NULL && zero->type != out->type) || !start(a, &o))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    gpu_walk w = {0};
    gpu_wgsl head = {.used = 0};
    gpu_put_storage(&head, &o);
    TRY(put_scales(a, &w, &head));
    put_codes(&head, out->type, "load1(i)", "load2(scale_at(i))", zero_text(zero));
    gpu_put_result(&head, out);
    return gpu_encode_walk(g, &o, &head, &w);
}

brink_status gpu_dequantize(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *zero = kernel_in(a, 2), *out = a->out[0];
    gpu_operands o;
    if ((!is_code(x) && x->type != BRINK_I32) || !gpu_is_f32(a->in[1]) || !gpu_is_f32(out) ||
        (zero != NULL && zero->type != x->type) || !start(a, &o))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    gpu_walk w = {0};
    gpu_wgsl head = {.used = 0};
    gpu_put_storage(&head, &o);
    TRY(put_scales(a, &w, &head));
    gpu_put(&head,
            "fn result(i: u32) -> f32 {\n"
            "    return f32(i32(load1(i)) - %s) * load2(scale_at(i));\n}\n",
            zero_text(zero));
    gpu_put_result(&head, out);
    return gpu_encode_walk(g, &o, &head, &w);
}

brink_status gpu_dynamic_quantize(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *out = kernel_out(a, 0), *scale = kernel_out(a, 1);
    const tensor *zero = kernel_out(a, 2);
    if (!gpu_is_f32(x) || out == NULL || scale == NULL || zero == NULL)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    if (tensor_count(x) > UINT32_MAX)
        return kernel_fail(a, BRINK_OUT_OF_MEMORY, "gpu: %lld elements",
                           (long long)tensor_count(x));
    const uint32_t count[4] = {(uint32_t)tensor_count(x)};
    TRY(gpu_encode(g, &(gpu_dispatch){.head = gpu_source_functions,
                                      .body = gpu_source_range,
                                      .tensors = {scale, zero, x},
                                      .count = 3,
                                      .parameters = count,
                                      .bytes = sizeof count,
                                      .groups = 1}));
    gpu_operands o = {.list = {out, x, scale, zero}, .count = 4};
    gpu_walk w = {0};
    gpu_wgsl head = {.used = 0};
    gpu_put_storage(&head, &o);
    put_codes(&head, BRINK_U8, "load1(i)", "load2(0u)", "load3(0u)");
    gpu_put_result(&head, out);
    return gpu_encode_walk(g, &o, &head, &w);
}

/* ── MatMulInteger ── */

typedef struct product {
    uint32_t m, n, k, batch_rank;
    uint32_t batch[8], x_batch[8], w_batch[8];
} product;

static void put_bytes(gpu_wgsl *head, uint32_t at, brink_type type, const char *name)
{
    gpu_put(head,
            "@group(0) @binding(%u) var<storage, ACCESS_%u> %s_in: array<u32>;\n"
            "fn %s(at: u32) -> i32 { return ",
            at, at, name, name);
    if (type == BRINK_I8)
        gpu_put(head, "i32(%s_in[at / 4u] << (24u - 8u * (at %% 4u))) >> 24u; }\n", name);
    else
        gpu_put(head, "i32((%s_in[at / 4u] >> (8u * (at %% 4u))) & 255u); }\n", name);
}

brink_status gpu_matmul_integer(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *out = a->out[0];
    const tensor *zeros[] = {kernel_in(a, 2), kernel_in(a, 3)};
    if (!is_code(x) || !is_code(w) || x->rank < 2 || w->rank < 2 || gpu_root(x) == gpu_root(w) ||
        out->type != BRINK_I32)
        return BRINK_UNSUPPORTED;
    for (uint32_t i = 0; i < 2; i++)
        if (zeros[i] != NULL &&
            (!is_code(zeros[i]) || gpu_root(zeros[i]) == gpu_root(x) ||
             gpu_root(zeros[i]) == gpu_root(w) ||
             (i == 1 && zeros[0] != NULL && gpu_root(zeros[0]) == gpu_root(zeros[1]))))
            return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    product p = {.m = (uint32_t)x->dims[x->rank - 2],
                 .k = (uint32_t)x->dims[x->rank - 1],
                 .n = (uint32_t)w->dims[w->rank - 1],
                 .batch_rank = out->rank - 2};
    int64_t xs[BRINK_MAX_RANK], ws[BRINK_MAX_RANK], batches = 1;
    int64_t counts[] = {zeros[0] != NULL ? tensor_count(zeros[0]) : 1,
                        zeros[1] != NULL ? tensor_count(zeros[1]) : 1};
    if (x->dims[x->rank - 1] != w->dims[w->rank - 2] || (counts[0] != 1 && counts[0] != p.m) ||
        (counts[1] != 1 && counts[1] != p.n))
        return kernel_fail(a, BRINK_BAD_INPUT, "inner dimensions %lld and %lld, zero points differ",
                           (long long)x->dims[x->rank - 1], (long long)w->dims[w->rank - 2]);
    dense_strides(x->rank, x->dims, xs);
    dense_strides(w->rank, w->dims, ws);
    for (uint32_t i = 0; i < p.batch_rank; i++) {
        uint32_t from_x = i + x->rank, from_w = i + w->rank; /* + out->rank */
        p.batch[i] = (uint32_t)out->dims[i];
        batches *= out->dims[i];
        if (from_x >= out->rank && x->dims[from_x - out->rank] != 1)
            p.x_batch[i] = (uint32_t)xs[from_x - out->rank];
        if (from_w >= out->rank && w->dims[from_w - out->rank] != 1)
            p.w_batch[i] = (uint32_t)ws[from_w - out->rank];
    }
    gpu_wgsl head = {.used = 0};
    gpu_dispatch d = {.head = head.data, .tensors = {out, x, w}, .count = 3};
    put_bytes(&head, 2, x->type, "code_x");
    put_bytes(&head, 3, w->type, "code_w");
    for (uint32_t i = 0; i < 2; i++) {
        const char *name = i == 0 ? "zero_x" : "zero_w";
        if (zeros[i] == NULL) {
            gpu_put(&head, "fn %s(i: u32) -> i32 { return 0; }\n", name);
            continue;
        }
        d.tensors[d.count++] = zeros[i];
        put_bytes(&head, d.count, zeros[i]->type, i == 0 ? "from_x" : "from_w");
        gpu_put(&head, "fn %s(i: u32) -> i32 { return %s(%s); }\n", name,
                i == 0 ? "from_x" : "from_w", counts[i] == 1 ? "0u" : "i");
    }
    d.body = gpu_source_product_integer;
    d.parameters = &p;
    d.bytes = sizeof p;
    d.groups = (uint64_t)batches * (((uint64_t)p.m + 31) / 32) * (((uint64_t)p.n + 31) / 32);
    return gpu_encode(g, &d);
}

/* ── GatherBlockQuantized ── */

/* Codes of `bits` bits, the first in the lowest, as code_at there. */
static void put_packed(gpu_wgsl *head, uint32_t at, int64_t bits, bool negative, const char *name)
{
    int per = (int)(32 / bits), left = (int)(32 - bits);
    gpu_put(head,
            "@group(0) @binding(%u) var<storage, ACCESS_%u> %s_in: array<u32>;\n"
            "fn %s(at: u32) -> i32 {\n"
            "    let bits = (%s_in[at / %du] >> (%du * (at %% %du))) << %du;\n"
            "    return i32(%s >> %du);\n}\n",
            at, at, name, name, name, per, (int)bits, per, left,
            negative ? "bitcast<i32>(bits)" : "bits", left);
}

brink_status gpu_gather_codes(gpu_program *g, const kernel_args *a)
{
    const tensor *data = a->in[0], *indices = a->in[1], *scales = a->in[2];
    const tensor *zeros = kernel_in(a, 3), *out = a->out[0];
    bool packed = data->type == BRINK_U8, negative = data->type == BRINK_I4;
    int64_t bits = packed ? onnx_int(a->node, ATTR_bits, 4) : 4;
    int64_t block = onnx_int(a->node, ATTR_block_size, 128);
    uint32_t gather_axis, axis, rank = data->rank;
    if ((!packed && !negative && data->type != BRINK_U4) || !gpu_is_f32(out) || block < 1 ||
        (bits != 2 && bits != 4 && bits != 8) ||
        (scales->type != BRINK_F32 && scales->type != BRINK_F16) ||
        (indices->type != BRINK_I64 && indices->type != BRINK_I32) ||
        !axis_wrap(onnx_int(a->node, ATTR_gather_axis, 0), rank, &gather_axis) ||
        !axis_wrap(onnx_int(a->node, ATTR_quantize_axis, 1), rank, &axis))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    int64_t dims[BRINK_MAX_RANK], per = packed ? 8 / bits : 1, inner = 1, after = 1, rows = 1;
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = data->dims[i] * (i == rank - 1 ? per : 1);
    int64_t blocks = (dims[axis] + block - 1) / block;
    for (uint32_t i = 0; i < rank; i++) {
        after *= i > gather_axis ? dims[i] : 1;
        inner *= i > axis ? dims[i] : 1;
        rows *= i == axis ? blocks : dims[i];
    }
    int64_t last = axis == rank - 1 ? blocks : dims[rank - 1];
    int64_t zero_row = (last + per - 1) / per * per;
    if (tensor_count(scales) < rows ||
        (zeros != NULL && last != 0 && tensor_count(zeros) * per < rows / last * zero_row))
        return kernel_fail(a, BRINK_BAD_INPUT,
                           "%lld scales for %lld blocks, or too few zero points",
                           (long long)tensor_count(scales), (long long)rows);
    gpu_walk w = {0};
    const uint32_t numbers[12] = {(uint32_t)dims[gather_axis],
                                  (uint32_t)tensor_count(indices),
                                  (uint32_t)after,
                                  (uint32_t)inner,
                                  (uint32_t)dims[axis],
                                  (uint32_t)blocks,
                                  (uint32_t)block,
                                  (uint32_t)last,
                                  (uint32_t)zero_row};
    memcpy(w.strides, numbers, sizeof numbers);
    gpu_wgsl head = {.used = 0};
    gpu_operands o = {.list = {out, data, indices, scales, zeros}, .count = zeros != NULL ? 5 : 4};
    bool half = scales->type == BRINK_F16;
    gpu_put(&head,
            "@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;\n"
            "@group(0) @binding(3) var<storage, ACCESS_3> rows: array<i32>;\n"
            "@group(0) @binding(4) var<storage, ACCESS_4> scales: array<%s>;\n",
            half ? "u32" : "f32");
    put_packed(&head, 2, bits, negative, "code");
    if (zeros != NULL)
        put_packed(&head, 5, bits, negative, "zero");
    gpu_put(&head,
            "fn value(i: u32) -> f32 {\n"
            "    let s = walk.strides[0];\n    let t = walk.strides[1];\n"
            "    let last = walk.strides[1].w;\n"
            "    var row = rows[i / s.z %% s.y * %uu];\n"
            "    row = select(row, row + i32(s.x), row < 0);\n"
            "    if (row < 0 || row >= i32(s.x)) { return 0.0; }\n"
            "    let at = (i / (s.z * s.y) * s.x + u32(row)) * s.z + i %% s.z;\n"
            "    let b = (at / (s.w * t.x) * t.y + at / s.w %% t.x / t.z) * s.w + at %% s.w;\n"
            "    return f32(code(at) - %s) * %s;\n}\n",
            element_bytes(indices->type) / 4,
            zeros != NULL ? "zero(b / last * walk.strides[2].x + b % last)"
            : packed      ? bits == 2   ? "2"
                            : bits == 4 ? "8"
                                        : "128"
                          : "0",
            half ? "unpack2x16float(scales[b / 2u])[b % 2u]" : "scales[b]");
    return gpu_encode_walk(g, &o, &head, &w);
}
