/* where.c — Where: each element from one of two inputs, as a bool says, all three broadcast.

   Source: ONNX Where. Bound by memory. Elements are moved by size. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

typedef struct where_job {
    char *to;
    const uint8_t *condition;
    const char *x, *y;
    int64_t sc, sx, sy;
    uint32_t size;
} where_job;

#define ROW(T)                                                                                     \
    static void where_##T(const where_job *job, const int64_t *offset, int64_t n)                  \
    {                                                                                              \
        T *to = (T *)(void *)job->to + offset[0];                                                  \
        const uint8_t *c = job->condition + offset[1];                                             \
        const T *x = (const T *)(const void *)job->x + offset[2];                                  \
        const T *y = (const T *)(const void *)job->y + offset[3];                                  \
        int64_t sc = job->sc, sx = job->sx, sy = job->sy;                                          \
        for (int64_t i = 0; i < n; i++)                                                            \
            to[i] = c[i * sc] ? x[i * sx] : y[i * sy];                                             \
    }
ROW(uint8_t)
ROW(uint16_t)
ROW(uint32_t)
ROW(uint64_t)

static void where_piece(void *arg, const int64_t *offset, int64_t n)
{
    const where_job *job = arg;
    switch (job->size) {
    case 1:
        where_uint8_t(job, offset, n);
        break;
    case 2:
        where_uint16_t(job, offset, n);
        break;
    case 4:
        where_uint32_t(job, offset, n);
        break;
    default:
        where_uint64_t(job, offset, n);
        break;
    }
}

brink_status cpu_where(const kernel_args *a)
{
    nd w;
    if (a->in[1]->type != a->in[2]->type || element_bytes(a->in[1]->type) == 0)
        return kernel_bad_type(a, a->in[2]->type);
    nd_broadcast(&w, a->out[0], a->in, 3);
    where_job job = {
        a->out[0]->data, a->in[0]->data,  a->in[1]->data,  a->in[2]->data,
        nd_inner(&w, 1), nd_inner(&w, 2), nd_inner(&w, 3), element_bytes(a->in[1]->type)};
    nd_for(a->context->pool, &w, where_piece, &job);
    return BRINK_OK;
}
