/* soak.c — growth and loss, on the adapter that is there: many decoding steps, many loads and frees, and
   the device destroyed in the midst of requests, all of which must end with the tokens (or outputs) of
   an undisturbed one, or as BRINK_DEVICE_FAILED.

   Usage: soak LANGUAGE-MODEL GRAPH STEPS LOADS LOSSES      exits 1 where something grew or went wrong */
#include "core/context.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t gpu_device_lose(struct gpu_device *d); /* src/gpu/device.h */

enum { REPLY = 40, PROMPT = 150, WARM = 10, ROOM = 256 << 10 /* 52 bytes a step, of 10,000 */ };

static brink_context *context;
static int faults;

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != BRINK_OK)                                                                    \
            fprintf(stderr, "soak: line %d: %s\n", __LINE__, brink_error(context)), exit(1);       \
    } while (0)

static void expect(bool condition, const char *what)
{
    if (!condition) {
        faults++;
        fprintf(stderr, "soak: %s\n", what);
    }
}

/* ── What is held ── */

typedef struct held {
    uint64_t gpu, engine; /* bytes that the engine counts */
    uint64_t heap;        /* of the process, the GPU library and the driver included */
    uint64_t mapped;      /* blocks so large that each is mapped */
    uint64_t resident;
} held;

static held measure(void)
{
    struct mallinfo2 m = mallinfo2();
    unsigned long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f != NULL && fscanf(f, "%lu %lu", &pages, &resident) != 2)
        resident = 0;
    if (f != NULL)
        fclose(f);
    return (held){brink_context_gpu_memory(context).live, brink_context_memory(context).live,
                  m.uordblks, m.hblkhd, (uint64_t)resident * 4096};
}

/* What was taken from the heap and touched: SwiftShader's threads take stacks of 16 MiB now and then. */
static uint64_t grown(held a, held b)
{
    uint64_t heap = b.heap > a.heap ? b.heap - a.heap : 0;
    uint64_t resident = b.resident > a.resident ? b.resident - a.resident : 0;
    return heap < resident ? heap : resident;
}

/* What grows with the work grows in both halves of it; what a driver's thread takes once, in one. */
static uint64_t grown_in_halves(held a, held middle, held b)
{
    uint64_t first = grown(a, middle), second = grown(middle, b);
    return first < second ? first : second;
}

/* `heap`: how much the process's heap has grown, and `room`, by how much it may. */
static void report(const char *what, held a, held b, uint64_t heap, uint64_t room)
{
    const char *const names[] = {"gpu", "engine", "heap", "mapped", "resident"};
    const uint64_t from[] = {a.gpu, a.engine, a.heap, a.mapped, a.resident};
    const uint64_t to[] = {b.gpu, b.engine, b.heap, b.mapped, b.resident};
    printf("%s", what);
    for (uint32_t i = 0; i < 5; i++)
        printf("%s %s %llu -> %llu", i == 0 ? ":" : ",", names[i], (unsigned long long)from[i],
               (unsigned long long)to[i]);
    printf("\n");
    fflush(stdout);
    expect(b.gpu == a.gpu && b.engine <= a.engine + 1024, /* answers awaited at once */
           "bytes that the engine counts have grown");
    expect(heap <= room, "the heap has grown");
}

/* ── Requests ── */

static brink_model *load(const char *path, bool gpu)
{
    brink_model *model;
    MUST(brink_model_open(context, path, &(brink_model_desc){.gpu = gpu, .exact = true}, &model));
    return model;
}

static uint32_t prompt[PROMPT];

typedef struct reply {
    uint32_t tokens[REPLY], count;
} reply;

static void take(brink_task *task, reply *r)
{
    const char *piece;
    while (r->count < REPLY && brink_generate_next(task, &r->tokens[r->count], &piece))
        r->count++;
}

static brink_task *ask(brink_session *s, uint32_t count, bool keep_logits)
{
    brink_task *task;
    MUST(brink_generate_begin(s,
                              &(brink_generate_desc){.tokens = prompt,
                                                     .token_count = count,
                                                     .max_tokens = REPLY,
                                                     .ignore_end = true,
                                                     .keep_logits = keep_logits},
                              &task));
    return task;
}

static void answer(brink_session *s, uint32_t count, bool keep_logits, reply *r)
{
    brink_task *task = ask(s, count, keep_logits);
    MUST(brink_task_wait(task));
    r->count = 0;
    take(task, r);
    brink_task_destroy(task);
}

/* ── Growth ── */

static void decode(brink_model *model, uint32_t steps)
{
    brink_session *s;
    reply first, r;
    held before = {0}, middle = {0};
    uint32_t replies = (steps + REPLY - 1) / REPLY;
    MUST(brink_session_create(model, &(brink_session_desc){.context = 256}, &s));
    answer(s, 8, false, &first);
    for (uint32_t i = 0; i < replies + WARM; i++) {
        if (i == WARM)
            before = measure();
        if (i == WARM + replies / 2)
            middle = measure();
        MUST(brink_session_truncate(s, 0));
        answer(s, 8, i % 4 == 3, &r);
        expect(memcmp(&r, &first, sizeof r) == 0, "a reply is another one");
    }
    char what[64];
    snprintf(what, sizeof what, "%u decoding steps", steps);
    held after = measure();
    report(what, before, after, grown_in_halves(before, middle, after), ROOM);
    brink_session_destroy(s);
}

static void load_and_free(const char *path, uint32_t loads)
{
    held before = {0}, middle = {0};
    for (uint32_t i = 0; i < loads + WARM; i++) {
        if (i == WARM)
            before = measure();
        if (i == WARM + loads / 2)
            middle = measure();
        brink_model *model = load(path, true);
        brink_session *s;
        reply r;
        MUST(brink_session_create(model, NULL, &s));
        answer(s, 8, false, &r);
        brink_session_destroy(s);
        brink_model_destroy(model);
    }
    char what[64];
    snprintf(what, sizeof what, "%u loads and frees", loads);
    held after = measure();
    report(what, before, after, grown_in_halves(before, middle, after), ROOM);
}

/* ── Losses ── */

static uint32_t lost, last_generation = UINT32_MAX; /* devices */

static void lose_device(void)
{
    uint32_t generation = gpu_device_lose(context->gpu);
    lost += generation != last_generation;
    last_generation = generation;
}

static uint64_t noise = 88172645463325252u;

static uint32_t chance(uint32_t below)
{
    noise ^= noise << 13;
    noise ^= noise >> 7;
    noise ^= noise << 17;
    return (uint32_t)(noise >> 33) % below;
}

/* Advances, and loses the device `times` times at some point; the status at the end. */
static brink_status disturb(brink_task *task, uint32_t times, uint32_t within, reply *r)
{
    brink_status status = BRINK_PENDING;
    uint32_t at = chance(within);
    for (uint32_t i = 0; status == BRINK_PENDING; i++) {
        status = brink_task_advance(task, chance(400));
        if (r != NULL)
            take(task, r);
        if (i == at && times != 0) {
            lose_device();
            times--;
            at = i + 1 + chance(within);
        }
    }
    return status;
}

static uint32_t resumed, failed, whole; /* requests, and how they ended */

static void ended(brink_status status, bool same, uint32_t times)
{
    if (status == BRINK_OK) {
        expect(same, "a request that was resumed has another result");
        resumed += times != 0;
    } else {
        failed++;
        expect(status == BRINK_DEVICE_FAILED && brink_error(context)[0] != 0,
               "a request failed otherwise than for the device");
        fprintf(stderr, "failed: %s\n", brink_error(context));
    }
    whole++;
}

static void lose_generation(brink_session *s, bool keep_logits, uint32_t times, const reply *wanted)
{
    brink_task *task = ask(s, PROMPT, keep_logits);
    reply r = {.count = 0};
    brink_status status = disturb(task, times, 60, &r);
    brink_task_destroy(task);
    ended(status, memcmp(&r, wanted, sizeof r) == 0, times);
    MUST(brink_session_truncate(s, 0));
}

/* A second turn of a conversation whose first was lost while nobody used it. */
static void lose_between(brink_session *s, const reply *wanted)
{
    reply r;
    answer(s, PROMPT, false, &r);
    lose_device();
    answer(s, 8, false, &r);
    ended(BRINK_OK, memcmp(&r, wanted, sizeof r) == 0, 1);
    MUST(brink_session_truncate(s, 0));
}

static void two_turns(brink_session *s, reply *out)
{
    answer(s, PROMPT, false, out);
    answer(s, 8, false, out);
    MUST(brink_session_truncate(s, 0));
}

/* Two at once. */
static void lose_both(brink_session *a, brink_session *b, const reply *wanted)
{
    brink_task *first = ask(a, PROMPT, false), *second = ask(b, PROMPT, true);
    reply r = {.count = 0}, q = {.count = 0};
    brink_status x = BRINK_PENDING, y = BRINK_PENDING;
    uint32_t at = chance(40);
    for (uint32_t i = 0; x == BRINK_PENDING || y == BRINK_PENDING; i++) {
        x = x == BRINK_PENDING ? brink_task_advance(first, 300) : x;
        y = y == BRINK_PENDING ? brink_task_advance(second, 300) : y;
        take(first, &r);
        take(second, &q);
        if (i == at)
            lose_device();
    }
    ended(x, memcmp(&r, wanted, sizeof r) == 0, 1);
    ended(y, memcmp(&q, wanted, sizeof q) == 0, 1);
    brink_task_destroy(first);
    brink_task_destroy(second);
    MUST(brink_session_truncate(a, 0));
    MUST(brink_session_truncate(b, 0));
}

enum { INPUTS = 4, LENGTH = 16 };
static int64_t ids[LENGTH], ones[LENGTH];

/* Runs a graph of [batch, tokens] inputs; its first output's bytes, free() them. */
static brink_status run(brink_model *graph, uint32_t times, void **out, uint64_t *bytes)
{
    brink_tensor inputs[INPUTS];
    uint32_t count = brink_model_input_count(graph);
    for (uint32_t i = 0; i < count && i < INPUTS; i++) {
        brink_value_info info;
        brink_model_input(graph, i, &info);
        bool first = strstr(info.name, "ids") != NULL && strstr(info.name, "type") == NULL;
        inputs[i] = (brink_tensor){.name = info.name,
                                   .type = BRINK_I64,
                                   .rank = 2,
                                   .shape = {1, LENGTH},
                                   .data = first ? ids : ones,
                                   .bytes = sizeof ids};
    }
    brink_task *task;
    MUST(brink_run_begin(graph, &(brink_run_desc){.inputs = inputs, .input_count = count}, &task));
    brink_status status = disturb(task, times, 8, NULL);
    brink_tensor t = {0};
    if (status == BRINK_OK)
        MUST(brink_run_output(task, 0, &t));
    *bytes = t.bytes;
    *out = malloc(t.bytes + 1);
    memcpy(*out, t.data != NULL ? t.data : "", t.bytes);
    brink_task_destroy(task);
    return status;
}

static void lose_run(brink_model *graph, uint32_t times, const void *wanted, uint64_t bytes)
{
    void *out;
    uint64_t size;
    brink_status status = run(graph, times, &out, &size);
    ended(status, size == bytes && memcmp(out, wanted, bytes) == 0, times);
    free(out);
}

static void open_gpu(void)
{
    brink_task *task;
    if (brink_context_create(NULL, &context) != BRINK_OK)
        exit(2);
    MUST(brink_gpu_begin(context, NULL, &task));
    MUST(brink_task_wait(task));
    brink_task_destroy(task);
}

/* What the driver keeps of a device whose every object is gone, its instance too: measured on whole contexts,
   one after another, none of them lost. (lavapipe 22.3 keeps some 160 kB of what it compiled.) */
static uint64_t kept_of_device(const char *language, const char *graph_path)
{
    enum { CONTEXTS = 3 };
    brink_context *outer = context;
    uint64_t after[CONTEXTS];
    for (uint32_t i = 0; i < CONTEXTS; i++) {
        open_gpu();
        brink_model *model = load(language, true), *graph = load(graph_path, true);
        brink_session *s;
        reply r;
        void *output;
        uint64_t bytes;
        MUST(brink_session_create(model, &(brink_session_desc){.context = 512}, &s));
        answer(s, PROMPT, true, &r);
        MUST(brink_session_truncate(s, 0));
        two_turns(s, &r);
        MUST(run(graph, 0, &output, &bytes));
        free(output);
        brink_session_destroy(s);
        brink_model_destroy(model);
        brink_model_destroy(graph);
        brink_context_destroy(context);
        after[i] = mallinfo2().uordblks;
    }
    context = outer;
    uint64_t grown = after[CONTEXTS - 1] > after[0] ? after[CONTEXTS - 1] - after[0] : 0;
    printf("a device that was never lost leaves %llu kB\n",
           (unsigned long long)(grown / (CONTEXTS - 1)) >> 10);
    return grown / (CONTEXTS - 1);
}

static void lose(brink_model *model, brink_model *graph, uint32_t losses, uint64_t kept)
{
    brink_session *a, *b;
    reply one, two;
    void *output;
    uint64_t bytes;
    held before = {0};
    MUST(brink_session_create(model, &(brink_session_desc){.context = 512}, &a));
    MUST(brink_session_create(model, &(brink_session_desc){.context = 512}, &b));
    answer(a, PROMPT, false, &one);
    MUST(brink_session_truncate(a, 0));
    two_turns(a, &two);
    MUST(run(graph, 0, &output, &bytes));
    lose_both(a, b, &one);
    lose_run(graph, 0, output, bytes); /* nothing is left on an earlier device */
    before = measure();
    resumed = failed = whole = lost = 0;
    for (uint32_t i = 0; i < losses; i++)
        switch (i % 5) {
        case 0:
        case 1:
            lose_generation(a, i % 5, 1 + i % 3, &one);
            break;
        case 2:
            lose_run(graph, 1, output, bytes);
            break;
        case 3:
            lose_between(a, &two);
            break;
        default:
            lose_both(a, b, &one);
        }
    lose_generation(b, false, 1000, &one); /* gives up, or gets through */
    lose_generation(a, false, 0, &one);
    lose_generation(b, false, 0, &one);
    lose_both(a, b, &one);
    lose_run(graph, 0, output, bytes);
    char what[128];
    snprintf(what, sizeof what, "%u losses: %u of %u requests resumed, %u failed", lost, resumed,
             whole, failed);
    /* 8 MiB: wgpu-native takes memory in blocks, how many depends on the order in which they came free */
    held after = measure();
    report(what, before, after, grown(before, after), (8 << 20) + lost * (kept + kept / 4));
    free(output);
    brink_session_destroy(a);
    brink_session_destroy(b);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return fprintf(stderr, "usage: soak LANGUAGE-MODEL GRAPH STEPS LOADS LOSSES\n"), 2;
    open_gpu();
    for (uint32_t i = 0; i < PROMPT; i++)
        prompt[i] = 1 + (i * 7 + i / 9) % 90;
    for (uint32_t i = 0; i < LENGTH; i++)
        ids[i] = 1 + i % 9, ones[i] = 1;
    brink_model *model = load(argv[1], true), *graph = load(argv[2], true);
    decode(model, (uint32_t)atoi(argv[3]));
    load_and_free(argv[1], (uint32_t)atoi(argv[4]));
    lose(model, graph, (uint32_t)atoi(argv[5]), kept_of_device(argv[1], argv[2]));
    brink_model_destroy(model);
    brink_model_destroy(graph);
    expect(brink_context_gpu_memory(context).live == 0, "buffers are left");
    brink_context_destroy(context);
    return faults != 0;
}
