/* bisect.c — brink check --bisect: the first node at which two precisions or backends part.

   The model is loaded twice with every node's values as outputs; both run the same data set, and the
   values are compared in the order in which they are computed. */
#include "check.h"

#include "output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct side {
    engine engine;
    const char *name;
    bool exact, opened;
    const char *backend;
    brink_task *task;
    data_set set; /* stays: an output may be a view of an input */
} side;

static void close_side(side *s)
{
    if (s->opened) {
        brink_task_destroy(s->task);
        cli_data_set_free(&s->engine, &s->set);
        cli_engine_close(&s->engine);
    }
}

/* Loads and runs. */
static int run_side(side *s, const check_options *o, const char *graph, const char *folder)
{
    char error[ERROR_TEXT];
    brink_model_desc desc = {.graph_only = true, .exact = s->exact, .all_values = true};
    common_options common = o->common;
    common.backend = s->backend;
    int status = cli_engine_open(&s->engine, &common);
    s->opened = true;
    if (status != EXIT_DONE)
        return status;
    status = cli_engine_load(&s->engine, graph, &desc);
    if (status != EXIT_DONE)
        return status;
    int unread;
    if (!cli_data_set_read(&s->engine, folder, &s->set, &unread, error))
        return cli_fail(unread, "%s", error);
    input_set inputs = {.views = s->set.views, .count = s->set.input_count};
    brink_status ran = cli_inputs_run(&s->engine, &inputs, false, &s->task);
    if (ran != BRINK_OK)
        status = cli_engine_fail(&s->engine, ran);
    return status;
}

/* The graph's own outputs come first in the list of outputs, but last in the order of the nodes. */
static uint32_t in_order(uint32_t i, uint32_t own, uint32_t count)
{
    return i + own < count ? i + own : i + own - count;
}

static int compare_sides(const check_options *o, const side *a, const side *b, uint32_t own)
{
    output out;
    tolerance t = {o->rtol >= 0 ? o->rtol : 1e-3, o->atol >= 0 ? o->atol : 1e-5};
    uint32_t count = brink_model_output_count(a->engine.model), compared = 0;
    cli_output_begin(&out, o->common.json);
    cli_put_text(&out, out.root, "side", a->name);
    cli_put_text(&out, out.root, "against", b->name);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t k = in_order(i, own, count);
        brink_tensor x, y;
        brink_value_info info;
        const char *node, *type;
        if (brink_run_output(a->task, k, &x) != BRINK_OK ||
            brink_run_output(b->task, k, &y) != BRINK_OK)
            continue;
        comparison c = cli_compare_tensors(&x, &y, t);
        compared++;
        if (c.passed)
            continue;
        brink_model_output(a->engine.model, k, &info);
        brink_model_output_node(a->engine.model, k, &node, &type);
        cli_put_bool(&out, out.root, "passed", false);
        yyjson_mut_val *first = cli_put_object(&out, out.root, "first");
        cli_put_text(&out, first, "node", node);
        cli_put_text(&out, first, "type", type);
        cli_put_text(&out, first, "output", info.name);
        cli_put_number(&out, first, "max_abs", c.max_abs);
        cli_put_number(&out, first, "max_rel", c.max_rel);
        cli_put_text(&out, first, "reason", c.reason);
        cli_put_count(&out, out.root, "values_compared", compared);
        fprintf(out.text, "%s and %s part at node %s (%s), value %s: %s (%u values agree before)\n",
                a->name, b->name, *node ? node : "(unnamed)", type, info.name, c.reason,
                compared - 1);
        return cli_output_print(&out, EXIT_CHECK_FAILED);
    }
    cli_put_bool(&out, out.root, "passed", true);
    cli_put_null(&out, out.root, "first");
    cli_put_count(&out, out.root, "values_compared", compared);
    fprintf(out.text, "%s and %s agree at all %u values\n", a->name, b->name, compared);
    return cli_output_print(&out, EXIT_DONE);
}

/* How many outputs the graph has of its own. */
static int own_outputs(const check_options *o, const char *graph, uint32_t *own)
{
    engine e;
    brink_model_desc desc = {.graph_only = true, .no_weights = true};
    int status = cli_engine_open(&e, &o->common);
    if (status == EXIT_DONE)
        status = cli_engine_load(&e, graph, &desc);
    *own = status == EXIT_DONE ? brink_model_output_count(e.model) : 0;
    cli_engine_close(&e);
    return status;
}

int cli_check_bisect(const command *c, const check_options *o, const char *graph,
                     const path_list *sets)
{
    const char *against = o->against ? o->against : o->common.exact ? "fast" : "exact";
    const char *backend = strcmp(o->common.backend, "gpu") == 0 ? "gpu" : "cpu";
    side a = {
        .name = o->common.exact ? "exact" : "fast", .exact = o->common.exact, .backend = backend};
    side b = {.name = against, .exact = o->common.exact, .backend = backend};
    if (strcmp(against, "gpu") == 0 || strcmp(against, "cpu") == 0) {
        a.name = backend;
        b.backend = against;
    } else if (strcmp(against, "exact") == 0 || strcmp(against, "fast") == 0) {
        b.exact = strcmp(against, "exact") == 0;
    } else {
        return cli_usage_error(c, "--against takes cpu, gpu, exact or fast, not \"%s\"", against);
    }
    if (a.exact == b.exact && strcmp(a.backend, b.backend) == 0)
        return cli_usage_error(c, "both sides would be the same: --exact and --backend choose the "
                                  "first");
    uint32_t own;
    int status = own_outputs(o, graph, &own);
    if (status == EXIT_DONE)
        status = run_side(&a, o, graph, sets->items[0]);
    if (status == EXIT_DONE)
        status = run_side(&b, o, graph, sets->items[0]);
    if (status == EXIT_DONE)
        status = compare_sides(o, &a, &b, own);
    close_side(&a);
    close_side(&b);
    return status;
}
