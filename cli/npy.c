/* npy.c — see npy.h. The header is a Python dictionary of three known keys; only the forms that
   numpy writes are read. */
#include "npy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    char kind;
    uint8_t bytes;
    brink_type type;
} kinds[] = {
    {'f', 2, BRINK_F16}, {'f', 4, BRINK_F32}, {'f', 8, BRINK_F64}, {'i', 1, BRINK_I8},
    {'i', 2, BRINK_I16}, {'i', 4, BRINK_I32}, {'i', 8, BRINK_I64}, {'u', 1, BRINK_U8},
    {'u', 2, BRINK_U16}, {'u', 4, BRINK_U32}, {'u', 8, BRINK_U64}, {'b', 1, BRINK_BOOL},
};

typedef struct npy_header {
    const brink_type *type;
    uint32_t element;
    bool big_endian, fortran;
    uint32_t rank;
    int64_t shape[BRINK_MAX_RANK];
} npy_header;

static bool fail(char error[ERROR_TEXT], const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(char error[ERROR_TEXT], const char *path, const char *format, ...)
{
    char reason[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    snprintf(error, ERROR_TEXT, "%s: %s", path, reason);
    return false;
}

/* What follows 'key': in the header, NULL if the key is not there. `text` ends in NUL. */
static const char *value_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    if (!at)
        return NULL;
    at += strlen(key);
    at += strspn(at, "'\" ");
    return *at == ':' ? at + 1 + strspn(at + 1, " ") : NULL;
}

static bool parse_descr(const char *at, npy_header *h)
{
    if (!at || (*at != '\'' && *at != '"'))
        return false;
    at++;
    h->big_endian = *at == '>';
    if (*at && strchr("<>|=", *at))
        at++;
    if (!*at)
        return false;
    char kind = *at++;
    char *end;
    unsigned long bytes = strtoul(at, &end, 10);
    if (*end != '\'' && *end != '"')
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].kind == kind && kinds[i].bytes == bytes) {
            h->type = &kinds[i].type;
            h->element = kinds[i].bytes;
            return true;
        }
    }
    return false;
}

static bool parse_shape(const char *at, npy_header *h)
{
    if (!at || *at++ != '(')
        return false;
    for (;;) {
        at += strspn(at, " ,");
        if (*at == ')')
            return true;
        if (*at < '0' || *at > '9' || h->rank == BRINK_MAX_RANK)
            return false;
        char *end;
        errno = 0;
        long long size = strtoll(at, &end, 10);
        if (errno)
            return false;
        h->shape[h->rank++] = size;
        at = end + (*end == 'L');
    }
}

/* numpy's order is the reverse of ours: walks the elements of the result in turn. */
static void from_fortran(const npy_header *h, const char *from, char *to, uint64_t elements)
{
    uint64_t index[BRINK_MAX_RANK] = {0};
    for (uint64_t n = 0; n < elements; n++) {
        uint64_t at = 0;
        for (uint32_t i = h->rank; i-- > 0;)
            at = at * (uint64_t)h->shape[i] + index[i];
        memcpy(to + n * h->element, from + at * h->element, h->element);
        for (uint32_t i = h->rank; i-- > 0;) {
            if (++index[i] < (uint64_t)h->shape[i])
                break;
            index[i] = 0;
        }
    }
}

static void swap_bytes(char *data, uint64_t elements, uint32_t size)
{
    for (uint64_t n = 0; n < elements; n++, data += size) {
        for (uint32_t i = 0; i < size / 2; i++) {
            char byte = data[i];
            data[i] = data[size - 1 - i];
            data[size - 1 - i] = byte;
        }
    }
}

static bool parse_header(const char *path, const char *text, npy_header *h, char *error)
{
    const char *order = value_of(text, "fortran_order");
    if (!parse_descr(value_of(text, "descr"), h))
        return fail(error, path, "its element type is none of bool, integers, float16/32/64");
    if (!order)
        return fail(error, path, "its header does not say fortran_order");
    h->fortran = strncmp(order, "True", 4) == 0;
    if (!parse_shape(value_of(text, "shape"), h))
        return fail(error, path, "its shape is not a tuple of at most %d sizes", BRINK_MAX_RANK);
    return true;
}

bool cli_npy_parse(const char *path, const char *data, uint64_t size, held_tensor *out, int *status,
                   char error[ERROR_TEXT])
{
    *status = EXIT_INPUT;
    const uint8_t *bytes = (const uint8_t *)data;
    if (size < 12 || memcmp(data, "\x93NUMPY", 6) != 0)
        return fail(error, path, "is not a .npy file");
    if (bytes[6] < 1 || bytes[6] > 3)
        return fail(error, path, ".npy version %d is not supported", bytes[6]);
    uint64_t start = bytes[6] == 1 ? 10 : 12, length = bytes[8] | (uint64_t)bytes[9] << 8;
    if (bytes[6] > 1)
        length |= (uint64_t)bytes[10] << 16 | (uint64_t)bytes[11] << 24;
    if (length > size - start || length > 65536)
        return fail(error, path, "its header of %llu bytes does not fit the file",
                    (unsigned long long)length);
    char *text = cli_alloc((size_t)length + 1, 1);
    memcpy(text, data + start, (size_t)length);
    npy_header h = {0};
    bool read = parse_header(path, text, &h, error);
    free(text);
    if (!read)
        return false;

    uint64_t elements, needed, have = size - start - length;
    if (!cli_shape_elements(h.shape, h.rank, &elements) ||
        __builtin_mul_overflow(elements, (uint64_t)h.element, &needed) || needed > have)
        return fail(error, path, "its shape asks for more than the %llu bytes it holds",
                    (unsigned long long)have);
    char *values = malloc((size_t)needed + 1);
    if (!values) {
        *status = EXIT_MEMORY;
        return fail(error, path, "out of memory (%llu bytes)", (unsigned long long)needed);
    }
    const char *from = data + start + length;
    if (h.fortran && h.rank > 1)
        from_fortran(&h, from, values, elements);
    else
        memcpy(values, from, (size_t)needed);
    if (h.big_endian)
        swap_bytes(values, elements, h.element);
    out->tensor = (brink_tensor){.type = *h.type, .rank = h.rank, .data = values, .bytes = needed};
    memcpy(out->tensor.shape, h.shape, sizeof h.shape);
    return true;
}

static bool write_values(FILE *file, const brink_tensor *t, brink_type as, uint64_t elements)
{
    if (as == t->type)
        return t->bytes == 0 || fwrite(t->data, 1, (size_t)t->bytes, file) == t->bytes;
    for (uint64_t i = 0; i < elements; i++) {
        double value = cli_tensor_value(t, i);
        float wide = (float)value;
        int8_t narrow = (int8_t)value;
        if (fwrite(as == BRINK_F32 ? (void *)&wide : (void *)&narrow, as == BRINK_F32 ? 4 : 1, 1,
                   file) != 1)
            return false;
    }
    return true;
}

bool cli_npy_write(const char *path, const brink_tensor *t, char error[ERROR_TEXT])
{
    brink_type as = t->type == BRINK_BF16 ? BRINK_F32
                    : t->type == BRINK_I4 ? BRINK_I8
                    : t->type == BRINK_U4 ? BRINK_U8
                                          : t->type;
    size_t kind = 0, count = sizeof kinds / sizeof *kinds;
    while (kind < count && kinds[kind].type != as)
        kind++;
    uint64_t elements;
    if (kind == count || !cli_shape_elements(t->shape, t->rank, &elements))
        return fail(error, path, "numpy has no type for %s", brink_type_name(t->type));

    char text[384];
    int length =
        snprintf(text, sizeof text, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (",
                 kinds[kind].bytes == 1 ? '|' : '<', kinds[kind].kind, kinds[kind].bytes);
    for (uint32_t i = 0; i < t->rank; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "%s%lld%s", i ? " " : "",
                           (long long)t->shape[i], i + 1 < t->rank || t->rank == 1 ? "," : "");
    length += snprintf(text + length, sizeof text - (size_t)length, "), }");
    int padded = (10 + length + 1 + 63) / 64 * 64 - 10; /* data start on a multiple of 64 */
    memset(text + length, ' ', (size_t)(padded - length));
    text[padded - 1] = '\n';

    FILE *file = fopen(path, "wb");
    if (!file)
        return fail(error, path, "%s", strerror(errno));
    uint8_t start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1};
    start[8] = (uint8_t)padded;
    start[9] = (uint8_t)(padded >> 8);
    bool done = fwrite(start, 1, 10, file) == 10 &&
                fwrite(text, 1, (size_t)padded, file) == (size_t)padded &&
                write_values(file, t, as, elements);
    done &= fclose(file) == 0;
    return done || fail(error, path, "%s", strerror(errno));
}
