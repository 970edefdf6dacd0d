/* safetensors.c — see safetensors.h. */
#include "core/safetensors.h"

#include "core/json.h"

#include <string.h>

enum { HEADER_MOST = 100000000 }; /* the format's own limit */

static const struct {
    char name[8];
    brink_type type;
    uint32_t bytes;
} types[] = {
    {"F32", BRINK_F32, 4},
    {"F16", BRINK_F16, 2},
    {"BF16", BRINK_BF16, 2},
    {"F64", BRINK_F64, 8},
    {"I8", BRINK_I8, 1},
    {"U8", BRINK_U8, 1},
    {"I16", BRINK_I16, 2},
    {"U16", BRINK_U16, 2},
    {"I32", BRINK_I32, 4},
    {"U32", BRINK_U32, 4},
    {"I64", BRINK_I64, 8},
    {"U64", BRINK_U64, 8},
    {"BOOL", BRINK_BOOL, 1},
    {"F8_E4M3", BRINK_UNDEFINED, 1},
    {"F8_E5M2", BRINK_UNDEFINED, 1},
};

typedef struct reader {
    arena *a;
    const char *file;
    const uint8_t *data; /* behind the header */
    uint64_t size;
} reader;

static brink_status bad(const reader *r, const char *name, const char *what)
{
    return core_fail(r->a->context, BRINK_BAD_INPUT, "%s: tensor %s: %s", r->file, name, what);
}

static brink_status read_shape(const reader *r, yyjson_val *entry, safetensor *t)
{
    yyjson_val *shape = json_get(entry, "shape"), *dim;
    if (!yyjson_is_arr(shape) || yyjson_arr_size(shape) > BRINK_MAX_RANK)
        return bad(r, t->name, "its shape is no list of at most 8 numbers");
    yyjson_arr_iter it = yyjson_arr_iter_with(shape);
    t->count = 1;
    while ((dim = yyjson_arr_iter_next(&it)) != NULL) {
        if (!yyjson_is_uint(dim) || yyjson_get_uint(dim) > INT64_MAX ||
            !core_mul(t->count, yyjson_get_uint(dim), &t->count))
            return bad(r, t->name, "its shape is no list of sizes");
        t->shape[t->rank++] = (int64_t)yyjson_get_uint(dim);
    }
    return BRINK_OK;
}

static brink_status read_tensor(const reader *r, yyjson_val *key, yyjson_val *entry, safetensor *t)
{
    *t = (safetensor){.name = arena_string(r->a, yyjson_get_str(key), yyjson_get_len(key))};
    if (t->name == NULL)
        return BRINK_OUT_OF_MEMORY;
    const char *type = json_string(entry, "dtype", "");
    uint32_t k = 0, known = sizeof types / sizeof *types;
    while (k < known && strcmp(types[k].name, type) != 0)
        k++;
    if (k == known)
        return bad(r, t->name, "its type is none that is known");
    t->type = types[k].type;
    TRY(read_shape(r, entry, t));
    yyjson_val *place = json_get(entry, "data_offsets");
    yyjson_val *first = yyjson_arr_get(place, 0), *second = yyjson_arr_get(place, 1);
    if (yyjson_arr_size(place) != 2 || !yyjson_is_uint(first) || !yyjson_is_uint(second))
        return bad(r, t->name, "data_offsets are not two numbers");
    uint64_t begin = yyjson_get_uint(first), end = yyjson_get_uint(second);
    if (begin > end || end > r->size)
        return bad(r, t->name, "its bytes lie outside the file");
    if (!core_mul(t->count, types[k].bytes, &t->bytes) || t->bytes != end - begin)
        return bad(r, t->name, "its bytes are not as many as its shape and type take");
    t->data = r->data + begin;
    return BRINK_OK;
}

static brink_status read_header(const reader *r, yyjson_val *root, safetensors *out)
{
    if (!yyjson_is_obj(root))
        return core_fail(r->a->context, BRINK_BAD_INPUT, "%s: the header is no object", r->file);
    out->list = ARENA_ARRAY(r->a, safetensor, (uint64_t)yyjson_obj_size(root) + 1);
    if (out->list == NULL)
        return BRINK_OUT_OF_MEMORY;
    yyjson_obj_iter it = yyjson_obj_iter_with(root);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;)
        if (strcmp(yyjson_get_str(key), "__metadata__") != 0)
            TRY(read_tensor(r, key, yyjson_obj_iter_get_val(key), &out->list[out->count++]));
    return BRINK_OK;
}

brink_status safetensors_read(arena *a, const char *name, const void *data, uint64_t size,
                              safetensors *out)
{
    const uint8_t *bytes = data;
    uint64_t header = 0;
    *out = (safetensors){0};
    for (uint32_t i = 0; i < 8 && size >= 8; i++)
        header |= (uint64_t)bytes[i] << (8 * i);
    if (size < 8 || header > HEADER_MOST || header > size - 8)
        return core_fail(a->context, BRINK_BAD_INPUT, "%s: not a safetensors file", name);
    reader r = {.a = a, .file = name, .data = bytes + 8 + header, .size = size - 8 - header};
    json_document document;
    TRY(json_parse(a->context, name, bytes + 8, header, &document));
    brink_status status = read_header(&r, document.root, out);
    json_free(&document);
    return status;
}
