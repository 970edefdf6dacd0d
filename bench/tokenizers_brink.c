/* tokenizers_brink.c — tokenization on the public API, driven line by line; tokenizers_py.py answers the same.

   Says {} when started; then answers each line with one of JSON.

     load FOLDER    a tokenizer                                    {}
     texts FILE     texts, each ended by a NUL                     {"texts"}
     run            tokenizes them all, one call for each          {"ms", "tokens"} */
#include <brink.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 1 << 16 };

static brink_context *context;
static brink_model *model;
static char *blob;
static const char *texts[MOST];
static uint32_t count, ids[MOST];

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void check(brink_status status)
{
    if (status == BRINK_OK)
        return;
    fprintf(stderr, "tokenizers_brink: %s\n", brink_error(context));
    exit(1);
}

static void read_texts(const char *path)
{
    FILE *from = fopen(path, "rb");
    if (!from || fseek(from, 0, SEEK_END) != 0)
        exit(1);
    const size_t size = (size_t)ftell(from);
    rewind(from);
    free(blob);
    blob = malloc(size + 1);
    if (!blob || fread(blob, 1, size, from) != size)
        exit(1);
    fclose(from);
    blob[size] = 0;
    count = 0;
    for (char *at = blob; at < blob + size && count < MOST; at += strlen(at) + 1)
        texts[count++] = at;
    printf("{\"texts\": %u}\n", count);
}

static void run(void)
{
    uint64_t tokens = 0;
    const double start = now_ms();
    for (uint32_t i = 0; i < count; i++) {
        uint32_t n;
        check(brink_tokenize(model, texts[i], strlen(texts[i]), true, ids, MOST, &n));
        tokens += n;
    }
    printf("{\"ms\": %.3f, \"tokens\": %llu}\n", now_ms() - start, (unsigned long long)tokens);
}

int main(void)
{
    static char line[1 << 12];
    check(brink_context_create(&(brink_context_desc){.threads = 1}, &context));
    setvbuf(stdout, NULL, _IOLBF, 1 << 12);
    printf("{}\n");
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "load ", 5) == 0) {
            brink_model_destroy(model);
            check(brink_model_open(context, line + 5, NULL, &model));
            printf("{}\n");
        } else if (strncmp(line, "texts ", 6) == 0) {
            read_texts(line + 6);
        } else if (strcmp(line, "run") == 0) {
            run();
        }
    }
    brink_model_destroy(model);
    brink_context_destroy(context);
    free(blob);
    return 0;
}
