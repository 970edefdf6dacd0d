/* session_load.c — a session from the bytes of a saved one, or from another session.

   Where the executor has lost its memory, or loses it on the way, nothing is copied: the tokens are owed, and
   computed when the session is used. */
#include "pipelines/session_file.h"

#include "pipelines/identity.h"

#include <string.h>

typedef struct header {
    uint32_t version, type;
    uint64_t identity, key;
    uint32_t length, has_pending, pending, slot_count;
    uint64_t checksum;
} header;

static uint32_t u32_at(const uint8_t *data, uint64_t at)
{
    uint32_t value;
    memcpy(&value, data + at, sizeof value);
    return value;
}

static uint64_t u64_at(const uint8_t *data, uint64_t at)
{
    uint64_t value;
    memcpy(&value, data + at, sizeof value);
    return value;
}

static brink_status bad(const brink_model *m, const char *what, uint64_t found, uint64_t wanted)
{
    return core_fail(m->context, BRINK_BAD_INPUT, "saved session: %s: %llu, expected %llu", what,
                     (unsigned long long)found, (unsigned long long)wanted);
}

/* That the bytes are a session, whole and undamaged, of this model. */
static brink_status check_file(const brink_model *m, const uint8_t *data, uint64_t bytes, header *h)
{
    const decoder *d = &m->decoder;
    if (bytes < SESSION_FILE_HEADER || memcmp(data, "brinkses", 8) != 0)
        return core_fail(m->context, BRINK_BAD_INPUT,
                         "saved session: does not begin as one (%llu bytes)",
                         (unsigned long long)bytes);
    *h = (header){.version = u32_at(data, 8),
                  .type = u32_at(data, 12),
                  .identity = u64_at(data, 16),
                  .key = u64_at(data, 24),
                  .length = u32_at(data, 32),
                  .has_pending = u32_at(data, 36),
                  .pending = u32_at(data, 40),
                  .slot_count = u32_at(data, 44),
                  .checksum = u64_at(data, 48)};
    if (h->version != 1)
        return bad(m, "version", h->version, 1);
    if (h->type != BRINK_F32)
        return bad(m, "element type", h->type, BRINK_F32);
    if (h->identity != model_identity(m))
        return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                         "saved session: is of another model than %s", m->onnx.file);
    if (h->slot_count != d->slot_count)
        return bad(m, "cache slots", h->slot_count, d->slot_count);
    uint64_t wanted = SESSION_FILE_HEADER + h->length * 4ull + d->slot_count * 8ull;
    for (uint32_t i = 0; i < d->slot_count; i++) {
        const cache_slot *slot = &d->slots[i];
        uint64_t at = SESSION_FILE_HEADER + h->length * 4ull + i * 8ull, rows;
        if (at + 8 > bytes)
            return bad(m, "bytes", bytes, at + 8);
        if (u32_at(data, at) != slot->heads || u32_at(data, at + 4) != slot->width)
            return core_fail(m->context, BRINK_BAD_INPUT,
                             "saved session: cache slot %u is not [%lld, tokens, %lld]", i,
                             (long long)slot->heads, (long long)slot->width);
        if (!core_mul((uint64_t)slot->heads * (uint64_t)slot->width * sizeof(float), h->length,
                      &rows) ||
            !core_add(wanted, rows, &wanted))
            return bad(m, "tokens", h->length, 0);
    }
    if (bytes != wanted)
        return bad(m, "bytes", bytes, wanted);
    uint64_t sum = session_file_checksum(data + SESSION_FILE_HEADER, bytes - SESSION_FILE_HEADER);
    if (sum != h->checksum)
        return bad(m, "checksum", sum, h->checksum);
    for (uint64_t i = 0; i < h->length; i++)
        if (d->vocabulary != 0 && u32_at(data, SESSION_FILE_HEADER + 4 * i) >= d->vocabulary)
            return bad(m, "a token outside the vocabulary",
                       u32_at(data, SESSION_FILE_HEADER + 4 * i), d->vocabulary);
    if (h->has_pending > 1 || (d->vocabulary != 0 && h->pending >= d->vocabulary))
        return bad(m, "pending token", h->pending, d->vocabulary);
    return BRINK_OK;
}

/* The tokens are known and owed: what is there without the cache. */
static brink_status owe(brink_session *s, const void *tokens, uint32_t count)
{
    uint32_t *room = core_realloc(s->model->context, s->tokens, count * sizeof *room + 1);
    if (room == NULL)
        return BRINK_OUT_OF_MEMORY;
    s->tokens = room;
    if (count != 0)
        memcpy(room, tokens, count * sizeof *room);
    s->owed = count;
    return BRINK_OK;
}

/* Rows of the bytes, one slot behind another, to a cache that has its place. */
static brink_status take_rows(brink_session *s, const uint8_t *rows, uint32_t length)
{
    const decoder *d = &s->model->decoder;
    for (uint32_t i = 0; i < d->slot_count; i++) {
        const cache_slot *slot = &d->slots[i];
        uint64_t row = (uint64_t)slot->width * sizeof(float), run = length * row;
        uint64_t stride = s->in_place ? s->capacity * row : run;
        if (s->executor != NULL)
            TRY(s->executor->memory_write(s->executor, s->buffers[i], stride, rows,
                                          (uint64_t)slot->heads, run));
        for (int64_t h = 0; h < slot->heads && s->executor == NULL && run != 0; h++)
            memcpy((char *)s->buffers[i] + (uint64_t)h * stride, rows + (uint64_t)h * run,
                   (size_t)run);
        rows += (uint64_t)slot->heads * run;
    }
    s->length = length;
    s->owed = 0;
    return BRINK_OK;
}

static brink_status fill(brink_session *s, const uint8_t *data, const header *h)
{
    const uint8_t *tokens = data + SESSION_FILE_HEADER;
    const uint8_t *rows = tokens + h->length * 4ull + h->slot_count * 8ull;
    if (h->length > s->context)
        return core_fail(s->model->context, BRINK_INVALID_ARGUMENT,
                         "saved session: its %u tokens do not fit the context of %u", h->length,
                         s->context);
    s->key = h->key;
    TRY(owe(s, tokens, h->length));
    if (h->length != 0 && !session_is_lost(s)) {
        brink_status status = session_reserve(s, h->length);
        if (status == BRINK_OK)
            status = session_settle(s);
        if (status == BRINK_OK)
            status = take_rows(s, rows, h->length);
        if (status != BRINK_OK && !session_is_lost(s))
            return status;
    }
    s->has_pending = h->has_pending != 0;
    s->pending = h->pending;
    return BRINK_OK;
}

brink_status brink_session_load(brink_model *m, const brink_session_desc *desc, const void *data,
                                uint64_t bytes, brink_session **out)
{
    brink_session *s;
    header h;
    TRY(brink_session_create(m, desc, &s));
    *out = NULL;
    brink_status status = check_file(m, data, bytes, &h);
    if (status == BRINK_OK)
        status = fill(s, data, &h);
    if (status == BRINK_OK)
        *out = s;
    else
        brink_session_destroy(s);
    return status;
}

static brink_status copy_cache(const brink_session *s, brink_session *to)
{
    const decoder *d = &s->model->decoder;
    if (s->executor == NULL) /* its buffers were in the executor's memory */
        TRY(session_leave(to));
    TRY(session_reserve(to, s->capacity));
    for (uint32_t i = 0; i < d->slot_count; i++) {
        const cache_slot *slot = &d->slots[i];
        uint64_t row = (uint64_t)slot->width * sizeof(float), run = s->length * row;
        uint64_t stride = s->in_place ? s->capacity * row : run;
        if (s->executor != NULL)
            TRY(s->executor->memory_copy(s->executor, to->buffers[i], stride, s->buffers[i], stride,
                                         (uint64_t)slot->heads, run));
        for (int64_t h = 0; h < slot->heads && s->executor == NULL && run != 0; h++)
            memcpy((char *)to->buffers[i] + (uint64_t)h * stride,
                   (const char *)s->buffers[i] + (uint64_t)h * stride, (size_t)run);
    }
    to->in_place = s->in_place;
    to->fixed = s->fixed;
    to->single = s->single;
    to->length = s->length;
    to->owed = s->owed;
    return BRINK_OK;
}

brink_status brink_session_fork(const brink_session *s, brink_session **out)
{
    brink_session *to;
    *out = NULL;
    if (s->busy)
        return core_fail(s->model->context, BRINK_INVALID_ARGUMENT,
                         "the session is in use by another task");
    TRY(brink_session_create(s->model, &(brink_session_desc){.context = s->context}, &to));
    brink_status status = owe(to, s->tokens, s->length + s->owed);
    if (status == BRINK_OK && s->capacity != 0 && !session_is_lost(s) && !session_is_lost(to)) {
        status = copy_cache(s, to);
        if (status != BRINK_OK && session_is_lost(to)) {
            to->length = 0;
            to->owed = s->length + s->owed;
            status = BRINK_OK;
        }
    }
    if (status != BRINK_OK) {
        brink_session_destroy(to);
        return status;
    }
    to->key = s->key;
    to->has_pending = s->has_pending;
    to->pending = s->pending;
    *out = to;
    return BRINK_OK;
}
