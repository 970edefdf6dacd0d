/* pb.h — reads protobuf's wire format over a byte range, copying nothing
   (protobuf.dev/programming-guides/encoding).

   Invariant: `at` never passes `end`; after a malformed field `bad` is set and pb_next is false. */
#ifndef ONNX_PB_H
#define ONNX_PB_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct pb_reader {
    const uint8_t *at, *end;
    bool bad;
} pb_reader;

typedef struct pb_bytes {
    const uint8_t *data;
    uint64_t size;
} pb_bytes;

typedef struct pb_field {
    uint32_t number;
    uint32_t wire;  /* 0 varint, 1 64-bit, 2 bytes, 5 32-bit */
    uint64_t value; /* of wires 0, 1 and 5                   */
    pb_bytes bytes; /* of wire 2                             */
} pb_field;

static inline pb_reader pb_open(pb_bytes b)
{
    return (pb_reader){b.data, b.size != 0 ? b.data + b.size : b.data, false};
}

/* Reads the next field; false at the end or when malformed. */
bool pb_next(pb_reader *r, pb_field *f);

/* One varint of a packed list; false at the end or when malformed. */
bool pb_varint(pb_reader *r, uint64_t *value);

/* A repeated integer: calls for the one value of wire 0, or each of a packed wire 2. Counts, so
   that the caller can size its array first. */
bool pb_count_varints(const pb_field *f, uint64_t *count);

static inline float pb_float(const pb_field *f)
{
    uint32_t u = (uint32_t)f->value;
    float v;
    memcpy(&v, &u, 4);
    return v;
}

static inline bool pb_equal(pb_bytes b, const char *text)
{
    return b.size == strlen(text) && memcmp(b.data, text, (size_t)b.size) == 0;
}

#endif
