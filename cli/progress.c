/* progress.c — see progress.h. */
#include "progress.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { WIDTH = 78, BAR = 20 };

static bool shown;

void cli_progress_line(const char *format, ...)
{
    if (!isatty(STDERR_FILENO))
        return;
    char text[WIDTH + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\r\033[K%s", text);
    fflush(stderr);
    shown = true;
}

void cli_progress_bar(uint64_t done, uint64_t all, const char *text)
{
    char bar[BAR + 1] = {0};
    for (uint64_t i = 0; i < BAR; i++)
        bar[i] = all && i < done * BAR / all ? '#' : '-';
    cli_progress_line("[%s] %llu/%llu %s", bar, (unsigned long long)done, (unsigned long long)all,
                      text);
}

void cli_progress_clear(void)
{
    if (shown)
        fputs("\r\033[K", stderr);
    shown = false;
}
