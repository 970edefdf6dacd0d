/* resize.c — Resize and Upsample: nearest, linear and cubic, in any number of dimensions.

   Source: ONNX Resize; where the text leaves the arithmetic open (coordinates in single precision,
   nearest before opset 11) as onnxruntime has it. Each axis gets a table of the input positions and
   weights that an output position is made of. Nearest moves elements by size; the others fold one
   axis after the other. Bound by memory. */
#include "cpu/resize.h"

#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>
#include <string.h>

enum { MAX_TABLE = 1 << 28 }; /* entries of one axis */

/* ── What the node asks for ── */

static resize_mode mode_of(const char *name)
{
    return strcmp(name, "cubic") == 0                                     ? RESIZE_CUBIC
           : strcmp(name, "linear") == 0 || strcmp(name, "bilinear") == 0 ? RESIZE_LINEAR
                                                                          : RESIZE_NEAREST;
}

/* Input i, NULL when it is left out or empty. */
static const tensor *given(const kernel_args *a, uint32_t i)
{
    const tensor *t = kernel_in(a, i);
    return t == NULL || tensor_count(t) == 0 ? NULL : t;
}

static brink_status read_scales(const kernel_args *a, resize *z)
{
    const tensor *x = a->in[0], *out = a->out[0];
    bool upsample = strcmp(a->node->op->name, "Upsample") == 0, old = a->node->opset < 11;
    const tensor *scales = given(a, upsample || old ? 1 : 2);
    const tensor *roi = upsample || old ? NULL : given(a, 1);
    const char *policy = onnx_string(a->node, ATTR_keep_aspect_ratio_policy, "stretch");
    uint32_t listed_n = 0, chosen[BRINK_MAX_RANK], count = x->rank;
    const onnx_attr *listed = onnx_find(a->node, ATTR_scales);
    const int64_t *axes = onnx_ints(a->node, ATTR_axes, &listed_n);
    if (axes != NULL)
        count = listed_n < x->rank ? listed_n : x->rank;
    for (uint32_t i = 0; i < count; i++)
        if (!axis_wrap(axes != NULL ? axes[i] : (int64_t)i, x->rank, &chosen[i]))
            return kernel_fail(a, BRINK_BAD_INPUT, "axis %lld is outside rank %u",
                               (long long)axes[i], x->rank);
    for (uint32_t d = 0; d < x->rank; d++)
        z->axes[d] = (resize_axis){.in = x->dims[d], .out = out->dims[d], .scale = 1, .roi_end = 1};
    if ((scales != NULL && tensor_count(scales) < count) ||
        (roi != NULL && z->crop && tensor_count(roi) < 2 * (int64_t)count))
        return kernel_fail(a, BRINK_BAD_INPUT, "scales or roi do not fit %u axes", count);
    float common = 0; /* of keep_aspect_ratio_policy */
    for (uint32_t i = 0; i < count; i++) {
        resize_axis *axis = &z->axes[chosen[i]];
        if (scales != NULL)
            axis->scale = (float)tensor_number(scales, i);
        else if (listed != NULL && listed->kind == ATTR_KIND_FLOATS && i < listed->count)
            axis->scale = listed->floats[i];
        else if (axis->in > 0 && given(a, 3) != NULL && policy[0] != 's') {
            float scale = (float)tensor_number(a->in[3], i) / (float)axis->in;
            bool larger = strcmp(policy, "not_smaller") == 0;
            common = i == 0 ? scale : larger ? fmaxf(common, scale) : fminf(common, scale);
        } else if (axis->in > 0) {
            axis->scale = (float)axis->out / (float)axis->in;
            axis->ratio = true;
        }
        if (z->crop && roi != NULL) {
            axis->roi_start = (float)tensor_number(roi, i);
            axis->roi_end = (float)tensor_number(roi, count + i);
        }
    }
    for (uint32_t i = 0; common > 0 && i < count; i++)
        z->axes[chosen[i]].scale = common;
    for (uint32_t d = 0; d < x->rank; d++) {
        resize_axis *axis = &z->axes[d];
        if (!(axis->scale > 0) && axis->out > 0)
            return kernel_fail(a, BRINK_BAD_INPUT, "scale %g of axis %u", (double)axis->scale, d);
        axis->identity = axis->in == axis->out && axis->scale == 1 &&
                         (!z->crop || (axis->roi_start == 0 && axis->roi_end == 1));
    }
    return BRINK_OK;
}

brink_status resize_read(const kernel_args *a, resize *z)
{
    bool old = a->node->opset < 11 || strcmp(a->node->op->name, "Upsample") == 0;
    *z = (resize){.mode = mode_of(onnx_string(a->node, ATTR_mode, "nearest")),
                  .coordinates = onnx_string(a->node, ATTR_coordinate_transformation_mode,
                                             old ? "asymmetric" : "half_pixel"),
                  .nearest = onnx_string(a->node, ATTR_nearest_mode, "round_prefer_floor"),
                  .antialias = onnx_int(a->node, ATTR_antialias, 0) != 0,
                  .exclude_outside = onnx_int(a->node, ATTR_exclude_outside, 0) != 0,
                  .simple = old,
                  .cubic_a = onnx_float(a->node, ATTR_cubic_coeff_a, -0.75f),
                  .extrapolation = onnx_float(a->node, ATTR_extrapolation_value, 0)};
    z->crop = strcmp(z->coordinates, "tf_crop_and_resize") == 0;
    return read_scales(a, z);
}

/* ── Tables ── */

static float source_coordinate(const resize *z, const resize_axis *axis, int64_t position)
{
    const char *how = z->coordinates;
    float x = (float)position, scale = axis->scale, in = (float)axis->in, out = (float)axis->out;
    if (strcmp(how, "asymmetric") == 0)
        return scale == 1 ? x : axis->ratio ? x * in / out : x / scale;
    if (strcmp(how, "align_corners") == 0)
        return axis->out == 1 ? 0 : x * (in - 1) / (out - 1);
    if (strcmp(how, "tf_crop_and_resize") == 0) {
        float start = axis->roi_start * (in - 1),
              span = (axis->roi_end - axis->roi_start) * (in - 1);
        return axis->out > 1 ? start + x * span / (out - 1)
                             : 0.5f * (axis->roi_start + axis->roi_end) * (in - 1);
    }
    float half = (axis->ratio ? (x + 0.5f) * in / out : (x + 0.5f) / scale) - 0.5f;
    if (strcmp(how, "pytorch_half_pixel") == 0)
        return axis->out > 1 ? half : 0;
    if (strcmp(how, "half_pixel_symmetric") == 0)
        return in / 2 * (1 - out / (scale * in)) + (x + 0.5f) / scale - 0.5f;
    return half;
}

static float nearest(const resize *z, const resize_axis *axis, float x)
{
    if (z->simple)
        return axis->scale < 1 ? ceilf(x) : floorf(x);
    if (strcmp(z->nearest, "floor") == 0)
        return floorf(x);
    if (strcmp(z->nearest, "ceil") == 0)
        return ceilf(x);
    return strcmp(z->nearest, "round_prefer_ceil") == 0 ? floorf(x + 0.5f) : ceilf(x - 0.5f);
}

/* The filter at distance x, in input positions. */
static float filter(const resize *z, float x)
{
    float a = z->cubic_a;
    x = fabsf(x);
    if (z->mode == RESIZE_LINEAR)
        return x < 1 ? 1 - x : 0;
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static int64_t clamp_index(float at, int64_t n)
{
    return at > 0 ? at < (float)(n - 1) ? (int64_t)at : n - 1 : 0; /* NaN gives 0 */
}

/* A filter stretched by 1 / scale when it is to suppress aliases. */
static float stretch(const resize *z, const resize_axis *axis)
{
    return z->antialias && axis->scale < 1 ? axis->scale : 1;
}

static int64_t taps_of(const resize *z, const resize_axis *axis)
{
    float reach = z->mode == RESIZE_CUBIC ? 2 : 1;
    return z->mode == RESIZE_NEAREST ? 1 : 2 * (int64_t)ceilf(reach / stretch(z, axis));
}

static void fill_axis(const resize *z, resize_axis *axis)
{
    float narrow = stretch(z, axis);
    for (int64_t o = 0; o < axis->out; o++) {
        float x = source_coordinate(z, axis, o), sum = 0;
        int64_t *index = axis->index + o * axis->taps;
        float *weight = axis->weight + o * axis->taps;
        axis->outside[o] = z->crop && !(x >= 0 && x <= (float)(axis->in - 1));
        if (z->mode == RESIZE_NEAREST) {
            *index = clamp_index(nearest(z, axis, x), axis->in);
            continue;
        }
        int64_t before = axis->taps / 2 - 1;
        float first = floorf(x) - (float)before;
        for (int64_t t = 0; t < axis->taps; t++) {
            float at = first + (float)t;
            bool inside = at >= 0 && at <= (float)(axis->in - 1);
            index[t] = clamp_index(at, axis->in);
            weight[t] = inside || !z->exclude_outside ? filter(z, (at - x) * narrow) : 0;
            sum += weight[t];
        }
        for (int64_t t = 0; (z->exclude_outside || narrow < 1) && sum != 0 && t < axis->taps; t++)
            weight[t] /= sum;
    }
}

/* ── Nearest: a gather by tables ── */

typedef struct gather_job {
    const resize *z;
    const tensor *x, *out;
    int64_t dense[BRINK_MAX_RANK];
    uint32_t size;
    uint64_t extrapolation; /* an element of the type */
} gather_job;

static void gather_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const gather_job *job = arg;
    const tensor *out = job->out;
    uint32_t last = out->rank - 1, size = job->size;
    const resize_axis *row = &job->z->axes[last];
    for (int64_t r = begin; r < end; r++) {
        int64_t at = 0, rest = r;
        bool outside = false;
        for (uint32_t d = last; d-- > 0; rest /= out->dims[d]) {
            const resize_axis *axis = &job->z->axes[d];
            int64_t i = rest % out->dims[d];
            at += axis->index[i] * job->dense[d];
            outside = outside || axis->outside[i];
        }
        const char *from = (const char *)job->x->data + at * size;
        char *to = (char *)out->data + r * row->out * size;
        if (size == 4 && !outside && !job->z->crop) {
            for (int64_t c = 0; c < row->out; c++)
                ((uint32_t *)(void *)to)[c] = ((const uint32_t *)(const void *)from)[row->index[c]];
            continue;
        }
        for (int64_t c = 0; c < row->out; c++)
            memcpy(to + c * size,
                   outside || row->outside[c] ? (const void *)&job->extrapolation
                                              : from + row->index[c] * size,
                   size);
    }
}

/* ── Linear and cubic: one axis after the other ── */

typedef struct fold_job {
    const resize_axis *axis;
    const void *x;
    void *y;
    int64_t inner;
} fold_job;

/* Units are output positions of the axis, of all that lies outside of it. */
#define FOLD(T)                                                                                    \
    static void fold_##T(void *arg, int64_t begin, int64_t end, uint32_t thread)                   \
    {                                                                                              \
        (void)thread;                                                                              \
        const fold_job *job = arg;                                                                 \
        const resize_axis *axis = job->axis;                                                       \
        int64_t inner = job->inner, taps = axis->taps, o = begin % axis->out;                      \
        const T *x = (const T *)job->x + begin / axis->out * axis->in * inner;                     \
        T *y = (T *)job->y + begin * inner;                                                        \
        for (int64_t unit = begin; unit < end; unit++, y += inner) {                               \
            const int64_t *index = axis->index + o * taps;                                         \
            const float *weight = axis->weight + o * taps;                                         \
            if (inner == 1) {                                                                      \
                T sum = 0;                                                                         \
                for (int64_t t = 0; t < taps; t++)                                                 \
                    sum += (T)weight[t] * x[index[t]];                                             \
                *y = sum;                                                                          \
            } else {                                                                               \
                memset(y, 0, (size_t)inner * sizeof(T));                                           \
                for (int64_t t = 0; t < taps; t++)                                                 \
                    for (int64_t i = 0; i < inner; i++)                                            \
                        y[i] += (T)weight[t] * x[index[t] * inner + i];                            \
            }                                                                                      \
            if (++o == axis->out) {                                                                \
                o = 0;                                                                             \
                x += axis->in * inner;                                                             \
            }                                                                                      \
        }                                                                                          \
    }
FOLD(float)
FOLD(double)

static int64_t fold_size(const resize *z, const tensor *x, uint32_t done)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < x->rank; d++)
        if (__builtin_mul_overflow(n, d < done ? z->axes[d].out : z->axes[d].in, &n))
            return INT64_MAX;
    return n;
}

/* Writes where any axis is outside of the crop. */
static void extrapolate(const resize *z, const tensor *out, void *y, bool wide)
{
    int64_t count = tensor_count(out);
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i;
        bool outside = false;
        for (uint32_t d = out->rank; d-- > 0; rest /= out->dims[d])
            outside = outside || z->axes[d].outside[rest % out->dims[d]];
        if (outside && wide)
            ((double *)y)[i] = (double)z->extrapolation;
        else if (outside)
            ((float *)y)[i] = z->extrapolation;
    }
}

/* The lowest and highest number of an integer type. */
static void integer_limits(brink_type type, double *low, double *high)
{
    int bits = (int)brink_type_bits(type);
    bool negative = type == BRINK_I8 || type == BRINK_I16 || type == BRINK_I32 || type == BRINK_I64;
    *low = negative ? -ldexp(1, bits - 1) : 0;
    *high = nextafter(ldexp(1, bits - negative), 0);
    if (bits < 64)
        *high = ldexp(1, bits - negative) - 1;
}

static void store_integers(const tensor *out, const double *y)
{
    double low, high;
    integer_limits(out->type, &low, &high);
    for (int64_t i = 0, n = tensor_count(out); i < n; i++) {
        double value = y[i] > low ? y[i] < high ? y[i] : high : low, whole = rint(value);
        if (fabs(value - whole) < 1e-5) /* the weights are in single precision */
            value = whole;
        switch (out->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        ((T *)out->data)[i] = (T)value;                                                            \
        break;
            INTEGER_TYPES(CASE)
#undef CASE
        default:
            break;
        }
    }
}

static brink_status fold(const kernel_args *a, const resize *z, char *memory, int64_t each)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    bool floating = x->type == BRINK_F32, wide = !floating;
    double *numbers = (double *)(void *)(memory + 2 * each); /* of integer types */
    const void *from = x->data;
    double *results = numbers + tensor_count(x);
    void *last = x->type == BRINK_F32 || x->type == BRINK_F64 ? out->data : results;
    uint32_t turn = 0, passes = 0;
    if (last == results) {
        for (int64_t i = 0, n = tensor_count(x); i < n; i++)
            numbers[i] = tensor_number(x, i);
        from = numbers;
    }
    for (uint32_t d = 0; d < x->rank; d++)
        passes += !z->axes[d].identity;
    for (uint32_t d = 0; d < x->rank; d++) {
        if (z->axes[d].identity)
            continue;
        fold_job job = {.axis = &z->axes[d],
                        .x = from,
                        .inner = dims_product(x, d + 1, x->rank),
                        .y = --passes == 0 ? last : memory + turn++ % 2 * each};
        int64_t outer = 1;
        for (uint32_t k = 0; k < d; k++)
            outer *= z->axes[k].out;
        thread_for(a->context->pool, outer * job.axis->out, grain_for(job.inner * job.axis->taps),
                   wide ? fold_double : fold_float, &job);
        from = job.y;
    }
    if (from == x->data || from == numbers)
        memcpy(last, from, (size_t)tensor_count(x) * (wide ? sizeof(double) : sizeof(float)));
    if (z->crop)
        extrapolate(z, out, last, wide);
    if (last == results)
        store_integers(out, results);
    return BRINK_OK;
}

static brink_status nearest_run(const kernel_args *a, const resize *z)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    gather_job job = {.z = z, .x = x, .out = out, .size = element_bytes(x->type)};
    if (job.size == 0)
        return kernel_bad_type(a, x->type);
    dense_strides(x->rank, x->dims, job.dense);
    double wide = (double)z->extrapolation;
    int64_t whole = (int64_t)clamp_index(z->extrapolation, INT32_MAX);
    memcpy(&job.extrapolation,
           x->type == BRINK_F32   ? (const void *)&z->extrapolation
           : x->type == BRINK_F64 ? (const void *)&wide
                                  : (const void *)&whole,
           job.size);
    int64_t columns = out->dims[out->rank - 1];
    thread_for(a->context->pool, tensor_count(out) / columns, grain_for(columns), gather_range,
               &job);
    return BRINK_OK;
}

brink_status cpu_resize(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    resize z;
    TRY(resize_read(a, &z));
    if (tensor_count(out) == 0)
        return BRINK_OK;
    if (tensor_count(x) == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "an empty input cannot be enlarged");
    if (x->rank == 0) {
        memcpy(out->data, x->data, element_bytes(x->type));
        return BRINK_OK;
    }
    /* Two buffers for what lies between passes, doubles for integers, then the tables. */
    uint32_t size = element_bytes(x->type);
    bool doubles = z.mode != RESIZE_NEAREST && x->type != BRINK_F32 && x->type != BRINK_F64;
    int64_t between = 0, tables = 0;
    if (doubles && (size == 0 || brink_type_bits(x->type) == 0 || x->type == BRINK_BOOL))
        return kernel_bad_type(a, x->type);
    for (uint32_t d = 0; d < x->rank; d++) {
        int64_t n = fold_size(&z, x, d + 1);
        between = z.mode != RESIZE_NEAREST && n > between ? n : between;
        z.axes[d].taps = z.axes[d].scale > 1e-6f ? taps_of(&z, &z.axes[d]) : MAX_TABLE;
        if (z.axes[d].out > MAX_TABLE / z.axes[d].taps)
            return kernel_fail(a, BRINK_UNSUPPORTED, "axis %u is resized from %lld to %lld", d,
                               (long long)z.axes[d].in, (long long)z.axes[d].out);
        tables += z.axes[d].out * (z.axes[d].taps * 12 + 1);
    }
    int64_t largest = between > tensor_count(x) ? between : tensor_count(x);
    if (largest > INT64_MAX / 64)
        return kernel_fail(a, BRINK_OUT_OF_MEMORY, "its intermediate results are too large");
    int64_t each = (between * (x->type == BRINK_F32 ? 4 : 8) + 63) / 64 * 64;
    int64_t numbers = doubles ? (tensor_count(x) + tensor_count(out)) * 8 : 0;
    char *memory = kernel_scratch(a, (uint64_t)(2 * each + numbers + tables));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    char *at = memory + 2 * each + numbers;
    for (uint32_t d = 0; d < x->rank; d++, at += 8 * z.axes[d - 1].out * z.axes[d - 1].taps)
        z.axes[d].index = (int64_t *)(void *)at;
    for (uint32_t d = 0; d < x->rank; d++, at += 4 * z.axes[d - 1].out * z.axes[d - 1].taps)
        z.axes[d].weight = (float *)(void *)at;
    for (uint32_t d = 0; d < x->rank; d++, at += z.axes[d - 1].out) {
        z.axes[d].outside = (bool *)(void *)at;
        fill_axis(&z, &z.axes[d]);
    }
    return z.mode == RESIZE_NEAREST ? nearest_run(a, &z) : fold(a, &z, memory, each);
}
