/* graphs_brink.c — a graph on the public API, driven line by line; graphs_ort.py answers the same.

   graphs_brink MODEL.onnx THREADS: says {} when started; then answers each line with one of JSON.

     load                        {"load_ms"}
     input NAME TYPE FILE DIMS   TYPE as ONNX numbers it; the raw data of one tensor, or of several
                                 one after another: run i takes the i-th, from the first again
     carry OUTPUT INPUT          that output of a run is that input of the next
     run N FILE                  N runs: {"ms": [of each]}; the outputs of the last to FILE, each as
                                 its raw data, in the graph's order
     clear                       forgets inputs and carries */
#include <brink.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 80, NAME = 128, CARRIES = 4 };

typedef struct input {
    char name[NAME];
    brink_tensor tensor;
    char *data;
    uint64_t tensors; /* in data */
} input;

static brink_context *context;
static brink_model *model;
static input inputs[MOST];
static uint32_t input_count;
static struct carry {
    uint32_t output, input;
} carries[CARRIES];
static uint32_t carry_count;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what)
{
    fprintf(stderr, "graphs_brink: %s\n", what);
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
    const brink_context_desc desc = {.threads = threads};
    check(brink_context_create(&desc, &context));
    check(brink_model_open(context, path, &(brink_model_desc){.graph_only = true}, &model));
    printf("{\"load_ms\": %.3f}\n", now_ms() - start);
}

static void add_input(char *line)
{
    input *in = &inputs[input_count];
    char *name = strtok(line, " \n"), *type = strtok(NULL, " \n"), *file = strtok(NULL, " \n");
    if (input_count == MOST || !file || strlen(name) >= NAME)
        die("input: expected NAME TYPE FILE DIMS");
    strcpy(in->name, name);
    in->tensor = (brink_tensor){.name = in->name, .type = (brink_type)atoi(type)};
    uint64_t bytes = brink_type_bits(in->tensor.type) / 8;
    for (char *dim; (dim = strtok(NULL, " \n")) && in->tensor.rank < BRINK_MAX_RANK;) {
        in->tensor.shape[in->tensor.rank++] = atoll(dim);
        bytes *= (uint64_t)atoll(dim);
    }
    FILE *from = fopen(file, "rb");
    if (!from || fseek(from, 0, SEEK_END) != 0)
        die("an input's file cannot be read");
    const uint64_t size = (uint64_t)ftell(from);
    rewind(from);
    in->data = malloc(size + 1);
    in->tensor.bytes = bytes;
    in->tensors = bytes ? size / bytes : 1;
    if (!in->data || fread(in->data, 1, size, from) != size || (bytes && size % bytes != 0))
        die("an input's file has not the size of its tensors");
    fclose(from);
    in->tensor.data = in->data;
    input_count++;
    printf("{}\n");
}

static uint32_t find_output(const char *name)
{
    brink_value_info info;
    for (uint32_t i = 0; i < brink_model_output_count(model); i++) {
        brink_model_output(model, i, &info);
        if (strcmp(info.name, name) == 0)
            return i;
    }
    die("carry: no such output");
    return 0;
}

static void add_carry(char *line)
{
    const char *output = strtok(line, " \n"), *to = strtok(NULL, " \n");
    uint32_t i = 0;
    while (to && i < input_count && strcmp(inputs[i].name, to) != 0)
        i++;
    if (!to || i == input_count || carry_count == CARRIES)
        die("carry: no such input");
    carries[carry_count++] = (struct carry){find_output(output), i};
    printf("{}\n");
}

static void run(char *line)
{
    const uint32_t count = (uint32_t)strtoul(line, &line, 10);
    const char *file = strtok(line, " \n");
    printf("{\"ms\": [");
    for (uint32_t n = 0; n < count; n++) {
        brink_tensor list[MOST], out;
        for (uint32_t i = 0; i < input_count; i++) {
            list[i] = inputs[i].tensor;
            list[i].data = inputs[i].data + n % inputs[i].tensors * list[i].bytes;
        }
        brink_task *task;
        const double start = now_ms();
        check(brink_run_begin(model, &(brink_run_desc){.inputs = list, .input_count = input_count},
                              &task));
        check(brink_task_wait(task));
        for (uint32_t i = 0; i < carry_count; i++) {
            check(brink_run_output(task, carries[i].output, &out));
            memcpy(inputs[carries[i].input].data, out.data, out.bytes);
        }
        printf("%s%.4f", n ? ", " : "", now_ms() - start);
        FILE *to = file && n + 1 == count ? fopen(file, "wb") : NULL;
        for (uint32_t i = 0; to && i < brink_model_output_count(model); i++) {
            check(brink_run_output(task, i, &out));
            fwrite(out.data, 1, out.bytes, to);
        }
        if (to)
            fclose(to);
        brink_task_destroy(task);
    }
    printf("]}\n");
}

static void clear(void)
{
    while (input_count != 0)
        free(inputs[--input_count].data);
    memset(inputs, 0, sizeof inputs);
    carry_count = 0;
    printf("{}\n");
}

int main(int argc, char **argv)
{
    static char line[1 << 12];
    if (argc != 3)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    printf("{}\n");
    while (fgets(line, sizeof line, stdin)) {
        if (strncmp(line, "load", 4) == 0)
            load(argv[1], (uint32_t)atoi(argv[2]));
        else if (strncmp(line, "input ", 6) == 0)
            add_input(line + 6);
        else if (strncmp(line, "carry ", 6) == 0)
            add_carry(line + 6);
        else if (strncmp(line, "run ", 4) == 0)
            run(line + 4);
        else if (strncmp(line, "clear", 5) == 0)
            clear();
    }
    brink_model_destroy(model);
    brink_context_destroy(context);
    return 0;
}
