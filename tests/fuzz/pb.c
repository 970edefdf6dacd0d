/* pb.c — arbitrary bytes as a ModelProto and as a TensorProto. */
#include "fuzz.h"
#include "onnx/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    brink_context *context = fuzz_context(64u << 20);
    onnx_model m;
    brink_status status = onnx_read(context, "fuzz.onnx", data, size, &m);
    onnx_free(&m);
    fuzz_text(context, status);
    fuzz_end(context);

    brink_tensor t;
    status = brink_tensor_parse(context, data, size, &t);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < t.bytes; i++)
        sum += ((const uint8_t *)t.data)[i];
    if (sum == UINT64_MAX)
        abort();
    brink_tensor_release(context, &t);
    fuzz_text(context, status);
    fuzz_end(context);
    return 0;
}
