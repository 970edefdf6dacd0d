/* check_tree.c — brink check --tree DIR: every graph below a folder that has data sets.

   Invariant: one model is loaded at a time, and what fails in one graph is recorded against it
   alone. */
#include "check.h"
#include "output.h"
#include "progress.h"
#include "tolerances.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 32 }; /* of folders, against links that lead back up */

typedef struct graph_entry {
    char *path;
    path_list sets;
} graph_entry;

typedef struct op_count {
    char *name;
    uint32_t passed, failed; /* graphs that hold it */
} op_count;

typedef struct tree {
    graph_entry *graphs;
    uint32_t graph_count;
    op_count *ops; /* sorted by name */
    uint32_t op_count;
    uint32_t passed, failed, sets_passed, sets_failed;
} tree;

/* ── Finding graphs ──────────────────────────────────────────────────────────────────────────── */

static bool is_graph(const char *name)
{
    size_t length = strlen(name);
    return length > 5 && strcmp(name + length - 5, ".onnx") == 0;
}

static void add_graph(tree *t, const char *path)
{
    path_list sets = {0};
    char *stem = cli_copy(path);
    stem[strlen(stem) - 5] = 0;
    bool found =
        cli_path_is_folder(stem) && !cli_is_data_set(stem) && cli_data_sets_in(stem, &sets);
    if (!found && strcmp(cli_path_base(path), "model.onnx") == 0) {
        *strrchr(stem, '/') = 0;
        found = !cli_is_data_set(stem) && cli_data_sets_in(stem, &sets);
    }
    free(stem);
    if (!found)
        return;
    t->graphs = cli_grow(t->graphs, t->graph_count + 1u, sizeof *t->graphs);
    t->graphs[t->graph_count++] = (graph_entry){.path = cli_copy(path), .sets = sets};
}

static void walk(tree *t, const char *folder, int depth)
{
    name_list names;
    if (depth > MAX_DEPTH || !cli_folder_list(folder, &names))
        return;
    for (uint32_t i = 0; i < names.count; i++) {
        const char *name = names.items[i];
        char *path = cli_path_join(folder, name);
        if (is_graph(name) && cli_path_is_file(path))
            add_graph(t, path);
        else if (strncmp(name, "test_data_set_", 14) != 0 && cli_path_is_folder(path))
            walk(t, path, depth + 1);
        free(path);
    }
    cli_name_list_free(&names);
}

/* ── Counting ────────────────────────────────────────────────────────────────────────────────── */

static op_count *find_op(tree *t, const char *name)
{
    uint32_t low = 0, high = t->op_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(t->ops[middle].name, name);
        if (order == 0)
            return &t->ops[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    t->ops = cli_grow(t->ops, t->op_count + 1u, sizeof *t->ops);
    memmove(t->ops + low + 1, t->ops + low, (t->op_count - low) * sizeof *t->ops);
    t->op_count++;
    t->ops[low] = (op_count){.name = cli_copy(name)};
    return &t->ops[low];
}

static void count_ops(tree *t, const engine *e, bool passed)
{
    for (uint32_t i = 0; e->model && i < brink_model_op_count(e->model); i++) {
        brink_op_info op;
        brink_model_op(e->model, i, &op);
        char *name = cli_format("%s%s%s", op.domain, *op.domain ? "::" : "", op.type);
        op_count *count = find_op(t, name);
        free(name);
        count->passed += passed;
        count->failed += !passed;
    }
}

/* ── Running ─────────────────────────────────────────────────────────────────────────────────── */

/* The reason of the first failure, NULL if every set passed. The caller frees. */
static char *check_graph(tree *t, engine *e, const check_options *o, const graph_entry *graph)
{
    brink_model_desc desc = {.graph_only = true, .exact = o->common.exact};
    brink_status status = cli_engine_try_load(e, graph->path, &desc);
    if (status != BRINK_OK) {
        char *reason = cli_engine_error(e, status);
        t->sets_failed += graph->sets.count;
        desc.no_weights = true; /* the operators are known even where the model cannot run */
        cli_engine_try_load(e, graph->path, &desc);
        return reason;
    }
    char *reason = NULL;
    tolerance allowed = cli_tolerance_of(graph->path, o->common.exact, o->rtol, o->atol);
    for (uint32_t i = 0; i < graph->sets.count; i++) {
        set_result result = cli_check_data_set(e, graph->sets.items[i], allowed);
        t->sets_passed += result.passed;
        t->sets_failed += !result.passed;
        if (!result.passed && !reason)
            reason = cli_format("%s: %s", cli_path_base(graph->sets.items[i]), result.reason);
        cli_set_result_free(&result);
    }
    return reason;
}

static void check_graphs(tree *t, engine *e, const check_options *o, output *out)
{
    yyjson_mut_val *failures = cli_put_array(out, out->root, "failures");
    size_t prefix = strlen(o->tree);
    while (prefix && o->tree[prefix - 1] == '/')
        prefix--;
    for (uint32_t i = 0; i < t->graph_count; i++) {
        const graph_entry *graph = &t->graphs[i];
        const char *name = graph->path + prefix;
        name += strspn(name, "/");
        if (!o->common.quiet)
            cli_progress_bar(i, t->graph_count, name);
        char *reason = check_graph(t, e, o, graph);
        t->passed += !reason;
        t->failed += reason != NULL;
        count_ops(t, e, !reason);
        cli_engine_unload(e);
        if (!reason)
            continue;
        yyjson_mut_val *failure = cli_add_object(out, failures);
        cli_put_text(out, failure, "name", name);
        cli_put_text(out, failure, "reason", reason);
        fprintf(out->text, "FAILED %s: %s\n", name, reason);
        free(reason);
    }
    cli_progress_clear();
}

static void put_totals(const tree *t, output *out)
{
    cli_put_count(out, out->root, "passed", t->passed);
    cli_put_count(out, out->root, "failed", t->failed);
    cli_put_count(out, out->root, "sets_passed", t->sets_passed);
    cli_put_count(out, out->root, "sets_failed", t->sets_failed);
    yyjson_mut_val *by_op = cli_put_object(out, out->root, "by_op");
    for (uint32_t i = 0; i < t->op_count; i++) {
        yyjson_mut_val *op = cli_put_named_object(out, by_op, t->ops[i].name);
        cli_put_count(out, op, "passed", t->ops[i].passed);
        cli_put_count(out, op, "failed", t->ops[i].failed);
    }
    fprintf(out->text, "%u graphs passed, %u failed; %u data sets passed, %u failed\n", t->passed,
            t->failed, t->sets_passed, t->sets_failed);
}

static void tree_free(tree *t)
{
    for (uint32_t i = 0; i < t->graph_count; i++) {
        free(t->graphs[i].path);
        cli_path_list_free(&t->graphs[i].sets);
    }
    for (uint32_t i = 0; i < t->op_count; i++)
        free(t->ops[i].name);
    free(t->graphs);
    free(t->ops);
}

int cli_check_tree(const check_options *o)
{
    engine e;
    tree t = {0};
    int status = EXIT_DONE;
    if (!cli_path_is_folder(o->tree))
        return cli_fail(EXIT_INPUT, "%s: is not a folder", o->tree);
    walk(&t, o->tree, 0);
    if (t.graph_count == 0)
        status = cli_fail(EXIT_INPUT, "%s: no graph with data sets below it", o->tree);
    if (status == EXIT_DONE)
        status = cli_engine_open(&e, &o->common);
    if (status == EXIT_DONE) {
        output out;
        cli_output_begin(&out, o->common.json);
        check_graphs(&t, &e, o, &out);
        put_totals(&t, &out);
        cli_engine_close(&e);
        status = cli_output_print(&out, t.failed ? EXIT_CHECK_FAILED : EXIT_DONE);
    }
    tree_free(&t);
    return status;
}
