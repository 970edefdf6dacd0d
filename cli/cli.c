/* cli.c — error lines, exit statuses and memory of the command. */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int cli_fail(int status, const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (char *at = line; *at; at++) {
        if ((unsigned char)*at < 32 || *at == 127)
            *at = ' ';
    }
    fprintf(stderr, "%s\n", line);
    return status;
}

int cli_exit_status(brink_status status)
{
    switch (status) {
    case BRINK_OK:
        return EXIT_DONE;
    case BRINK_INVALID_ARGUMENT:
        return EXIT_USAGE;
    case BRINK_BAD_INPUT:
    case BRINK_UNSUPPORTED:
        return EXIT_INPUT;
    case BRINK_OUT_OF_MEMORY:
        return EXIT_MEMORY;
    case BRINK_PENDING:
    case BRINK_DEVICE_FAILED:
        return EXIT_DEVICE;
    case BRINK_CANCELLED:
        return EXIT_CHECK_FAILED;
    }
    return EXIT_DEVICE;
}

static void *checked(void *data)
{
    if (!data)
        exit(cli_fail(EXIT_MEMORY, "brink: out of memory"));
    return data;
}

void *cli_alloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *cli_grow(void *data, size_t count, size_t size)
{
    return checked(reallocarray(data, count ? count : 1, size ? size : 1));
}

char *cli_copy(const char *text)
{
    return checked(strdup(text));
}

char *cli_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return checked(length < 0 ? NULL : text);
}

double cli_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}
