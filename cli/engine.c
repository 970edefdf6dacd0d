/* engine.c — see engine.h. */
#include "engine.h"

#include "progress.h"

#include <stdlib.h>
#include <string.h>

static void log_line(void *user, const char *line)
{
    (void)user;
    cli_progress_clear();
    fprintf(stderr, "%s\n", line);
}

static brink_status open_gpu(engine *e, bool hardware)
{
    setenv("NODEVICE_SELECT", "1", 0); /* Mesa's layer asks for a display, and complains of none */
    const char *plain = getenv("BRINK_GPU_PLAIN"); /* for tests: default limits, no features */
    brink_task *task;
    brink_status status = brink_gpu_begin(
        e->context, &(brink_gpu_desc){.plain = plain && *plain, .hardware = hardware}, &task);
    if (status == BRINK_OK)
        status = brink_task_wait(task);
    brink_task_destroy(task);
    e->gpu = status == BRINK_OK;
    return status;
}

int cli_engine_open(engine *e, const common_options *common)
{
    *e = (engine){.quiet = common->quiet};
    brink_context_desc desc = {
        .threads = common->threads,
        .memory_budget = common->memory_budget,
        .log = common->quiet ? NULL : log_line,
    };
    brink_status status = brink_context_create(&desc, &e->context);
    if (status != BRINK_OK)
        return cli_fail(cli_exit_status(status), "brink: no room for a context");
    e->automatic = strcmp(common->backend, "auto") == 0;
    if (strcmp(common->backend, "gpu") != 0)
        return EXIT_DONE;
    status = open_gpu(e, false);
    return status == BRINK_OK ? EXIT_DONE : cli_fail(EXIT_DEVICE, "%s", brink_error(e->context));
}

static brink_status load(engine *e, brink_task *task)
{
    brink_status status;
    while ((status = brink_task_advance(task, 50000)) == BRINK_PENDING) {
        brink_want want;
        if (!brink_task_want(task, &want))
            continue;
        if (!e->quiet)
            cli_progress_line("loading %s", want.file);
        status = brink_task_serve_files(task);
        if (status != BRINK_OK && status != BRINK_PENDING)
            return status;
    }
    return status;
}

brink_status cli_engine_try_load(engine *e, const char *path, const brink_model_desc *desc)
{
    double start = cli_now_ms();
    cli_engine_unload(e);
    e->path = path;
    brink_task *task = NULL;
    if (e->automatic &&
        !desc->no_weights) { /* for what computes; in silence the CPU, where none is */
        e->automatic = false;
        open_gpu(e, true);
    }
    brink_model_desc with = *desc;
    with.gpu = e->gpu;
    brink_status status = brink_model_open_begin(e->context, path, &with, &task);
    if (status == BRINK_OK)
        status = load(e, task);
    if (status == BRINK_OK)
        status = brink_model_take(task, &e->model);
    brink_task_destroy(task);
    cli_progress_clear();
    e->load_ms = cli_now_ms() - start;
    return status;
}

int cli_engine_load(engine *e, const char *path, const brink_model_desc *desc)
{
    brink_status status = cli_engine_try_load(e, path, desc);
    if (status == BRINK_OK)
        return EXIT_DONE;
    /* a path that does not exist is an input that cannot be read, whoever notices */
    int exit_status = cli_engine_fail(e, status);
    return status == BRINK_INVALID_ARGUMENT ? EXIT_INPUT : exit_status;
}

void cli_engine_unload(engine *e)
{
    brink_model_destroy(e->model);
    e->model = NULL;
}

void cli_engine_close(engine *e)
{
    cli_engine_unload(e);
    if (e->context)
        brink_context_destroy(e->context);
    e->context = NULL;
}

char *cli_engine_error(const engine *e, brink_status status)
{
    const char *text = brink_error(e->context);
    if (!text || !*text)
        text = brink_status_name(status);
    if (!e->path)
        return cli_copy(text);
    const char *slash = strrchr(e->path, '/'), *name = slash && slash[1] ? slash + 1 : e->path;
    bool named = strstr(text, name) || strstr(text, ".onnx:") || strstr(text, ".json:");
    return named ? cli_copy(text) : cli_format("%s: %s", e->path, text);
}

int cli_engine_fail(const engine *e, brink_status status)
{
    char *text = cli_engine_error(e, status);
    cli_progress_clear();
    cli_fail(0, "%s", text);
    free(text);
    return cli_exit_status(status);
}

bool cli_engine_input_index(const engine *e, const char *name, uint32_t *index)
{
    for (uint32_t i = 0; i < brink_model_input_count(e->model); i++) {
        brink_value_info info;
        brink_model_input(e->model, i, &info);
        if (strcmp(info.name, name) == 0) {
            if (index)
                *index = i;
            return true;
        }
    }
    return false;
}

bool cli_engine_output_index(const engine *e, const char *name, uint32_t *index)
{
    for (uint32_t i = 0; i < brink_model_output_count(e->model); i++) {
        brink_value_info info;
        brink_model_output(e->model, i, &info);
        if (strcmp(info.name, name) == 0) {
            if (index)
                *index = i;
            return true;
        }
    }
    return false;
}
