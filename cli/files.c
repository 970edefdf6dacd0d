/* files.c — see files.h. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *read_all(FILE *file, uint64_t expected, uint64_t *size, int *status)
{
    uint64_t capacity = expected < 4096 ? 4096 : expected + 1, length = 0;
    char *data = NULL;
    for (;;) {
        char *more = capacity > SIZE_MAX ? NULL : realloc(data, (size_t)capacity);
        if (!more) {
            free(data);
            *status = EXIT_MEMORY;
            return NULL;
        }
        data = more;
        length += fread(data + length, 1, (size_t)(capacity - length - 1), file);
        if (length < capacity - 1)
            break;
        if (capacity > UINT64_MAX / 2) {
            free(data);
            *status = EXIT_MEMORY;
            return NULL;
        }
        capacity *= 2;
    }
    data[length] = 0;
    *size = length;
    return data;
}

char *cli_file_read(const char *path, uint64_t *size, int *status, char error[ERROR_TEXT])
{
    *status = EXIT_INPUT;
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    struct stat info;
    if (!file || fstat(fileno(file), &info) != 0) {
        snprintf(error, ERROR_TEXT, "%s: %s", path, strerror(errno));
        if (file && !standard)
            fclose(file);
        return NULL;
    }
    if (S_ISDIR(info.st_mode)) {
        snprintf(error, ERROR_TEXT, "%s: is a folder", path);
        fclose(file);
        return NULL;
    }
    uint64_t expected = S_ISREG(info.st_mode) && info.st_size > 0 ? (uint64_t)info.st_size + 1 : 0;
    char *data = read_all(file, expected, size, status);
    if (!data) {
        snprintf(error, ERROR_TEXT, "%s: out of memory (%llu bytes)", path,
                 (unsigned long long)expected);
    } else if (ferror(file)) {
        snprintf(error, ERROR_TEXT, "%s: %s", path, strerror(errno));
        free(data);
        data = NULL;
    }
    if (!standard)
        fclose(file);
    return data;
}

bool cli_path_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool cli_path_is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

char *cli_path_join(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    bool slash = length && folder[length - 1] == '/';
    return cli_format("%s%s%s", folder, slash || !length ? "" : "/", name);
}

const char *cli_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool cli_folder_make(const char *path, char error[ERROR_TEXT])
{
    char *copy = cli_copy(path);
    bool made = true;
    for (char *at = copy + 1; made && *copy; at++) {
        if (*at != '/' && *at != 0)
            continue;
        char was = *at;
        *at = 0;
        made = mkdir(copy, 0777) == 0 || cli_path_is_folder(copy);
        if (!made)
            snprintf(error, ERROR_TEXT, "%s: %s", copy, strerror(errno));
        *at = was;
        if (!was)
            break;
    }
    free(copy);
    return made;
}

static int by_version(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

bool cli_folder_list(const char *path, name_list *out)
{
    *out = (name_list){0};
    DIR *folder = opendir(path);
    if (!folder)
        return false;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        out->items = cli_grow(out->items, out->count + 1u, sizeof *out->items);
        out->items[out->count++] = cli_copy(entry->d_name);
    }
    closedir(folder);
    if (out->count)
        qsort(out->items, out->count, sizeof *out->items, by_version);
    return true;
}

void cli_name_list_free(name_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (name_list){0};
}
