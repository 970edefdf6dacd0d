/* driver.c — what tests/adapters/run and bench/adapters.py ask of the engine: one session of a model, and
   generations in it that each name their adapter.

   driver MODEL cpu|gpu fast|exact 1,2,3 STEPS RUN…

   A RUN is `base`, an adapter's folder, or several with commas between them (joined); `+` before it goes on
   with what the session holds, whose tokens are then the ids again. To standard output go the logits of every
   step, f32 [STEPS, vocabulary]; to standard error a line a run: microseconds to begin it, to the first
   token, and a token after it. Without logits where STEPS is negative. */
#include "brink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 16 };

static brink_context *context;

static void check(brink_status status)
{
    if (status != BRINK_OK) {
        fprintf(stderr, "%s: %s\n", brink_status_name(status), brink_error(context));
        exit(3);
    }
}

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static brink_adapter *load(brink_model *m, char *names)
{
    brink_adapter *list[MOST], *joined;
    uint32_t count = 0;
    for (char *name = strtok(names, ","); name != NULL && count < MOST; name = strtok(NULL, ","))
        check(brink_adapter_open(m, name, &list[count++]));
    if (count == 1)
        return list[0];
    check(brink_adapter_join((const brink_adapter *const *)list, NULL, count, &joined));
    while (count > 0)
        brink_adapter_destroy(list[--count]);
    return joined;
}

static void generate(brink_session *s, const uint32_t *ids, uint32_t count, int steps,
                     const brink_adapter *adapter)
{
    brink_task *task;
    brink_generate_stats stats;
    double begun = now();
    check(brink_generate_begin(s,
                               &(brink_generate_desc){.tokens = ids,
                                                      .token_count = count,
                                                      .max_tokens = (uint32_t)abs(steps),
                                                      .adapter = adapter,
                                                      .ignore_end = true,
                                                      .keep_logits = steps > 0},
                               &task));
    double ready = now();
    uint32_t id, vocabulary;
    const char *text;
    for (brink_status status = BRINK_PENDING; status == BRINK_PENDING;) {
        status = brink_task_advance(task, steps > 0 ? 0 : 10000);
        if (status != BRINK_PENDING)
            check(status);
        while (brink_generate_next(task, &id, &text)) {
            const float *logits = steps > 0 ? brink_generate_logits(task, &vocabulary) : NULL;
            if (logits != NULL)
                fwrite(logits, sizeof *logits, vocabulary, stdout);
        }
    }
    brink_generate_get_stats(task, &stats);
    brink_task_destroy(task);
    fprintf(stderr, "%.1f %llu %.1f\n", ready - begun, (unsigned long long)stats.prefill_us,
            stats.tokens > 1 ? (double)stats.decode_us / (stats.tokens - 1) : 0);
}

static void open_gpu(void)
{
    brink_task *task;
    check(brink_gpu_begin(context, NULL, &task));
    check(brink_task_wait(task));
    brink_task_destroy(task);
}

int main(int argc, char **argv)
{
    if (argc < 7 || argc > 7 + 64)
        return 2;
    const char *threads = getenv("THREADS");
    check(brink_context_create(
        &(brink_context_desc){.threads = threads ? (uint32_t)atoi(threads) : 0}, &context));
    bool gpu = strcmp(argv[2], "gpu") == 0;
    if (gpu)
        open_gpu();
    brink_model *m;
    brink_session *s;
    uint32_t ids[1024], count = 0;
    for (char *id = strtok(argv[4], ","); id != NULL && count < 1024; id = strtok(NULL, ","))
        ids[count++] = (uint32_t)strtoul(id, NULL, 10);
    check(brink_model_open(context, argv[1],
                           &(brink_model_desc){.gpu = gpu, .exact = strcmp(argv[3], "exact") == 0},
                           &m));
    check(brink_session_create(m, NULL, &s));
    brink_adapter *adapters[64] = {0};
    char *names[64];
    int runs = argc - 6;
    for (int i = 0; i < runs; i++) { /* those of one name are one */
        char *name = argv[6 + i] + (argv[6 + i][0] == '+');
        names[i] = strdup(name);
        for (int k = 0; k < i && adapters[i] == NULL; k++)
            if (strcmp(names[k], names[i]) == 0)
                adapters[i] = adapters[k];
        if (adapters[i] == NULL && strcmp(name, "base") != 0)
            adapters[i] = load(m, name); /* which it cuts */
    }
    for (int i = 0; i < runs; i++) {
        if (argv[6 + i][0] != '+')
            check(brink_session_truncate(s, 0));
        generate(s, ids, count, atoi(argv[5]), adapters[i]);
    }
    for (int i = 0; i < runs; i++) {
        for (int k = i + 1; k < runs; k++)
            if (adapters[k] == adapters[i])
                adapters[k] = NULL;
        brink_adapter_destroy(adapters[i]);
        free(names[i]);
    }
    brink_session_destroy(s);
    brink_model_destroy(m);
    brink_context_destroy(context);
    return 0;
}
