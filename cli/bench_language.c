/* bench_language.c — prefill and decode speed of a language model on random tokens, its end token
   ignored so that every run makes as many; of several sequences together, what they give in all. */
#include "bench.h"
#include "generate.h"
#include "output.h"
#include "progress.h"

#include <math.h>
#include <stdlib.h>

typedef struct samples {
    double *total, *prefill, *decode; /* ms, tokens/s, tokens/s */
    uint32_t count;
} samples;

typedef struct sample {
    double total, prefill, decode;
} sample;

static brink_status one_run(engine *e, const bench_options *o, const brink_generate_desc *desc,
                            sample *out)
{
    double start = cli_now_ms();
    brink_status status = cli_bench_sequences(e, desc, o->sequences, &out->prefill, &out->decode);
    out->total = cli_now_ms() - start;
    return status;
}

static brink_status measure(engine *e, const bench_options *o, const brink_generate_desc *desc,
                            samples *s, double *first)
{
    uint32_t repeat = o->repeat ? o->repeat : 3;
    uint64_t warmup = o->warmup == UINT64_MAX ? 1 : o->warmup;
    brink_status status = BRINK_OK;
    for (uint64_t i = 0; i < warmup + repeat && status == BRINK_OK; i++) {
        sample r = {0};
        if (!o->common.quiet)
            cli_progress_bar(i, warmup + repeat, cli_path_base(e->path));
        status = one_run(e, o, desc, &r);
        if (i == 0)
            *first = r.total;
        if (i >= warmup) {
            s->total[s->count] = r.total;
            s->prefill[s->count] = r.prefill;
            s->decode[s->count++] = r.decode;
        }
    }
    cli_progress_clear();
    return status;
}

/* The decoding steps of a short reply, each node measured. */
static brink_status put_profile(output *out, const engine *e, const bench_options *o,
                                const brink_generate_desc *desc)
{
    enum { STEPS = 16 };
    brink_generate_desc profiled = *desc;
    brink_session *session = NULL;
    brink_task *task = NULL;
    brink_status status = BRINK_OK;
    profiled.profile = true;
    profiled.max_tokens = STEPS + 1; /* the first comes with the prompt */
    if (o->profile)
        status = brink_session_create(e->model, NULL, &session);
    if (session != NULL && status == BRINK_OK)
        status = brink_generate_begin(session, &profiled, &task);
    if (task != NULL)
        status = brink_task_wait(task);
    if (status == BRINK_OK)
        cli_put_profile(out, e, task);
    brink_task_destroy(task);
    brink_session_destroy(session);
    return status;
}

static int report(const engine *e, const bench_options *o, samples *s, double first,
                  const brink_generate_desc *desc)
{
    output out;
    double total = cli_median(s->total, s->count), prefill = cli_median(s->prefill, s->count);
    double decode = cli_median(s->decode, s->count);
    uint64_t peak = brink_context_memory(e->context).peak;
    cli_output_begin(&out, o->common.json);
    cli_put_number(&out, out.root, "median_ms", total);
    cli_put_number(&out, out.root, "min_ms", s->total[0]);
    cli_put_number(&out, out.root, "max_ms", s->total[s->count - 1]);
    cli_put_number(&out, out.root, "first_ms", first);
    cli_put_number(&out, out.root, "load_ms", e->load_ms);
    cli_put_count(&out, out.root, "peak_bytes", peak);
    cli_put_number(&out, out.root, "prefill_tokens_per_s", prefill);
    cli_put_number(&out, out.root, "decode_tokens_per_s", decode);
    cli_put_count(&out, out.root, "prompt_tokens", o->prompt_tokens);
    cli_put_count(&out, out.root, "max_tokens", o->max_tokens);
    cli_put_count(&out, out.root, "sequences", o->sequences);
    cli_put_count(&out, out.root, "threads", brink_context_threads(e->context));
    if (o->sequences > 1)
        fprintf(out.text, "%u sequences together, in all: ", o->sequences);
    fprintf(out.text, "prefill %.1f tokens/s (%u), decode %.1f tokens/s (%u), median of %u\n",
            prefill, o->prompt_tokens, decode, o->max_tokens, s->count);
    fprintf(out.text, "run %.1f ms (min %.1f, max %.1f), first %.1f, load %.1f\n", total,
            s->total[0], s->total[s->count - 1], first, e->load_ms);
    fprintf(out.text, "peak %.1f MB, %u threads\n", (double)peak / 1e6,
            brink_context_threads(e->context));
    brink_status status = put_profile(&out, e, o, desc);
    if (status != BRINK_OK)
        return cli_output_drop(&out, cli_engine_fail(e, status));
    return cli_output_print(&out, EXIT_DONE);
}

int cli_bench_language(engine *e, const bench_options *o)
{
    uint32_t repeat = o->repeat ? o->repeat : 3, *ids = cli_alloc(o->prompt_tokens, sizeof *ids);
    brink_model_facts facts;
    random_state random = {o->seed};
    brink_model_get_facts(e->model, &facts);
    for (uint32_t i = 0; i < o->prompt_tokens; i++)
        ids[i] = facts.vocabulary ? (uint32_t)(cli_random_next(&random) % facts.vocabulary) : 0;
    brink_adapter *adapter;
    int exit_status = cli_adapters_load(e, &o->adapters, &adapter);
    if (exit_status != EXIT_DONE) {
        free(ids);
        return exit_status;
    }
    brink_generate_desc desc = {
        .tokens = ids,
        .token_count = o->prompt_tokens,
        .adapter = adapter,
        .max_tokens = o->max_tokens,
        .ignore_end = true,
    };
    samples s = {.total = cli_alloc(repeat, sizeof(double)),
                 .prefill = cli_alloc(repeat, sizeof(double)),
                 .decode = cli_alloc(repeat, sizeof(double))};
    double first = 0;
    brink_status status = measure(e, o, &desc, &s, &first);
    exit_status = status == BRINK_OK ? report(e, o, &s, first, &desc) : cli_engine_fail(e, status);
    free(s.total);
    free(s.prefill);
    free(s.decode);
    free(ids);
    brink_adapter_destroy(adapter);
    return exit_status;
}
