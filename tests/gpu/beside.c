/* beside.c — a long prefill beside a small job on one device: what the small one waits for.

   A graph is run 60 times a second while a language model reads a prompt again and again, both as tasks
   that are advanced by turns. Prints how long the graph's runs took (50th and 95th percentile), alone and
   beside, with submits of 100 ms and of 8.

   Usage: beside LANGUAGE-MODEL GRAPH [SECONDS [BUDGET]]     BUDGET: bytes, for both together */
#include "brink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INPUTS = 4, MOST = 4096, RATE = 60, SLICE = 1000 /* us */ };

static brink_context *context;

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != BRINK_OK)                                                                    \
            fprintf(stderr, "beside: line %d: %s\n", __LINE__, brink_error(context)), exit(1);     \
    } while (0)

static double now(void) /* ms */
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static brink_model *load(const char *path)
{
    brink_model *model;
    MUST(brink_model_open(context, path, &(brink_model_desc){.gpu = true}, &model));
    return model;
}

/* The graph's inputs have fixed sizes and hold f32. */
static brink_task *begin_run(brink_model *graph)
{
    static const float zeros[1 << 16];
    brink_tensor inputs[INPUTS];
    uint32_t count = brink_model_input_count(graph);
    for (uint32_t i = 0; i < count && i < INPUTS; i++) {
        brink_value_info info;
        brink_model_input(graph, i, &info);
        inputs[i] = (brink_tensor){.name = info.name,
                                   .type = info.type,
                                   .rank = (uint32_t)info.rank,
                                   .data = zeros,
                                   .bytes = sizeof *zeros};
        for (int32_t k = 0; k < info.rank; k++)
            inputs[i].bytes *= (uint64_t)(inputs[i].shape[k] = info.shape[k]);
    }
    brink_task *task;
    MUST(brink_run_begin(graph, &(brink_run_desc){.inputs = inputs, .input_count = count}, &task));
    return task;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint32_t length = 1000; /* of the prompt */

/* Runs the graph when it is due, and else reads on. */
static void measure(const char *what, brink_session *s, brink_model *graph, double seconds)
{
    static double times[MOST];
    static uint32_t prompt[1 << 16];
    uint32_t count = 0, prompts = 0;
    for (uint32_t i = 0; i < 1 << 16; i++)
        prompt[i] = 1 + i * 7 % 90;
    brink_task *reading = NULL, *running = NULL;
    double start = now(), due = start, begun = 0;
    while (now() < start + seconds * 1e3 && count < MOST) {
        if (running == NULL && now() >= due) {
            begun = now();
            due += 1e3 / RATE;
            if (due < begun) /* late: what was missed is not made up for */
                due = begun;
            running = begin_run(graph);
        }
        if (running != NULL) {
            brink_status status = brink_task_advance(running, SLICE);
            if (status != BRINK_PENDING) {
                MUST(status);
                times[count++] = now() - begun;
                brink_task_destroy(running);
                running = NULL;
            }
        }
        if (s == NULL) {
            if (running == NULL)
                nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
            continue;
        }
        if (reading == NULL) {
            MUST(brink_session_truncate(s, 0));
            MUST(brink_generate_begin(
                s,
                &(brink_generate_desc){
                    .tokens = prompt, .token_count = length, .max_tokens = 1, .ignore_end = true},
                &reading));
        }
        brink_status status = brink_task_advance(reading, SLICE);
        if (status != BRINK_PENDING) {
            MUST(status);
            brink_task_destroy(reading);
            reading = NULL;
            prompts++;
        }
    }
    brink_task_destroy(running);
    brink_task_destroy(reading);
    qsort(times, count, sizeof *times, by_size);
    printf("%s: %u runs, p50 %.1f ms, p95 %.1f ms, longest %.1f ms; %u prompts of %u tokens\n",
           what, count, count ? times[count / 2] : 0, count ? times[count * 95 / 100] : 0,
           count ? times[count - 1] : 0, prompts, length);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return fprintf(stderr, "usage: beside LANGUAGE-MODEL GRAPH [SECONDS [BUDGET]]\n"), 2;
    double seconds = argc > 3 ? atof(argv[3]) : 5;
    brink_context_desc desc = {.memory_budget = argc > 4 ? strtoull(argv[4], NULL, 10) : 0};
    brink_task *task;
    if (brink_context_create(&desc, &context) != BRINK_OK)
        return 2;
    MUST(brink_gpu_begin(context, NULL, &task));
    MUST(brink_task_wait(task));
    brink_task_destroy(task);
    brink_model *model = load(argv[1]), *graph = load(argv[2]);
    brink_model_facts facts;
    brink_model_get_facts(model, &facts);
    if (facts.context != 0 && facts.context <= length)
        length = facts.context - 1;
    brink_session *s;
    MUST(brink_session_create(model, NULL, &s));
    measure("warming", s, graph, seconds);
    measure("alone", NULL, graph, seconds);
    measure("beside, submits of 100 ms", s, graph, seconds);
    brink_gpu_set_submit_ms(context, 8);
    measure("beside, submits of 8 ms", s, graph, seconds);
    brink_gpu_set_submit_ms(context, 1000000);
    measure("beside, uncut", s, graph, seconds);
    brink_session_destroy(s);
    brink_model_destroy(model);
    brink_model_destroy(graph);
    brink_context_destroy(context);
    return 0;
}
