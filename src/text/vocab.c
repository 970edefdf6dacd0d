/* vocab.c — see vocab.h. */
#include "text/vocab.h"

uint64_t text_hash(const char *text, uint32_t bytes)
{
    const uint64_t prime = 0x9E3779B97F4A7C15u;
    uint64_t h = bytes * prime;
    while (bytes >= 8) {
        uint64_t word;
        memcpy(&word, text, 8);
        h = (h ^ word) * prime;
        h ^= h >> 32;
        text += 8;
        bytes -= 8;
    }
    if (bytes != 0) {
        uint64_t word = 0;
        memcpy(&word, text, bytes);
        h = (h ^ word) * prime;
    }
    h ^= h >> 29;
    h *= 0xBF58476D1CE4E5B9u;
    return h ^ h >> 32;
}

brink_status vocab_create(vocab *v, brink_context *context, uint32_t count, uint32_t size,
                          uint64_t bytes)
{
    *v = (vocab){.context = context, .blob.context = context, .size = size};
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)count)
        slots *= 2;
    v->start = core_alloc(context, (uint64_t)size * sizeof *v->start);
    v->length = core_calloc(context, size, sizeof *v->length);
    v->slots = core_alloc(context, slots * sizeof *v->slots);
    if (v->start == NULL || v->length == NULL || v->slots == NULL ||
        buffer_reserve(&v->blob, bytes + count + 1) != BRINK_OK) {
        vocab_free(v);
        return BRINK_OUT_OF_MEMORY;
    }
    memset(v->start, 0xFF, size * sizeof *v->start);
    memset(v->slots, 0xFF, (size_t)(slots * sizeof *v->slots));
    v->mask = (uint32_t)(slots - 1);
    return BRINK_OK;
}

void vocab_free(vocab *v)
{
    if (v->context == NULL)
        return;
    core_free(v->context, v->start);
    core_free(v->context, v->length);
    core_free(v->context, v->slots);
    buffer_free(&v->blob);
    *v = (vocab){.context = v->context};
}

static uint32_t slot_of(const vocab *v, const char *spelling, uint32_t bytes, uint32_t hash)
{
    for (uint32_t i = hash & v->mask;; i = (i + 1) & v->mask) {
        const vocab_slot *s = &v->slots[i];
        if (s->id == VOCAB_NONE || (s->hash == hash && s->length == bytes &&
                                    memcmp(v->blob.data + s->start, spelling, bytes) == 0))
            return i;
    }
}

brink_status vocab_add(vocab *v, const char *spelling, uint32_t bytes, uint32_t id)
{
    uint32_t hash = (uint32_t)text_hash(spelling, bytes);
    uint32_t i = slot_of(v, spelling, bytes, hash);
    if (v->blob.size > UINT32_MAX - bytes - 1)
        return core_fail(v->context, BRINK_OUT_OF_MEMORY, "the vocabulary's text is too long");
    if (v->slots[i].id == VOCAB_NONE)
        v->count++;
    uint32_t start = (uint32_t)v->blob.size;
    TRY(buffer_append(&v->blob, spelling, bytes));
    TRY(buffer_append(&v->blob, "", 1));
    v->start[id] = start;
    v->length[id] = bytes;
    v->slots[i] = (vocab_slot){hash, id, start, bytes};
    return BRINK_OK;
}

uint32_t vocab_find(const vocab *v, const char *spelling, uint32_t bytes)
{
    if (v->slots == NULL)
        return VOCAB_NONE;
    return v->slots[slot_of(v, spelling, bytes, (uint32_t)text_hash(spelling, bytes))].id;
}
