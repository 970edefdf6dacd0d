/* options.h — a table of options, filled from the command line.

   Options stand anywhere, as `--name value` or `--name=value`; after `--` all is positional. What
   does not begin with `-` is positional, and so is `-` alone. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli.h"

typedef enum option_kind {
    OPTION_FLAG,    /* bool                                     */
    OPTION_TEXT,    /* const char *                             */
    OPTION_COUNT,   /* uint32_t, at least 1                     */
    OPTION_INTEGER, /* uint64_t                                 */
    OPTION_BYTES,   /* uint64_t, with K, M or G as powers of 1024 */
    OPTION_NUMBER,  /* double, finite and at least 0            */
    OPTION_LIST,    /* text_list: may be repeated               */

} option_kind;

typedef struct option {
    const char *name; /* with its dashes; NULL ends a table */
    option_kind kind;
    void *into;        /* keeps what it holds if the option is not given */
    const char *value; /* what --help calls the value; NULL for a flag   */
    const char *help;
} option;

typedef struct text_list {
    const char **items; /* of argv */
    uint32_t count;
} text_list;

typedef struct common_options {
    const char *backend; /* "cpu", "gpu", "auto" */
    uint32_t threads;    /* 0: one a core */
    bool exact, json, quiet;
    uint64_t memory_budget; /* 0: none */
} common_options;

/* True when the command should go on. False: it ends with *status (--help, or bad usage told). */
bool cli_options_parse(const command *c, int argc, char **argv, const option *table,
                       common_options *common, text_list *positional, int *status);

/* Sets the option whose name, without its dashes, is `name`; false, told, where it cannot be. */
bool cli_option_set(const command *c, const option *table, const char *name, const char *value);

void cli_text_list_add(text_list *list, const char *text);
void cli_text_list_free(text_list *list);

/* "brink NAME: ... (see brink NAME --help)" and EXIT_USAGE. */
int cli_usage_error(const command *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Comma-separated token ids; false where there is anything else. The caller frees *ids. */
bool cli_parse_ids(const char *text, uint32_t **ids, uint32_t *count);

#endif
