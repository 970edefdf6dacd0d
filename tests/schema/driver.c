/* driver.c — what tests/schema/run asks of the engine, one JSON object a line on standard input.

   driver accept                 {"schema": TEXT, "texts": [TEXT…]}  a line of 0 and 1, or !error
   driver generate TOKENIZER     {"schema": TEXT, "seed": N, "count": N, "budget": N, "plain": B}
                                 the texts made of random allowed tokens, as a JSON list
   driver time TOKENIZER         {"schema": TEXT, "texts": [TEXT…]}  {"compile_us": N, "masks":
                                 [microseconds of each]}; "ids": [[ID…]…] are texts in tokens */
#include "core/json.h"
#include "text/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static brink_context *context;
static token_trie *trie;
static uint32_t *bits;

static char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(2);
    }
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*size + 1);
    if (data == NULL || fread(data, 1, *size, f) != *size)
        exit(2);
    fclose(f);
    return data;
}

/* Nanoseconds of this thread's processor time: what else the machine does is not measured. */
static uint64_t busy(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void check(brink_status status)
{
    if (status != BRINK_OK) {
        fprintf(stderr, "%s: %s\n", brink_status_name(status), brink_error(context));
        exit(1);
    }
}

static void load_tokenizer(const char *path)
{
    size_t size;
    char *json = read_file(path, &size);
    tokenizer *t;
    check(tokenizer_create(context, path, json, size, &t));
    free(json);
    uint32_t ends[2], count = 0;
    for (const char *const *name =
             (const char *const[]){"<|im_end|>", "<|endoftext|>", "</s>", "<eos>", NULL};
         *name != NULL; name++)
        if (count < 2 && tokenizer_find(t, *name, &ends[count]))
            count++;
    uint64_t start = busy();
    check(token_trie_create(context, t, ends, count, &trie));
    fprintf(stderr, "trie: %.1f ms\n", (double)(busy() - start) / 1e6);
    bits = calloc((token_trie_vocabulary(trie) + 31) / 32, sizeof *bits);
    tokenizer_destroy(t);
}

/* ── accept ── */

static void accept(yyjson_val *texts, grammar *g)
{
    grammar_state *s;
    yyjson_val *text;
    size_t i, n;
    check(grammar_state_create(g, &s));
    yyjson_arr_foreach(texts, i, n, text)
    {
        bool allowed = true;
        const char *bytes = yyjson_get_str(text);
        grammar_state_reset(s);
        for (size_t k = 0; k < yyjson_get_len(text) && allowed; k++)
            check(grammar_advance(s, bytes + k, 1, &allowed));
        putchar(allowed && grammar_can_end(s) ? '1' : '0');
    }
    putchar('\n');
    grammar_state_destroy(s);
}

/* ── generate ── */

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % n);
}

/* A uniformly random allowed token, UINT32_MAX if there is none. */
static uint32_t pick(void)
{
    uint32_t words = (token_trie_vocabulary(trie) + 31) / 32, total = 0;
    for (uint32_t i = 0; i < words; i++)
        total += (uint32_t)__builtin_popcount(bits[i]);
    if (total == 0)
        return UINT32_MAX;
    uint32_t k = random_below(total);
    for (uint32_t i = 0; i < words; i++)
        for (uint32_t b = 0; b < 32; b++)
            if ((bits[i] >> b & 1) && k-- == 0)
                return i * 32 + b;
    return UINT32_MAX;
}

static void put_json(const char *text, size_t size)
{
    putchar('"');
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void generate_one(grammar_state *s, int64_t budget)
{
    static char text[1 << 20], closing[1 << 20], forced[4096];
    size_t size = 0;
    uint64_t bytes;
    bool allowed;
    grammar_state_reset(s);
    for (; budget > 0; budget--) {
        uint32_t id, length;
        const char *token;
        check(grammar_mask(s, trie, bits));
        id = pick();
        if (id == UINT32_MAX) {
            fprintf(stderr, "no token is allowed behind %.*s\n", (int)size, text);
            exit(1);
        }
        token = token_trie_bytes(trie, id, &length);
        if (token == NULL)
            break; /* an end token */
        check(grammar_forced(s, forced, sizeof forced, &bytes));
        size_t common = bytes < length ? bytes : length, k = 0;
        while (k < common &&
               (token[k] == ' ' || token[k] == '\n' || token[k] == '\t' || token[k] == '\r'))
            k++;
        if (k == 0 && common != 0 && memcmp(token, forced, common) != 0 &&
            memchr(token, ' ', length) == NULL && memchr(token, '\n', length) == NULL &&
            memchr(token, '\t', length) == NULL && memchr(token, '\r', length) == NULL) {
            fprintf(stderr, "%.*s is forced, not %.*s\n", (int)bytes, forced, (int)length, token);
            exit(1);
        }
        check(grammar_advance(s, token, length, &allowed));
        if (!allowed || size + length + sizeof closing / 2 > sizeof text) {
            fprintf(stderr, "token %u was in the mask and is refused\n", id);
            exit(1);
        }
        memcpy(text + size, token, length);
        size += length;
    }
    check(grammar_close(s, closing, sizeof closing, &bytes));
    check(grammar_advance(s, closing, bytes, &allowed));
    if (!allowed || !grammar_can_end(s)) {
        fprintf(stderr, "%.*s does not close %.*s\n", (int)bytes, closing, (int)size, text);
        exit(1);
    }
    memcpy(text + size, closing, bytes);
    put_json(text, size + bytes);
}

static void generate(yyjson_val *request, grammar *g)
{
    grammar_state *s;
    random_state = (uint64_t)json_int(request, "seed", 1);
    check(grammar_state_create(g, &s));
    putchar('[');
    for (int64_t i = 0; i < json_int(request, "count", 1); i++) {
        if (i != 0)
            putchar(',');
        generate_one(s, json_int(request, "budget", 100));
    }
    puts("]");
    grammar_state_destroy(s);
}

/* ── time ── */

/* Behind the token, whose mask is taken first. */
static void time_token(grammar_state *s, uint32_t id, bool first)
{
    uint32_t length;
    bool allowed = false;
    uint64_t start = busy();
    check(grammar_mask(s, trie, bits));
    printf("%s%.2f", first ? "" : ",", (double)(busy() - start) / 1e3);
    const char *token = token_trie_bytes(trie, id, &length);
    if (token != NULL && bits[id >> 5] >> (id & 31) & 1)
        check(grammar_advance(s, token, length, &allowed));
    if (!allowed) {
        fprintf(stderr, "the mask lacks token %u, %.*s\n", id, (int)length, token);
        exit(1);
    }
}

static void time_masks(yyjson_val *request, grammar *g, uint64_t compiled)
{
    static uint32_t ids[1 << 16];
    grammar_state *s;
    yyjson_val *ids_of = yyjson_obj_get(request, "ids"), *one, *id;
    yyjson_val *sequences = ids_of != NULL ? ids_of : yyjson_obj_get(request, "texts");
    size_t i, n, k, m;
    bool first = true;
    check(grammar_state_create(g, &s));
    printf("{\"compile_us\":%.1f,\"masks\":[", (double)compiled / 1e3);
    yyjson_arr_foreach(sequences, i, n, one)
    {
        uint32_t count = 0;
        uint64_t covered;
        if (ids_of == NULL)
            token_trie_split(trie, yyjson_get_str(one), yyjson_get_len(one), ids, 1 << 16, &count,
                             &covered);
        else
            yyjson_arr_foreach(one, k, m, id) ids[count++] = (uint32_t)yyjson_get_uint(id);
        grammar_state_reset(s);
        for (uint32_t t = 0; t < count; t++, first = false)
            time_token(s, ids[t], first);
    }
    puts("]}");
    grammar_state_destroy(s);
}

int main(int argc, char **argv)
{
    static char line[1 << 22];
    if (argc < 2)
        return 0;
    if (brink_context_create(NULL, &context) != BRINK_OK)
        return 2;
    if (argc > 2)
        load_tokenizer(argv[2]);
    uint64_t idle = brink_context_memory(context).live;
    while (fgets(line, sizeof line, stdin) != NULL) {
        json_document request;
        grammar *g;
        check(json_parse(context, "request", line, strlen(line), &request));
        yyjson_val *schema = yyjson_obj_get(request.root, "schema");
        yyjson_val *texts = yyjson_obj_get(request.root, "texts");
        schema_options options = {.plain = json_bool(request.root, "plain", false),
                                  .no_space = json_bool(request.root, "no_space", false),
                                  .closed = json_bool(request.root, "closed", false),
                                  .max_space = (uint32_t)json_int(request.root, "max_space", 0)};
        uint64_t start = busy();
        bool notation = json_bool(request.root, "notation", false);
        brink_status status = notation ? grammar_create(context, NULL, yyjson_get_str(schema),
                                                        yyjson_get_len(schema), &g)
                                       : schema_compile(context, NULL, yyjson_get_str(schema),
                                                        yyjson_get_len(schema), &options, &g);
        uint64_t compiled = busy() - start;
        if (status != BRINK_OK)
            printf("!%s\n", brink_error(context));
        else if (strcmp(argv[1], "accept") == 0)
            accept(texts, g);
        else if (strcmp(argv[1], "generate") == 0)
            generate(request.root, g);
        else
            time_masks(request.root, g, compiled);
        fflush(stdout);
        if (status == BRINK_OK)
            grammar_destroy(g);
        json_free(&request);
        if (brink_context_memory(context).live != idle) {
            fprintf(stderr, "memory is still held\n");
            return 1;
        }
    }
    token_trie_destroy(trie);
    brink_context_destroy(context);
    return 0;
}
