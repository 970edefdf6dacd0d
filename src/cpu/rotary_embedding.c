/* rotary_embedding.c — RotaryEmbedding on [batch, rows, hidden] or [batch, heads, rows, head].

   Source: ONNX RotaryEmbedding-23 and onnxruntime's com.microsoft.RotaryEmbedding, whose inputs come
   in another order. position_ids is [batch, rows], one offset for all (com.microsoft), or left out
   (ONNX), and then the caches are [batch, rows, half]. Bound by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/rope.h"

typedef struct rotary_job {
    const float *x, *cos, *sin;
    float *to;
    const tensor *positions; /* NULL: each row has its own line of the caches */
    int64_t batch, heads, rows, head, half;
    int64_t batch_stride, head_stride, row_stride;
    bool interleaved, offset;
} rotary_job;

static int64_t position_of(const rotary_job *job, int64_t batch, int64_t row)
{
    if (job->positions == NULL)
        return batch * job->rows + row;
    if (job->offset)
        return tensor_int(job->positions, 0) + row;
    return tensor_int(job->positions, batch * job->rows + row);
}

static void rotary_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const rotary_job *job = arg;
    for (int64_t i = begin; i < end; i++) {
        int64_t batch = i / job->rows, row = i % job->rows;
        int64_t cache = position_of(job, batch, row) * job->half;
        int64_t at = batch * job->batch_stride + row * job->row_stride;
        for (int64_t h = 0; h < job->heads; h++, at += job->head_stride)
            rope_rotate(job->to + at, job->x + at, job->cos + cache, job->sin + cache, job->half,
                        job->head, job->interleaved);
    }
}

static brink_status rotary(const kernel_args *a, const tensor *positions, const tensor *cos,
                           const tensor *sin, bool offset)
{
    const tensor *x = a->in[0];
    int64_t heads = onnx_int(a->node, ATTR_num_heads, 0);
    if (x->type != BRINK_F32 || cos->type != BRINK_F32 || sin->type != BRINK_F32)
        return kernel_bad_type(a, x->type);
    uint32_t cache_rank = positions != NULL ? 2 : 3;
    if ((x->rank != 3 && x->rank != 4) || cos->rank != cache_rank || sin->rank != cache_rank ||
        tensor_count(sin) != tensor_count(cos))
        return kernel_fail(a, BRINK_BAD_INPUT, "ranks %u, %u and %u", x->rank, cos->rank,
                           sin->rank);
    rotary_job job = {.x = x->data,
                      .to = a->out[0]->data,
                      .cos = cos->data,
                      .sin = sin->data,
                      .positions = positions,
                      .half = cos->dims[cache_rank - 1],
                      .batch = x->dims[0],
                      .interleaved = onnx_int(a->node, ATTR_interleaved, 0) != 0,
                      .offset = offset};
    if (x->rank == 4) {
        job.heads = x->dims[1];
        job.rows = x->dims[2];
        job.head = x->dims[3];
        job.row_stride = job.head;
        job.head_stride = job.rows * job.head;
    } else {
        job.rows = x->dims[1];
        job.head = heads > 0 ? x->dims[2] / heads : 2 * job.half;
        job.heads = job.head == 0 ? 0 : x->dims[2] / job.head;
        job.head_stride = job.head;
        job.row_stride = x->dims[2];
        if (job.heads * job.head != x->dims[2])
            return kernel_fail(a, BRINK_BAD_INPUT, "%lld is no multiple of the head size %lld",
                               (long long)x->dims[2], (long long)job.head);
    }
    job.batch_stride = job.rows * job.heads * job.head;
    int64_t lines = job.half == 0 ? 0 : tensor_count(cos) / job.half;
    if (2 * job.half > job.head)
        return kernel_fail(a, BRINK_BAD_INPUT, "the cache is for heads of %lld, these have %lld",
                           (long long)(2 * job.half), (long long)job.head);
    if (positions != NULL && !offset && tensor_count(positions) != job.batch * job.rows)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld positions for %lld rows",
                           (long long)tensor_count(positions), (long long)(job.batch * job.rows));
    for (int64_t i = 0; job.half > 0 && i < job.batch * job.rows; i++) {
        int64_t position = position_of(&job, i / job.rows, i % job.rows);
        if (position < 0 || position >= lines)
            return kernel_fail(a, BRINK_BAD_INPUT, "position %lld is outside the cache's %lld rows",
                               (long long)position, (long long)lines);
    }
    thread_for(a->context->pool, job.batch * job.rows, grain_for(2 * job.heads * job.head),
               rotary_range, &job);
    return BRINK_OK;
}

brink_status cpu_rotary_embedding(const kernel_args *a)
{
    if (onnx_int(a->node, ATTR_is_packed_batching, 0) != 0)
        return kernel_fail(a, BRINK_UNSUPPORTED, "is_packed_batching is not supported");
    if (onnx_float(a->node, ATTR_scale, 1) != 1)
        return kernel_fail(a, BRINK_UNSUPPORTED, "a scale other than 1 is not supported");
    return rotary(a, a->in[1], a->in[2], a->in[3], tensor_count(a->in[1]) == 1);
}

brink_status cpu_rotary_embedding_onnx(const kernel_args *a)
{
    return rotary(a, kernel_in(a, 3), a->in[1], a->in[2], false);
}
