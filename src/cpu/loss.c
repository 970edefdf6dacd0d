/* loss.c — NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.

   Source: ONNX. Bound by memory, or by the exponentials. Scores are [N, C, d1 …], labels [N, d1 …].
   Sums are f64; rows of classes (C numbers, the d's apart) are spread over the threads, and the mean
   or sum is taken afterwards in order, so that it does not depend on how many there are. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>
#include <string.h>

typedef struct loss_job {
    const tensor *scores, *labels, *weights;
    tensor *log_prob; /* NULL when not wanted */
    int64_t classes, inner;
    bool softmax, has_ignored;
    int64_t ignored;
    double *loss, *weight; /* of each label, weighted already */
} loss_job;

#define LOSS(type, T)                                                                              \
    static void loss_##T(void *arg, int64_t begin, int64_t end, uint32_t thread)                   \
    {                                                                                              \
        (void)thread;                                                                              \
        const loss_job *job = arg;                                                                 \
        int64_t step = job->inner;                                                                 \
        for (int64_t i = begin; i < end; i++) {                                                    \
            int64_t at = i / step * job->classes * step + i % step;                                \
            const T *x = (const T *)job->scores->data + at;                                        \
            double most = -INFINITY, sum = 0, shift = 0;                                           \
            for (int64_t c = 0; job->softmax && c < job->classes; c++)                             \
                most = x[c * step] > most ? x[c * step] : most;                                    \
            for (int64_t c = 0; job->softmax && c < job->classes; c++)                             \
                sum += exp((double)x[c * step] - most);                                            \
            if (job->softmax)                                                                      \
                shift = most + log(sum);                                                           \
            for (int64_t c = 0; job->log_prob != NULL && c < job->classes; c++)                    \
                ((T *)job->log_prob->data)[at + c * step] = (T)((double)x[c * step] - shift);      \
            int64_t label = tensor_int(job->labels, i);                                            \
            bool skip = job->has_ignored && label == job->ignored;                                 \
            if (skip) {                                                                            \
                job->loss[i] = job->weight[i] = 0;                                                 \
            } else if (label < 0 || label >= job->classes) {                                       \
                job->weight[i] = -INFINITY; /* reported by the caller */                           \
            } else {                                                                               \
                double w = job->weights != NULL ? ((const T *)job->weights->data)[label] : 1;      \
                job->weight[i] = w;                                                                \
                job->loss[i] = (shift - (double)x[label * step]) * w;                              \
            }                                                                                      \
        }                                                                                          \
    }
FLOAT_TYPES(LOSS)

static brink_status loss_of(const kernel_args *a, bool softmax)
{
    const tensor *x = a->in[0];
    tensor *out = kernel_out(a, 0);
    const char *reduction = onnx_string(a->node, ATTR_reduction, "mean");
    loss_job job = {.scores = x,
                    .labels = a->in[1],
                    .weights = kernel_in(a, 2),
                    .log_prob = softmax ? kernel_out(a, 1) : NULL,
                    .softmax = softmax,
                    .has_ignored = onnx_find(a->node, ATTR_ignore_index) != NULL,
                    .ignored = onnx_int(a->node, ATTR_ignore_index, 0)};
    int64_t count = tensor_count(job.labels);
    if ((x->type != BRINK_F32 && x->type != BRINK_F64) ||
        (job.weights != NULL && job.weights->type != x->type))
        return kernel_bad_type(a, x->type);
    job.classes = x->dims[1];
    job.inner = dims_product(x, 2, x->rank);
    if (count != x->dims[0] * job.inner ||
        (job.weights != NULL && tensor_count(job.weights) != job.classes))
        return kernel_fail(a, BRINK_BAD_INPUT, "the shapes of scores, labels and weights disagree");
    job.loss = kernel_scratch(a, 2 * sizeof(double) * (uint64_t)count + 8);
    if (job.loss == NULL)
        return BRINK_OUT_OF_MEMORY;
    job.weight = job.loss + count;
    thread_for(a->context->pool, count, grain_for(job.classes * (softmax ? 16 : 1)),
               x->type == BRINK_F32 ? loss_float : loss_double, &job);
    double sum = 0, weight = 0;
    for (int64_t i = 0; i < count; i++) {
        if (job.weight[i] == -INFINITY)
            return kernel_fail(a, BRINK_BAD_INPUT, "label %lld is outside 0 to %lld",
                               (long long)tensor_int(job.labels, i), (long long)job.classes - 1);
        sum += job.loss[i];
        weight += job.weight[i];
    }
    if (out == NULL)
        return BRINK_OK;
    if (strcmp(reduction, "none") == 0)
        return number_tensor(a, job.loss, out);
    if (strcmp(reduction, "mean") == 0)
        sum /= weight;
    return number_tensor(a, &sum, out);
}

brink_status cpu_negative_log_likelihood_loss(const kernel_args *a)
{
    return loss_of(a, false);
}

brink_status cpu_softmax_cross_entropy_loss(const kernel_args *a)
{
    return loss_of(a, true);
}
