/* bench_sequences.c — several sequences of a language model generated together: what they give in all. */
#include "bench.h"
#include "generate.h"

#include <math.h>
#include <stdlib.h>

typedef struct sequence {
    brink_session *session;
    brink_task *task;
    double begun; /* ms */
} sequence;

static brink_status begin(const engine *e, const brink_generate_desc *desc, sequence *s)
{
    brink_status status = brink_session_create(e->model, NULL, &s->session);
    s->begun = cli_now_ms();
    return status == BRINK_OK ? brink_generate_begin(s->session, desc, &s->task) : status;
}

static brink_status advance_all(const sequence *sequences, uint32_t count)
{
    brink_task **tasks = cli_alloc(count, sizeof(brink_task *));
    brink_status *statuses = cli_alloc(count, sizeof *statuses), status;
    for (uint32_t i = 0; i < count; i++)
        tasks[i] = sequences[i].task;
    do {
        status = brink_tasks_advance(tasks, count, UINT64_MAX, statuses);
        for (uint32_t i = 0; i < count; i++)
            if (statuses[i] != BRINK_OK && statuses[i] != BRINK_PENDING)
                status = statuses[i];
    } while (status == BRINK_PENDING);
    free((void *)tasks);
    free(statuses);
    return status;
}

/* From the first beginning to the last first token, and from the first first token to the last token. */
static void rates(const sequence *sequences, uint32_t count, double *prefill, double *decode)
{
    double start = sequences[0].begun, earliest = INFINITY, latest = 0, end = 0;
    uint32_t prompts = 0, made = 0;
    for (uint32_t i = 0; i < count; i++) {
        brink_generate_stats stats;
        brink_generate_get_stats(sequences[i].task, &stats);
        double first = sequences[i].begun + (double)stats.prefill_us / 1000;
        double last = first + (double)stats.decode_us / 1000;
        prompts += stats.prompt_tokens;
        made += stats.tokens ? stats.tokens - 1 : 0;
        earliest = fmin(earliest, first);
        latest = fmax(latest, first);
        end = fmax(end, last);
    }
    *prefill = cli_tokens_per_second(prompts, (uint64_t)((latest - start) * 1000));
    *decode = cli_tokens_per_second(made, (uint64_t)((end - earliest) * 1000));
}

brink_status cli_bench_sequences(const engine *e, const brink_generate_desc *desc, uint32_t count,
                                 double *prefill, double *decode)
{
    sequence *sequences = cli_alloc(count, sizeof *sequences);
    brink_status status = BRINK_OK;
    for (uint32_t i = 0; i < count && status == BRINK_OK; i++)
        status = begin(e, desc, &sequences[i]);
    if (status == BRINK_OK)
        status = advance_all(sequences, count);
    if (status == BRINK_OK)
        rates(sequences, count, prefill, decode);
    for (uint32_t i = 0; i < count; i++) {
        brink_task_destroy(sequences[i].task);
        brink_session_destroy(sequences[i].session);
    }
    free(sequences);
    return status;
}
