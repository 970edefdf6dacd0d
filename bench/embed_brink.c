/* embed_brink.c — embeddings on the public API, driven line by line; embed_ort.py answers the same.

   embed_brink MODEL THREADS: says {} when started; then answers each line with one of JSON.

     load           {"load_ms"}
     texts FILE     one text a line                                        {"texts"}
     run FILE       embeds them all; the vectors as raw f32 to FILE        {"ms", "tokens"} */
#include <brink.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 1 << 16 };

static brink_context *context;
static brink_model *model;
static const char *texts[MOST];
static uint32_t count;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what)
{
    fprintf(stderr, "embed_brink: %s\n", what);
    exit(1);
}

static void check(brink_status status)
{
    if (status != BRINK_OK)
        die(context ? brink_error(context) : brink_status_name(status));
}

static void load(const char *path, uint32_t threads)
{
    const double start = now_ms();
    check(brink_context_create(&(brink_context_desc){.threads = threads}, &context));
    check(brink_model_open(context, path, NULL, &model));
    printf("{\"load_ms\": %.3f}\n", now_ms() - start);
}

static void read_texts(const char *path)
{
    FILE *from = fopen(path, "rb");
    char *line = NULL;
    size_t room = 0;
    if (!from)
        die("the file of texts cannot be read");
    for (count = 0; count < MOST && getline(&line, &room, from) > 0; count++) {
        line[strcspn(line, "\n")] = 0;
        texts[count] = strdup(line);
    }
    free(line);
    fclose(from);
    printf("{\"texts\": %u}\n", count);
}

static void run(const char *path)
{
    brink_task *task;
    brink_tensor vectors;
    brink_embed_stats stats;
    const double start = now_ms();
    check(brink_embed_begin(model, &(brink_embed_desc){.texts = texts, .count = count}, &task));
    check(brink_task_wait(task));
    const double ms = now_ms() - start;
    check(brink_embed_vectors(task, &vectors));
    brink_embed_get_stats(task, &stats);
    FILE *to = fopen(path, "wb");
    if (!to || fwrite(vectors.data, 1, vectors.bytes, to) != vectors.bytes || fclose(to) != 0)
        die("the vectors cannot be written");
    printf("{\"ms\": %.3f, \"tokens\": %llu}\n", ms, (unsigned long long)stats.tokens);
    brink_task_destroy(task);
}

int main(int argc, char **argv)
{
    static char line[1 << 12];
    if (argc != 3)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 1 << 12);
    printf("{}\n");
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (strcmp(line, "load") == 0)
            load(argv[1], (uint32_t)atoi(argv[2]));
        else if (strncmp(line, "texts ", 6) == 0)
            read_texts(line + 6);
        else if (strncmp(line, "run ", 4) == 0)
            run(line + 4);
    }
    brink_model_destroy(model);
    brink_context_destroy(context);
    return 0;
}
