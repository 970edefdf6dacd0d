/* driver.c — lets tests/text/compare.py ask the tokenizer and the chat templates about many texts.

   driver tokenize FILE < records > records: each record in is u32 length and bytes; out come u32
   count and the ids (with specials), u32 count and the ids (without), the offsets of both (two for a
   token) in the same way, and u32 length and bytes of the
   first ids decoded (specials kept), of the second ones decoded, and of the first ones streamed.
   driver fit FILE: the same records in; ids and offsets out, truncated and padded, with specials and
   then without; a count of UINT32_MAX stands for a refusal.
   driver decode FILE: each record in holds ids; out comes their text, specials left out.
   driver time FILE TEXT: milliseconds to load and megabytes a second to encode.
   driver template FILE VARIABLES: the rendered text, or the error on standard error and status 3. */
#include "core/context.h"
#include "core/json.h"
#include "text/buffer.h"
#include "text/template.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>

static brink_context *context;
static brink_status failed = BRINK_OK;

static void check(brink_status status)
{
    if (status == BRINK_OK)
        return;
    fprintf(stderr, "%s: %s\n", brink_status_name(status), brink_error(context));
    exit(status == BRINK_OUT_OF_MEMORY ? 4 : 3);
}

static char *read_file(const char *path, uint64_t *size)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(3);
    }
    buffer b = {.context = context};
    for (size_t n = 1; n != 0;) {
        check(buffer_reserve(&b, 1 << 16));
        n = fread(b.data + b.size, 1, 1 << 16, f);
        b.size += n;
    }
    fclose(f);
    check(buffer_append(&b, "", 1));
    *size = b.size - 1;
    return b.data;
}

static void put(const void *data, uint32_t count, uint32_t item)
{
    fwrite(&count, 4, 1, stdout);
    fwrite(data, item, count, stdout);
}

static uint32_t ids[2][1 << 22], offsets[2][2 << 22];
static char text[1 << 25];

static void put_text(tokenizer *t, const uint32_t *from, uint32_t count, bool keep)
{
    uint64_t bytes;
    check(tokenizer_decode(t, from, count, keep, text, sizeof text, &bytes));
    put(text, (uint32_t)bytes, 1);
}

static void put_stream(tokenizer *t, const uint32_t *from, uint32_t count)
{
    decode_stream *s;
    buffer all = {.context = context};
    const char *part;
    uint64_t bytes;
    check(decode_stream_create(t, true, &s));
    for (uint32_t i = 0; i < count; i++) {
        check(decode_stream_push(s, from[i], &part, &bytes));
        check(buffer_append(&all, part, bytes));
    }
    check(decode_stream_finish(s, &part, &bytes));
    check(buffer_append(&all, part, bytes));
    put(all.data, (uint32_t)all.size, 1);
    buffer_free(&all);
    decode_stream_destroy(s);
}

/* Offsets with and without specials; the ids must be those found without asking for offsets. */
static void put_offsets(tokenizer *t, const char *in, uint32_t size, const uint32_t *count)
{
    static uint32_t same[1 << 22];
    for (int i = 0; i < 2; i++) {
        uint32_t n;
        encode_options options = {.special = i == 0};
        check(tokenizer_encode_offsets(t, in, size, &options, same, offsets[i], 1 << 22, &n));
        if (n != count[i] || memcmp(same, ids[i], n * sizeof *same) != 0) {
            fprintf(stderr, "offsets change the ids\n");
            exit(3);
        }
        put(offsets[i], 2 * n, 4);
    }
}

static void put_fit(tokenizer *t, const char *in, uint32_t size)
{
    for (int i = 0; i < 2; i++) {
        uint32_t n, refused = UINT32_MAX;
        encode_options options = {.special = i == 0, .truncate = true, .pad = true};
        if (tokenizer_encode_offsets(t, in, size, &options, ids[0], offsets[0], 1 << 22, &n) !=
            BRINK_OK) {
            fwrite(&refused, 4, 1, stdout);
            continue;
        }
        put(ids[0], n, 4);
        put(offsets[0], 2 * n, 4);
    }
}

static void tokenize(tokenizer *t, bool decode_only, bool fit)
{
    uint32_t size;
    while (fread(&size, 4, 1, stdin) == 1) {
        char *in = malloc(size + 1u);
        if (in == NULL || fread(in, 1, size, stdin) != size)
            exit(2);
        if (fit) {
            put_fit(t, in, size);
        } else if (decode_only) {
            memcpy(ids[0], in, size);
            put_text(t, ids[0], size / 4, false);
        } else {
            uint32_t count[2];
            for (int i = 0; i < 2; i++) {
                check(tokenizer_encode(t, in, size, i == 0, ids[i], 1 << 22, &count[i]));
                put(ids[i], count[i], 4);
            }
            put_offsets(t, in, size, count);
            put_text(t, ids[0], count[0], true);
            put_text(t, ids[1], count[1], false);
            put_stream(t, ids[0], count[0]);
        }
        free(in);
    }
}

static brink_status render_document(const char *name, const char *source, uint64_t size,
                                    const yyjson_val *variables, uint64_t *bytes)
{
    chat_template *chat;
    TRY(chat_template_create(context, name, source, size, &chat));
    brink_status status = chat_template_render(chat, variables, text, sizeof text, bytes);
    chat_template_destroy(chat);
    return status;
}

static void render(const char *template_file, const char *variables_file)
{
    uint64_t size, variables_size, bytes = 0;
    char *source = read_file(template_file, &size);
    char *variables = read_file(variables_file, &variables_size);
    json_document document;
    check(json_parse(context, variables_file, variables, variables_size, &document));
    brink_status status = render_document(template_file, source, size, document.root, &bytes);
    json_free(&document);
    core_free(context, source);
    core_free(context, variables);
    failed = status;
    if (status != BRINK_OK)
        fprintf(stderr, "%s: %s\n", brink_status_name(status), brink_error(context));
    else
        fwrite(text, 1, bytes, stdout);
}

static uint64_t idle; /* what the context holds before anything is done with it */

static int leave(void)
{
    uint64_t live = brink_context_memory(context).live;
    brink_context_destroy(context);
    if (live != idle) {
        fprintf(stderr, "%llu bytes leaked\n", (unsigned long long)(live - idle));
        return 1;
    }
    return failed == BRINK_OK ? 0 : failed == BRINK_OUT_OF_MEMORY ? 4 : 3;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 0; /* run as a test of its own there is nothing to do: tests/text/run drives it */
    if (argc < 3 || brink_context_create(NULL, &context) != BRINK_OK)
        return 2;
    idle = brink_context_memory(context).live;
    if (strcmp(argv[1], "template") == 0 && argc > 3) {
        render(argv[2], argv[3]);
        return leave();
    }
    uint64_t size, start = core_now();
    char *json = read_file(argv[2], &size);
    tokenizer *t;
    uint64_t read = core_now();
    failed = tokenizer_create(context, argv[2], json, size, &t);
    uint64_t loaded = core_now();
    core_free(context, json);
    if (failed != BRINK_OK) {
        fprintf(stderr, "%s: %s\n", brink_status_name(failed), brink_error(context));
        return leave();
    }
    if (strcmp(argv[1], "time") == 0 && argc > 3) {
        uint64_t bytes;
        uint32_t count;
        brink_memory memory = brink_context_memory(context);
        char *in = read_file(argv[3], &bytes);
        uint64_t begin = core_now();
        check(tokenizer_encode(t, in, bytes, true, ids[0], 1 << 22, &count));
        uint64_t end = core_now();
        printf("read %.1f ms, load %.1f ms, held %.1f MB, peak %.1f MB, %u tokens, %.1f MB/s\n",
               (double)(read - start) / 1e6, (double)(loaded - read) / 1e6,
               (double)memory.live / 1e6, (double)memory.peak / 1e6, count,
               (double)bytes * 1e3 / (double)(end - begin));
        core_free(context, in);
    } else {
        tokenize(t, strcmp(argv[1], "decode") == 0, strcmp(argv[1], "fit") == 0);
    }
    tokenizer_destroy(t);
    return leave();
}
