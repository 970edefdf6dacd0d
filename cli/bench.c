/* bench.c — brink bench: the time of runs on random inputs, and of each node with --profile. */
#include "bench.h"

#include "output.h"
#include "progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double cli_median(double *values, uint32_t count)
{
    if (count == 0)
        return NAN;
    qsort(values, count, sizeof *values, by_value);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static brink_status timed_run(const engine *e, const input_set *set, double *ms)
{
    brink_task *task;
    double start = cli_now_ms();
    brink_status status = cli_inputs_run(e, set, false, &task);
    *ms = cli_now_ms() - start;
    brink_task_destroy(task);
    return status;
}

/* ── The profile ─────────────────────────────────────────────────────────────────────────────── */

typedef struct node_time {
    char *name, *type;
    double ms;
    uint64_t bytes;
    uint32_t dispatches;
} node_time;

static int by_time(const void *a, const void *b)
{
    double x = ((const node_time *)a)->ms, y = ((const node_time *)b)->ms;
    return (x < y) - (x > y);
}

/* What the GPU did in all, beside what its memory gives a copy. */
static void put_gpu(output *out, const engine *e, const node_time *times, uint32_t count)
{
    brink_gpu_info info;
    if (!brink_context_gpu(e->context, &info) || !e->gpu)
        return;
    double ms = 0, bytes = 0;
    uint32_t dispatches = 0;
    for (uint32_t i = 0; i < count; i++) {
        dispatches += times[i].dispatches;
        ms += times[i].dispatches ? times[i].ms : 0;
        bytes += times[i].dispatches ? (double)times[i].bytes : 0;
    }
    yyjson_mut_val *gpu = cli_put_object(out, out->root, "gpu");
    double reached = ms > 0 ? bytes / ms / 1e6 : NAN; /* GB/s */
    double most = info.bandwidth != 0 ? (double)info.bandwidth / 1e9 : NAN;
    cli_put_text(out, gpu, "adapter", info.name);
    cli_put_count(out, gpu, "dispatches", dispatches);
    cli_put_number(out, gpu, "ms", ms);
    cli_put_count(out, gpu, "bytes", (uint64_t)bytes);
    cli_put_number(out, gpu, "gb_per_s", reached);
    cli_put_number(out, gpu, "bandwidth_gb_per_s", most);
    fprintf(out->text, "%s: %u dispatches, %.3f ms, %.2f MB", info.name, dispatches, ms,
            bytes / 1e6);
    if (most == most)
        fprintf(out->text, ", %.1f GB/s: %.2f of the %.0f that a copy reaches", reached,
                reached / most, most);
    fputc('\n', out->text);
}

void cli_put_profile(output *out, const engine *e, const brink_task *task)
{
    yyjson_mut_val *nodes = cli_put_array(out, out->root, "nodes");
    uint32_t count = task != NULL ? brink_run_node_count(task) : 0;
    node_time *times = cli_alloc(count, sizeof *times);
    for (uint32_t i = 0; i < count; i++) {
        brink_node_time node;
        brink_run_node(task, i, &node);
        times[i] =
            (node_time){cli_copy(node.name ? node.name : ""), cli_copy(node.type ? node.type : ""),
                        (double)node.nanoseconds / 1e6, node.bytes, node.dispatches};
    }
    if (count)
        qsort(times, count, sizeof *times, by_time);
    for (uint32_t i = 0; i < count; i++) {
        yyjson_mut_val *node = cli_add_object(out, nodes);
        cli_put_text(out, node, "name", times[i].name);
        cli_put_text(out, node, "type", times[i].type);
        cli_put_number(out, node, "ms", times[i].ms);
        cli_put_count(out, node, "bytes", times[i].bytes);
        cli_put_count(out, node, "dispatches", times[i].dispatches);
        fprintf(out->text, "  %9.4f ms  %10.1f kB  %u  %-28s %s\n", times[i].ms,
                (double)times[i].bytes / 1e3, times[i].dispatches, times[i].type, times[i].name);
    }
    if (count)
        put_gpu(out, e, times, count);
    for (uint32_t i = 0; i < count; i++) {
        free(times[i].name);
        free(times[i].type);
    }
    free(times);
}

/* One run with the clock on; nodes from the slowest. */
static brink_status put_profile(output *out, const engine *e, const input_set *set)
{
    brink_task *task = NULL;
    brink_status status = set ? cli_inputs_run(e, set, true, &task) : BRINK_OK;
    if (status == BRINK_OK)
        cli_put_profile(out, e, task);
    brink_task_destroy(task);
    return status;
}

/* ── Runs ────────────────────────────────────────────────────────────────────────────────────── */

static int measure(engine *e, const bench_options *o, const input_set *set)
{
    uint32_t repeat = o->repeat ? o->repeat : 20;
    uint64_t warmup = o->warmup == UINT64_MAX ? 3 : o->warmup;
    double first = 0, *ms = cli_alloc(repeat, sizeof *ms);
    brink_status status = BRINK_OK;
    for (uint64_t i = 0; i < warmup + repeat && status == BRINK_OK; i++) {
        double took = 0;
        status = timed_run(e, set, &took);
        if (i == 0)
            first = took;
        if (i >= warmup)
            ms[i - warmup] = took;
        if (!o->common.quiet && (i == 0 || took > 50))
            cli_progress_bar(i + 1, warmup + repeat, cli_path_base(e->path));
    }
    cli_progress_clear();
    if (status != BRINK_OK) {
        free(ms);
        return cli_engine_fail(e, status);
    }
    output out;
    double middle = cli_median(ms, repeat);
    cli_output_begin(&out, o->common.json);
    cli_put_number(&out, out.root, "median_ms", middle);
    cli_put_number(&out, out.root, "min_ms", ms[0]);
    cli_put_number(&out, out.root, "max_ms", ms[repeat - 1]);
    cli_put_number(&out, out.root, "first_ms", first);
    cli_put_number(&out, out.root, "load_ms", e->load_ms);
    cli_put_count(&out, out.root, "peak_bytes", brink_context_memory(e->context).peak);
    cli_put_count(&out, out.root, "threads", brink_context_threads(e->context));
    fprintf(out.text, "median %.3f ms (min %.3f, max %.3f over %u runs), first %.3f, load %.1f\n",
            middle, ms[0], ms[repeat - 1], repeat, first, e->load_ms);
    fprintf(out.text, "peak %.1f MB, %u threads\n",
            (double)brink_context_memory(e->context).peak / 1e6, brink_context_threads(e->context));
    free(ms);
    status = put_profile(&out, e, o->profile ? set : NULL);
    if (status != BRINK_OK)
        return cli_output_drop(&out, cli_engine_fail(e, status));
    return cli_output_print(&out, EXIT_DONE);
}

int cli_bench_graph(const command *c, engine *e, const bench_options *o)
{
    bindings bound = {0};
    input_set set = {0};
    int status = cli_bindings_parse(c, e, &o->shapes, &bound);
    if (status == EXIT_DONE)
        status = cli_inputs_collect(c, e, &o->inputs, &bound, true, o->seed, &set);
    if (status == EXIT_DONE)
        status = measure(e, o, &set);
    cli_inputs_free(e, &set);
    cli_bindings_free(&bound);
    return status;
}

static int bench(const command *c, const bench_options *o)
{
    engine e;
    brink_model_facts facts;
    brink_model_desc desc = {.exact = o->common.exact};
    bool as_graph = o->shapes.count || o->inputs.count;
    int status = cli_engine_open(&e, &o->common);
    if (status == EXIT_DONE)
        status = cli_engine_load(&e, o->models.items[0], &desc);
    if (status == EXIT_DONE) {
        brink_model_get_facts(e.model, &facts);
        status = facts.language_model && !as_graph ? cli_bench_language(&e, o)
                                                   : cli_bench_graph(c, &e, o);
    }
    cli_engine_close(&e);
    return status;
}

int cli_bench_main(const command *c, int argc, char **argv)
{
    bench_options o = {
        .warmup = UINT64_MAX, .prompt_tokens = 128, .max_tokens = 64, .sequences = 1};
    int status;
    const option table[] = {
        {"--shape", OPTION_LIST, &o.shapes, "NAME=1x128", "shape of an input, or a dimension"},
        {"--input", OPTION_LIST, &o.inputs, "NAME=FILE", "an input's values; the rest is random"},
        {"--random-seed", OPTION_INTEGER, &o.seed, "N", "of the random inputs (0)"},
        {"--repeat", OPTION_COUNT, &o.repeat, "N", "runs that count (20; a language model 3)"},
        {"--warmup", OPTION_INTEGER, &o.warmup, "N", "runs before them (3; 1)"},
        {"--profile", OPTION_FLAG, &o.profile, NULL,
         "the time of each node; of a decoding step on a language model"},
        {"--prompt-tokens", OPTION_COUNT, &o.prompt_tokens, "N", "language model: prompt (128)"},
        {"--max-tokens", OPTION_COUNT, &o.max_tokens, "N", "language model: tokens made (64)"},
        {"--adapter", OPTION_LIST, &o.adapters, "DIR", "language model: with a LoRA adapter"},
        {"--sequences", OPTION_COUNT, &o.sequences, "N",
         "language model: generated together, speeds in all (1)"},
        {0},
    };
    if (cli_options_parse(c, argc, argv, table, &o.common, &o.models, &status)) {
        if (o.models.count != 1)
            status = cli_usage_error(c, "give one model");
        else if (o.warmup != UINT64_MAX && o.warmup > UINT32_MAX)
            status = cli_usage_error(c, "--warmup is too large");
        else if (o.sequences > 1024)
            status = cli_usage_error(c, "--sequences is at most 1024");
        else
            status = bench(c, &o);
    }
    cli_text_list_free(&o.models);
    cli_text_list_free(&o.inputs);
    cli_text_list_free(&o.shapes);
    cli_text_list_free(&o.adapters);
    return status;
}
