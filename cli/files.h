/* files.h — reading files and folders. Failures are one line in the caller's buffer. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include "cli.h"

enum { ERROR_TEXT = 512 };

/* The whole file and a NUL after it; "-" is standard input. The caller frees. NULL: *status is the
   exit status and `error` says why. */
char *cli_file_read(const char *path, uint64_t *size, int *status, char error[ERROR_TEXT]);

bool cli_path_is_folder(const char *path);
bool cli_path_is_file(const char *path);
char *cli_path_join(const char *folder, const char *name); /* the caller frees */
const char *cli_path_base(const char *path);               /* lent */

/* Makes the folder and those above it. */
bool cli_folder_make(const char *path, char error[ERROR_TEXT]);

/* Names in a folder, "." and ".." left out, in the order of strverscmp: test_data_set_2 comes
   before test_data_set_10. False where it cannot be read. */
typedef struct name_list {
    char **items;
    uint32_t count;
} name_list;

bool cli_folder_list(const char *path, name_list *out);
void cli_name_list_free(name_list *list);

#endif
