/* engine.h — a context and a model opened as the common options say. */
#ifndef CLI_ENGINE_H
#define CLI_ENGINE_H

#include "options.h"

typedef struct engine {
    brink_context *context;
    brink_model *model; /* NULL until engine_load */
    const char *path;   /* of the model, lent */
    double load_ms;
    bool quiet, gpu; /* gpu: models run on the context's GPU                     */
    bool automatic;  /* the first model that computes opens one, if it is hardware */
} engine;

/* EXIT_DONE, or the failure told. */
int cli_engine_open(engine *e, const common_options *common);

/* Loads `path`, showing progress. EXIT_DONE, or the failure told. */
int cli_engine_load(engine *e, const char *path, const brink_model_desc *desc);

/* The same without a word; cli_engine_error says why it failed. */
brink_status cli_engine_try_load(engine *e, const char *path, const brink_model_desc *desc);

/* The adapters of these folders together, NULL where there are none. EXIT_DONE, or the failure told. */
int cli_adapters_load(engine *e, const text_list *folders, brink_adapter **out);

void cli_engine_unload(engine *e);
void cli_engine_close(engine *e);

/* The text of the last failure, the model's path put before it where it names no file of the
   model. The caller frees it. */
char *cli_engine_error(const engine *e, brink_status status);

/* Tells engine_error on standard error; returns the exit status. */
int cli_engine_fail(const engine *e, brink_status status);

/* True where the graph has an input of this name; *index may be NULL. */
bool cli_engine_input_index(const engine *e, const char *name, uint32_t *index);
bool cli_engine_output_index(const engine *e, const char *name, uint32_t *index);

#endif
