/* attention.c — GroupQueryAttention on the GPU: one dispatch appends to the cache, one attends.

   Source: as cpu/group_query_attention.c, without biases, sinks, given positions and scores; nodes
   that have them run on the CPU. Lengths are read on the host, where they are computed. */
#include "cpu/loops.h"
#include "gpu/gpu.h"
#include "gpu/sources.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { MOST_D = 256, KEYS_A_SPLIT = 256, MOST_SPLITS = 8, MOST_PARTS = 256 };

typedef struct heads {
    uint32_t rows, heads, kv_heads, d, q_stride, kv_stride, q_at, k_at, v_at, y_at, cache_at;
    uint32_t capacity, past, tail, position, half, interleaved, causal, window;
    float scale, softcap, q_epsilon, k_epsilon;
} heads;
_Static_assert(sizeof(heads) <= GPU_PARAMETERS, "a uniform block");

/* What the node is, but for what only its data says. */
static bool takes(const kernel_args *a)
{
    const tensor *q = a->in[0], *k = kernel_in(a, 1), *v = kernel_in(a, 2);
    bool rotary = onnx_int(a->node, ATTR_do_rotary, 0) != 0;
    if (!gpu_is_f32(q) || (k == NULL) != (v == NULL) ||
        (k != NULL && (!gpu_is_f32(k) || !gpu_is_f32(v))) || kernel_in(a, 5) == NULL ||
        kernel_in(a, 6) == NULL || kernel_in(a, 9) != NULL || kernel_in(a, 10) != NULL ||
        kernel_in(a, 11) != NULL || kernel_in(a, 16) != NULL)
        return false;
    if (!gpu_is_f32(kernel_out(a, 0)) || !gpu_is_f32(kernel_out(a, 1)) ||
        !gpu_is_f32(kernel_out(a, 2)) || kernel_out(a, 3) != NULL ||
        onnx_int(a->node, ATTR_smooth_softmax, 0) == 1)
        return false;
    for (uint32_t i = 3; i <= 4; i++)
        if (kernel_in(a, i) != NULL && !gpu_is_f32(a->in[i]))
            return false;
    if (rotary &&
        (!gpu_is_f32(kernel_in(a, 7)) || !gpu_is_f32(kernel_in(a, 8)) || a->in[7]->rank != 2))
        return false;
    for (uint32_t i = 14; i <= 15; i++)
        if (kernel_in(a, i) != NULL && !gpu_is_f32(a->in[i]))
            return false;
    return a->out[1]->rank == 4 && a->out[1]->dims[3] <= MOST_D && q->rank == 3;
}

/* Past rows of the cache, where present is another buffer. */
static brink_status copy_past(gpu_program *g, const kernel_args *a, int64_t kv_heads, int64_t d,
                              int64_t capacity)
{
    for (uint32_t w = 0; w < 2; w++) {
        const tensor *past = kernel_in(a, 3 + w), *present = a->out[1 + w];
        if (past == NULL || past->data == present->data || tensor_count(past) == 0)
            continue;
        int64_t rows = past->dims[2], batch = past->dims[0];
        TRY(gpu_copy_runs(g, batch * kv_heads, rows * d, present, capacity * d, past,
                          (past->capacity > 0 ? past->capacity : rows) * d));
    }
    return BRINK_OK;
}

#define PUT(...) used += (size_t)snprintf(head + used, size - used, __VA_ARGS__)
#define BIND(t, name, type)                                                                        \
    do {                                                                                           \
        d->tensors[d->count++] = (t);                                                              \
        PUT("@group(0) @binding(%u) var<storage, ACCESS_%u> %s: array<%s>;\n", d->count, d->count, \
            name, type);                                                                           \
    } while (0)

/* The text before a kernel: its storage, and how it reads queries, keys, values and rotations. */
static void put_head(const kernel_args *a, bool appends, const char *rows, char *head, size_t size,
                     gpu_dispatch *d)
{
    const tensor *q = a->in[0], *k = kernel_in(a, 1), *v = kernel_in(a, 2);
    const tensor *norm = kernel_in(a, appends ? 15 : 14);
    bool rotary = onnx_int(a->node, ATTR_do_rotary, 0) != 0;
    size_t used = 0;
    PUT("%s", gpu_source_heads);
    BIND(a->out[1], "keys", rows);
    BIND(a->out[2], "values", rows);
    if (!appends)
        BIND(a->out[0], "y", "f32");
    if (!appends || k == NULL)
        BIND(q, "q_in", "f32");
    if (appends && k != NULL) {
        BIND(k, "k_in", "f32");
        BIND(v, "v_in", "f32");
    }
    if (rotary) {
        BIND(a->in[7], "cos_in", "f32");
        BIND(a->in[8], "sin_in", "f32");
    }
    if (norm != NULL)
        BIND(norm, "norm_in", "f32");
    const char *from[3] = {"q_in", k != NULL ? "k_in" : "q_in", v != NULL ? "v_in" : "q_in"};
    if (appends)
        PUT("fn key(i: u32) -> f32 { return %s[i]; }\nfn value(i: u32) -> f32 { return %s[i]; }\n",
            from[1], from[2]);
    else
        PUT("fn query(i: u32) -> f32 { return %s[i]; }\n", from[0]);
    PUT("fn cosine(i: u32) -> f32 { return %s; }\nfn sine(i: u32) -> f32 { return %s; }\n",
        rotary ? "cos_in[i]" : "1.0", rotary ? "sin_in[i]" : "0.0");
    PUT("const norm_%s = %s;\nfn %s_scale(i: u32) -> f32 { return %s; }\n",
        appends ? "keys" : "queries", norm != NULL ? "true" : "false", appends ? "key" : "query",
        norm != NULL ? "norm_in[i]" : "1.0");
}

static void put_scale(const tensor *norm, const char *what, char *head, size_t size,
                      gpu_dispatch *d)
{
    size_t used = strlen(head);
    char name[16];
    snprintf(name, sizeof name, "%s_norm", what);
    if (norm != NULL)
        BIND(norm, name, "f32");
    PUT("fn %s_scale(i: u32) -> f32 { return %s%s; }\n", what, norm != NULL ? name : "1.0",
        norm != NULL ? "[i]" : "");
}

/* One new row, in one dispatch; *done stays false where the two kernels have to do it. */
static brink_status one_row(gpu_program *g, const kernel_args *a, const heads *p, bool *done)
{
    const tensor *q = a->in[0], *k = kernel_in(a, 1), *v = kernel_in(a, 2);
    bool rotary = onnx_int(a->node, ATTR_do_rotary, 0) != 0;
    const tensor *query_norm = kernel_in(a, 14), *key_norm = kernel_in(a, 15);
    char head[4096] = "";
    size_t used = 0, size = sizeof head;
    heads r = *p;
    uint32_t at[4], inside;
    gpu_dispatch dispatch = {.head = head,
                             .body = gpu_source_attend_row,
                             .written = 7,
                             .parameters = &r,
                             .bytes = sizeof r,
                             .counting = 1u << offsetof(heads, past) / 4 |
                                         1u << offsetof(heads, position) / 4,
                             .groups = p->heads},
                 *d = &dispatch;
    gpu_fusion *product =
        g->fusion != NULL && g->fusion->product != 0 ? &g->fusions[g->fusion->product - 1] : NULL;
    uint32_t splits = product == NULL ? 1 : p->capacity / KEYS_A_SPLIT;
    splits = splits < 1 ? 1 : splits > MOST_SPLITS ? MOST_SPLITS : splits;
    while (splits > 1 && splits * p->heads > MOST_PARTS)
        splits--;
    if (product != NULL)
        product->splits = 1;
    if (p->rows != 1 || p->tail != 0 || p->d % 4 != 0 || !gpu_arena_offset(g, q, 4, &at[0]) ||
        !gpu_arena_offset(g, k != NULL ? k : q, 4, &at[1]) ||
        !gpu_arena_offset(g, v != NULL ? v : q, 4, &at[2]) ||
        !gpu_arena_offset(g, a->out[0], 4, &at[3]) || !gpu_arena(g, &d->bindings[2]) ||
        gpu_arena_offset(g, a->out[1], 4, &inside) || gpu_arena_offset(g, a->out[2], 4, &inside))
        return BRINK_OK;
    r.q_at += at[0];
    r.k_at += at[1];
    r.v_at += at[2];
    r.y_at += at[3];
    PUT("%s", gpu_source_heads);
    BIND(a->out[1], "keys", "vec4<f32>");
    BIND(a->out[2], "values", "vec4<f32>");
    BIND(NULL, "arena", "f32");
    if (rotary) {
        BIND(a->in[7], "cos_in", "f32");
        BIND(a->in[8], "sin_in", "f32");
    }
    PUT("fn cosine(i: u32) -> f32 { return %s; }\nfn sine(i: u32) -> f32 { return %s; }\n",
        rotary ? "cos_in[i]" : "1.0", rotary ? "sin_in[i]" : "0.0");
    PUT("const norm_queries = %s;\nconst norm_keys = %s;\nconst steps = %uu;\n"
        "const even = %s;\n",
        query_norm != NULL ? "true" : "false", key_norm != NULL ? "true" : "false",
        (p->d + 15) / 16, p->d % 16 == 0 ? "true" : "false");
    PUT("const heads_ = %uu;\nconst kv_heads_ = %uu;\nconst d_ = %uu;\nconst half_ = %uu;\n"
        "const interleaved_ = %uu;\nconst window_ = %uu;\nconst softcap_ = %s;\n",
        p->heads, p->kv_heads, p->d, p->half, p->interleaved, p->window,
        p->softcap != 0 ? "true" : "false");
    put_scale(query_norm, "query", head, size, d);
    put_scale(key_norm, "key", head, size, d);
    used = strlen(head);
    PUT("const splits = %uu;\n", splits);
    if (splits > 1) {
        TRY(gpu_grow(g, &g->partials, (uint64_t)p->heads * splits * (p->d + 4) * 4,
                     &d->bindings[d->count]));
        d->written |= 1u << d->count;
        BIND(NULL, "partials", "vec4<f32>");
        d->groups *= splits;
        product->splits = splits;
    }
    PUT("fn keep(i: u32, v: vec4<f32>) { %s }\n", splits > 1 ? "partials[i] = v;" : "");
    *done = true;
    return gpu_encode(g, d);
}

static brink_status append(gpu_program *g, const kernel_args *a, const heads *p)
{
    char head[4096];
    gpu_dispatch d = {.head = head,
                      .body = gpu_source_append,
                      .parameters = p,
                      .bytes = sizeof *p,
                      .groups = (uint64_t)(p->rows + p->tail) * p->kv_heads};
    put_head(a, true, "f32", head, sizeof head, &d);
    return gpu_encode(g, &d);
}

/* Several positions a workgroup where there are several; see kernels/attend_tile.wgsl for its memory. */
static brink_status attend(gpu_program *g, const kernel_args *a, const heads *p)
{
    char head[4096];
    bool tiled = p->d % 4 == 0 && p->rows > 1;
    uint32_t some = !tiled ? 1 : p->d < 64 ? 16 : 1024 / p->d, keys = p->d < 64 ? 32 : 2048 / p->d;
    gpu_dispatch d = {.head = head,
                      .body = tiled ? gpu_source_attend_tile : gpu_source_attend,
                      .parameters = p,
                      .bytes = sizeof *p,
                      .groups = (uint64_t)((p->rows + some - 1) / some) * p->heads};
    put_head(a, false, tiled ? "vec4<f32>" : "f32", head, sizeof head, &d);
    size_t used = strlen(head);
    snprintf(head + used, sizeof head - used,
             "const some = %uu;\nconst keys_ = %uu;\nconst wide = %uu;\n", some, keys, p->d / 4);
    return gpu_encode(g, &d);
}

brink_status gpu_group_query_attention(gpu_program *g, const kernel_args *a)
{
    if (!takes(a))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    const tensor *q = a->in[0], *past_in = kernel_in(a, 3), *present = a->out[1];
    int64_t heads_ = onnx_int(a->node, ATTR_num_heads, 0);
    int64_t kv_heads = onnx_int(a->node, ATTR_kv_num_heads, 0);
    int64_t batch = q->dims[0], rows = q->dims[1], d = present->dims[3];
    int64_t present_rows = present->dims[2], past_rows = past_in != NULL ? past_in->dims[2] : 0;
    int64_t capacity = present->capacity > 0 ? present->capacity : present_rows;
    bool packed = kernel_in(a, 1) == NULL, rotary = onnx_int(a->node, ATTR_do_rotary, 0) != 0;
    if (heads_ < 1 || kv_heads < 1 || heads_ % kv_heads != 0 ||
        q->dims[2] != (packed ? heads_ + 2 * kv_heads : heads_) * d ||
        tensor_count(a->in[5]) != batch || (rotary && 2 * a->in[7]->dims[1] > d))
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld heads of %lld do not fit %lld columns",
                           (long long)heads_, (long long)d, (long long)q->dims[2]);
    bool first = rows == tensor_int(a->in[6], 0),
         in_place = past_in != NULL && past_in->data == present->data;
    int64_t window = onnx_int(a->node, ATTR_local_window_size, -1);
    float epsilon = onnx_float(a->node, ATTR_qk_norm_epsilon, 1e-6f);
    TRY(copy_past(g, a, kv_heads, d, capacity));
    for (int64_t b = 0; b < batch && rows > 0; b++) {
        int64_t total = tensor_int(a->in[5], b) + 1, past = first ? 0 : total - rows;
        past = past < 0 ? 0 : past;
        if (total < 1 || past + rows > present_rows || past > past_rows ||
            (rotary && past + rows > a->in[7]->dims[0]))
            return kernel_fail(a, BRINK_BAD_INPUT,
                               "seqlens_k %lld with %lld new rows, the cache has %lld",
                               (long long)(total - 1), (long long)rows, (long long)present_rows);
        heads p = {.rows = (uint32_t)rows,
                   .heads = (uint32_t)heads_,
                   .kv_heads = (uint32_t)kv_heads,
                   .d = (uint32_t)d,
                   .q_stride = (uint32_t)q->dims[2],
                   .kv_stride = (uint32_t)(packed ? q->dims[2] : kv_heads * d),
                   .q_at = (uint32_t)(b * rows * q->dims[2]),
                   .y_at = (uint32_t)(b * rows * heads_ * d),
                   .cache_at = (uint32_t)(b * kv_heads * capacity * d),
                   .capacity = (uint32_t)capacity,
                   .past = (uint32_t)past,
                   .tail = in_place ? 0 : (uint32_t)(present_rows - past - rows),
                   .position = (uint32_t)past,
                   .half = rotary ? (uint32_t)a->in[7]->dims[1] : 0,
                   .interleaved = onnx_int(a->node, ATTR_rotary_interleaved, 0) != 0,
                   .causal = onnx_int(a->node, ATTR_causal, 1) != 0,
                   .window = window > 0 ? (uint32_t)window : 0,
                   .scale = onnx_float(a->node, ATTR_scale, 0),
                   .softcap = onnx_float(a->node, ATTR_softcap, 0),
                   .q_epsilon = onnx_float(a->node, ATTR_q_norm_epsilon, epsilon),
                   .k_epsilon = onnx_float(a->node, ATTR_k_norm_epsilon, epsilon)};
        p.k_at = packed ? p.q_at + (uint32_t)(heads_ * d) : (uint32_t)(b * rows * kv_heads * d);
        p.v_at = packed ? p.k_at + (uint32_t)(kv_heads * d) : p.k_at;
        p.scale = p.scale == 0 ? 1 / sqrtf((float)d) : p.scale;
        bool done = false;
        TRY(one_row(g, a, &p, &done));
        if (done)
            continue;
        TRY(append(g, a, &p));
        TRY(attend(g, a, &p));
    }
    return BRINK_OK;
}
