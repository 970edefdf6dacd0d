/* session.c — arbitrary bytes as a saved session. The first says whether the model's identity (1) and the
   checksum (2) are put right, so that what lies behind these checks is reached too. What was loaded goes on for
   a few tokens, is saved, and loaded again. */
#include "fuzz.h"
#include "pipelines/identity.h"
#include "pipelines/session_file.h"
#include "use.h"

enum { MOST_BYTES = 4096 };

static brink_model *open_decoder(brink_context *context)
{
    static uint8_t graph[MOST_BYTES];
    brink_model *model;
    FILE *file = fopen(BRINK_SOURCE_DIR "/tests/fuzz/decoder.onnx", "rb");
    size_t bytes = file != NULL ? fread(graph, 1, sizeof graph, file) : 0;
    if (bytes == 0 || load_bytes(context, graph, bytes, &model) != BRINK_OK)
        abort();
    fclose(file);
    fuzz_idle = context->memory.live; /* the model stays */
    return model;
}

static brink_status go_on(brink_session *s, brink_model *model)
{
    brink_task *task;
    brink_session *again = NULL;
    const void *data;
    uint64_t bytes;
    const brink_generate_desc desc = {.tokens = (const uint32_t[]){1, 2},
                                      .token_count = 2,
                                      .max_tokens = 3,
                                      .shift = true,
                                      .draft_tokens = 3};
    TRY(brink_generate_begin(s, &desc, &task));
    brink_status status = brink_task_wait(task);
    brink_task_destroy(task);
    if (status != BRINK_OK)
        return status;
    TRY(brink_session_save_begin(s, &task));
    status = brink_task_wait(task);
    if (status == BRINK_OK)
        status = brink_session_saved(task, &data, &bytes);
    if (status == BRINK_OK && brink_session_load(model, NULL, data, bytes, &again) != BRINK_OK)
        abort();
    brink_session_destroy(again);
    brink_task_destroy(task);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static brink_model *model;
    static uint8_t file[MOST_BYTES];
    brink_context *context = fuzz_context(64u << 20);
    brink_session *s;
    if (model == NULL)
        model = open_decoder(context);
    if (size == 0 || size > sizeof file)
        return 0;
    size_t bytes = size - 1;
    memcpy(file, data + 1, bytes);
    if (bytes >= SESSION_FILE_HEADER && (data[0] & 1)) {
        uint64_t identity = model_identity(model);
        memcpy(file + 16, &identity, sizeof identity);
    }
    if (bytes >= SESSION_FILE_HEADER && (data[0] & 2)) {
        uint64_t sum =
            session_file_checksum(file + SESSION_FILE_HEADER, bytes - SESSION_FILE_HEADER);
        memcpy(file + SESSION_FILE_CHECKSUM, &sum, sizeof sum);
    }
    uint8_t *exact = malloc(bytes + 1); /* reading on is an error */
    memcpy(exact + 1, file, bytes);
    brink_status status =
        brink_session_load(model, &(brink_session_desc){.context = 16}, exact + 1, bytes, &s);
    free(exact);
    fuzz_text(context, status);
    if (status == BRINK_OK)
        fuzz_text(context, go_on(s, model));
    brink_session_destroy(s);
    fuzz_end(context);
    return 0;
}
