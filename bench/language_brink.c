/* language_brink.c — the brink side of the language suite, on the public API.

   language_brink MODEL THREADS [CONTEXT]: says {} when started; then answers each line of input with one line
   of JSON. "load" loads the model: {"load_ms"}. "N id,id,…" makes N tokens after that prompt in a
   new session, going on past end-of-text: {"prefill_ms", "decode_ms", "steps", "tokens"}. */
#include <brink.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 16384 };

static uint32_t most_tokens = 1024; /* that a session holds */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void check(brink_context *context, brink_status status)
{
    if (status == BRINK_OK)
        return;
    fprintf(stderr, "language_brink: %s: %s\n", brink_status_name(status), brink_error(context));
    exit(1);
}

static void generate(brink_context *context, brink_model *model, char *line)
{
    static uint32_t ids[MOST];
    brink_generate_desc desc = {.tokens = ids, .ignore_end = true};
    brink_session *session;
    brink_task *task;
    brink_generate_stats stats;
    uint32_t id;
    const char *text, *comma = "";
    desc.max_tokens = (uint32_t)strtoul(line, &line, 10);
    while (desc.token_count < MOST && (*line == ' ' || *line == ','))
        ids[desc.token_count++] = (uint32_t)strtoul(line + 1, &line, 10);
    check(context,
          brink_session_create(model, &(brink_session_desc){.context = most_tokens}, &session));
    check(context, brink_generate_begin(session, &desc, &task));
    check(context, brink_task_wait(task));
    brink_generate_get_stats(task, &stats);
    printf("{\"prefill_ms\": %.3f, \"decode_ms\": %.3f, \"steps\": %u, \"tokens\": [",
           (double)stats.prefill_us / 1e3, (double)stats.decode_us / 1e3, stats.tokens - 1);
    while (brink_generate_next(task, &id, &text)) {
        printf("%s%u", comma, id);
        comma = ", ";
    }
    printf("]}\n");
    brink_task_destroy(task);
    brink_session_destroy(session);
}

int main(int argc, char **argv)
{
    static char line[16 * MOST];
    brink_context *context = NULL;
    brink_model *model = NULL;
    if (argc != 3 && argc != 4)
        return 2;
    if (argc == 4)
        most_tokens = (uint32_t)atoi(argv[3]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("{}\n");
    while (fgets(line, sizeof line, stdin)) {
        if (strncmp(line, "load", 4) == 0) {
            brink_context_desc desc = {.threads = (uint32_t)atoi(argv[2])};
            double start = now_ms();
            check(NULL, brink_context_create(&desc, &context));
            check(context, brink_model_open(context, argv[1], NULL, &model));
            printf("{\"load_ms\": %.3f}\n", now_ms() - start);
        } else {
            generate(context, model, line);
        }
    }
    brink_model_destroy(model);
    brink_context_destroy(context);
    return 0;
}
