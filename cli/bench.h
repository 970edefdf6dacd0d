/* bench.h — timing a graph or a language model. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "inputs.h"
#include "output.h"

typedef struct bench_options {
    common_options common;
    text_list models, inputs, shapes, adapters;
    uint32_t repeat; /* 0: 20 for a graph, 3 for a language model */
    uint64_t warmup; /* runs before those that count; UINT64_MAX: 3 or 1 */
    uint32_t prompt_tokens, max_tokens, sequences;
    uint64_t seed;
    bool profile;
} bench_options;

int cli_bench_graph(const command *c, engine *e, const bench_options *o);
int cli_bench_language(engine *e, const bench_options *o);

/* Tokens a second of `count` generations of one desc, all of them together. */
brink_status cli_bench_sequences(const engine *e, const brink_generate_desc *desc, uint32_t count,
                                 double *prefill, double *decode);

double cli_median(double *values, uint32_t count); /* sorts them; NAN where there are none */

/* Writes `nodes` from the slowest and, on the GPU, `gpu`: what it did in all. `task` may be NULL. */
void cli_put_profile(output *out, const engine *e, const brink_task *task);

#endif
