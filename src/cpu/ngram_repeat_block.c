/* ngram_repeat_block.c — com.microsoft's NGramRepeatBlock: a token that would repeat an n-gram of the
   sequence gets the score −∞.

   Source: onnxruntime's operator. Bound by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>
#include <string.h>

brink_status cpu_ngram_repeat_block(const kernel_args *a)
{
    const tensor *ids = a->in[0], *scores = a->in[1];
    float *to = a->out[0]->data;
    int64_t size = onnx_int(a->node, ATTR_ngram_size, 0);
    if (scores->type != BRINK_F32)
        return kernel_bad_type(a, scores->type);
    if (size < 1 || ids->rank != 2 || scores->rank != 2 || ids->dims[0] != scores->dims[0])
        return kernel_fail(a, BRINK_BAD_INPUT, "ngram_size %lld, ids of rank %u, scores of rank %u",
                           (long long)size, ids->rank, scores->rank);
    int64_t length = ids->dims[1], words = scores->dims[1];
    memcpy(to, scores->data, (size_t)tensor_count(scores) * sizeof(float));
    for (int64_t b = 0; b < ids->dims[0]; b++) {
        int64_t row = b * length, last = row + length - size + 1; /* the unfinished n-gram */
        for (int64_t at = row; at < last; at++) {
            bool same = true;
            for (int64_t i = 0; same && i < size - 1; i++)
                same = tensor_int(ids, at + i) == tensor_int(ids, last + i);
            int64_t token = same ? tensor_int(ids, at + size - 1) : 0;
            if (token < 0 || token >= words)
                return kernel_fail(a, BRINK_BAD_INPUT, "token %lld of %lld", (long long)token,
                                   (long long)words);
            if (same)
                to[b * words + token] = -INFINITY;
        }
    }
    return BRINK_OK;
}
