/* rotary.c — RotaryEmbedding and the planner's Rotate on the GPU.

   Source: as cpu/rotary_embedding.c and cpu/rotate.c. Positions are looked at on the host too, so that
   one outside is an error. */
#include "cpu/loops.h"
#include "gpu/gpu.h"
#include "gpu/sources.h"

#include <stdio.h>

typedef struct rotate {
    uint32_t count, heads, rows, d, turned, columns, pairs, offset;
    uint32_t x_at[4], y_at[4];
} rotate;

static bool tables_fit(const tensor *x, const tensor *c, const tensor *s, const tensor *out)
{
    return gpu_is_f32(x) && gpu_is_f32(c) && gpu_is_f32(s) && gpu_is_f32(out) &&
           gpu_root(x) != gpu_root(c) && gpu_root(x) != gpu_root(s) && gpu_root(c) != gpu_root(s);
}

static void put_strides(uint32_t *to, int64_t batch, int64_t head, int64_t row)
{
    to[0] = (uint32_t)batch;
    to[1] = (uint32_t)head;
    to[2] = (uint32_t)row;
}

static brink_status encode(gpu_program *g, rotate *p, const char *head, const tensor *const *bound,
                           uint32_t count)
{
    gpu_dispatch d = {.head = head,
                      .body = gpu_source_rotate,
                      .count = count,
                      .parameters = p,
                      .bytes = sizeof *p,
                      .groups = ((uint64_t)p->count + 63) / 64};
    for (uint32_t i = 0; i < count; i++)
        d.tensors[i] = bound[i];
    return gpu_encode(g, &d);
}

/* x [batch, heads, rows, d] or, with transA, rows before heads; tables [1 or batch, 1, rows, turned]. */
brink_status gpu_rotate(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *c = a->in[1], *s = a->in[2], *y = a->out[0];
    if (!tables_fit(x, c, s, y) || y->rank != 4 || c->rank != 4)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    bool behind = onnx_int(a->node, ATTR_transA, 0) != 0;
    int64_t heads = y->dims[1], rows = y->dims[2], d = y->dims[3];
    if (tensor_count(y) > UINT32_MAX)
        return kernel_fail(a, BRINK_OUT_OF_MEMORY, "gpu: %lld elements",
                           (long long)tensor_count(y));
    rotate p = {.count = (uint32_t)tensor_count(y),
                .heads = (uint32_t)heads,
                .rows = (uint32_t)rows,
                .d = (uint32_t)d,
                .turned = (uint32_t)c->dims[3],
                .columns = (uint32_t)c->dims[3],
                .pairs = onnx_int(a->node, ATTR_interleaved, 0) != 0,
                .offset = c->dims[0] == 1 ? 0 : (uint32_t)rows};
    put_strides(p.x_at, heads * rows * d, behind ? d : rows * d, behind ? heads * d : d);
    put_strides(p.y_at, heads * rows * d, rows * d, d);
    return encode(g, &p,
                  "fn line(batch: u32, row: u32) -> u32 { return batch * p.offset + row; }\n",
                  (const tensor *const[]){y, x, c, s}, 4);
}

/* x [batch, rows, heads * d] or [batch, heads, rows, d]; tables [lines, half]. */
static brink_status embed(gpu_program *g, const kernel_args *a, const tensor *positions,
                          const tensor *c, const tensor *s, bool may_offset)
{
    const tensor *x = a->in[0], *y = a->out[0];
    if (!tables_fit(x, c, s, y) || (x->rank != 3 && x->rank != 4) ||
        c->rank != (positions != NULL ? 2u : 3u) || s->rank != c->rank ||
        (positions != NULL && positions->type != BRINK_I64 && positions->type != BRINK_I32))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    int64_t wanted = onnx_int(a->node, ATTR_num_heads, 0), half = c->dims[c->rank - 1];
    int64_t rows = x->dims[x->rank - 2], d = x->dims[x->rank - 1], batch = x->dims[0];
    if (x->rank == 3)
        d = wanted > 0 ? d / wanted : 2 * half;
    int64_t heads = x->rank == 4 ? x->dims[1] : d == 0 ? 0 : x->dims[2] / d;
    bool offset = may_offset && tensor_count(positions) == 1;
    if (heads * d != (x->rank == 4 ? heads * d : x->dims[2]) || 2 * half > d ||
        tensor_count(x) > UINT32_MAX || tensor_count(s) != tensor_count(c) ||
        (positions != NULL && !offset && tensor_count(positions) != batch * rows))
        return kernel_fail(a, BRINK_BAD_INPUT, "gpu: tables of %lld for %lld heads of %lld",
                           (long long)half, (long long)heads, (long long)d);
    int64_t lines = half == 0 ? 0 : tensor_count(c) / half;
    for (int64_t i = 0; half > 0 && i < batch * rows; i++) {
        int64_t at = positions == NULL ? i
                     : offset          ? tensor_int(positions, 0) + i % rows
                                       : tensor_int(positions, i);
        if (at < 0 || at >= lines)
            return kernel_fail(a, BRINK_BAD_INPUT, "position %lld is outside the cache's %lld rows",
                               (long long)at, (long long)lines);
    }
    rotate p = {.count = (uint32_t)tensor_count(x),
                .heads = (uint32_t)heads,
                .rows = (uint32_t)rows,
                .d = (uint32_t)d,
                .turned = (uint32_t)(2 * half),
                .columns = (uint32_t)half,
                .pairs = onnx_int(a->node, ATTR_interleaved, 0) != 0};
    bool last = x->rank == 3; /* heads lie in a row */
    put_strides(p.x_at, heads * rows * d, last ? d : rows * d, last ? heads * d : d);
    put_strides(p.y_at, heads * rows * d, last ? d : rows * d, last ? heads * d : d);
    char head[512];
    if (positions == NULL)
        snprintf(head, sizeof head,
                 "fn line(batch: u32, row: u32) -> u32 { return batch * p.rows + row; }\n");
    else
        snprintf(head, sizeof head,
                 "@group(0) @binding(5) var<storage, ACCESS_5> positions: array<u32>;\n"
                 "fn line(batch: u32, row: u32) -> u32 { return positions[%s * %uu]%s; }\n",
                 offset ? "0u" : "(batch * p.rows + row)", element_bytes(positions->type) / 4,
                 offset ? " + row" : "");
    return encode(g, &p, head, (const tensor *const[]){y, x, c, s, positions},
                  positions != NULL ? 5 : 4);
}

brink_status gpu_rotary_embedding(gpu_program *g, const kernel_args *a)
{
    if (onnx_int(a->node, ATTR_is_packed_batching, 0) != 0 ||
        onnx_float(a->node, ATTR_scale, 1) != 1)
        return BRINK_UNSUPPORTED;
    return embed(g, a, a->in[1], a->in[2], a->in[3], true);
}

brink_status gpu_rotary_embedding_onnx(gpu_program *g, const kernel_args *a)
{
    return embed(g, a, kernel_in(a, 3), a->in[1], a->in[2], false);
}
