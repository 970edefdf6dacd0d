/* npy.c — arbitrary bytes as numpy's array file, which the command reads. */
#include "../../cli/npy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    held_tensor held = {0};
    int status;
    char error[ERROR_TEXT] = "";
    if (cli_npy_parse("x.npy", (const char *)data, size, &held, &status, error)) {
        uint64_t elements;
        double sum = 0;
        if (!cli_shape_elements(held.tensor.shape, held.tensor.rank, &elements))
            abort();
        for (uint64_t i = 0; i < elements; i++)
            sum += cli_tensor_value(&held.tensor, i);
        volatile double kept = sum; /* every element was read */
        (void)kept;
    } else if (strncmp(error, "x.npy: ", 7) != 0) {
        abort();
    }
    cli_held_tensor_free(NULL, &held);
    return 0;
}
