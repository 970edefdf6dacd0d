/* inspect.c — brink inspect: what a graph takes, gives and needs. Works without the weights. */
#include "inputs.h"
#include "output.h"

#include <stdlib.h>
#include <string.h>

static void put_value(output *out, yyjson_mut_val *array, const brink_value_info *info)
{
    yyjson_mut_val *value = cli_add_object(out, array);
    cli_put_text(out, value, "name", info->name);
    cli_put_text(out, value, "type", brink_type_name(info->type));
    fprintf(out->text, "  %-32s %-8s ", info->name, brink_type_name(info->type));
    if (info->rank < 0) {
        cli_put_null(out, value, "shape");
        fputs("[...]\n", out->text);
        return;
    }
    yyjson_mut_val *shape = cli_put_array(out, value, "shape");
    fputc('[', out->text);
    for (int32_t i = 0; i < info->rank; i++) {
        const char *name = info->dim_names[i] && *info->dim_names[i] ? info->dim_names[i] : "?";
        fputs(i ? ", " : "", out->text);
        if (info->shape[i] >= 0) {
            cli_add_integer(out, shape, info->shape[i]);
            fprintf(out->text, "%lld", (long long)info->shape[i]);
        } else {
            cli_add_text(out, shape, name, strlen(name));
            fputs(name, out->text);
        }
    }
    fputs("]\n", out->text);
}

static void put_values(output *out, const brink_model *model, bool inputs)
{
    yyjson_mut_val *array = cli_put_array(out, out->root, inputs ? "inputs" : "outputs");
    uint32_t count = inputs ? brink_model_input_count(model) : brink_model_output_count(model);
    fprintf(out->text, "%s\n", inputs ? "inputs" : "outputs");
    for (uint32_t i = 0; i < count; i++) {
        brink_value_info info;
        if (inputs)
            brink_model_input(model, i, &info);
        else
            brink_model_output(model, i, &info);
        put_value(out, array, &info);
    }
}

static void put_opsets(output *out, const brink_model *model)
{
    yyjson_mut_val *opsets = cli_put_object(out, out->root, "opsets");
    fputs("opsets  ", out->text);
    for (uint32_t i = 0; i < brink_model_opset_count(model); i++) {
        brink_opset opset;
        brink_model_opset(model, i, &opset);
        const char *domain = *opset.domain ? opset.domain : "ai.onnx";
        cli_put_named_count(out, opsets, domain, opset.version < 0 ? 0 : (uint64_t)opset.version);
        fprintf(out->text, "%s%s %lld", i ? ", " : "", domain, (long long)opset.version);
    }
    fputc('\n', out->text);
}

static void put_ops(output *out, const brink_model *model)
{
    uint32_t count = brink_model_op_count(model), missing = 0;
    yyjson_mut_val *ops = cli_put_array(out, out->root, "ops");
    fprintf(out->text, "operators\n");
    for (uint32_t i = 0; i < count; i++) {
        brink_op_info op;
        brink_model_op(model, i, &op);
        yyjson_mut_val *value = cli_add_object(out, ops);
        cli_put_text(out, value, "domain", op.domain);
        cli_put_text(out, value, "type", op.type);
        cli_put_count(out, value, "count", op.count);
        cli_put_bool(out, value, "cpu", op.cpu);
        cli_put_bool(out, value, "gpu", op.gpu);
        fprintf(out->text, "  %6u  %s%s%s%s%s%s\n", op.count, op.domain, *op.domain ? "::" : "",
                op.type, op.cpu ? "  cpu" : "", op.gpu ? "  gpu" : "",
                op.cpu || op.gpu ? "" : "  not supported");
        missing += !op.cpu && !op.gpu;
    }
    yyjson_mut_val *unsupported = cli_put_array(out, out->root, "unsupported");
    for (uint32_t i = 0; i < count; i++) {
        brink_op_info op;
        brink_model_op(model, i, &op);
        if (op.cpu || op.gpu)
            continue;
        char *name = cli_format("%s%s%s", op.domain, *op.domain ? "::" : "", op.type);
        cli_add_text(out, unsupported, name, strlen(name));
        free(name);
    }
    if (missing)
        fprintf(out->text, "unsupported: %u of %u operators\n", missing, count);
}

/* Where a plan's bytes go, or why it is not known. */
static void put_memory(output *out, const engine *e, const char *field, const char *backend,
                       brink_status status, const brink_plan_memory *plan)
{
    if (status != BRINK_OK) {
        char *text = cli_engine_error(e, status);
        fprintf(out->text, "memory on %s: unknown (%s)\n", backend, text);
        free(text);
        return;
    }
    yyjson_mut_val *parts = cli_put_object(out, out->root, field);
    cli_put_count(out, parts, "weights", plan->weights);
    cli_put_count(out, parts, "derived", plan->derived);
    cli_put_count(out, parts, "cache", plan->cache);
    cli_put_count(out, parts, "scratch", plan->scratch);
    fprintf(out->text,
            "memory on %s: %.1f MB (weights %.1f, derived %.1f, cache %.1f, scratch %.1f)\n",
            backend, (double)plan->peak / 1e6, (double)plan->weights / 1e6,
            (double)plan->derived / 1e6, (double)plan->cache / 1e6, (double)plan->scratch / 1e6);
}

/* `planned`: of the plan as it would run; else what has no kernel there at all. */
static void put_cpu_ops(output *out, const brink_model *model, bool planned)
{
    yyjson_mut_val *list = cli_put_array(out, out->root, "on_cpu");
    uint32_t count = brink_model_cpu_op_count(model);
    if (count != 0)
        fputs(planned ? "on the CPU beside the GPU\n" : "without a GPU kernel\n", out->text);
    for (uint32_t i = 0; i < count; i++) {
        brink_cpu_op op;
        brink_model_cpu_op(model, i, &op);
        yyjson_mut_val *value = cli_add_object(out, list);
        cli_put_text(out, value, "domain", op.domain);
        cli_put_text(out, value, "type", op.type);
        cli_put_count(out, value, "count", op.count);
        cli_put_text(out, value, "name", op.name);
        fprintf(out->text, "  %6u  %s%s%s  (%s)\n", op.count, op.domain, *op.domain ? "::" : "",
                op.type, op.name);
    }
}

/* The plan is a fact where it can be made and null where it cannot, unless the user's own shapes
   or budget are at fault. */
static int put_plan(output *out, engine *e, const bindings *b, uint32_t context)
{
    brink_plan_memory plan;
    brink_status status = brink_model_plan(e->model, b->dims, b->count, context, &plan);
    bool known = status == BRINK_OK;
    if (status == BRINK_OUT_OF_MEMORY ||
        (b->count && (status == BRINK_INVALID_ARGUMENT || status == BRINK_BAD_INPUT)))
        return cli_engine_fail(e, status);
    yyjson_mut_val *peak = cli_put_object(out, out->root, "peak_bytes");
    if (known)
        cli_put_count(out, peak, "cpu", plan.peak);
    else
        cli_put_null(out, peak, "cpu");
    put_memory(out, e, "plan", "cpu", status, &plan);
    brink_plan_memory gpu;
    status = brink_model_plan_gpu(e->model, b->dims, b->count, context, &gpu);
    if (status == BRINK_OK)
        cli_put_count(out, peak, "gpu", gpu.peak);
    else
        cli_put_null(out, peak, "gpu");
    put_memory(out, e, "gpu_plan", "gpu", status, &gpu);
    put_cpu_ops(out, e->model, status == BRINK_OK);
    return EXIT_DONE;
}

static int inspect(const command *c, const common_options *common, const char *path,
                   const text_list *shapes, uint32_t context)
{
    engine e;
    output out = {0};
    bindings bound = {0};
    brink_model_desc desc = {.graph_only = true, .no_weights = true, .exact = common->exact};
    int status = cli_engine_open(&e, common);
    if (status == EXIT_DONE)
        status = cli_engine_load(&e, path, &desc);
    if (status == EXIT_DONE)
        status = cli_bindings_parse(c, &e, shapes, &bound);
    if (status == EXIT_DONE) {
        brink_model_facts facts;
        brink_model_get_facts(e.model, &facts);
        cli_output_begin(&out, common->json);
        put_values(&out, e.model, true);
        put_values(&out, e.model, false);
        put_opsets(&out, e.model);
        cli_put_count(&out, out.root, "parameters", facts.parameters);
        put_ops(&out, e.model);
        cli_put_count(&out, out.root, "weights_bytes", facts.weights_bytes);
        cli_put_bool(&out, out.root, "language_model", facts.language_model);
        fprintf(out.text, "parameters %llu, weights %.1f MB%s\n",
                (unsigned long long)facts.parameters, (double)facts.weights_bytes / 1e6,
                facts.language_model ? ", a language model" : "");
        status = put_plan(&out, &e, &bound, context);
        status =
            status == EXIT_DONE ? cli_output_print(&out, status) : cli_output_drop(&out, status);
    }
    cli_bindings_free(&bound);
    cli_engine_close(&e);
    return status;
}

int cli_inspect_main(const command *c, int argc, char **argv)
{
    common_options common;
    text_list models = {0}, shapes = {0};
    uint32_t context = 0;
    int status;
    const option table[] = {
        {"--shape", OPTION_LIST, &shapes, "NAME=1x128", "bind an input's shape or a dimension"},
        {"--context", OPTION_COUNT, &context, "N", "tokens a session is planned for (2048)"},
        {0},
    };
    if (cli_options_parse(c, argc, argv, table, &common, &models, &status)) {
        if (models.count != 1)
            status = cli_usage_error(c, "give one model");
        else
            status = inspect(c, &common, models.items[0], &shapes, context);
    }
    cli_text_list_free(&models);
    cli_text_list_free(&shapes);
    return status;
}
