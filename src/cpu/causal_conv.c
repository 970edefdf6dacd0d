/* causal_conv.c — CausalConvWithState: a depthwise convolution over past and present positions.

   Source: ONNX CausalConvWithState. Bound by memory. */
#include "cpu/activation.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

typedef struct causal_job {
    const float *x, *w, *bias, *past; /* bias and past may be NULL */
    float *y, *present;               /* either may be NULL        */
    int64_t channels, length, taps;
    activation function;
} causal_job;

/* Element i of the past and the input one after the other. */
static float element(const causal_job *job, int64_t unit, int64_t i)
{
    int64_t before = job->taps - 1;
    if (i >= before)
        return job->x[unit * job->length + i - before];
    return job->past != NULL ? job->past[unit * before + i] : 0;
}

/* Units are channels of all batches. */
static void causal_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const causal_job *job = arg;
    int64_t n = job->length, before = job->taps - 1;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t c = unit % job->channels;
        float *y = job->y != NULL ? job->y + unit * n : NULL;
        for (int64_t i = 0; y != NULL && i < n; i++)
            y[i] = job->bias != NULL ? job->bias[c] : 0;
        for (int64_t k = 0; y != NULL && k < job->taps; k++) {
            float weight = job->w[c * job->taps + k];
            int64_t i = 0, shift = k - before; /* from the past at first */
            for (; i < n && i + shift < 0; i++)
                y[i] += weight * element(job, unit, i + k);
            for (const float *x = job->x + unit * n; i < n; i++)
                y[i] += weight * x[i + shift];
        }
        if (y != NULL)
            activate_row(&job->function, y, n);
        for (int64_t i = 0; job->present != NULL && i < before; i++)
            job->present[unit * before + i] = element(job, unit, n + i);
    }
}

brink_status cpu_causal_conv(const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *bias = kernel_in(a, 2), *past = kernel_in(a, 3);
    tensor *out = kernel_out(a, 0), *present = kernel_out(a, 1);
    const char *name = onnx_string(a->node, ATTR_activation, "none");
    causal_job job = {.x = x->data,
                      .w = w->data,
                      .bias = bias != NULL ? bias->data : NULL,
                      .past = past != NULL ? past->data : NULL,
                      .y = out != NULL ? out->data : NULL,
                      .present = present != NULL ? present->data : NULL,
                      .channels = x->dims[1],
                      .length = x->dims[2],
                      .taps = w->dims[2]};
    for (uint32_t i = 0; i < a->in_count; i++)
        if (a->in[i] != NULL && a->in[i]->type != BRINK_F32)
            return kernel_bad_type(a, a->in[i]->type);
    if (!activation_find(name, &job.function))
        return kernel_fail(a, BRINK_UNSUPPORTED, "activation %s", name);
    if (bias != NULL && tensor_count(bias) != job.channels)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld biases for %lld channels",
                           (long long)tensor_count(bias), (long long)job.channels);
    thread_for(a->context->pool, x->dims[0] * job.channels, grain_for(job.length * job.taps),
               causal_range, &job);
    return BRINK_OK;
}
