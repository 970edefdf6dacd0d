/* session_save.c — a session as bytes, and as another session: see session_file.h.

   What is saved is the cache without the room that is reserved in it; where an executor has it, it is read back
   slot by slot. A device that is lost meanwhile is nothing special: the cache is computed anew, and read. */
#include "pipelines/session_file.h"

#include "pipelines/identity.h"
#include "pipelines/task.h"

#include <string.h>

static const char magic[8] = {'b', 'r', 'i', 'n', 'k', 's', 'e', 's'};

enum { VERSION = 1, MOST_LOSSES = 3 };

typedef struct save_task {
    brink_task base;
    brink_session *session;
    uint8_t *data;
    uint64_t bytes, at; /* of the next slot's rows */
    uint32_t slot, losses;
    void *read; /* the executor's */
    bool taken; /* the session is busy on our behalf */
} save_task;

/* FNV-1a (Fowler, Noll, Vo) over words of 8 bytes, the last filled up with zeros. */
uint64_t session_file_checksum(const void *data, uint64_t bytes)
{
    uint64_t h = 0xCBF29CE484222325u, word;
    for (uint64_t i = 0; i < bytes; i += sizeof word) {
        word = 0;
        memcpy(&word, (const char *)data + i, bytes - i < sizeof word ? bytes - i : sizeof word);
        h = (h ^ word) * 0x100000001B3u;
    }
    return h;
}

static uint64_t rows_bytes(const cache_slot *slot, uint32_t tokens)
{
    return (uint64_t)slot->heads * tokens * (uint64_t)slot->width * sizeof(float);
}

/* False where it is more than can be. */
static bool file_bytes(const decoder *d, uint32_t tokens, uint64_t *bytes)
{
    *bytes = SESSION_FILE_HEADER + tokens * 4ull + d->slot_count * 8ull;
    for (uint32_t i = 0; i < d->slot_count; i++)
        if (!core_add(*bytes, rows_bytes(&d->slots[i], tokens), bytes))
            return false;
    return true;
}

static void put_u32(uint8_t **to, uint32_t value)
{
    memcpy(*to, &value, sizeof value);
    *to += sizeof value;
}

static void put_u64(uint8_t **to, uint64_t value)
{
    memcpy(*to, &value, sizeof value);
    *to += sizeof value;
}

/* Everything but the rows, of a cache that is whole. */
static void put_header(save_task *t)
{
    const brink_session *s = t->session;
    const decoder *d = &s->model->decoder;
    uint8_t *to = t->data;
    memcpy(to, magic, sizeof magic);
    to += sizeof magic;
    put_u32(&to, VERSION);
    put_u32(&to, BRINK_F32);
    put_u64(&to, model_identity(s->model));
    put_u64(&to, s->key);
    put_u32(&to, s->length);
    put_u32(&to, s->has_pending);
    put_u32(&to, s->has_pending ? s->pending : 0);
    put_u32(&to, d->slot_count);
    put_u64(&to, 0);
    for (uint32_t i = 0; i < s->length; i++)
        put_u32(&to, s->tokens[i]);
    for (uint32_t i = 0; i < d->slot_count; i++) {
        put_u32(&to, (uint32_t)d->slots[i].heads);
        put_u32(&to, (uint32_t)d->slots[i].width);
    }
    t->at = (uint64_t)(to - t->data);
}

static brink_status put_rows(save_task *t, uint64_t deadline)
{
    const brink_session *s = t->session;
    const cache_slot *slot = &s->model->decoder.slots[t->slot];
    uint64_t row = (uint64_t)slot->width * sizeof(float), run = s->length * row;
    uint64_t stride = (s->in_place ? s->capacity : s->length) * row;
    char *to = (char *)t->data + t->at;
    if (s->executor != NULL)
        return s->executor->memory_read(s->executor, to, s->buffers[t->slot], stride,
                                        (uint64_t)slot->heads, run, deadline, &t->read);
    for (int64_t h = 0; h < slot->heads && run != 0; h++)
        memcpy(to + (uint64_t)h * run, (const char *)s->buffers[t->slot] + (uint64_t)h * stride,
               (size_t)run);
    return BRINK_OK;
}

static brink_status save(save_task *t, uint64_t deadline)
{
    brink_session *s = t->session;
    const decoder *d = &s->model->decoder;
    TRY(session_restore(s, deadline));
    if (t->at == 0)
        put_header(t);
    while (t->slot < d->slot_count) {
        TRY(put_rows(t, deadline));
        t->at += rows_bytes(&d->slots[t->slot++], s->length);
        if (core_now() >= deadline)
            return BRINK_PENDING;
    }
    uint8_t *to = t->data + SESSION_FILE_CHECKSUM;
    put_u64(&to,
            session_file_checksum(t->data + SESSION_FILE_HEADER, t->bytes - SESSION_FILE_HEADER));
    return BRINK_OK;
}

static void stop_reading(save_task *t)
{
    if (t->read != NULL)
        t->session->executor->memory_unread(t->session->executor, t->read);
    t->read = NULL;
}

static brink_status save_advance(brink_task *base, uint64_t deadline)
{
    save_task *t = (save_task *)base;
    for (;;) {
        brink_status status = save(t, deadline);
        if (status == BRINK_OK || status == BRINK_PENDING || !session_is_lost(t->session) ||
            t->losses++ == MOST_LOSSES)
            return status;
        stop_reading(t);
        t->at = t->slot = 0;
    }
}

static void save_destroy(brink_task *base)
{
    save_task *t = (save_task *)base;
    stop_reading(t);
    core_free(base->context, t->data);
    if (t->taken)
        t->session->busy = false;
}

brink_status brink_session_save_begin(brink_session *s, brink_task **out)
{
    brink_context *context = s->model->context;
    *out = NULL;
    if (s->busy)
        return core_fail(context, BRINK_INVALID_ARGUMENT, "the session is in use by another task");
    save_task *t = task_create(context, sizeof *t, TASK_SAVE, save_advance, save_destroy);
    if (t == NULL)
        return BRINK_OUT_OF_MEMORY;
    t->session = s;
    t->base.model = s->model;
    if (file_bytes(&s->model->decoder, s->length + s->owed, &t->bytes))
        t->data = core_alloc(context, t->bytes);
    if (t->data == NULL) {
        brink_task_destroy(&t->base);
        return BRINK_OUT_OF_MEMORY;
    }
    s->busy = t->taken = true;
    *out = &t->base;
    return BRINK_OK;
}

brink_status brink_session_saved(const brink_task *base, const void **data, uint64_t *bytes)
{
    const save_task *t = (const save_task *)base;
    *data = NULL;
    *bytes = 0;
    if (base->kind != TASK_SAVE || !base->ended || base->result != BRINK_OK)
        return core_fail(base->context, BRINK_INVALID_ARGUMENT, "no session has been saved");
    *data = t->data;
    *bytes = t->bytes;
    return BRINK_OK;
}
