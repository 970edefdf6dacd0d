/* check.h — running data sets and judging the outputs; used by `check MODEL` and `check --tree`. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "compare.h"
#include "datasets.h"
#include "inputs.h"

typedef struct set_result {
    bool ran;        /* false: `reason` says what could not be read or computed */
    int exit_status; /* where it did not run */
    bool passed;
    double max_abs, max_rel;
    char *output; /* the worst one's name, NULL where it did not run */
    char *reason; /* NULL if passed */
} set_result;

/* The model must be loaded. */
set_result cli_check_data_set(const engine *e, const char *folder, tolerance t);
void cli_set_result_free(set_result *result);

typedef struct check_options {
    common_options common;
    text_list positional;
    const char *tree, *against;
    bool bisect;
    double rtol, atol; /* negative: not given */
} check_options;

int cli_check_tree(const check_options *o);

/* Runs the first data set on both sides. */
int cli_check_bisect(const command *c, const check_options *o, const char *graph,
                     const path_list *sets);

#endif
