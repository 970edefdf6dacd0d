/* append.c — new rows behind those of the past, the planner's Append.

   Source: graph/pass_append.c. Bound by memory: what is in place already is not touched. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

typedef struct append_job {
    float *to;
    const float *past, *x; /* past: NULL when it is in place */
    int64_t heads, d, before, rows;
    int64_t to_head, past_head;     /* elements between heads, over batches too */
    int64_t x_batch, x_head, x_row; /* strides                                 */
} append_job;

/* A head of a batch at a time. */
static void append_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const append_job *job = arg;
    for (int64_t i = begin; i < end; i++) {
        float *to = job->to + i * job->to_head;
        const float *x = job->x + i / job->heads * job->x_batch + i % job->heads * job->x_head;
        if (job->past != NULL)
            memcpy(to, job->past + i * job->past_head, (size_t)(job->before * job->d) * sizeof *to);
        to += job->before * job->d;
        for (int64_t r = 0; r < job->rows; r++, to += job->d)
            memcpy(to, x + r * job->x_row, (size_t)job->d * sizeof *to);
    }
}

/* past [batch, heads, p, d], x [batch, heads, n, d] or, with transA, [batch, n, heads, d]:
   [batch, heads, p + n, d]. */
brink_status cpu_append(const kernel_args *a)
{
    const tensor *past = a->in[0], *x = a->in[1];
    tensor *out = a->out[0];
    if (past->type != BRINK_F32 || x->type != BRINK_F32)
        return kernel_bad_type(a, x->type);
    bool behind = onnx_int(a->node, ATTR_transA, 0) != 0, in_place = past->data == out->data;
    int64_t heads = out->dims[1], d = out->dims[3], before = past->dims[2];
    int64_t rows = out->dims[2] - before;
    if (in_place && past->capacity != out->capacity && before != 0)
        return kernel_fail(a, BRINK_INVALID_ARGUMENT, "past and present differ in capacity");
    append_job job = {.to = out->data,
                      .past = in_place ? NULL : past->data,
                      .x = x->data,
                      .heads = heads,
                      .d = d,
                      .before = before,
                      .rows = rows,
                      .to_head = (out->capacity != 0 ? out->capacity : out->dims[2]) * d,
                      .past_head = (past->capacity != 0 ? past->capacity : before) * d,
                      .x_batch = heads * rows * d,
                      .x_head = behind ? d : rows * d,
                      .x_row = behind ? heads * d : d};
    thread_for(a->context->pool, out->dims[0] * heads, grain_for(rows * d), append_range, &job);
    return BRINK_OK;
}
