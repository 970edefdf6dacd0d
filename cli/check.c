/* check.c — brink check MODEL.onnx: every data set run and its outputs compared. */
#include "check.h"

#include "output.h"
#include "progress.h"
#include "tolerances.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void cli_set_result_free(set_result *result)
{
    free(result->output);
    free(result->reason);
    *result = (set_result){0};
}

static set_result not_run(int exit_status, char *reason)
{
    return (set_result){.exit_status = exit_status, .reason = reason};
}

static void judge(const engine *e, const brink_task *task, const data_set *set, uint32_t k,
                  tolerance t, double *worst, set_result *result)
{
    brink_value_info info;
    brink_tensor got;
    comparison c = {.max_abs = INFINITY, .worst = INFINITY};
    brink_model_output(e->model, set->output_index[k], &info);
    brink_status status = brink_run_output(task, set->output_index[k], &got);
    if (status == BRINK_OK)
        c = cli_compare_tensors(&got, &set->outputs[k].tensor, t);
    else
        snprintf(c.reason, sizeof c.reason, "%s", brink_error(e->context));
    result->passed &= c.passed;
    result->max_abs = fmax(result->max_abs, c.max_abs);
    result->max_rel = fmax(result->max_rel, c.max_rel);
    if (result->output && c.worst <= *worst)
        return;
    *worst = c.worst;
    free(result->output);
    result->output = cli_copy(info.name);
    if (!c.passed) {
        free(result->reason);
        result->reason = cli_format("output %s: %s", info.name, c.reason);
    }
}

set_result cli_check_data_set(const engine *e, const char *folder, tolerance t)
{
    char error[ERROR_TEXT];
    data_set set;
    set_result result = {.ran = true, .passed = true};
    int exit_status;
    if (!cli_data_set_read(e, folder, &set, &exit_status, error)) {
        cli_data_set_free(e, &set);
        return not_run(exit_status, cli_copy(error));
    }
    input_set inputs = {.views = set.views, .count = set.input_count};
    brink_task *task;
    brink_status status = cli_inputs_run(e, &inputs, false, &task);
    if (status == BRINK_OK) {
        double worst = 0;
        for (uint32_t k = 0; k < set.output_count; k++)
            judge(e, task, &set, k, t, &worst, &result);
        brink_task_destroy(task);
    } else {
        /* the data come from files: what the engine cannot take in them is bad input */
        exit_status = status == BRINK_INVALID_ARGUMENT ? EXIT_INPUT : cli_exit_status(status);
        result = not_run(exit_status, cli_engine_error(e, status));
    }
    cli_data_set_free(e, &set);
    return result;
}

static void put_result(output *out, yyjson_mut_val *sets, const char *name,
                       const set_result *result)
{
    yyjson_mut_val *value = cli_add_object(out, sets);
    cli_put_text(out, value, "name", name);
    cli_put_bool(out, value, "passed", result->passed);
    cli_put_number(out, value, "max_abs", result->max_abs);
    cli_put_number(out, value, "max_rel", result->max_rel);
    cli_put_text(out, value, "output", result->output ? result->output : "");
    if (result->reason)
        cli_put_text(out, value, "reason", result->reason);
    fprintf(out->text, "%s %s: max abs %.3g, max rel %.3g%s%s%s%s\n",
            result->passed ? "passed" : "FAILED", name, result->max_abs, result->max_rel,
            result->output ? " in " : "", result->output ? result->output : "",
            result->reason ? "; " : "", result->reason ? result->reason : "");
}

static int check_sets(const engine *e, const check_options *o, const char *graph,
                      const path_list *sets)
{
    output out;
    bool passed = true, full_names = o->positional.count > 2;
    tolerance t = cli_tolerance_of(graph, o->common.exact, o->rtol, o->atol);
    cli_output_begin(&out, o->common.json);
    cli_put_bool(&out, out.root, "passed", true);
    yyjson_mut_val *array = cli_put_array(&out, out.root, "sets");
    for (uint32_t i = 0; i < sets->count; i++) {
        const char *path = sets->items[i], *name = full_names ? path : cli_path_base(path);
        if (!o->common.quiet)
            cli_progress_bar(i, sets->count, name);
        set_result result = cli_check_data_set(e, path, t);
        cli_progress_clear();
        if (!result.ran) {
            int status = cli_fail(result.exit_status, "%s", result.reason);
            cli_set_result_free(&result);
            return cli_output_drop(&out, status);
        }
        put_result(&out, array, name, &result);
        passed &= result.passed;
        cli_set_result_free(&result);
    }
    if (!passed && out.json)
        yyjson_mut_set_bool(yyjson_mut_obj_get(out.root, "passed"), false);
    return cli_output_print(&out, passed ? EXIT_DONE : EXIT_CHECK_FAILED);
}

static int find_sets(const check_options *o, const char *graph, path_list *sets)
{
    for (uint32_t i = 1; i < o->positional.count; i++) {
        char *folder = cli_copy(o->positional.items[i]);
        for (size_t end = strlen(folder); end > 1 && folder[end - 1] == '/'; end--)
            folder[end - 1] = 0;
        bool found = cli_data_sets_in(folder, sets);
        if (!found)
            cli_fail(0, "%s: no data set there (input_K.pb, output_K.pb, or test_data_set_*)",
                     folder);
        free(folder);
        if (!found)
            return EXIT_INPUT;
    }
    if (o->positional.count == 1 && !cli_data_sets_beside(graph, sets))
        return cli_fail(EXIT_INPUT, "%s: no test_data_set_* beside it", graph);
    return EXIT_DONE;
}

static int check_model(const command *c, const check_options *o)
{
    engine e;
    path_list sets = {0};
    const char *model = o->positional.items[0];
    char *graph = cli_graph_path(model);
    brink_model_desc desc = {.graph_only = true, .exact = o->common.exact};
    int status = cli_engine_open(&e, &o->common);
    if (status == EXIT_DONE)
        status = find_sets(o, graph, &sets);
    if (status == EXIT_DONE && o->bisect)
        status = cli_check_bisect(c, o, graph, &sets);
    else if (status == EXIT_DONE && (status = cli_engine_load(&e, graph, &desc)) == EXIT_DONE)
        status = check_sets(&e, o, graph, &sets);
    cli_engine_close(&e);
    cli_path_list_free(&sets);
    free(graph);
    return status;
}

static int check(const command *c, const check_options *o)
{
    if (o->against && !o->bisect)
        return cli_usage_error(c, "--against goes with --bisect");
    if (o->tree && o->bisect)
        return cli_usage_error(c, "--bisect takes one model");
    if (o->tree && o->positional.count)
        return cli_usage_error(c, "--tree takes one folder and no model");
    if (!o->tree && o->positional.count == 0)
        return cli_usage_error(c, "give a model, or --tree DIR");
    return o->tree ? cli_check_tree(o) : check_model(c, o);
}

int cli_check_main(const command *c, int argc, char **argv)
{
    check_options o = {.rtol = -1, .atol = -1};
    int status;
    const option table[] = {
        {"--tree", OPTION_TEXT, &o.tree, "DIR", "every graph below DIR that has data sets"},
        {"--rtol", OPTION_NUMBER, &o.rtol, "X",
         "relative tolerance (1e-3, or by kind in a meta.json beside the graph)"},
        {"--atol", OPTION_NUMBER, &o.atol, "X", "absolute tolerance (1e-5, or by kind)"},
        {"--bisect", OPTION_FLAG, &o.bisect, NULL,
         "name the first node at which two precisions part, on the first data set"},
        {"--against", OPTION_TEXT, &o.against, "cpu|gpu|exact|fast",
         "what to compare with (the other precision)"},
        {0},
    };
    if (cli_options_parse(c, argc, argv, table, &o.common, &o.positional, &status))
        status = check(c, &o);
    cli_text_list_free(&o.positional);
    return status;
}
