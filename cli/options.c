/* options.c — the option parser; see options.h. */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int cli_usage_error(const command *c, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return cli_fail(EXIT_USAGE, "brink %s: %s (see brink %s --help)", c->name, text, c->name);
}

void cli_text_list_add(text_list *list, const char *text)
{
    list->items = cli_grow(list->items, list->count + 1u, sizeof *list->items);
    list->items[list->count++] = text;
}

void cli_text_list_free(text_list *list)
{
    free(list->items);
    *list = (text_list){0};
}

static bool parse_integer(const char *text, uint64_t most, bool with_unit, uint64_t *out)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || end == text)
        return false;
    const char *units = "KMG", *unit = *end ? strchr(units, *end & ~32) : NULL;
    if (with_unit && unit && *unit) {
        unsigned shift = 10 * (unsigned)(unit - units + 1);
        if (value > UINT64_MAX >> shift)
            return false;
        value <<= shift;
        end++;
        if ((*end & ~32) == 'B')
            end++;
    }
    *out = value;
    return *end == 0 && value <= most;
}

static bool parse_number(const char *text, double *out)
{
    char *end;
    double value = strtod(text, &end);
    *out = value;
    return end != text && *end == 0 && isfinite(value) && value >= 0;
}

bool cli_parse_ids(const char *text, uint32_t **ids, uint32_t *count)
{
    uint32_t n = 1;
    for (const char *at = text; *at; at++)
        n += *at == ',';
    *ids = cli_alloc(n, sizeof **ids);
    *count = 0;
    for (const char *at = text;; at++) {
        char *end;
        at += strspn(at, " ");
        errno = 0;
        unsigned long long value = strtoull(at, &end, 10);
        if (*at < '0' || *at > '9' || errno || value > UINT32_MAX)
            break;
        (*ids)[(*count)++] = (uint32_t)value;
        at = end + strspn(end, " ");
        if (*at == 0)
            return true;
        if (*at != ',')
            break;
    }
    free(*ids);
    *ids = NULL;
    *count = 0;
    return false;
}

static bool store(const command *c, const option *o, const char *value)
{
    uint64_t number;
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)o->into = true;
        return true;
    case OPTION_TEXT:
        *(const char **)o->into = value;
        return true;
    case OPTION_LIST:
        cli_text_list_add(o->into, value);
        return true;
    case OPTION_COUNT:
        if (!parse_integer(value, UINT32_MAX, false, &number) || number == 0) {
            cli_usage_error(c, "%s takes a whole number from 1, not \"%s\"", o->name, value);
            return false;
        }
        *(uint32_t *)o->into = (uint32_t)number;
        return true;
    case OPTION_INTEGER:
        if (parse_integer(value, UINT64_MAX, false, o->into))
            return true;
        cli_usage_error(c, "%s takes a whole number, not \"%s\"", o->name, value);
        return false;
    case OPTION_BYTES:
        if (parse_integer(value, UINT64_MAX, true, o->into))
            return true;
        cli_usage_error(c, "%s takes bytes, or 512M, 2G; not \"%s\"", o->name, value);
        return false;
    case OPTION_NUMBER:
        if (parse_number(value, o->into))
            return true;
        cli_usage_error(c, "%s takes a number from 0, not \"%s\"", o->name, value);
        return false;
    }
    return false;
}

static void print_options(const option *table)
{
    for (const option *o = table; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", o->name, o->value ? o->value : "");
        printf("  %-24s %s\n", left, o->help);
    }
}

static const option *find(const option *table, const char *name, size_t length)
{
    for (const option *o = table; o->name; o++) {
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0)
            return o;
    }
    return NULL;
}

bool cli_option_set(const command *c, const option *table, const char *name, const char *value)
{
    for (const option *o = table; o->name; o++) {
        if (strcmp(o->name + 2, name) == 0)
            return store(c, o, value);
    }
    cli_usage_error(c, "there is no option --%s to set", name);
    return false;
}

bool cli_options_parse(const command *c, int argc, char **argv, const option *table,
                       common_options *common, text_list *positional, int *status)
{
    *common = (common_options){.backend = "auto"};
    const option shared[] = {
        {"--backend", OPTION_TEXT, &common->backend, "cpu|gpu|auto", "where to compute (auto)"},
        {"--threads", OPTION_COUNT, &common->threads, "N", "threads that compute (one a core)"},
        {"--exact", OPTION_FLAG, &common->exact, NULL, "f32 activations in quantised products"},
        {"--memory-budget", OPTION_BYTES, &common->memory_budget, "BYTES", "most to hold, 512M"},
        {"--json", OPTION_FLAG, &common->json, NULL, "one JSON object on standard output"},
        {"--quiet", OPTION_FLAG, &common->quiet, NULL, "no progress and no log"},
        {0},
    };
    *status = EXIT_USAGE;
    bool all_positional = false;
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (all_positional || argument[0] != '-' || argument[1] == 0) {
            cli_text_list_add(positional, argument);
            continue;
        }
        if (strcmp(argument, "--") == 0) {
            all_positional = true;
            continue;
        }
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            printf("usage: brink %s %s\n\n%s\n\n", c->name, c->usage, c->summary);
            print_options(table);
            print_options(shared);
            *status = EXIT_DONE;
            return false;
        }
        size_t length = strcspn(argument, "=");
        const option *o = find(table, argument, length);
        if (!o)
            o = find(shared, argument, length);
        if (!o) {
            cli_usage_error(c, "unknown option %.*s", (int)length, argument);
            return false;
        }
        const char *value = argument[length] ? argument + length + 1 : NULL;
        if (o->kind == OPTION_FLAG && value) {
            cli_usage_error(c, "%s takes no value", o->name);
            return false;
        }
        if (o->kind != OPTION_FLAG && !value) {
            if (i + 1 >= argc) {
                cli_usage_error(c, "%s needs a value", o->name);
                return false;
            }
            value = argv[++i];
        }
        if (!store(c, o, value))
            return false;
    }
    if (strcmp(common->backend, "cpu") && strcmp(common->backend, "gpu") &&
        strcmp(common->backend, "auto")) {
        cli_usage_error(c, "--backend is cpu, gpu or auto, not \"%s\"", common->backend);
        return false;
    }
    if (common->threads > 4096) {
        cli_usage_error(c, "--threads is at most 4096");
        return false;
    }
    return true;
}
