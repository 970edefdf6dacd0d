/* safetensors.c — arbitrary bytes as a safetensors file: what it lists lies inside it. */
#include "core/safetensors.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    brink_context *context = fuzz_context(64u << 20);
    arena a;
    safetensors file;
    arena_init(&a, context);
    brink_status status = safetensors_read(&a, "fuzz.safetensors", data, size, &file);
    for (uint32_t i = 0; status == BRINK_OK && i < file.count; i++) {
        const safetensor *t = &file.list[i];
        const uint8_t *at = t->data;
        if (strlen(t->name) == SIZE_MAX || t->rank > BRINK_MAX_RANK ||
            (t->bytes != 0 && (at < data || t->bytes > (uint64_t)(data + size - at))))
            abort();
    }
    arena_free(&a);
    fuzz_text(context, status);
    fuzz_end(context);
    return 0;
}
