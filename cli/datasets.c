/* datasets.c — see datasets.h. */
#include "datasets.h"

#include <stdlib.h>
#include <string.h>

void cli_path_list_add(path_list *list, char *path)
{
    list->items = cli_grow(list->items, list->count + 1u, sizeof *list->items);
    list->items[list->count++] = path;
}

void cli_path_list_free(path_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (path_list){0};
}

static bool has_file(const char *folder, const char *name)
{
    char *path = cli_path_join(folder, name);
    bool there = cli_path_is_file(path);
    free(path);
    return there;
}

bool cli_is_data_set(const char *folder)
{
    return has_file(folder, "input_0.pb") || has_file(folder, "output_0.pb");
}

bool cli_data_sets_in(const char *folder, path_list *out)
{
    if (cli_is_data_set(folder)) {
        cli_path_list_add(out, cli_copy(folder));
        return true;
    }
    name_list names;
    bool found = false;
    if (!cli_folder_list(folder, &names))
        return false;
    for (uint32_t i = 0; i < names.count; i++) {
        if (strncmp(names.items[i], "test_data_set_", 14) != 0)
            continue;
        char *path = cli_path_join(folder, names.items[i]);
        if (cli_is_data_set(path)) {
            cli_path_list_add(out, path);
            found = true;
        } else {
            free(path);
        }
    }
    cli_name_list_free(&names);
    return found;
}

char *cli_graph_path(const char *model)
{
    return cli_path_is_folder(model) ? cli_path_join(model, "model.onnx") : cli_copy(model);
}

bool cli_data_sets_beside(const char *model, path_list *out)
{
    char *stem = cli_copy(model);
    size_t length = strlen(stem);
    if (length > 5 && strcmp(stem + length - 5, ".onnx") == 0)
        stem[length - 5] = 0;
    bool found = cli_path_is_folder(stem) && cli_data_sets_in(stem, out);
    char *slash = strrchr(stem, '/');
    if (slash)
        *slash = 0;
    if (!found)
        found = cli_data_sets_in(!slash ? "." : *stem ? stem : "/", out);
    free(stem);
    return found;
}

static bool read_tensor(const engine *e, const char *folder, const char *kind, uint32_t k,
                        held_tensor *out, bool *there, int *status, char error[ERROR_TEXT])
{
    char *name = cli_format("%s_%u.pb", kind, k), *path = cli_path_join(folder, name);
    *there = cli_path_is_file(path);
    bool done = !*there || cli_tensor_read(e->context, path, out, status, error);
    if (*there && done && out->tensor.type == BRINK_UNDEFINED) {
        snprintf(error, ERROR_TEXT, "%s: is not a tensor", path);
        *status = EXIT_INPUT;
        cli_held_tensor_free(e->context, out);
        done = false;
    }
    free(path);
    free(name);
    return done;
}

static bool read_all(const engine *e, const char *folder, const char *kind, held_tensor **list,
                     uint32_t *count, int *status, char error[ERROR_TEXT])
{
    for (;;) {
        held_tensor held = {0};
        bool there;
        if (!read_tensor(e, folder, kind, *count, &held, &there, status, error))
            return false;
        if (!there)
            return true;
        *list = cli_grow(*list, *count + 1u, sizeof **list);
        (*list)[(*count)++] = held;
    }
}

static bool bind_inputs(const engine *e, const char *folder, data_set *set, char error[ERROR_TEXT])
{
    uint32_t inputs = brink_model_input_count(e->model);
    set->views = cli_alloc(set->input_count, sizeof *set->views);
    for (uint32_t i = 0; i < set->input_count; i++) {
        const char *name = set->inputs[i].tensor.name;
        uint32_t index = i;
        if ((!name || !cli_engine_input_index(e, name, &index)) && i >= inputs) {
            snprintf(error, ERROR_TEXT,
                     "%s: input_%u.pb: the graph has %u inputs and none named %s", folder, i,
                     inputs, name ? name : "");
            return false;
        }
        brink_value_info info;
        brink_model_input(e->model, index, &info);
        set->views[i] = set->inputs[i].tensor;
        set->views[i].name = info.name;
    }
    return true;
}

static bool bind_outputs(const engine *e, const char *folder, data_set *set, char error[ERROR_TEXT])
{
    uint32_t outputs = brink_model_output_count(e->model);
    set->output_index = cli_alloc(set->output_count, sizeof *set->output_index);
    for (uint32_t i = 0; i < set->output_count; i++) {
        const char *name = set->outputs[i].tensor.name;
        set->output_index[i] = i;
        if ((!name || !cli_engine_output_index(e, name, &set->output_index[i])) && i >= outputs) {
            snprintf(error, ERROR_TEXT,
                     "%s: output_%u.pb: the graph has %u outputs and none named %s", folder, i,
                     outputs, name ? name : "");
            return false;
        }
    }
    return true;
}

bool cli_data_set_read(const engine *e, const char *folder, data_set *out, int *status,
                       char error[ERROR_TEXT])
{
    *out = (data_set){0};
    *status = EXIT_INPUT;
    if (!read_all(e, folder, "input", &out->inputs, &out->input_count, status, error) ||
        !read_all(e, folder, "output", &out->outputs, &out->output_count, status, error))
        return false;
    *status = EXIT_INPUT;
    if (out->output_count == 0) {
        snprintf(error, ERROR_TEXT, "%s: has no output_0.pb", folder);
        return false;
    }
    return bind_inputs(e, folder, out, error) && bind_outputs(e, folder, out, error);
}

void cli_data_set_free(const engine *e, data_set *set)
{
    for (uint32_t i = 0; i < set->input_count; i++)
        cli_held_tensor_free(e->context, &set->inputs[i]);
    for (uint32_t i = 0; i < set->output_count; i++)
        cli_held_tensor_free(e->context, &set->outputs[i]);
    free(set->inputs);
    free(set->outputs);
    free(set->views);
    free(set->output_index);
    *set = (data_set){0};
}
