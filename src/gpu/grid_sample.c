/* grid_sample.c — GridSample on the GPU: pictures, nearest and linear; the rest runs on the CPU.

   Source: as cpu/grid_sample.c, in single precision. */
#include "cpu/loops.h"
#include "gpu/walk.h"

#include <string.h>

/* Element i of the output is a point of a plane; the grid names the last axis first. */
static const char body[] =
    "fn mirrored(x: f32, low: f32, high: f32) -> f32 {\n"
    "    let range = high - low;\n"
    "    if (range <= 0.0) { return low; }\n"
    "    if (x >= low && x <= high) { return x; }\n"
    "    let away = select(x - high, low - x, x < low);\n"
    "    let turns = floor(away / range);\n"
    "    let rest = away - turns * range;\n"
    "    let odd = (u32(clamp(turns, 0.0, 1e9)) & 1u) == 1u;\n"
    "    return select(high - rest, low + rest, (x < low) != odd);\n}\n"
    "fn coordinate(x: f32, n: f32) -> f32 {\n"
    "    var c = select(((x + 1.0) * n - 1.0) / 2.0, (x + 1.0) / 2.0 * (n - 1.0), align);\n"
    "    c = select(clamp(c, -1e9, 1e9), -1e9, nan_(c));\n"
    "    if (near) { c = round(c); }\n"
    "    if (padding == 1u) { c = clamp(c, 0.0, n - 1.0); }\n"
    "    if (padding == 2u) {\n"
    "        c = mirrored(c, select(-0.5, 0.0, align), select(n - 0.5, n - 1.0, align));\n    }\n"
    "    return c;\n}\n"
    "fn place(at: f32, n: f32) -> i32 {\n"
    "    var p = at;\n"
    "    if (padding == 2u) {\n"
    "        p = trunc(mirrored(p, select(-0.5, 0.0, align), select(n - 0.5, n - 1.0, align)));\n"
    "    }\n"
    "    if (padding == 0u && (p < 0.0 || p > n - 1.0)) { return -1; }\n"
    "    return i32(clamp(p, 0.0, n - 1.0));\n}\n"
    "fn texel(base: u32, row: i32, column: i32, width: u32) -> f32 {\n"
    "    if (row < 0 || column < 0) { return 0.0; }\n"
    "    return load1(base + u32(row) * width + u32(column));\n}\n"
    "fn value(i: u32) -> f32 {\n"
    "    let s = walk.strides[0];\n" /* channels, height, width, points */
    "    let plane = i / s.w;\n"
    "    let point = 2u * (plane / s.x * s.w + i % s.w);\n"
    "    let n = vec2<f32>(f32(s.y), f32(s.z));\n"
    "    let row = coordinate(load2(point + 1u), n.x);\n"
    "    let column = coordinate(load2(point), n.y);\n"
    "    let base = plane * s.y * s.z;\n"
    "    let r = floor(row);\n    let c = floor(column);\n"
    "    let r0 = place(r, n.x);\n    let c0 = place(c, n.y);\n"
    "    if (near) { return texel(base, r0, c0, s.z); }\n"
    "    let r1 = place(r + 1.0, n.x);\n    let c1 = place(c + 1.0, n.y);\n"
    "    let t = row - r;\n    let u = column - c;\n"
    "    return (1.0 - t) * ((1.0 - u) * texel(base, r0, c0, s.z) + u * texel(base, r0, c1, s.z)) +\n"
    "        t * ((1.0 - u) * texel(base, r1, c0, s.z) + u * texel(base, r1, c1, s.z));\n}\n";

brink_status gpu_grid_sample(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *grid = a->in[1], *out = a->out[0];
    const char *mode = onnx_string(a->node, ATTR_mode, "linear");
    const char *padding = onnx_string(a->node, ATTR_padding_mode, "zeros");
    if (!gpu_is_f32(x) || !gpu_is_f32(grid) || !gpu_is_f32(out) || x->rank != 4 ||
        grid->rank != 4 || gpu_root(x) == gpu_root(grid) || strstr(mode, "cubic") != NULL)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    if (tensor_count(x) > UINT32_MAX || tensor_count(grid) > UINT32_MAX || grid->dims[3] != 2 ||
        grid->dims[0] != x->dims[0] || (tensor_count(x) == 0 && tensor_count(out) > 0))
        return kernel_fail(a, BRINK_BAD_INPUT, "a grid of %lld numbers for a batch of %lld",
                           (long long)tensor_count(grid), (long long)x->dims[0]);
    gpu_walk w = {.strides = {(uint32_t)x->dims[1], (uint32_t)x->dims[2], (uint32_t)x->dims[3],
                              (uint32_t)(grid->dims[1] * grid->dims[2])}};
    gpu_operands o = {.list = {out, x, grid}, .count = 3};
    gpu_wgsl head = {.used = 0};
    gpu_put_storage(&head, &o);
    gpu_put(&head, "const near = %s;\nconst align = %s;\nconst padding = %uu;\n%s",
            strcmp(mode, "nearest") == 0 ? "true" : "false",
            onnx_int(a->node, ATTR_align_corners, 0) != 0 ? "true" : "false",
            strcmp(padding, "border") == 0       ? 1
            : strcmp(padding, "reflection") == 0 ? 2
                                                 : 0,
            body);
    return gpu_encode_walk(g, &o, &head, &w);
}
