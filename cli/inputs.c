/* inputs.c — see inputs.h. */
#include "inputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ── Shapes ──────────────────────────────────────────────────────────────────────────────────── */

static bool parse_sizes(const char *text, int64_t shape[BRINK_MAX_RANK], uint32_t *rank)
{
    *rank = 0;
    for (const char *at = text;; at++) {
        char *end;
        errno = 0;
        long long size = strtoll(at, &end, 10);
        if (*at < '0' || *at > '9' || errno || *rank == BRINK_MAX_RANK)
            return false;
        shape[(*rank)++] = size;
        at = end;
        if (*at == 0)
            return true;
        if (*at != 'x' && *at != ',')
            return false;
    }
}

/* Calls back for each term of "a + b"; stops and returns true when it does. */
static bool any_term(const char *text, bool (*visit)(void *user, const char *term, size_t length),
                     void *user)
{
    while (*text) {
        size_t length = strcspn(text, "+"), trimmed = length;
        while (trimmed && text[trimmed - 1] == ' ')
            trimmed--;
        if (visit(user, text, trimmed))
            return true;
        text += length;
        text += strspn(text, "+ ");
    }
    return false;
}

static bool term_is(void *user, const char *term, size_t length)
{
    const char *name = user;
    return strlen(name) == length && memcmp(name, term, length) == 0;
}

static bool names_dimension(const engine *e, const char *name)
{
    char *wanted = cli_copy(name);
    bool found = false;
    for (uint32_t i = 0; !found && i < brink_model_input_count(e->model); i++) {
        brink_value_info info;
        brink_model_input(e->model, i, &info);
        for (int32_t k = 0; !found && k < info.rank; k++)
            found = info.shape[k] < 0 && any_term(info.dim_names[k], term_is, wanted);
    }
    free(wanted);
    return found;
}

int cli_bindings_parse(const command *c, const engine *e, const text_list *arguments, bindings *out)
{
    *out = (bindings){.dims = cli_alloc(arguments->count, sizeof *out->dims),
                      .names = cli_alloc(arguments->count, sizeof *out->names)};
    for (uint32_t i = 0; i < arguments->count; i++) {
        const char *text = arguments->items[i], *equals = strrchr(text, '=');
        brink_dim *dim = &out->dims[i];
        uint32_t rank;
        if (!equals || equals == text || !parse_sizes(equals + 1, dim->shape, &rank))
            return cli_usage_error(c, "--shape takes NAME=1x128, not \"%s\"", text);
        char *name = out->names[out->count++] = cli_copy(text);
        name[equals - text] = 0;
        dim->name = name;
        if (cli_engine_input_index(e, name, NULL))
            dim->rank = rank;
        else if (!names_dimension(e, name))
            return cli_fail(EXIT_USAGE, "%s: no input and no dimension is named %s", e->path, name);
        else if (rank != 1)
            return cli_fail(EXIT_USAGE, "%s: %s is one dimension, not %u", e->path, name, rank);
    }
    return EXIT_DONE;
}

void cli_bindings_free(bindings *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        free(b->names[i]);
    free(b->names);
    free(b->dims);
    *b = (bindings){0};
}

static const brink_dim *bound_input(const bindings *b, const char *name)
{
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->dims[i].rank && strcmp(b->dims[i].name, name) == 0)
            return &b->dims[i];
    }
    return NULL;
}

static bool bound_symbol(const bindings *b, const engine *e, const char *name, int64_t *value)
{
    for (uint32_t i = 0; i < b->count; i++) {
        if (!b->dims[i].rank && strcmp(b->dims[i].name, name) == 0) {
            *value = b->dims[i].shape[0];
            return true;
        }
    }
    for (uint32_t i = 0; i < brink_model_input_count(e->model); i++) {
        brink_value_info info;
        brink_model_input(e->model, i, &info);
        const brink_dim *dim = bound_input(b, info.name);
        for (int32_t k = 0; dim && k < info.rank && k < (int32_t)dim->rank; k++) {
            if (info.shape[k] < 0 && strcmp(info.dim_names[k], name) == 0) {
                *value = dim->shape[k];
                return true;
            }
        }
    }
    return false;
}

typedef struct sum {
    const bindings *b;
    const engine *e;
    int64_t total;
} sum;

static int64_t symbol_value(const bindings *b, const engine *e, const char *name)
{
    int64_t value;
    if (bound_symbol(b, e, name, &value))
        return value;
    if (strcmp(name, "total_sequence_length") == 0)
        return symbol_value(b, e, "past_sequence_length") + symbol_value(b, e, "sequence_length");
    return strncmp(name, "past", 4) == 0 ? 0 : 1;
}

static bool add_term(void *user, const char *term, size_t length)
{
    sum *s = user;
    char *name = cli_copy(term);
    name[length] = 0;
    int64_t value =
        *name >= '0' && *name <= '9' ? strtoll(name, NULL, 10) : symbol_value(s->b, s->e, name);
    if (__builtin_add_overflow(s->total, value, &s->total))
        s->total = INT64_MAX;
    free(name);
    return false;
}

static int64_t dimension_value(const bindings *b, const engine *e, const char *name)
{
    int64_t value;
    if (!*name)
        return 1;
    if (bound_symbol(b, e, name, &value))
        return value;
    sum s = {.b = b, .e = e};
    any_term(name, add_term, &s);
    return s.total;
}

bool cli_bindings_shape(const bindings *b, const engine *e, const brink_value_info *input,
                        int64_t shape[BRINK_MAX_RANK], uint32_t *rank)
{
    const brink_dim *dim = bound_input(b, input->name);
    if (dim) {
        *rank = dim->rank;
        memcpy(shape, dim->shape, dim->rank * sizeof *shape);
        return true;
    }
    if (input->rank < 0)
        return false;
    *rank = (uint32_t)input->rank;
    for (uint32_t i = 0; i < *rank; i++)
        shape[i] =
            input->shape[i] >= 0 ? input->shape[i] : dimension_value(b, e, input->dim_names[i]);
    return true;
}

/* ── Values ──────────────────────────────────────────────────────────────────────────────────── */

/* NAME=FILE, where either may hold `=`: the shortest prefix that names an input. */
static bool split_input(const engine *e, const char *text, uint32_t *index, const char **file)
{
    for (const char *at = strchr(text, '='); at; at = strchr(at + 1, '=')) {
        char *name = cli_copy(text);
        name[at - text] = 0;
        bool found = cli_engine_input_index(e, name, index);
        free(name);
        if (found) {
            *file = at + 1;
            return true;
        }
    }
    return false;
}

static void add_view(const engine *e, input_set *set, const held_tensor *held, uint32_t index,
                     bool made)
{
    brink_value_info info;
    brink_model_input(e->model, index, &info);
    set->held[set->count] = *held;
    set->views[set->count] = held->tensor;
    set->views[set->count].name = info.name;
    set->random[set->count++] = made;
}

static int read_inputs(const command *c, const engine *e, const text_list *arguments, bool *given,
                       input_set *set)
{
    char error[ERROR_TEXT];
    for (uint32_t i = 0; i < arguments->count; i++) {
        const char *text = arguments->items[i], *file;
        uint32_t index;
        int status;
        held_tensor held;
        if (!strchr(text, '='))
            return cli_usage_error(c, "--input takes NAME=FILE, not \"%s\"", text);
        if (!split_input(e, text, &index, &file))
            return cli_fail(EXIT_USAGE, "%s: no input is named %.*s", e->path,
                            (int)strcspn(text, "="), text);
        if (given[index])
            return cli_fail(EXIT_USAGE, "%s: --input %s is given twice", e->path, text);
        given[index] = true;
        if (!cli_tensor_read(e->context, file, &held, &status, error))
            return cli_fail(status, "%s", error);
        add_view(e, set, &held, index, false);
    }
    return EXIT_DONE;
}

static int make_inputs(const engine *e, const bindings *b, uint64_t seed, const bool *given,
                       input_set *set)
{
    char error[ERROR_TEXT];
    random_state random = {seed};
    for (uint32_t i = 0; i < brink_model_input_count(e->model); i++) {
        brink_value_info info;
        int64_t shape[BRINK_MAX_RANK];
        uint32_t rank;
        int status;
        held_tensor held;
        if (given[i])
            continue;
        brink_model_input(e->model, i, &info);
        if (!cli_bindings_shape(b, e, &info, shape, &rank))
            return cli_fail(EXIT_USAGE, "%s: input %s declares no shape: give --shape %s=...",
                            e->path, info.name, info.name);
        cli_random_next(&random); /* one step an input, so that files given change nothing else */
        random_state own = random;
        if (!cli_tensor_random(&own, info.type, shape, rank, &held, &status, error))
            return cli_fail(status, "%s: input %s: %s", e->path, info.name, error);
        add_view(e, set, &held, i, true);
    }
    return EXIT_DONE;
}

int cli_inputs_collect(const command *c, const engine *e, const text_list *arguments,
                       const bindings *b, bool make_random, uint64_t seed, input_set *out)
{
    uint32_t inputs = brink_model_input_count(e->model);
    size_t room = inputs > arguments->count ? inputs : arguments->count;
    *out = (input_set){.held = cli_alloc(room, sizeof *out->held),
                       .views = cli_alloc(room, sizeof *out->views),
                       .random = cli_alloc(room, sizeof *out->random)};
    bool *given = cli_alloc(inputs, sizeof *given);
    int status = read_inputs(c, e, arguments, given, out);
    if (status == EXIT_DONE && make_random)
        status = make_inputs(e, b, seed, given, out);
    free(given);
    return status;
}

void cli_inputs_free(const engine *e, input_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        cli_held_tensor_free(e->context, &set->held[i]);
    free(set->held);
    free(set->views);
    free(set->random);
    *set = (input_set){0};
}

brink_status cli_inputs_run(const engine *e, const input_set *set, bool profile, brink_task **out)
{
    brink_run_desc desc = {.inputs = set->views, .input_count = set->count, .profile = profile};
    *out = NULL;
    brink_status status = brink_run_begin(e->model, &desc, out);
    if (status == BRINK_OK)
        status = brink_task_wait(*out);
    if (status != BRINK_OK) {
        brink_task_destroy(*out);
        *out = NULL;
    }
    return status;
}
