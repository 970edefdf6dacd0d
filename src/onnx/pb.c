#include "onnx/pb.h"

bool pb_varint(pb_reader *r, uint64_t *value)
{
    uint64_t v = 0;
    for (uint32_t shift = 0; shift < 70 && r->at < r->end; shift += 7) {
        uint8_t byte = *r->at++;
        if (shift < 64)
            v |= (uint64_t)(byte & 127u) << shift;
        if (byte < 128) {
            *value = v;
            return true;
        }
    }
    r->bad = true;
    return false;
}

static bool fixed(pb_reader *r, uint32_t bytes, uint64_t *value)
{
    if ((uint64_t)(r->end - r->at) < bytes) {
        r->bad = true;
        return false;
    }
    *value = 0;
    for (uint32_t i = 0; i < bytes; i++)
        *value |= (uint64_t)r->at[i] << (8 * i);
    r->at += bytes;
    return true;
}

bool pb_next(pb_reader *r, pb_field *f)
{
    uint64_t key;
    if (r->bad || r->at == r->end || !pb_varint(r, &key))
        return false;
    *f = (pb_field){.number = (uint32_t)(key >> 3), .wire = (uint32_t)(key & 7)};
    if (key >> 3 == 0 || key >> 32 != 0) {
        r->bad = true;
        return false;
    }
    switch (f->wire) {
    case 0:
        return pb_varint(r, &f->value);
    case 1:
        return fixed(r, 8, &f->value);
    case 5:
        return fixed(r, 4, &f->value);
    case 2: {
        uint64_t size;
        if (!pb_varint(r, &size))
            return false;
        if (size > (uint64_t)(r->end - r->at))
            break;
        f->bytes = (pb_bytes){r->at, size};
        r->at += size;
        return true;
    }
    default: /* groups are not part of proto3 */
        break;
    }
    r->bad = true;
    return false;
}

bool pb_count_varints(const pb_field *f, uint64_t *count)
{
    if (f->wire == 0) {
        *count = 1;
        return true;
    }
    if (f->wire != 2)
        return false;
    uint64_t n = 0; /* each varint ends at its one byte below 128 */
    for (uint64_t i = 0; i < f->bytes.size; i++)
        n += f->bytes.data[i] < 128;
    *count = n;
    return f->bytes.size == 0 || f->bytes.data[f->bytes.size - 1] < 128;
}
