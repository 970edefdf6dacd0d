/* quantized_lstm.c — com.microsoft's DynamicQuantizeLSTM: W and R in 8 bits.

   Source: onnxruntime's operator. The weights lie [directions, k, 4 * hidden], with scales and zero
   points one a direction or one a column of it. They are widened and turned for the f32 LSTM, which
   is more exact than quantising each step's input as onnxruntime does. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

/* Input i as f32 [directions, 4 * hidden, k] in `to`. */
static brink_status widen(const kernel_args *a, uint32_t i, float *to)
{
    const tensor *w = a->in[i], *scale = kernel_in(a, 6 + 2 * i), *zero = kernel_in(a, 7 + 2 * i);
    int64_t directions = w->dims[0], k = w->dims[1], width = w->dims[2],
            columns = directions * width;
    if (w->type != BRINK_I8 && w->type != BRINK_U8)
        return kernel_bad_type(a, w->type);
    if (scale == NULL || zero == NULL || scale->type != BRINK_F32)
        return kernel_fail(a, BRINK_BAD_INPUT, "a scale or zero point is missing");
    int64_t scales = tensor_count(scale), zeros = tensor_count(zero);
    if ((scales != directions && scales != columns) || (zeros != directions && zeros != columns))
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld scales and %lld zero points for %lld columns",
                           (long long)scales, (long long)zeros, (long long)columns);
    for (int64_t c = 0; c < columns; c++) {
        int64_t d = c / width;
        float step = ((const float *)scale->data)[scales == columns ? c : d];
        int64_t middle = tensor_int(zero, zeros == columns ? c : d);
        for (int64_t j = 0; j < k; j++)
            *to++ = (float)(tensor_int(w, (d * k + j) * width + c % width) - middle) * step;
    }
    return BRINK_OK;
}

static tensor turned(const tensor *w, float *data)
{
    return (tensor){
        .data = data, .type = BRINK_F32, .rank = 3, .dims = {w->dims[0], w->dims[2], w->dims[1]}};
}

brink_status cpu_dynamic_quantize_lstm(const kernel_args *a)
{
    enum { LSTM_INPUTS = 8 };
    const tensor *in[LSTM_INPUTS];
    if (a->in[1]->rank != 3 || a->in[2]->rank != 3)
        return kernel_fail(a, BRINK_BAD_INPUT, "W and R should have rank 3");
    int64_t count = tensor_count(a->in[1]);
    uint64_t bytes = (uint64_t)(count + tensor_count(a->in[2])) * sizeof(float);
    float *weights = core_alloc(a->context, bytes + sizeof(float));
    if (weights == NULL)
        return BRINK_OUT_OF_MEMORY;
    brink_status status = widen(a, 1, weights);
    if (status == BRINK_OK)
        status = widen(a, 2, weights + count);
    if (status == BRINK_OK) {
        tensor w = turned(a->in[1], weights), r = turned(a->in[2], weights + count);
        for (uint32_t i = 0; i < LSTM_INPUTS; i++)
            in[i] = i == 1 ? &w : i == 2 ? &r : kernel_in(a, i);
        kernel_args inner = *a;
        inner.in = in;
        inner.in_count = LSTM_INPUTS;
        status = cpu_lstm(&inner);
    }
    core_free(a->context, weights);
    return status;
}
