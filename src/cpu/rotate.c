/* rotate.c — rotary embedding with its cosines and sines given, the planner's Rotate.

   Source: graph/pass_rope.c. y = x * cos + turned(x) * sin over the first elements of a row, the
   others copied. Bound by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

typedef struct rotate_job {
    const float *x;         /* [batch, heads, rows, d], or with rows before heads */
    const float *cos, *sin; /* [1 or batch, rows, turned]                        */
    float *y;               /* [batch, heads, rows, d]                           */
    int64_t heads, rows, d, turned, table_batch;
    int64_t x_head, x_row; /* strides */
    bool pairs;
} rotate_job;

static void rotate_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const rotate_job *job = arg;
    int64_t half = job->turned / 2;
    for (int64_t i = begin; i < end; i++) {
        int64_t row = i % job->rows, head = i / job->rows % job->heads;
        int64_t batch = i / (job->rows * job->heads);
        const float *x = job->x + batch * job->heads * job->rows * job->d + head * job->x_head +
                         row * job->x_row;
        int64_t at = batch * job->table_batch + row * job->turned;
        const float *c = job->cos + at, *s = job->sin + at;
        float *y = job->y + i * job->d;
        if (job->pairs)
            for (int64_t k = 0; k < job->turned; k += 2) {
                y[k] = x[k] * c[k] - x[k + 1] * s[k];
                y[k + 1] = x[k + 1] * c[k + 1] + x[k] * s[k + 1];
            }
        else
            for (int64_t k = 0; k < half; k++) {
                y[k] = x[k] * c[k] - x[k + half] * s[k];
                y[k + half] = x[k + half] * c[k + half] + x[k] * s[k + half];
            }
        memcpy(y + job->turned, x + job->turned, (size_t)(job->d - job->turned) * sizeof *y);
    }
}

brink_status cpu_rotate(const kernel_args *a)
{
    const tensor *c = a->in[1];
    tensor *y = a->out[0];
    for (uint32_t i = 0; i < 3; i++)
        if (a->in[i]->type != BRINK_F32)
            return kernel_bad_type(a, a->in[i]->type);
    bool behind = onnx_int(a->node, ATTR_transA, 0) != 0;
    rotate_job job = {.x = a->in[0]->data,
                      .cos = c->data,
                      .sin = a->in[2]->data,
                      .y = y->data,
                      .heads = y->dims[1],
                      .rows = y->dims[2],
                      .d = y->dims[3],
                      .turned = c->dims[3],
                      .table_batch = c->dims[0] == 1 ? 0 : c->dims[2] * c->dims[3],
                      .x_head = behind ? y->dims[3] : y->dims[2] * y->dims[3],
                      .x_row = behind ? y->dims[1] * y->dims[3] : y->dims[3],
                      .pairs = onnx_int(a->node, ATTR_interleaved, 0) != 0};
    thread_for(a->context->pool, y->dims[0] * job.heads * job.rows, grain_for(4 * job.d),
               rotate_range, &job);
    return BRINK_OK;
}
