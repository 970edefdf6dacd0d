/* session.c — see session.h. */
#include "session.h"

#include "files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cli_session_open(const engine *e, const brink_session_desc *desc, const char *path,
                     brink_session **out)
{
    char error[ERROR_TEXT];
    uint64_t bytes;
    int status = EXIT_DONE;
    *out = NULL;
    if (path == NULL) {
        brink_status made = brink_session_create(e->model, desc, out);
        return made == BRINK_OK ? EXIT_DONE : cli_engine_fail(e, made);
    }
    char *data = cli_file_read(path, &bytes, &status, error);
    if (data == NULL)
        return cli_fail(status, "%s", error);
    brink_status loaded = brink_session_load(e->model, desc, data, bytes, out);
    free(data);
    if (loaded ==
        BRINK_INVALID_ARGUMENT) /* another model's: an input, not a usage, that is wrong */
        loaded = BRINK_BAD_INPUT;
    return loaded == BRINK_OK
               ? EXIT_DONE
               : cli_fail(cli_exit_status(loaded), "%s: %s", path, brink_error(e->context));
}

static int cannot_write(const char *path)
{
    return cli_fail(EXIT_INPUT, "%s: cannot be written (%s)", path, strerror(errno));
}

int cli_session_can_save(const char *path)
{
    FILE *file = fopen(path, "ab");
    if (!file)
        return cannot_write(path);
    fclose(file);
    return EXIT_DONE;
}

static int write_file(const char *path, const void *data, uint64_t bytes)
{
    FILE *file = fopen(path, "wb");
    bool written = file && fwrite(data, 1, bytes, file) == bytes;
    if (file && fclose(file) != 0)
        written = false;
    return written ? EXIT_DONE : cannot_write(path);
}

int cli_session_save(const engine *e, brink_session *session, const char *path)
{
    brink_task *task;
    const void *data;
    uint64_t bytes;
    brink_status status = brink_session_save_begin(session, &task);
    if (status != BRINK_OK)
        return cli_engine_fail(e, status);
    status = brink_task_wait(task);
    if (status == BRINK_OK)
        status = brink_session_saved(task, &data, &bytes);
    int result = status == BRINK_OK ? write_file(path, data, bytes) : cli_engine_fail(e, status);
    brink_task_destroy(task);
    return result;
}
