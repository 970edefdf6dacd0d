/* progress.h — one line on standard error that is overwritten; nothing unless it is a terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdint.h>

void cli_progress_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "[#####-----] 12/82 text" */
void cli_progress_bar(uint64_t done, uint64_t all, const char *text);

/* Wipes the line, before anything else is written. */
void cli_progress_clear(void);

#endif
