/* norm.c — LayerNormalization, RMSNormalization and their forms with a residual sum.

   Source: ONNX LayerNormalization and RMSNormalization; onnxruntime's SimplifiedLayerNormalization,
   SkipLayerNormalization and SkipSimplifiedLayerNormalization. Bound by memory: a row is read twice
   from the cache. Variance is taken around the mean, not as a difference of squares. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/simd.h"

#include <math.h>
#include <string.h>

typedef struct norm_job {
    int64_t n;
    const float *x;    /* [rows, n]                            */
    const float *skip; /* [skip_rows, n], NULL if none         */
    int64_t skip_rows;
    const float *sum_bias;            /* [n] added to x + skip, NULL if none */
    const float *scale;               /* [n], or [rows, n]                    */
    const float *bias;                /* the same, NULL if none               */
    int64_t scale_row, bias_row;      /* 0, or n                              */
    float *to, *sum, *mean, *inverse; /* the last three may be NULL */
    float epsilon;
    bool simplified; /* no mean: RMS */
} norm_job;

static void norm_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const norm_job *job = arg;
    int64_t n = job->n;
    for (int64_t r = begin; r < end; r++) {
        const float *x = job->x + r * n;
        float *to = job->to + r * n, mean = 0;
        if (job->skip != NULL) {
            float *sum = job->sum != NULL ? job->sum + r * n : to;
            const float *skip = job->skip + r % job->skip_rows * n, *bias = job->sum_bias;
            if (bias != NULL)
                for (int64_t i = 0; i < n; i++)
                    sum[i] = x[i] + skip[i] + bias[i];
            else
                for (int64_t i = 0; i < n; i++)
                    sum[i] = x[i] + skip[i];
            x = sum;
        }
        if (!job->simplified)
            mean = simd()->sum(x, n) / (float)n;
        float inverse = 1 / sqrtf(simd()->squares(x, mean, n) / (float)n + job->epsilon);
        simd()->normalize(to, x, mean, inverse, job->scale + r * job->scale_row,
                          job->bias != NULL ? job->bias + r * job->bias_row : NULL, n);
        if (job->mean != NULL)
            job->mean[r] = mean;
        if (job->inverse != NULL)
            job->inverse[r] = inverse;
    }
}

static const float *floats_of(const tensor *t)
{
    return t == NULL ? NULL : t->data;
}

static float *output_floats(const kernel_args *a, uint32_t i)
{
    tensor *t = kernel_out(a, i);
    return t == NULL ? NULL : t->data;
}

static brink_status check(const kernel_args *a, const tensor *t, int64_t count, const char *what)
{
    if (t == NULL)
        return BRINK_OK;
    if (t->type != BRINK_F32)
        return kernel_bad_type(a, t->type);
    if (tensor_count(t) != count)
        return kernel_fail(a, BRINK_UNSUPPORTED, "%s has %lld elements, the normalised part %lld",
                           what, (long long)tensor_count(t), (long long)count);
    return BRINK_OK;
}

static void run(const kernel_args *a, norm_job *job)
{
    int64_t rows = job->n == 0 ? 0 : tensor_count(a->in[0]) / job->n;
    thread_for(a->context->pool, rows, grain_for(2 * job->n), norm_range, job);
}

/* Scale or bias that is not simply the normalised part's shape: whether it broadcasts to x. */
static brink_status check_broadcast(const kernel_args *a, const tensor *t, int64_t n,
                                    const char *what, bool *whole)
{
    const tensor *x = a->in[0];
    *whole = t == NULL || tensor_count(t) == n;
    if (t != NULL && t->type != x->type)
        return kernel_bad_type(a, t->type);
    bool fits = *whole || t->rank <= x->rank;
    for (uint32_t i = 0; fits && !*whole && i < t->rank; i++)
        fits = t->dims[i] == 1 || t->dims[i] == x->dims[i + x->rank - t->rank];
    if (!fits)
        return kernel_fail(a, BRINK_BAD_INPUT, "%s of rank %u does not broadcast to the input",
                           what, t->rank);
    return BRINK_OK;
}

/* t as it lies or, unless `whole`, broadcast to x in `memory`. */
static const void *broadcast(const kernel_args *a, const tensor *t, bool whole, void *memory)
{
    if (t == NULL || whole)
        return t == NULL ? NULL : t->data;
    nd walk;
    nd_broadcast(&walk, a->in[0], &t, 1);
    nd_copy(a->context->pool, &walk, memory, t->data, element_bytes(t->type));
    return memory;
}

/* In double precision: a plain loop. */
static void norm_f64(const norm_job *job, const double *x, const double *scale, const double *bias,
                     double *to, int64_t rows)
{
    int64_t n = job->n;
    for (int64_t r = 0; r < rows; r++, x += n, to += n) {
        double mean = 0, squares = 0;
        for (int64_t i = 0; i < n && !job->simplified; i++)
            mean += x[i] / (double)n;
        for (int64_t i = 0; i < n; i++)
            squares += (x[i] - mean) * (x[i] - mean) / (double)n;
        double inverse = 1 / sqrt(squares + (double)job->epsilon);
        for (int64_t i = 0; i < n; i++)
            to[i] = (x[i] - mean) * inverse * scale[r * job->scale_row + i] +
                    (bias != NULL ? bias[r * job->bias_row + i] : 0);
        if (job->mean != NULL)
            job->mean[r] = (float)mean;
        if (job->inverse != NULL)
            job->inverse[r] = (float)inverse;
    }
}

static brink_status norm(const kernel_args *a, bool simplified)
{
    const tensor *x = a->in[0], *scale = kernel_in(a, 1), *bias = kernel_in(a, 2);
    uint32_t axis = 0;
    bool whole[2];
    if (x->type != BRINK_F32 && x->type != BRINK_F64)
        return kernel_bad_type(a, x->type);
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, -1), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
    if (scale == NULL)
        return kernel_fail(a, BRINK_BAD_INPUT, "input scale is missing");
    norm_job job = {.n = dims_product(x, axis, x->rank),
                    .x = x->data,
                    .epsilon = onnx_float(a->node, ATTR_epsilon, 1e-5f),
                    .simplified = simplified,
                    .mean = simplified ? NULL : output_floats(a, 1),
                    .inverse = output_floats(a, simplified ? 1 : 2)};
    TRY(check_broadcast(a, scale, job.n, "scale", &whole[0]));
    TRY(check_broadcast(a, bias, job.n, "bias", &whole[1]));
    job.scale_row = whole[0] ? 0 : job.n;
    job.bias_row = whole[1] ? 0 : job.n;
    int64_t count = tensor_count(x);
    uint64_t bytes = (uint64_t)count * element_bytes(x->type);
    char *memory = NULL, *to = kernel_out(a, 0) != NULL ? a->out[0]->data : NULL;
    if (to == NULL || !whole[0] || !whole[1]) {
        if ((memory = kernel_scratch(a, 3 * bytes)) == NULL)
            return BRINK_OUT_OF_MEMORY;
        to = to == NULL ? memory : to;
    }
    const void *factor = broadcast(a, scale, whole[0], memory != NULL ? memory + bytes : NULL);
    const void *offset = broadcast(a, bias, whole[1], memory != NULL ? memory + 2 * bytes : NULL);
    if (x->type == BRINK_F64) {
        norm_f64(&job, x->data, factor, offset, (double *)(void *)to,
                 job.n == 0 ? 0 : count / job.n);
        return BRINK_OK;
    }
    job.scale = factor;
    job.bias = offset;
    job.to = (float *)(void *)to;
    run(a, &job);
    return BRINK_OK;
}

brink_status cpu_layer_norm(const kernel_args *a)
{
    return norm(a, false);
}

brink_status cpu_simplified_layer_norm(const kernel_args *a)
{
    return norm(a, true);
}

static brink_status skip_norm(const kernel_args *a, bool simplified)
{
    const tensor *x = a->in[0], *skip = a->in[1], *scale = kernel_in(a, 2);
    const tensor *bias = simplified ? NULL : kernel_in(a, 3);
    const tensor *sum_bias = kernel_in(a, simplified ? 3 : 4);
    if (x->type != BRINK_F32 || skip->type != BRINK_F32)
        return kernel_bad_type(a, x->type);
    if (scale == NULL || x->rank == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "input gamma is missing or the input is a scalar");
    norm_job job = {.n = x->dims[x->rank - 1], .x = x->data, .simplified = simplified};
    TRY(check(a, scale, job.n, "gamma"));
    TRY(check(a, bias, job.n, "beta"));
    TRY(check(a, sum_bias, job.n, "bias"));
    if (tensor_count(x) == 0)
        return BRINK_OK;
    job.skip = skip->data;
    job.skip_rows = tensor_count(skip) / job.n;
    if (job.skip_rows == 0 || tensor_count(x) % (job.skip_rows * job.n) != 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "skip has %lld elements, the input %lld",
                           (long long)tensor_count(skip), (long long)tensor_count(x));
    job.sum_bias = floats_of(sum_bias);
    job.scale = floats_of(scale);
    job.bias = floats_of(bias);
    job.epsilon = onnx_float(a->node, ATTR_epsilon, 1e-12f);
    job.mean = output_floats(a, 1);
    job.inverse = output_floats(a, 2);
    job.sum = output_floats(a, 3);
    if ((job.to = output_floats(a, 0)) == NULL) {
        job.to = kernel_scratch(a, (uint64_t)tensor_count(x) * sizeof(float));
        if (job.to == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    run(a, &job);
    return BRINK_OK;
}

brink_status cpu_skip_layer_norm(const kernel_args *a)
{
    return skip_norm(a, false);
}

brink_status cpu_skip_simplified_layer_norm(const kernel_args *a)
{
    return skip_norm(a, true);
}

/* ── EmbedLayerNormalization ── */

typedef struct embed {
    const tensor *ids, *segments, *positions;
    const tensor *words, *places, *parts; /* tables; parts may be NULL */
    int64_t rows, n;
} embed;

/* Row `index` of a table added to, or first written in, to[n]. */
static void table_row(const tensor *t, int64_t index, int64_t n, bool add, float *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (add ? to[i] : 0) + (float)tensor_number(t, index * n + i);
}

static int64_t place_of(const embed *e, int64_t i)
{
    if (e->positions == NULL)
        return i % e->rows;
    return tensor_int(e->positions, tensor_count(e->positions) == e->rows ? i % e->rows : i);
}

static brink_status embed_check(const kernel_args *a, const embed *e, int64_t count)
{
    const tensor *tables[] = {e->words, e->places, e->parts};
    for (int t = 0; t < 3; t++) {
        bool half = tables[t] != NULL && t == 0 &&
                    (tables[t]->type == BRINK_F16 || tables[t]->type == BRINK_BF16);
        if (tables[t] == NULL)
            continue;
        if (tables[t]->type != BRINK_F32 && !half)
            return kernel_bad_type(a, tables[t]->type);
        if (tables[t]->rank != 2 || tables[t]->dims[1] != e->n)
            return kernel_fail(a, BRINK_BAD_INPUT, "an embedding does not have rows of %lld",
                               (long long)e->n);
        for (int64_t i = 0; i < count; i++) {
            int64_t row = t == 0   ? tensor_int(e->ids, i)
                          : t == 1 ? place_of(e, i)
                                   : tensor_int(e->segments, i);
            if (row < 0 || row >= tables[t]->dims[0])
                return kernel_fail(a, BRINK_BAD_INPUT, "row %lld is outside a table of %lld",
                                   (long long)row, (long long)tables[t]->dims[0]);
        }
    }
    return BRINK_OK;
}

/* input_ids, segment_ids, word, position and segment embeddings, gamma, beta, mask, position_ids. */
brink_status cpu_embed_layer_norm(const kernel_args *a)
{
    const tensor *mask = kernel_in(a, 7), *gamma = kernel_in(a, 5), *beta = kernel_in(a, 6);
    tensor *index = kernel_out(a, 1), *sum = kernel_out(a, 2);
    embed e = {.ids = a->in[0],
               .segments = kernel_in(a, 1),
               .words = a->in[2],
               .places = a->in[3],
               .parts = kernel_in(a, 4),
               .positions = kernel_in(a, 8)};
    if (gamma == NULL || beta == NULL || e.ids->rank != 2 || e.words->rank != 2 ||
        (e.segments == NULL) != (e.parts == NULL))
        return kernel_fail(a, BRINK_BAD_INPUT, "gamma, beta or segments are missing");
    e.rows = e.ids->dims[1];
    e.n = e.words->dims[1];
    int64_t count = tensor_count(e.ids);
    if ((e.segments != NULL && tensor_count(e.segments) != count) ||
        (mask != NULL && tensor_count(mask) != count) ||
        (e.positions != NULL && tensor_count(e.positions) != count &&
         tensor_count(e.positions) != e.rows))
        return kernel_fail(a, BRINK_BAD_INPUT, "segments, mask or positions do not fit the ids");
    TRY(check(a, gamma, e.n, "gamma"));
    TRY(check(a, beta, e.n, "beta"));
    TRY(embed_check(a, &e, count));
    float *rows = kernel_scratch(a, (uint64_t)(2 * count * e.n) * sizeof(float));
    if (rows == NULL)
        return BRINK_OUT_OF_MEMORY;
    norm_job job = {.n = e.n,
                    .scale = gamma->data,
                    .bias = beta->data,
                    .to = kernel_out(a, 0) != NULL ? a->out[0]->data : rows + count * e.n,
                    .epsilon = onnx_float(a->node, ATTR_epsilon, 1e-12f)};
    rows = sum != NULL ? sum->data : rows;
    for (int64_t i = 0; i < count; i++) {
        float *to = rows + i * e.n;
        table_row(e.words, tensor_int(e.ids, i), e.n, false, to);
        table_row(e.places, place_of(&e, i), e.n, true, to);
        if (e.parts != NULL)
            table_row(e.parts, tensor_int(e.segments, i), e.n, true, to);
    }
    for (int64_t b = 0; index != NULL && b < e.ids->dims[0]; b++) {
        int32_t seen = 0;
        for (int64_t i = 0; mask != NULL && i < e.rows; i++)
            seen += tensor_int(mask, b * e.rows + i) == 1;
        ((int32_t *)index->data)[b] = seen;
    }
    job.x = rows;
    thread_for(a->context->pool, e.n == 0 ? 0 : count, grain_for(2 * e.n), norm_range, &job);
    return BRINK_OK;
}
