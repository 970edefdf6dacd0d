/* run.c — brink run: one computation of a graph, inputs and outputs in files. */
#include "inputs.h"
#include "npy.h"
#include "output.h"

#include <stdlib.h>
#include <string.h>

typedef struct run_options {
    common_options common;
    text_list models, inputs, shapes;
    const char *output_dir;
    uint64_t seed;
} run_options;

static const uint64_t NO_SEED = UINT64_MAX;

/* The tensor's name as a file: what is not plain becomes `_`, and a number follows a name that is
   taken, so that no name leaves the folder or overwrites another output. */
static char *file_name(const char *name, char **taken, uint32_t taken_count, uint32_t index)
{
    char *plain = cli_copy(name && *name ? name : "output");
    for (char *at = plain; *at; at++) {
        bool good = (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') ||
                    (*at >= 'A' && *at <= 'Z') || *at == '_' || *at == '-' ||
                    (*at == '.' && at != plain);
        *at = good ? *at : '_';
    }
    if (strlen(plain) > 200)
        plain[200] = 0;
    char *file = cli_format("%s.npy", plain);
    for (uint32_t i = 0; i < taken_count; i++) {
        if (strcmp(taken[i], file) == 0) {
            free(file);
            file = cli_format("%s-%u.npy", plain, index);
            break;
        }
    }
    free(plain);
    return file;
}

/* `text` may be NULL. */
static int put_tensor(output *out, FILE *text_out, yyjson_mut_val *array,
                      const brink_tensor *tensor, const char *folder, char **taken, uint32_t index)
{
    char text[192], error[ERROR_TEXT], *path = NULL;
    const char *name = tensor->name ? tensor->name : "";
    taken[index] = file_name(name, taken, index, index);
    if (folder) {
        path = cli_path_join(folder, taken[index]);
        if (!cli_npy_write(path, tensor, error)) {
            free(path);
            return cli_fail(EXIT_INPUT, "%s", error);
        }
    }
    yyjson_mut_val *value = cli_add_object(out, array);
    cli_put_text(out, value, "name", name);
    cli_put_text(out, value, "type", brink_type_name(tensor->type));
    cli_put_shape(out, value, "shape", tensor->shape, tensor->rank);
    if (path)
        cli_put_text(out, value, "file", path);
    else
        cli_put_null(out, value, "file");
    if (text_out)
        fprintf(text_out, "%s %s %s%s%s\n", name, brink_type_name(tensor->type),
                cli_shape_text(tensor->shape, tensor->rank, text), path ? " " : "",
                path ? path : "");
    free(path);
    return EXIT_DONE;
}

static void free_names(char **names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* Inputs that were made at random go to DIR/inputs, so that another program can be given them. */
static int save_random_inputs(output *out, const input_set *set, const char *folder)
{
    yyjson_mut_val *array = cli_put_array(out, out->root, "inputs");
    char error[ERROR_TEXT], *inputs = cli_path_join(folder, "inputs");
    char **taken = cli_alloc(set->count, sizeof *taken);
    int status = EXIT_DONE;
    uint32_t made = 0;
    for (uint32_t i = 0; i < set->count && status == EXIT_DONE; i++) {
        if (!set->random[i])
            continue;
        if (made == 0 && !cli_folder_make(inputs, error))
            status = cli_fail(EXIT_INPUT, "%s", error);
        else
            status = put_tensor(out, NULL, array, &set->views[i], inputs, taken, made++);
    }
    free_names(taken, set->count);
    free(inputs);
    return status;
}

static int put_outputs(output *out, const engine *e, const brink_task *task, const char *folder)
{
    char error[ERROR_TEXT];
    uint32_t count = brink_model_output_count(e->model);
    yyjson_mut_val *array = cli_put_array(out, out->root, "outputs");
    if (folder && !cli_folder_make(folder, error))
        return cli_fail(EXIT_INPUT, "%s", error);
    char **taken = cli_alloc(count, sizeof *taken);
    int status = EXIT_DONE;
    for (uint32_t i = 0; i < count && status == EXIT_DONE; i++) {
        brink_value_info info;
        brink_tensor tensor;
        brink_status got = brink_run_output(task, i, &tensor);
        if (got != BRINK_OK) {
            status = cli_engine_fail(e, got);
            break;
        }
        brink_model_output(e->model, i, &info);
        tensor.name = info.name;
        status = put_tensor(out, out->text, array, &tensor, folder, taken, i);
    }
    free_names(taken, count);
    return status;
}

static int run_loaded(engine *e, const run_options *o, const input_set *set)
{
    brink_task *task;
    output out;
    double start = cli_now_ms();
    brink_status result = cli_inputs_run(e, set, false, &task);
    double ms = cli_now_ms() - start;
    if (result != BRINK_OK)
        return cli_engine_fail(e, result);
    cli_output_begin(&out, o->common.json);
    int status = put_outputs(&out, e, task, o->output_dir);
    if (status == EXIT_DONE && o->seed != NO_SEED && o->output_dir)
        status = save_random_inputs(&out, set, o->output_dir);
    cli_put_number(&out, out.root, "ms", ms);
    brink_task_destroy(task);
    return status == EXIT_DONE ? cli_output_print(&out, status) : cli_output_drop(&out, status);
}

static int run(const command *c, const run_options *o)
{
    engine e;
    bindings bound = {0};
    input_set set = {0};
    brink_model_desc desc = {.graph_only = true, .exact = o->common.exact};
    int status = cli_engine_open(&e, &o->common);
    if (status == EXIT_DONE)
        status = cli_engine_load(&e, o->models.items[0], &desc);
    if (status == EXIT_DONE)
        status = cli_bindings_parse(c, &e, &o->shapes, &bound);
    if (status == EXIT_DONE)
        status = cli_inputs_collect(c, &e, &o->inputs, &bound, o->seed != NO_SEED, o->seed, &set);
    if (status == EXIT_DONE)
        status = run_loaded(&e, o, &set);
    cli_inputs_free(&e, &set);
    cli_bindings_free(&bound);
    cli_engine_close(&e);
    return status;
}

int cli_run_main(const command *c, int argc, char **argv)
{
    run_options o = {.seed = NO_SEED};
    int status;
    const option table[] = {
        {"--input", OPTION_LIST, &o.inputs, "NAME=FILE", ".npy, or .pb (TensorProto); repeatable"},
        {"--output-dir", OPTION_TEXT, &o.output_dir, "DIR", "where the outputs go as NAME.npy"},
        {"--random-seed", OPTION_INTEGER, &o.seed, "N",
         "make the other inputs: floats in [-1, 1), integers 0 or 1; kept in DIR/inputs"},
        {"--shape", OPTION_LIST, &o.shapes, "NAME=1x128", "shape of an input, or a dimension"},
        {0},
    };
    if (cli_options_parse(c, argc, argv, table, &o.common, &o.models, &status)) {
        if (o.models.count != 1)
            status = cli_usage_error(c, "give one model");
        else
            status = run(c, &o);
    }
    cli_text_list_free(&o.models);
    cli_text_list_free(&o.inputs);
    cli_text_list_free(&o.shapes);
    return status;
}
