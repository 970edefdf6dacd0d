#include "support.h"

#include <stdio.h>
#include <stdlib.h>

void support_ok(brink_context *context, brink_status status)
{
    if (status != BRINK_OK)
        fail_msg("%s: %s", brink_status_name(status), brink_error(context));
}

uint64_t support_idle;

brink_context *support_context(uint32_t threads)
{
    brink_context *context;
    assert_int_equal(brink_context_create(&(brink_context_desc){.threads = threads}, &context),
                     BRINK_OK);
    support_idle = brink_context_memory(context).live;
    return context;
}

brink_model *support_model(brink_context *context, const char *name, bool exact)
{
    char path[256];
    brink_model *model;
    snprintf(path, sizeof path, "tests/fixtures/models/%s", name);
    support_ok(context,
               brink_model_open(context, path, &(brink_model_desc){.exact = exact}, &model));
    return model;
}

void support_end(brink_context *context)
{
    assert_int_equal(brink_context_memory(context).live, support_idle);
    brink_context_destroy(context);
}

uint8_t *support_read(const char *path, uint64_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s cannot be read", path);
    fseek(file, 0, SEEK_END);
    *size = (uint64_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size + 1);
    assert_int_equal(fread(data, 1, *size, file), *size);
    data[*size] = 0;
    fclose(file);
    return data;
}
