/* parts.c — weights that come in parts and are on the GPU alone: the tokens are the CPU's, also when the
   device is lost in the midst of them, and the weights come again. Kernels that a generation needs are
   known before the first part.

   Usage: parts MODEL-FOLDER PART-BYTES TOKENS      exits 1 where something went wrong */
#include "core/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* src/gpu/device.h and pipeline.h */
uint32_t gpu_device_lose(struct gpu_device *d);
uint32_t gpu_pipeline_count(const struct gpu_device *d);

enum { MOST = 256, PROMPT = 5 };

static brink_context *context;
static const char *folder;
static uint64_t part_bytes, given; /* in parts, so far */

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != BRINK_OK)                                                                    \
            fprintf(stderr, "parts: line %d: %s\n", __LINE__, brink_error(context)), exit(1);      \
    } while (0)

static uint32_t known; /* kernels, when parts began to come */

static void give_parts(brink_task *task, FILE *f)
{
    known = gpu_pipeline_count(context->gpu);
    char *part = malloc(part_bytes);
    uint64_t at = 0;
    for (size_t size; (size = fread(part, 1, part_bytes, f)) != 0; at += size)
        MUST(brink_task_supply_part(task, at, part, size));
    MUST(brink_task_supply_part(task, at, NULL, 0));
    given += at;
    free(part);
}

static void give(brink_task *task, const brink_want *want)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, want->file);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        MUST(brink_task_supply_missing(task));
        return;
    }
    if (want->in_parts) {
        give_parts(task, f);
    } else {
        fseek(f, 0, SEEK_END);
        long size = ftell(f);
        rewind(f);
        void *data = brink_alloc(context, (uint64_t)size);
        if (data == NULL || fread(data, 1, (size_t)size, f) != (size_t)size)
            exit(2);
        MUST(brink_task_supply(task, data, (uint64_t)size, NULL, NULL));
    }
    fclose(f);
}

static brink_model *load(bool gpu)
{
    brink_task *task;
    brink_want want;
    brink_model *model;
    const brink_model_desc desc = {.gpu = gpu, .exact = true};
    MUST(brink_model_load_begin(context, &desc, &task));
    brink_status status;
    while ((status = brink_task_advance(task, 1000)) == BRINK_PENDING)
        if (brink_task_want(task, &want))
            give(task, &want);
    MUST(status);
    MUST(brink_model_take(task, &model));
    brink_task_destroy(task);
    return model;
}

/* Generates; the device is lost before slice `lose`. */
static uint32_t reply(brink_model *model, uint32_t most, uint32_t lose, uint32_t *tokens)
{
    static const uint32_t prompt[PROMPT] = {1, 2, 3, 4, 5};
    brink_session *s;
    brink_task *task;
    brink_want want;
    const char *piece;
    MUST(brink_session_create(model, NULL, &s));
    MUST(brink_generate_begin(
        s,
        &(brink_generate_desc){
            .tokens = prompt, .token_count = PROMPT, .max_tokens = most, .ignore_end = true},
        &task));
    uint32_t count = 0;
    brink_status status;
    for (uint32_t i = 1; (status = brink_task_advance(task, 500)) == BRINK_PENDING; i++) {
        if (brink_task_want(task, &want))
            give(task, &want);
        if (i == lose)
            gpu_device_lose(context->gpu);
    }
    MUST(status);
    while (brink_generate_next(task, &tokens[count], &piece))
        count++;
    brink_task_destroy(task);
    brink_session_destroy(s);
    return count;
}

/* Advances a task to its end; the device is lost before slice `lose`. */
static void finish(brink_task *task, uint32_t lose)
{
    brink_want want;
    brink_status status;
    for (uint32_t i = 0; (status = brink_task_advance(task, 0)) == BRINK_PENDING; i++) {
        if (brink_task_want(task, &want))
            give(task, &want);
        if (i == lose)
            gpu_device_lose(context->gpu);
    }
    MUST(status);
}

static uint32_t go_on(brink_session *s, uint32_t most, uint32_t *tokens)
{
    static const uint32_t prompt[PROMPT] = {1, 2, 3, 4, 5};
    const char *piece;
    brink_task *task;
    uint32_t count = 0;
    MUST(brink_generate_begin(
        s,
        &(brink_generate_desc){.tokens = prompt,
                               .token_count = brink_session_length(s) == 0 ? PROMPT : 0,
                               .max_tokens = most,
                               .ignore_end = true},
        &task));
    finish(task, UINT32_MAX);
    while (brink_generate_next(task, &tokens[count], &piece))
        count++;
    brink_task_destroy(task);
    return count;
}

/* Half a reply by `from`; saved, with a loss before slice `lose`, and its rest by `to`, and by a fork. */
static bool saved_is_wanted(brink_model *from, brink_model *to, uint32_t lose,
                            const uint32_t *wanted, uint32_t most)
{
    brink_session *s, *fork, *loaded;
    brink_task *task;
    const void *data;
    uint64_t bytes;
    uint32_t got[MOST], half = most / 2;
    MUST(brink_session_create(from, NULL, &s));
    if (go_on(s, half, got) != half)
        return false;
    MUST(brink_session_save_begin(s, &task));
    finish(task, lose);
    MUST(brink_session_saved(task, &data, &bytes));
    MUST(brink_session_load(to, NULL, data, bytes, &loaded));
    brink_task_destroy(task);
    MUST(brink_session_fork(s, &fork));
    bool same = go_on(loaded, most - half, got + half) == most - half &&
                memcmp(got, wanted, most * sizeof *got) == 0;
    same &= go_on(fork, most - half, got + half) == most - half &&
            memcmp(got, wanted, most * sizeof *got) == 0;
    brink_session_destroy(s);
    brink_session_destroy(fork);
    brink_session_destroy(loaded);
    return same;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return fprintf(stderr, "usage: parts MODEL-FOLDER PART-BYTES TOKENS\n"), 2;
    folder = argv[1];
    part_bytes = strtoull(argv[2], NULL, 10);
    uint32_t most = (uint32_t)atoi(argv[3]), wanted[MOST], got[MOST], faults = 0;
    most = most < MOST ? most : MOST;
    if (brink_context_create(NULL, &context) != BRINK_OK)
        return 2;
    brink_task *task;
    MUST(brink_gpu_begin(context, NULL, &task));
    MUST(brink_task_wait(task));
    brink_task_destroy(task);

    brink_model *model = load(false);
    uint64_t host = brink_context_memory(context).live;
    uint32_t count = reply(model, most, 0, wanted);
    brink_model_destroy(model);
    if (given != 0)
        faults++, fprintf(stderr, "parts: a model for the CPU came in parts\n");

    model = load(true);
    uint64_t bytes = given;
    printf("%llu bytes in parts; the engine holds %llu, with the weights in memory %llu\n",
           (unsigned long long)bytes, (unsigned long long)brink_context_memory(context).live,
           (unsigned long long)host);
    static const uint32_t losses[] = {0, 1, 0, 3, 12, 0};
    for (uint32_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        uint64_t before = given;
        if (reply(model, most, losses[i], got) != count || memcmp(got, wanted, count * 4) != 0)
            faults++, fprintf(stderr, "parts: reply %u is another one\n", i);
        printf("reply %u: %llu bytes came again\n", i, (unsigned long long)(given - before));
        uint32_t needed = gpu_pipeline_count(context->gpu);
        if (i == 0 && (known == 0 || needed != known))
            faults++, fprintf(stderr, "parts: %u kernels of %u were known before\n", known, needed);
    }
    gpu_device_lose(context->gpu); /* while nothing runs */
    uint64_t before = given;
    if (reply(model, most, 0, got) != count || memcmp(got, wanted, count * 4) != 0)
        faults++, fprintf(stderr, "parts: the reply after an idle loss is another one\n");
    if (bytes == 0 || given == before)
        faults++, fprintf(stderr, "parts: nothing came in parts\n");
    brink_model_destroy(model);
    gpu_device_lose(context->gpu); /* before another is loaded */
    model = load(true);
    if (reply(model, most, 0, got) != count || memcmp(got, wanted, count * 4) != 0)
        faults++,
            fprintf(stderr, "parts: the reply of a model loaded after a loss is another one\n");
    brink_model *host_model = load(false);
    for (uint32_t i = 0; i < 12; i++) {
        brink_model *from = i % 3 == 1 ? host_model : model, *to = i % 3 == 2 ? host_model : model;
        if (!saved_is_wanted(from, to, i < 3 ? UINT32_MAX : i / 3 - 1, wanted, count))
            faults++, fprintf(stderr, "parts: saved session %u goes on otherwise\n", i);
    }
    brink_model_destroy(host_model);
    brink_model_destroy(model);
    if (brink_context_gpu_memory(context).live != 0)
        faults++, fprintf(stderr, "parts: buffers are left\n");
    brink_context_destroy(context);
    return faults != 0;
}
