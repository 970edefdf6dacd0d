/* datasets.h — stored inputs and outputs in the ONNX backend-test layout.

   A data set is a folder with input_K.pb and output_K.pb, K counting from 0. */
#ifndef CLI_DATASETS_H
#define CLI_DATASETS_H

#include "engine.h"
#include "tensors.h"

typedef struct path_list {
    char **items;
    uint32_t count;
} path_list;

void cli_path_list_add(path_list *list, char *path); /* takes it */
void cli_path_list_free(path_list *list);

bool cli_is_data_set(const char *folder);

/* Appends the folder itself if it is a data set, else its test_data_set_*; false if it has none. */
bool cli_data_sets_in(const char *folder, path_list *out);

/* The data sets beside a graph: X/test_data_set_* for X.onnx, else those in the graph's folder. */
bool cli_data_sets_beside(const char *model, path_list *out);

/* A model argument as the graph's file: a folder means its model.onnx. The caller frees. */
char *cli_graph_path(const char *model);

typedef struct data_set {
    held_tensor *inputs, *outputs;
    brink_tensor *views;    /* of `inputs`, under the graph's names */
    uint32_t *output_index; /* which of the graph's outputs outputs[i] is */
    uint32_t input_count, output_count;
} data_set;

/* Reads and binds to the loaded model: a tensor's name if the graph has it, else its position. On
   failure *status is the exit status and `error` says why; cli_data_set_free is due either way. */
bool cli_data_set_read(const engine *e, const char *folder, data_set *out, int *status,
                       char error[ERROR_TEXT]);
void cli_data_set_free(const engine *e, data_set *set);

#endif
