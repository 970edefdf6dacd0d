/* non_max_suppression.c — NonMaxSuppression; the work is in graph/suppress.c. */
#include "graph/suppress.h"

#include "cpu/cpu.h"
#include "cpu/loops.h"

brink_status cpu_non_max_suppression(const kernel_args *a)
{
    const tensor *boxes = a->in[0], *scores = a->in[1], *limit = kernel_in(a, 2);
    const tensor *overlap = kernel_in(a, 3), *score = kernel_in(a, 4);
    if (boxes->type != BRINK_F32 || scores->type != BRINK_F32)
        return kernel_bad_type(a, boxes->type == BRINK_F32 ? scores->type : boxes->type);
    suppression s = {.boxes = boxes->data,
                     .scores = scores->data,
                     .batches = scores->dims[0],
                     .classes = scores->dims[1],
                     .count = scores->dims[2],
                     .centered = onnx_int(a->node, ATTR_center_point_box, 0) != 0,
                     .by_score = score != NULL && tensor_count(score) > 0};
    if (limit != NULL && tensor_count(limit) > 0)
        s.limit = tensor_int(limit, 0);
    if (overlap != NULL && tensor_count(overlap) > 0)
        s.overlap = (float)tensor_number(overlap, 0);
    if (s.by_score)
        s.score = (float)tensor_number(score, 0);
    int64_t *order = kernel_scratch(a, (uint64_t)(2 * s.count + 1) * sizeof(int64_t));
    if (order == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (suppress(&s, order, NULL) != a->out[0]->dims[0])
        return kernel_fail(a, BRINK_BAD_INPUT, "its boxes or scores changed while it ran");
    suppress(&s, order, a->out[0]->data);
    return BRINK_OK;
}
