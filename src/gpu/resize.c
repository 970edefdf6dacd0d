/* resize.c — Resize and Upsample on the GPU: f32, up to three axes that change.

   Source: as cpu/resize.c, which reads the node. Each invocation works out the input positions and
   weights of its output along each axis; nodes that suppress aliases or crop run on the CPU. */
#include "cpu/resize.h"

#include "cpu/loops.h"
#include "gpu/walk.h"

#include <string.h>

/* Axes that change: their dimension, whether the scale is out / in, sizes and scale. */
enum { AXES = 3 };

static const char *coordinate(const char *how)
{
    static const char *const table[][2] = {
        {"asymmetric",
         "select(select(div_(x, scale), div_(x * size, out), ratio), x, scale == 1.0)"},
        {"align_corners", "select(div_(x * (size - 1.0), out - 1.0), 0.0, out == 1.0)"},
        {"pytorch_half_pixel", "select(0.0, half, out > 1.0)"},
        {"half_pixel_symmetric", "bitcast<f32>(t.z) + div_(x + 0.5, scale) - 0.5"},
    };
    for (uint32_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(how, table[i][0]) == 0)
            return table[i][1];
    return "half";
}

static const char *nearest(const resize *z)
{
    return z->simple                                      ? "select(floor(c), ceil(c), scale < 1.0)"
           : strcmp(z->nearest, "floor") == 0             ? "floor(c)"
           : strcmp(z->nearest, "ceil") == 0              ? "ceil(c)"
           : strcmp(z->nearest, "round_prefer_ceil") == 0 ? "floor(c + 0.5)"
                                                          : "ceil(c - 0.5)";
}

/* place(c, t): the input position of tap t around coordinate c, before it is clamped; filter(v): the
   weight at distance v. */
static void put_filter(gpu_wgsl *head, const resize *z)
{
    if (z->mode == RESIZE_NEAREST) {
        gpu_put(head,
                "const taps = 1u;\n"
                "fn place(c: f32, t: u32, scale: f32) -> f32 { return %s; }\n"
                "fn filter_(v: f32) -> f32 { return 1.0; }\n",
                nearest(z));
        return;
    }
    bool cubic = z->mode == RESIZE_CUBIC;
    gpu_put(head,
            "const taps = %s;\n"
            "fn place(c: f32, t: u32, scale: f32) -> f32 { return floor(c) - %s + f32(t); }\n"
            "fn filter_(v: f32) -> f32 {\n    let x = abs(v);\n",
            cubic ? "4u" : "2u", cubic ? "1.0" : "0.0");
    if (!cubic) {
        gpu_put(head, "    return select(0.0, 1.0 - x, x < 1.0);\n}\n");
        return;
    }
    gpu_put_number(head, "a", z->cubic_a);
    gpu_put(head, "    let near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;\n"
                  "    let far = ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;\n"
                  "    return select(select(0.0, far, x < 2.0), near, x <= 1.0);\n}\n");
}

brink_status gpu_resize(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *out = a->out[0];
    if (!gpu_is_f32(x) || !gpu_is_f32(out) || x->rank == 0 ||
        onnx_int(a->node, ATTR_antialias, 0) != 0 ||
        strcmp(onnx_string(a->node, ATTR_coordinate_transformation_mode, ""),
               "tf_crop_and_resize") == 0)
        return BRINK_UNSUPPORTED;
    for (uint32_t d = 0, changing = 0; d < x->rank; d++) /* sizes may not be known yet */
        if ((changing += d < 2 && x->rank > 3 ? x->dims[d] != out->dims[d] : 1) > AXES)
            return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    resize z;
    TRY(resize_read(a, &z));
    if (tensor_count(out) == 0)
        return BRINK_OK;
    if (tensor_count(x) == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "an empty input cannot be enlarged");
    gpu_walk w = {.rank = out->rank};
    uint32_t axes = 0;
    int64_t dense[BRINK_MAX_RANK];
    dense_strides(x->rank, x->dims, dense);
    for (uint32_t d = 0; d < x->rank; d++) {
        const resize_axis *axis = &z.axes[d];
        w.dims[d] = (uint32_t)out->dims[d];
        if (axis->identity) {
            w.strides[d] = (uint32_t)dense[d];
            continue;
        }
        if (axes == AXES)
            return kernel_fail(a, BRINK_UNSUPPORTED, "gpu: more than %d axes are resized", AXES);
        int64_t after = dims_product(out, d + 1, out->rank);
        float in = (float)axis->in, middle = in / 2 * (1 - (float)axis->out / (axis->scale * in));
        uint32_t scale, shift; /* half_pixel_symmetric begins at `middle` */
        memcpy(&scale, &axis->scale, sizeof scale);
        memcpy(&shift, &middle, sizeof shift);
        const uint32_t numbers[8] = {(uint32_t)after,
                                     (uint32_t)axis->in,
                                     (uint32_t)axis->out,
                                     (uint32_t)dense[d],
                                     scale,
                                     axis->ratio,
                                     shift};
        memcpy(w.strides + GPU_WALK_RANK * (1 + axes++), numbers, sizeof numbers);
    }
    gpu_operands o = {.list = {out, x}, .count = 2};
    gpu_wgsl head = {.used = 0};
    gpu_put_storage(&head, &o);
    put_filter(&head, &z);
    gpu_put(
        &head,
        "const axes = %uu;\n"
        "fn value(i: u32) -> f32 {\n"
        "    var index = array<u32, %u>();\n    var weight = array<f32, %u>();\n"
        "    var all = 1u;\n"
        "    for (var d = 0u; d < axes; d++) {\n"
        "        let s = walk.strides[2u + 2u * d];\n"
        "        let t = walk.strides[3u + 2u * d];\n"
        "        let x = f32(i / s.x %% s.z);\n"
        "        let size = f32(s.y);\n        let out = f32(s.z);\n"
        "        let scale = bitcast<f32>(t.x);\n        let ratio = t.y != 0u;\n"
        "        let half = select(div_(x + 0.5, scale), div_((x + 0.5) * size, out), ratio) - 0.5;\n"
        "        let c = %s;\n"
        "        var sum = 0.0;\n"
        "        for (var k = 0u; k < taps; k++) {\n"
        "            let at = place(c, k, scale);\n"
        "            let inside = at >= 0.0 && at <= size - 1.0;\n"
        "            let f = select(0.0, filter_(at - c), inside || %s);\n"
        "            index[d * taps + k] = u32(clamp(at, 0.0, size - 1.0)) * s.w;\n"
        "            weight[d * taps + k] = f;\n            sum += f;\n        }\n"
        "        for (var k = 0u; k < taps && %s && sum != 0.0; k++) {\n"
        "            weight[d * taps + k] /= sum;\n        }\n"
        "        all *= taps;\n    }\n"
        "    let base = at(i, 0u);\n"
        "    if (axes == 0u) { return x1[base]; }\n"
        "    if (taps == 1u) {\n        var from_ = base;\n"
        "        for (var d = 0u; d < axes; d++) { from_ += index[d]; }\n"
        "        return x1[from_];\n    }\n"
        "    var y_ = 0.0;\n"
        "    for (var n = 0u; n < all; n++) {\n"
        "        var rest = n;\n        var from_ = base;\n        var f = 1.0;\n"
        "        for (var d = 0u; d < axes; d++) {\n"
        "            from_ += index[d * taps + rest %% taps];\n"
        "            f *= weight[d * taps + rest %% taps];\n            rest /= taps;\n"
        "        }\n        y_ += f * x1[from_];\n    }\n    return y_;\n}\n",
        axes, 4 * AXES, 4 * AXES, coordinate(z.coordinates),
        z.exclude_outside && z.mode != RESIZE_NEAREST ? "false" : "true",
        z.exclude_outside && z.mode != RESIZE_NEAREST ? "true" : "false");
    return gpu_encode_walk(g, &o, &head, &w);
}
