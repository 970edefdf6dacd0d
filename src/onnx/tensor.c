/* tensor.c — TensorProto: where its elements lie and whether there are enough of them
   (onnx.proto3, message TensorProto).

   raw_data is used in place; element lists (int32_data and so on) are unpacked to the same layout.
   Sizes are untrusted: the element count is a checked product, and the bytes must match it. */
#include "onnx/model.h"

#include "onnx/pb.h"

bool onnx_type_bytes(brink_type type, uint64_t count, uint64_t *bytes)
{
    uint32_t bits = brink_type_bits(type);
    uint64_t total;
    if (bits == 0 || !core_mul(count, bits, &total) || total > UINT64_MAX - 7)
        return false;
    *bytes = (total + 7) / 8;
    return *bytes <= (uint64_t)1 << 48;
}

enum {
    FIELD_DIMS = 1,
    FIELD_TYPE = 2,
    FIELD_FLOATS = 4,
    FIELD_INT32S = 5,
    FIELD_STRINGS = 6,
    FIELD_INT64S = 7,
    FIELD_NAME = 8,
    FIELD_RAW = 9,
    FIELD_DOUBLES = 10,
    FIELD_UINT64S = 11,
    FIELD_EXTERNAL = 13,
    FIELD_LOCATION = 14
};

static bool is_number(const char *s, uint64_t *out)
{
    uint64_t v = 0;
    if (*s == 0)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || !core_mul(v, 10, &v) || !core_add(v, (uint64_t)(*s - '0'), &v))
            return false;
    }
    *out = v;
    return true;
}

/* StringStringEntryProto of external_data: location, offset, length. */
static brink_status read_external(arena *a, const char *file, pb_bytes entry, onnx_tensor *t,
                                  uint64_t *length)
{
    pb_reader r = pb_open(entry);
    pb_field f;
    pb_bytes key = {0}, value = {0};
    while (pb_next(&r, &f)) {
        if (f.number == 1 && f.wire == 2)
            key = f.bytes;
        else if (f.number == 2 && f.wire == 2)
            value = f.bytes;
    }
    char *text = arena_string(a, (const char *)value.data, value.size);
    if (text == NULL)
        return BRINK_OUT_OF_MEMORY;
    bool good = !r.bad;
    if (pb_equal(key, "location"))
        t->external = text;
    else if (pb_equal(key, "offset"))
        good = good && is_number(text, &t->offset);
    else if (pb_equal(key, "length"))
        good = good && is_number(text, length);
    if (!good)
        return core_fail(a->context, BRINK_BAD_INPUT, "%s: tensor %s: malformed external_data",
                         file, t->name);
    return BRINK_OK;
}

/* An external file lies in the model's folder: no absolute path, no "..". */
static bool stays_inside(const char *path)
{
    if (path[0] == '/' || path[0] == '\\' || path[0] == 0 || strchr(path, ':') != NULL)
        return false;
    for (const char *part = path; part != NULL;) {
        size_t n = strcspn(part, "/\\");
        if (n == 2 && part[0] == '.' && part[1] == '.')
            return false;
        part = part[n] ? part + n + 1 : NULL;
    }
    return true;
}

static void put_element(const onnx_tensor *t, uint8_t *data, uint64_t i, uint64_t v)
{
    uint32_t bits = brink_type_bits(t->type);
    if (bits == 4) { /* the field already holds two a byte */
        data[i] = (uint8_t)v;
        return;
    }
    uint32_t size = bits / 8;
    memcpy(data + i * size, &v, size);
}

/* Which list field may carry this type. */
static uint32_t field_of(brink_type type)
{
    switch (type) {
    case BRINK_F32:
        return FIELD_FLOATS;
    case BRINK_F64:
        return FIELD_DOUBLES;
    case BRINK_I64:
        return FIELD_INT64S;
    case BRINK_U32:
    case BRINK_U64:
        return FIELD_UINT64S;
    default:
        return FIELD_INT32S;
    }
}

/* Second pass: copies the elements of list fields into `data`, which has room for `slots`. */
static bool unpack(pb_bytes proto, const onnx_tensor *t, uint8_t *data, uint64_t slots)
{
    uint32_t number = field_of(t->type);
    uint32_t wide = t->type == BRINK_F64 ? 8 : 4;
    uint64_t n = 0;
    pb_reader r = pb_open(proto);
    pb_field f;
    while (pb_next(&r, &f)) {
        if (f.number != number)
            continue;
        if (f.wire != 2) {
            if (n == slots)
                return false;
            put_element(t, data, n++, f.value);
            continue;
        }
        pb_reader list = pb_open(f.bytes);
        while (list.at < list.end && !list.bad) {
            uint64_t v = 0;
            if (number == FIELD_FLOATS || number == FIELD_DOUBLES) {
                if ((uint64_t)(list.end - list.at) < wide)
                    return false;
                memcpy(&v, list.at, wide);
                list.at += wide;
            } else if (!pb_varint(&list, &v)) {
                return false;
            }
            if (n == slots)
                return false;
            put_element(t, data, n++, v);
        }
    }
    return !r.bad && n == slots;
}

brink_status onnx_read_tensor(arena *a, const char *file, const uint8_t *data, uint64_t size,
                              onnx_tensor *out)
{
    *out = (onnx_tensor){.name = ""};
    pb_bytes proto = {data, size}, raw = {0};
    pb_reader r = pb_open(proto);
    pb_field f;
    bool has_raw = false, has_list = false, outside = false, too_many = false;
    uint64_t type = 0, length = UINT64_MAX, list_count = 0, list_field = 0;
    while (pb_next(&r, &f)) {
        switch (f.number) {
        case FIELD_DIMS: {
            pb_reader list = pb_open(f.bytes);
            uint64_t v = f.value;
            bool more = f.wire == 0 || (list.at < list.end && pb_varint(&list, &v));
            while (more) {
                too_many |= out->rank == BRINK_MAX_RANK;
                if (!too_many)
                    out->dims[out->rank++] = (int64_t)v;
                more = f.wire == 2 && list.at < list.end && pb_varint(&list, &v);
            }
            break;
        }
        case FIELD_TYPE:
            type = f.value;
            break;
        case FIELD_NAME:
            if (f.wire != 2)
                break;
            out->name = arena_string(a, (const char *)f.bytes.data, f.bytes.size);
            if (out->name == NULL)
                return BRINK_OUT_OF_MEMORY;
            break;
        case FIELD_RAW:
            raw = f.bytes;
            has_raw = true;
            break;
        case FIELD_EXTERNAL:
            if (f.wire == 2)
                TRY(read_external(a, file, f.bytes, out, &length));
            break;
        case FIELD_LOCATION:
            outside = f.value == 1;
            break;
        case FIELD_FLOATS:
        case FIELD_DOUBLES: {
            uint64_t width = f.number == FIELD_FLOATS ? 4 : 8;
            list_count += f.wire == 2 ? f.bytes.size / width : 1;
            has_list = true;
            list_field = f.number;
            break;
        }
        case FIELD_INT32S:
        case FIELD_INT64S:
        case FIELD_UINT64S: {
            uint64_t n;
            if (!pb_count_varints(&f, &n))
                r.bad = true;
            else
                list_count += n;
            has_list = true;
            list_field = f.number;
            break;
        }
        default:
            break;
        }
    }
    if (r.bad)
        return core_fail(a->context, BRINK_BAD_INPUT, "%s: tensor %s: malformed TensorProto", file,
                         out->name);
    if (too_many)
        return core_fail(a->context, BRINK_UNSUPPORTED, "%s: tensor %s has more than %d dimensions",
                         file, out->name, BRINK_MAX_RANK);
    out->type = type > 64 ? BRINK_UNDEFINED : (brink_type)type;
    if (brink_type_bits(out->type) == 0)
        return core_fail(a->context, BRINK_UNSUPPORTED,
                         "%s: tensor %s has element type %llu, which is not supported", file,
                         out->name, (unsigned long long)type);
    out->count = 1;
    for (uint32_t i = 0; i < out->rank; i++)
        if (out->dims[i] < 0 || !core_mul(out->count, (uint64_t)out->dims[i], &out->count))
            return core_fail(a->context, BRINK_BAD_INPUT,
                             "%s: tensor %s: dimension %u is %lld, or the size overflows", file,
                             out->name, i, (long long)out->dims[i]);
    if (!onnx_type_bytes(out->type, out->count, &out->bytes))
        return core_fail(a->context, BRINK_BAD_INPUT, "%s: tensor %s: its size overflows", file,
                         out->name);
    if (outside) {
        if (out->external == NULL || !stays_inside(out->external))
            return core_fail(a->context, BRINK_BAD_INPUT,
                             "%s: tensor %s: external data \"%s\" lies outside the model's folder",
                             file, out->name, out->external ? out->external : "");
        if (length != UINT64_MAX && length != out->bytes)
            return core_fail(
                a->context, BRINK_BAD_INPUT,
                "%s: tensor %s: external length is %llu but its shape needs %llu bytes", file,
                out->name, (unsigned long long)length, (unsigned long long)out->bytes);
        uint64_t end;
        if (!core_add(out->offset, out->bytes, &end))
            return core_fail(a->context, BRINK_BAD_INPUT, "%s: tensor %s: offset overflows", file,
                             out->name);
        return BRINK_OK;
    }
    out->external = NULL;
    if (has_raw && (raw.size != 0 || !has_list)) {
        if (raw.size != out->bytes)
            return core_fail(a->context, BRINK_BAD_INPUT,
                             "%s: tensor %s: raw_data has %llu bytes but its shape needs %llu",
                             file, out->name, (unsigned long long)raw.size,
                             (unsigned long long)out->bytes);
        out->data = raw.data;
        uint32_t align = brink_type_bits(out->type) / 8;
        if (align > 1 && (uintptr_t)raw.data % align != 0 && raw.size != 0) {
            void *copy = arena_alloc(a, raw.size);
            if (copy == NULL)
                return BRINK_OUT_OF_MEMORY;
            memcpy(copy, raw.data, (size_t)raw.size);
            out->data = copy;
        }
        return BRINK_OK;
    }
    uint64_t slots = brink_type_bits(out->type) == 4 ? out->bytes : out->count;
    if (list_count != slots || (has_list && list_field != field_of(out->type)))
        return core_fail(a->context, BRINK_BAD_INPUT,
                         "%s: tensor %s: has %llu elements but its shape needs %llu", file,
                         out->name, (unsigned long long)list_count, (unsigned long long)slots);
    uint8_t *unpacked = arena_alloc(a, out->bytes ? out->bytes : 1);
    if (unpacked == NULL)
        return BRINK_OUT_OF_MEMORY;
    out->data = unpacked;
    if (!unpack(proto, out, unpacked, slots))
        return core_fail(a->context, BRINK_BAD_INPUT, "%s: tensor %s: malformed element list", file,
                         out->name);
    return BRINK_OK;
}

brink_status brink_tensor_parse(brink_context *context, const void *data, uint64_t size,
                                brink_tensor *out)
{
    *out = (brink_tensor){0};
    arena a;
    arena_init(&a, context);
    onnx_tensor t;
    brink_status status = onnx_read_tensor(&a, "tensor", data, size, &t);
    if (status == BRINK_OK && t.external != NULL)
        status =
            core_fail(context, BRINK_BAD_INPUT, "tensor %s: its data lies in another file", t.name);
    if (status != BRINK_OK) {
        arena_free(&a);
        return status;
    }
    /* One block: elements, then the name. */
    uint64_t name = strlen(t.name) + 1;
    char *block = core_alloc(context, t.bytes + name);
    if (block == NULL) {
        arena_free(&a);
        return BRINK_OUT_OF_MEMORY;
    }
    if (t.bytes != 0)
        memcpy(block, t.data, (size_t)t.bytes);
    memcpy(block + t.bytes, t.name, (size_t)name);
    out->name = block + t.bytes;
    out->type = t.type;
    out->rank = t.rank;
    memcpy(out->shape, t.dims, sizeof out->shape);
    out->data = block;
    out->bytes = t.bytes;
    arena_free(&a);
    return BRINK_OK;
}

void brink_tensor_release(brink_context *context, brink_tensor *tensor)
{
    core_free(context, (void *)(uintptr_t)tensor->data);
    *tensor = (brink_tensor){0};
}
