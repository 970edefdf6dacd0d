/* attention_onnx.c — ONNX's own Attention and the planner's Append on the GPU.

   Source: as cpu/attention_onnx.c and cpu/append.c. Nodes that ask for scores or give lengths run on the
   CPU. */
#include "cpu/loops.h"
#include "gpu/gpu.h"
#include "gpu/sources.h"

#include <math.h>
#include <stdio.h>

enum { MOST_D = 256 };

typedef struct strides {
    uint32_t batch, head, row, unused;
} strides;

typedef struct attend {
    uint32_t units, heads, shared, rows, keys, d, dv, offset, left, right;
    float scale, softcap;
    strides q, k, v, y, mask;
} attend;
_Static_assert(sizeof(attend) <= GPU_PARAMETERS, "a uniform block");

/* One operand, [batch, heads, rows, width] or [batch, rows, heads * width]. */
typedef struct operand {
    int64_t heads, rows, width;
    strides at;
} operand;

static bool read_operand(const tensor *t, int64_t heads, operand *o)
{
    if (t->rank == 4) {
        *o = (operand){t->dims[1], t->dims[2], t->dims[3], {0}};
        int64_t apart = t->capacity != 0 ? t->capacity : o->rows;
        o->at = (strides){(uint32_t)(o->heads * apart * o->width), (uint32_t)(apart * o->width),
                          (uint32_t)o->width, 0};
        return true;
    }
    if (t->rank != 3 || heads < 1 || t->dims[2] % heads != 0)
        return false;
    *o = (operand){heads, t->dims[1], t->dims[2] / heads, {0}};
    o->at =
        (strides){(uint32_t)(o->rows * t->dims[2]), (uint32_t)o->width, (uint32_t)t->dims[2], 0};
    return true;
}

/* New rows behind `before` rows of the past, which are copied unless they are in place already. */
static brink_status append(gpu_program *g, const tensor *past, const tensor *x, const operand *rows,
                           int64_t batch, const tensor *out)
{
    int64_t before = past != NULL ? past->dims[2] : 0, d = rows->width;
    int64_t head = (out->capacity != 0 ? out->capacity : out->dims[2]) * d;
    if (past != NULL && !(((const plan_tensor *)past)->resident && past->data == out->data))
        TRY(gpu_copy_runs(g, batch * rows->heads, before * d, out, head, past,
                          (past->capacity != 0 ? past->capacity : before) * d));
    nd w = {.rank = 4,
            .operands = 2,
            .dims = {batch, rows->heads, rows->rows, d},
            .stride = {{rows->heads * head, head, d, 1},
                       {rows->at.batch, rows->at.head, rows->at.row, 1}}};
    return gpu_copy_walk(g, out, before * d, x, 0, &w);
}

/* past [batch, heads, p, d], x [batch, heads, n, d] or, with transA, [batch, n, heads, d]. */
brink_status gpu_append(gpu_program *g, const kernel_args *a)
{
    const tensor *past = a->in[0], *x = a->in[1], *out = a->out[0];
    if (!gpu_is_f32(past) || !gpu_is_f32(x) || !gpu_is_f32(out) || x->rank != 4)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    int64_t heads = out->dims[1], d = out->dims[3], rows = out->dims[2] - past->dims[2];
    bool behind = onnx_int(a->node, ATTR_transA, 0) != 0;
    operand o = {heads,
                 rows,
                 d,
                 {(uint32_t)(heads * rows * d), (uint32_t)(behind ? d : rows * d),
                  (uint32_t)(behind ? heads * d : d), 0}};
    return append(g, past, x, &o, out->dims[0], out);
}

static bool takes(const kernel_args *a)
{
    const tensor *mask = kernel_in(a, 3), *y = kernel_out(a, 0);
    const tensor *past[2] = {kernel_in(a, 4), kernel_in(a, 5)};
    for (uint32_t i = 0; i < 6; i++)
        if (i != 3 && kernel_in(a, i) != NULL && !gpu_is_f32(a->in[i]))
            return false;
    if (a->in_count < 3 || !gpu_is_f32(y) || kernel_in(a, 6) != NULL || kernel_out(a, 3) != NULL ||
        (past[0] == NULL) != (past[1] == NULL) ||
        (mask != NULL && (mask->rank < 1 || mask->rank > 4 ||
                          (mask->type != BRINK_F32 && mask->type != BRINK_BOOL))))
        return false;
    for (uint32_t i = 0; i < 2; i++)
        if (past[i] != NULL && (past[i]->rank != 4 || kernel_out(a, 1 + i) == NULL))
            return false;
    /* each input a binding of its own */
    const tensor *bound[] = {a->in[0], past[0] ? a->out[1] : a->in[1],
                             past[1] ? a->out[2] : a->in[2], mask};
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t j = 0; j < i; j++)
            if (bound[i] != NULL && bound[j] != NULL && gpu_root(bound[i]) == gpu_root(bound[j]))
                return false;
    return true;
}

static uint32_t window(const kernel_args *a, attr_name name)
{
    int64_t size = onnx_int(a->node, name, -1);
    return size < 0 || size > INT32_MAX ? UINT32_MAX : (uint32_t)size;
}

/* The mask's strides, its dimensions aligned with [batch, heads, rows, keys] from the right; a shorter
   one hides the keys that it leaves out. */
static bool read_mask(const tensor *mask, int64_t batch, attend *p)
{
    int64_t want[4] = {batch, p->heads, p->rows, p->keys}, dims[4] = {1, 1, 1, 1};
    for (uint32_t i = 0; i < mask->rank; i++) {
        uint32_t to = i + 4 - mask->rank;
        dims[to] = mask->dims[i];
        if (dims[to] != want[to] && (to == 3 ? dims[to] > want[to] : dims[to] != 1))
            return false;
    }
    p->mask = (strides){dims[0] == 1 ? 0 : (uint32_t)(dims[1] * dims[2] * dims[3]),
                        dims[1] == 1 ? 0 : (uint32_t)(dims[2] * dims[3]),
                        dims[2] == 1 ? 0 : (uint32_t)dims[3], 0};
    p->keys = (uint32_t)dims[3];
    return true;
}

brink_status gpu_attention(gpu_program *g, const kernel_args *a)
{
    if (!takes(a))
        return BRINK_UNSUPPORTED;
    const tensor *mask = kernel_in(a, 3), *past = kernel_in(a, 4), *y = a->out[0];
    int64_t kv_heads = onnx_int(a->node, ATTR_kv_num_heads, 0), batch = a->in[0]->dims[0];
    operand q, k, v;
    bool fits = read_operand(a->in[0], onnx_int(a->node, ATTR_q_num_heads, 0), &q) &&
                read_operand(a->in[1], kv_heads, &k) && read_operand(a->in[2], kv_heads, &v);
    if (g == NULL) /* widths are fixed; what runs is looked at below */
        return fits && q.width <= MOST_D && v.width <= MOST_D ? BRINK_OK : BRINK_UNSUPPORTED;
    if (!fits || a->in[1]->dims[0] != batch || a->in[2]->dims[0] != batch || q.width != k.width ||
        k.rows != v.rows || k.heads != v.heads || k.heads < 1 || q.heads % k.heads != 0 ||
        q.width > MOST_D || v.width > MOST_D)
        return kernel_fail(a, BRINK_BAD_INPUT, "Q, K and V do not fit each other");
    int64_t before = past != NULL ? past->dims[2] : 0;
    for (uint32_t i = 0; i < 2; i++) {
        const tensor *present = kernel_out(a, 1 + i);
        if (present != NULL)
            TRY(append(g, kernel_in(a, 4 + i), a->in[1 + i], i == 0 ? &k : &v, batch, present));
    }
    int64_t fresh = k.rows;
    if (past != NULL && (!read_operand(a->out[1], 0, &k) || !read_operand(a->out[2], 0, &v)))
        return kernel_fail(a, BRINK_BAD_INPUT, "a present of another rank");
    attend p = {
        .units = (uint32_t)(batch * q.heads * q.rows),
        .heads = (uint32_t)q.heads,
        .shared = (uint32_t)(q.heads / k.heads),
        .rows = (uint32_t)q.rows,
        .keys = (uint32_t)(before + fresh),
        .d = (uint32_t)q.width,
        .dv = (uint32_t)v.width,
        .offset = (uint32_t)before,
        .left = window(a, ATTR_left_window_size),
        .right = onnx_int(a->node, ATTR_is_causal, 0) != 0 ? 0 : window(a, ATTR_right_window_size),
        .softcap = onnx_float(a->node, ATTR_softcap, 0),
        .q = q.at,
        .k = k.at,
        .v = v.at};
    p.scale = onnx_float(a->node, ATTR_scale, q.width > 0 ? 1 / sqrtf((float)q.width) : 1);
    p.y = (strides){(uint32_t)(q.heads * q.rows * v.width), (uint32_t)(q.rows * v.width), p.dv, 0};
    if (y->rank == 3)
        p.y = (strides){p.y.batch, p.dv, (uint32_t)(q.heads * v.width), 0};
    if (mask != NULL && !read_mask(mask, batch, &p))
        return kernel_fail(a, BRINK_BAD_INPUT, "attn_mask of rank %u does not broadcast",
                           mask->rank);
    char head[8192];
    bool flags = mask != NULL && mask->type == BRINK_BOOL;
    snprintf(
        head, sizeof head,
        "%s%sfn bias(at: u32) -> f32 { return %s; }\nfn seen(at: u32) -> bool { return %s; }\n",
        gpu_source_functions,
        mask == NULL ? ""
        : flags      ? "@group(0) @binding(5) var<storage, ACCESS_5> mask: array<u32>;\n"
                     : "@group(0) @binding(5) var<storage, ACCESS_5> mask: array<f32>;\n",
        mask != NULL && !flags ? "mask[at]" : "0.0",
        flags ? "((mask[at / 4u] >> (8u * (at % 4u))) & 255u) != 0u" : "true");
    return gpu_encode(g, &(gpu_dispatch){.head = head,
                                         .body = gpu_source_attend_mask,
                                         .tensors = {y, a->in[0], past ? a->out[1] : a->in[1],
                                                     past ? a->out[2] : a->in[2], mask},
                                         .count = mask != NULL ? 5 : 4,
                                         .parameters = &p,
                                         .bytes = sizeof p,
                                         .groups = p.units});
}
