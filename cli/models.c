/* models.c — brink models: where packaged models are, and brinktools to fetch and verify them.

   The repository is found from the executable: the nearest folder above it that holds
   models/manifest.json. An executable elsewhere finds its models beside itself. */
#include "files.h"
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The executable's folder; the caller frees. */
static char *own_folder(void)
{
    char *path = realpath("/proc/self/exe", NULL);
    if (!path)
        return cli_copy(".");
    char *slash = strrchr(path, '/');
    if (slash == path)
        slash++;
    *slash = 0;
    return path;
}

/* NULL where the executable is not inside a repository. The caller frees. */
static char *repository(void)
{
    char *folder = own_folder();
    for (;;) {
        char *manifest = cli_path_join(folder, "models/manifest.json");
        bool found = cli_path_is_file(manifest);
        free(manifest);
        char *slash = strrchr(folder, '/');
        if (found)
            return folder;
        if (!slash || slash == folder) {
            free(folder);
            return NULL;
        }
        *slash = 0;
    }
}

static char *models_folder(void)
{
    const char *named = getenv("BRINK_MODELS");
    if (named && *named) {
        if (*named == '/')
            return cli_copy(named);
        char *here = getcwd(NULL, 0), *path = cli_path_join(here ? here : ".", named);
        free(here);
        return path;
    }
    char *root = repository(), *own = own_folder();
    char *path = root ? cli_path_join(root, "build/models") : cli_path_join(own, "models");
    free(root);
    free(own);
    return path;
}

/* hub:org/name[@revision] is installed as one folder, org--name[@revision]; a plain name as itself.
   NULL where the name could lead out of the folder. The caller frees. */
static char *folder_of(const char *name)
{
    bool hub = strncmp(name, "hub:", 4) == 0;
    const char *rest = hub ? name + 4 : name;
    char *folder = cli_alloc(2 * strlen(rest) + 1, 1), *to = folder;
    for (const char *at = rest; *at; at++) {
        *to++ = hub && *at == '/' ? '-' : *at;
        if (hub && *at == '/')
            *to++ = '-';
    }
    if (!*folder || *folder == '.' || strchr(folder, '/')) {
        free(folder);
        return NULL;
    }
    return folder;
}

static int print_path(const char *name)
{
    char *folder = folder_of(name);
    if (!folder)
        return cli_fail(EXIT_INPUT, "%s: is not a model's name", name);
    char *root = models_folder(), *path = cli_path_join(root, folder);
    int status = EXIT_DONE;
    if (cli_path_is_folder(path))
        puts(path);
    else
        status = cli_fail(EXIT_INPUT, "%s: is not installed (brink models get %s)", name, name);
    free(path);
    free(root);
    free(folder);
    return status;
}

/* Becomes `python -m brinktools ...`, so its output and exit status are ours. */
static int brinktools(const text_list *arguments, bool json)
{
    char *root = repository(), *python = NULL;
    const char *named = getenv("BRINK_PYTHON");
    if (named && *named)
        python = cli_copy(named);
    if (root && !python) {
        python = cli_path_join(root, ".venv/bin/python");
        if (access(python, X_OK) != 0) {
            free(python);
            python = NULL;
        }
    }
    if (!python)
        python = cli_copy("python3");
    if (root) { /* for a python in which brinktools is not installed */
        char *sources = cli_path_join(root, "python");
        const char *old = getenv("PYTHONPATH");
        char *all = cli_format("%s%s%s", sources, old && *old ? ":" : "", old ? old : "");
        setenv("PYTHONPATH", all, 1);
        free(all);
        free(sources);
    }
    const char **argv = cli_alloc(arguments->count + 5u, sizeof *argv);
    uint32_t count = 0;
    argv[count++] = python;
    argv[count++] = "-m";
    argv[count++] = "brinktools";
    for (uint32_t i = 0; i < arguments->count; i++)
        argv[count++] = arguments->items[i];
    if (json)
        argv[count++] = "--json";
    execvp(python, (char *const *)(uintptr_t)argv);
    int status = cli_fail(EXIT_INPUT, "%s: %s", python, strerror(errno));
    free(argv);
    free(python);
    free(root);
    return status;
}

int cli_models_main(const command *c, int argc, char **argv)
{
    common_options common;
    text_list words = {0};
    int status;
    const option table[] = {{0}};
    if (cli_options_parse(c, argc, argv, table, &common, &words, &status)) {
        const char *action = words.count ? words.items[0] : "";
        bool list = strcmp(action, "list") == 0, verify = strcmp(action, "verify") == 0;
        bool get = strcmp(action, "get") == 0, path = strcmp(action, "path") == 0;
        if (!list && !verify && !get && !path)
            status = cli_usage_error(c, "give list, get, verify or path");
        else if ((get || path) && words.count != 2)
            status = cli_usage_error(c, "%s takes one name", action);
        else if (words.count > (verify ? 2u : list ? 1u : 2u))
            status = cli_usage_error(c, "%s: too many names", action);
        else if (path)
            status = print_path(words.items[1]);
        else
            status = brinktools(&words, common.json && list);
    }
    cli_text_list_free(&words);
    return status;
}
