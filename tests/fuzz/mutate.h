/* mutate.h — changes to a serialized ModelProto that leave it a protobuf: fields removed, doubled
   and moved, numbers and dimensions made extreme, names exchanged, operators replaced.

   The message is laid out as a flat list of fields with their parents; a changed field is spliced
   into its bytes and the lengths of its ancestors are written anew, from the inside out. */
#ifndef TESTS_FUZZ_MUTATE_H
#define TESTS_FUZZ_MUTATE_H

#include "fuzz.h"
#include "onnx/op.h"

enum { MOST_FIELDS = 2048, MOST_BYTES = 1 << 16, MOST_DEPTH = 24 };

typedef enum message {
    LEAF,
    MODEL,
    GRAPH,
    NODE,
    ATTRIBUTE,
    TENSOR,
    VALUE_INFO,
    TYPE,
    TENSOR_TYPE,
    SHAPE,
    DIMENSION,
    FUNCTION,
    OPSET
} message;

/* The fields of onnx.proto3 that are messages. */
static const struct {
    message of;
    uint32_t number;
    message is;
} nested[] = {
    {MODEL, 7, GRAPH},       {MODEL, 8, OPSET},         {MODEL, 25, FUNCTION},
    {GRAPH, 1, NODE},        {GRAPH, 5, TENSOR},        {GRAPH, 11, VALUE_INFO},
    {GRAPH, 12, VALUE_INFO}, {NODE, 5, ATTRIBUTE},      {ATTRIBUTE, 5, TENSOR},
    {ATTRIBUTE, 6, GRAPH},   {VALUE_INFO, 2, TYPE},     {TYPE, 1, TENSOR_TYPE},
    {TENSOR_TYPE, 2, SHAPE}, {SHAPE, 1, DIMENSION},     {FUNCTION, 7, NODE},
    {FUNCTION, 9, OPSET},    {FUNCTION, 11, ATTRIBUTE},
};

typedef struct field {
    message of, is; /* the message it lies in, and which it is */
    uint32_t number, wire, parent;
    size_t start, payload, end; /* of the key, of the content, behind it */
} field;

static field fields[MOST_FIELDS];
static uint32_t field_count;

static message kind_of(message of, uint32_t number)
{
    for (size_t i = 0; i < sizeof nested / sizeof *nested; i++)
        if (nested[i].of == of && nested[i].number == number)
            return nested[i].is;
    return LEAF;
}

static size_t read_varint(const uint8_t *data, size_t at, size_t end, uint64_t *value)
{
    *value = 0;
    for (uint32_t shift = 0; at < end && shift < 64; shift += 7) {
        *value |= (uint64_t)(data[at] & 127) << shift;
        if (data[at++] < 128)
            return at;
    }
    return 0;
}

static size_t write_varint(uint8_t *to, uint64_t value)
{
    size_t n = 0;
    for (; value > 127; value >>= 7)
        to[n++] = (uint8_t)(value | 128);
    to[n++] = (uint8_t)value;
    return n;
}

/* Lists the fields of data[at, end); false where it is no protobuf. */
static bool list_fields(const uint8_t *data, size_t at, size_t end, message of, uint32_t parent,
                        uint32_t depth)
{
    while (at < end) {
        uint64_t key, size = 0;
        field f = {.of = of, .parent = parent, .start = at};
        if (field_count == MOST_FIELDS || (at = read_varint(data, at, end, &key)) == 0)
            return false;
        f.number = (uint32_t)(key >> 3);
        f.wire = key & 7;
        f.payload = at;
        if (f.wire == 0)
            at = read_varint(data, at, end, &size);
        else if (f.wire == 1 || f.wire == 5)
            at += f.wire == 1 ? 8 : 4;
        else if (f.wire == 2 && (f.payload = at = read_varint(data, at, end, &size)) != 0)
            at = size > end - at ? 0 : at + size;
        else
            at = 0;
        if (at == 0 || at > end)
            return false;
        f.end = at;
        f.is = f.wire == 2 && depth < MOST_DEPTH ? kind_of(of, f.number) : LEAF;
        uint32_t own = field_count++;
        fields[own] = f;
        if (f.is != LEAF && !list_fields(data, f.payload, f.end, f.is, own, depth + 1))
            return false;
    }
    return true;
}

/* Replaces data[from, to) by `bytes`; returns the new size, or the old one where there is no room. */
static size_t splice(uint8_t *data, size_t size, size_t capacity, size_t from, size_t to,
                     const uint8_t *bytes, size_t n)
{
    if (size - (to - from) + n > capacity)
        return size;
    memmove(data + from + n, data + to, size - to);
    memcpy(data + from, bytes, n);
    return size - (to - from) + n;
}

/* Puts `bytes` (n < MOST_BYTES) in place of data[from, to), which lies in field `parent`. */
static size_t edit(uint8_t *data, size_t size, size_t capacity, uint32_t parent, size_t from,
                   size_t to, const uint8_t *bytes, size_t n)
{
    if (size + n + 10 * MOST_DEPTH - (to - from) > capacity)
        return size;
    size_t before = size;
    size = splice(data, size, capacity, from, to, bytes, n);
    for (uint32_t p = parent; p != UINT32_MAX; p = fields[p].parent) {
        uint8_t key[20];
        const field *f = &fields[p];
        size_t length = f->end - f->payload + size - before;
        size_t k = write_varint(key, (uint64_t)f->number << 3 | 2);
        k += write_varint(key + k, length);
        size = splice(data, size, capacity, f->start, f->payload, key, k);
    }
    return size;
}

static uint64_t random_state;

static uint32_t pick(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % n;
}

static uint64_t any_number(uint64_t old)
{
    static const int64_t extreme[] = {0,
                                      1,
                                      2,
                                      3,
                                      4,
                                      5,
                                      6,
                                      7,
                                      8,
                                      9,
                                      10,
                                      11,
                                      12,
                                      13,
                                      16,
                                      21,
                                      22,
                                      32,
                                      64,
                                      127,
                                      128,
                                      255,
                                      256,
                                      1000,
                                      65535,
                                      65536,
                                      1 << 20,
                                      INT32_MAX,
                                      (int64_t)INT32_MAX + 1,
                                      UINT32_MAX,
                                      (int64_t)1 << 32,
                                      (int64_t)1 << 48,
                                      (int64_t)1 << 62,
                                      INT64_MAX,
                                      INT64_MIN,
                                      -1,
                                      -2,
                                      -3,
                                      -4,
                                      -128,
                                      INT32_MIN};
    switch (pick(4)) {
    case 0:
        return old + 1;
    case 1:
        return old - 1;
    default:
        return (uint64_t)extreme[pick(sizeof extreme / sizeof *extreme)];
    }
}

/* The name in the node's domain of an operator that the engine has. */
static const char *any_operator(const uint8_t *data, uint32_t at)
{
    char domain[64] = "";
    for (uint32_t i = 0; i < field_count; i++)
        if (fields[i].parent == fields[at].parent && fields[i].number == 7 &&
            fields[i].end - fields[i].payload < sizeof domain) {
            memcpy(domain, data + fields[i].payload, fields[i].end - fields[i].payload);
        }
    for (;;) {
        const op_row *row = &op_table[pick(OP_COUNT)];
        if (strcmp(row->domain, domain) == 0 || pick(8) == 0)
            return row->name;
    }
}

static const char *any_attribute(void)
{
    static const char *const names[] = {
#define ATTR(name) #name,
#include "onnx/attrs.def"
#undef ATTR
    };
    return names[pick(sizeof names / sizeof *names)];
}

/* New content for field `at`, its key included, into `to`; 0: none. */
static size_t rewrite(const uint8_t *data, uint32_t at, uint8_t *to)
{
    const field *f = &fields[at];
    size_t n = write_varint(to, (uint64_t)f->number << 3 | f->wire), length = f->end - f->payload;
    uint64_t value = 0;
    const char *text = NULL;
    if (f->wire == 0) {
        read_varint(data, f->payload, f->end, &value);
        return n + write_varint(to + n, any_number(value));
    }
    if (f->wire != 2) {
        memcpy(to + n, data + f->payload, length);
        LLVMFuzzerMutate(to + n, length, length);
        return n + length;
    }
    if (f->of == NODE && f->number == 4)
        text = any_operator(data, at);
    else if (f->of == ATTRIBUTE && f->number == 1)
        text = any_attribute();
    if (text != NULL) {
        length = strlen(text);
        n += write_varint(to + n, length);
        memcpy(to + n, text, length);
        return n + length;
    }
    static uint8_t content[MOST_BYTES];
    if (length > MOST_BYTES / 2)
        return 0;
    memcpy(content, data + f->payload, length);
    length = LLVMFuzzerMutate(content, length, length + 16);
    n += write_varint(to + n, length);
    memcpy(to + n, content, length);
    return n + length;
}

static size_t mutate_once(uint8_t *data, size_t size, size_t capacity)
{
    static uint8_t bytes[MOST_BYTES];
    field_count = 0;
    if (size >= MOST_BYTES / 2 || !list_fields(data, 0, size, MODEL, UINT32_MAX, 0) ||
        field_count == 0)
        return LLVMFuzzerMutate(data, size, capacity);
    uint32_t at = pick(field_count), other = at;
    const field *f = &fields[at];
    size_t whole = f->end - f->start, n;
    switch (pick(8)) {
    case 0: /* removed */
        return edit(data, size, capacity, f->parent, f->start, f->end, bytes, 0);
    case 1: /* doubled */
        memcpy(bytes, data + f->start, whole);
        return edit(data, size, capacity, f->parent, f->end, f->end, bytes, whole);
    case 2:
    case 3:
    case 4: /* the same field of another message in its place */
        for (uint32_t i = 0, k = pick(field_count); i < field_count;
             i++, k = (k + 1) % field_count) {
            const field *o = &fields[k];
            bool name = o->wire == 2 && f->wire == 2 && f->of == NODE && o->of == NODE &&
                        f->number <= 2 && o->number <= 2 && o->end != o->payload;
            if (k != at && ((o->of == f->of && o->number == f->number) || name)) {
                other = k;
                break;
            }
        }
        n = write_varint(bytes, (uint64_t)f->number << 3 | fields[other].wire);
        if (fields[other].wire == 2)
            n += write_varint(bytes + n, fields[other].end - fields[other].payload);
        memcpy(bytes + n, data + fields[other].payload, fields[other].end - fields[other].payload);
        n += fields[other].end - fields[other].payload;
        return edit(data, size, capacity, f->parent, f->start, f->end, bytes, n);
    default:
        for (uint32_t i = 0; i < 8 && fields[at].is != LEAF; i++)
            at = pick(field_count);
        f = &fields[at];
        if (f->is != LEAF || (n = rewrite(data, at, bytes)) == 0)
            return LLVMFuzzerMutate(data, size, capacity);
        return edit(data, size, capacity, f->parent, f->start, f->end, bytes, n);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    random_state = seed * 2654435761u + 1;
    if (pick(16) == 0)
        return LLVMFuzzerMutate(data, size, capacity);
    for (uint32_t i = 0, n = 1 + pick(3); i < n; i++)
        size = mutate_once(data, size, capacity);
    return size;
}

#endif
