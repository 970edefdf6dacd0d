/* dft.c — DFT and STFT: Fourier transforms along an axis, or of windows of a signal.

   Source: ONNX. The last dimension of a signal is 1 (real) or 2 (real and imaginary part). Computed
   in f64 by fft.h, signals or frames on all threads. */
#include "cpu/cpu.h"
#include "cpu/fft.h"
#include "cpu/loops.h"

#include <string.h>

typedef struct dft_job {
    const tensor *x, *window; /* window NULL: all ones */
    tensor *out;
    fft f;
    fft_number *memory; /* [threads, each]: the signal, then fft work */
    int64_t each;
    int64_t length, bins; /* of input and output along the axis */
    int64_t inner;        /* elements between two of the axis, complex numbers counting one */
    int64_t frames, step; /* of STFT */
    bool inverse, onesided;
} dft_job;

/* Element k of the signal that starts at complex number `at`; zero beyond its length. */
static fft_number load(const dft_job *job, int64_t at, int64_t k, int64_t step)
{
    const tensor *x = job->x;
    int64_t parts = x->dims[x->rank - 1], i = (at + k * step) * parts;
    return (fft_number){tensor_number(x, i), parts == 2 ? tensor_number(x, i + 1) : 0};
}

static void store(const tensor *out, int64_t at, fft_number v)
{
    int64_t parts = out->dims[out->rank - 1];
    for (int64_t p = 0; p < parts; p++)
        if (out->type == BRINK_F32)
            ((float *)out->data)[at * parts + p] = (float)(p == 0 ? v.re : v.im);
        else
            ((double *)out->data)[at * parts + p] = p == 0 ? v.re : v.im;
}

static void dft_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const dft_job *job = arg;
    int64_t n = job->f.n;
    fft_number *x = job->memory + (int64_t)thread * job->each, *work = x + n;
    bool mirrored = job->inverse && job->onesided;
    int64_t given = mirrored ? n / 2 + 1 : n;
    given = given < job->length ? given : job->length;
    for (int64_t r = begin; r < end; r++) {
        int64_t o = r / job->inner, c = r % job->inner;
        for (int64_t k = 0; k < n; k++)
            x[k] = k < given ? load(job, o * job->length * job->inner + c, k, job->inner)
                             : (fft_number){0};
        if (mirrored) { /* X[n − k] is the conjugate of X[k]; those that are their own are real */
            x[0].im = 0;
            for (int64_t k = 1; k <= n / 2; k++)
                if (2 * k == n)
                    x[k].im = 0;
                else
                    x[n - k] = (fft_number){x[k].re, -x[k].im};
        }
        fft_run(&job->f, job->inverse, x, work);
        for (int64_t k = 0; k < job->bins; k++)
            store(job->out, (o * job->bins + k) * job->inner + c, x[k]);
    }
}

static void stft_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const dft_job *job = arg;
    int64_t n = job->f.n;
    fft_number *x = job->memory + (int64_t)thread * job->each, *work = x + n;
    for (int64_t r = begin; r < end; r++) {
        int64_t first = r / job->frames * job->length + r % job->frames * job->step;
        for (int64_t k = 0; k < n; k++) {
            double w = job->window != NULL ? tensor_number(job->window, k) : 1;
            fft_number v = load(job, first, k, 1);
            x[k] = (fft_number){v.re * w, v.im * w};
        }
        fft_run(&job->f, false, x, work);
        for (int64_t k = 0; k < job->bins; k++)
            store(job->out, r * job->bins + k, x[k]);
    }
}

/* Tables and work for transforms of length n; then fn for each of `count`. */
static brink_status run(const kernel_args *a, dft_job *job, int64_t n, int64_t count,
                        thread_range_fn fn)
{
    if ((job->x->type != BRINK_F32 && job->x->type != BRINK_F64) || job->x->type != job->out->type)
        return kernel_bad_type(a, job->x->type);
    if (count == 0 || tensor_count(job->out) == 0)
        return BRINK_OK;
    int64_t tables = fft_table_count(n);
    uint64_t threads = thread_pool_size(a->context->pool);
    job->each = n + fft_work_count(n);
    fft_number *memory =
        kernel_scratch(a, ((uint64_t)tables + threads * (uint64_t)job->each) * sizeof *memory);
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    fft_init(&job->f, n, memory);
    job->memory = memory + tables;
    thread_for(a->context->pool, count, grain_for(n * 16), fn, job);
    return BRINK_OK;
}

/* Opset 20 made the axis an input; its default was 1 and is −2. */
brink_status cpu_dft(const kernel_args *a)
{
    const tensor *x = a->in[0], *length = kernel_in(a, 1), *axis_in = kernel_in(a, 2);
    tensor *out = a->out[0];
    uint32_t axis;
    int64_t at = a->node->opset < 20 ? onnx_int(a->node, ATTR_axis, 1)
                 : axis_in != NULL   ? tensor_int(axis_in, 0)
                                     : -2;
    if (!axis_wrap(at, x->rank, &axis) || axis + 1 == x->rank)
        return kernel_fail(a, BRINK_BAD_INPUT, "axis %lld of rank %u", (long long)at, x->rank);
    dft_job job = {.x = x,
                   .out = out,
                   .length = x->dims[axis],
                   .bins = out->dims[axis],
                   .inner = dims_product(x, axis + 1, x->rank - 1),
                   .inverse = onnx_int(a->node, ATTR_inverse, 0) != 0,
                   .onesided = onnx_int(a->node, ATTR_onesided, 0) != 0};
    int64_t n = length != NULL                ? tensor_int(length, 0)
                : job.inverse && job.onesided ? 2 * (job.length - 1)
                                              : job.length;
    int64_t bins = job.onesided && !job.inverse ? n / 2 + 1 : n;
    if (n < 1 || bins != job.bins)
        return kernel_fail(a, BRINK_BAD_INPUT, "dft_length is %lld, the output has %lld bins",
                           (long long)n, (long long)job.bins);
    return run(a, &job, n, dims_product(x, 0, axis) * job.inner, dft_range);
}

brink_status cpu_stft(const kernel_args *a)
{
    const tensor *x = a->in[0], *window = kernel_in(a, 2), *length = kernel_in(a, 3);
    tensor *out = a->out[0];
    dft_job job = {.x = x, .window = window, .out = out, .length = x->dims[1]};
    int64_t n = length != NULL   ? tensor_int(length, 0)
                : window != NULL ? tensor_count(window)
                                 : job.length;
    job.step = tensor_int(a->in[1], 0);
    job.frames = out->dims[1];
    job.bins = out->dims[2];
    if (n < 1 || job.bins > n || job.step < 1 || (window != NULL && tensor_count(window) != n) ||
        (job.frames > 0 && (job.frames - 1 > (job.length - n) / job.step || n > job.length)))
        return kernel_fail(a, BRINK_BAD_INPUT,
                           "%lld frames of %lld do not fit a signal of length %lld",
                           (long long)job.frames, (long long)n, (long long)job.length);
    return run(a, &job, n, out->dims[0] * job.frames, stft_range);
}
