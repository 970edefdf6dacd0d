/* cli.h — what every subcommand shares: the table of commands, exit statuses, error lines.

   A command returns an exit status. It writes its result through output.h, which keeps standard
   output empty until the command has succeeded; everything else goes to standard error. */
#ifndef CLI_H
#define CLI_H

#include "brink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    EXIT_DONE = 0,
    EXIT_CHECK_FAILED = 1, /* also: stopped by Ctrl-C with what there was printed */
    EXIT_USAGE = 2,
    EXIT_INPUT = 3,
    EXIT_MEMORY = 4,
    EXIT_DEVICE = 5
};

typedef struct command {
    const char *name;
    const char *usage;   /* what follows "brink NAME" */
    const char *summary; /* one line */
    int (*run)(const struct command *command, int argc, char **argv);
} command;

/* NULL if there is no such command. */
const command *cli_command_find(const char *name);

int cli_inspect_main(const command *c, int argc, char **argv);
int cli_check_main(const command *c, int argc, char **argv);
int cli_run_main(const command *c, int argc, char **argv);
int cli_bench_main(const command *c, int argc, char **argv);
int cli_generate_main(const command *c, int argc, char **argv);
int cli_chat_main(const command *c, int argc, char **argv);
int cli_serve_main(const command *c, int argc, char **argv);
int cli_tokenize_main(const command *c, int argc, char **argv);
int cli_embed_main(const command *c, int argc, char **argv);
int cli_models_main(const command *c, int argc, char **argv);

/* One line on standard error, control characters made spaces, and `status` back. */
int cli_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The exit status of an engine's status. */
int cli_exit_status(brink_status status);

/* Never NULL: no room for what a command itself keeps ends the process with EXIT_MEMORY. Sizes that
   come from a file are checked by the caller first. */
void *cli_alloc(size_t count, size_t size); /* zeroed */
void *cli_grow(void *data, size_t count, size_t size);
char *cli_copy(const char *text);
char *cli_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Monotonic milliseconds. */
double cli_now_ms(void);

#endif
