/* main.c — the table of commands, --help and --version. */
#include "cli.h"

#include <string.h>

static int not_available(const command *c, int argc, char **argv)
{
    (void)argc, (void)argv;
    return cli_fail(EXIT_USAGE, "brink: %s is not available in this version", c->name);
}

#ifdef BRINK_HTTP
#define SERVE_MAIN cli_serve_main
#else
#define SERVE_MAIN without_http
static int without_http(const command *c, int argc, char **argv)
{
    (void)argc, (void)argv;
    return cli_fail(EXIT_INPUT, "brink: %s: built without libmicrohttpd", c->name);
}
#endif

static const command commands[] = {
    {"inspect", "MODEL [OPTION...]", "what a model is, and whether it runs here", cli_inspect_main},
    {"check", "MODEL.onnx [DATA_DIR...] | --tree DIR", "compare with stored outputs",
     cli_check_main},
    {"run", "MODEL.onnx --input NAME=FILE... --output-dir DIR", "compute a graph's outputs",
     cli_run_main},
    {"bench", "MODEL [OPTION...]", "measure the time of runs", cli_bench_main},
    {"generate", "MODEL --prompt TEXT", "continue a text, or answer with --chat",
     cli_generate_main},
    {"chat", "MODEL", "a conversation in the terminal", cli_chat_main},
    {"serve", "MODEL...", "OpenAI-style HTTP on this machine", SERVE_MAIN},
    {"tokenize", "MODEL TEXT | --file FILE | --decode 1,2,3", "text to token ids and back",
     cli_tokenize_main},
    {"embed", "MODEL --text TEXT... | --file FILE", "texts to vectors", cli_embed_main},
    {"models", "list | get NAME | verify [NAME] | path NAME", "packaged models", cli_models_main},
    {"transcribe", NULL, NULL, not_available},
    {"listen", NULL, NULL, not_available},
    {"note", NULL, NULL, not_available},
    {"record", NULL, NULL, not_available},
    {"index", NULL, NULL, not_available},
    {"ask", NULL, NULL, not_available},
    {"describe", NULL, NULL, not_available},
    {"splat", NULL, NULL, not_available},
};

const command *cli_command_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static void print_help(FILE *to)
{
    fputs("usage: brink COMMAND [ARGUMENT...]\n\n", to);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (commands[i].summary)
            fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    fputs("\nA model is a folder or one .onnx file. `brink help COMMAND` lists the options.\n"
          "Exit status: 0 done; 1 a check failed; 2 bad usage; 3 an input cannot be read or is\n"
          "not supported; 4 out of memory; 5 the device failed.\n",
          to);
}

static int help_main(int argc, char **argv)
{
    if (argc < 3) {
        print_help(stdout);
        return EXIT_DONE;
    }
    const command *c = cli_command_find(argv[2]);
    if (!c)
        return cli_fail(EXIT_USAGE, "brink: unknown command \"%s\" (see brink --help)", argv[2]);
    char name[16], help[] = "--help";
    snprintf(name, sizeof name, "%s", c->name);
    char *arguments[] = {name, help, NULL};
    return c->run(c, 2, arguments);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("brink %s\n", brink_version());
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "help") == 0)
        return help_main(argc, argv);
    if (argv[1][0] == '-')
        return cli_fail(EXIT_USAGE, "brink: unknown option %s (see brink --help)", argv[1]);
    const command *c = cli_command_find(argv[1]);
    if (!c)
        return cli_fail(EXIT_USAGE, "brink: unknown command \"%s\" (see brink --help)", argv[1]);
    return c->run(c, argc - 1, argv + 1);
}
