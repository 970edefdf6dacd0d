/* packing.c — see packing.h. A hash table by key, chained; it grows with its entries. */
#include "graph/packing.h"

#include <string.h>

typedef struct entry {
    struct entry *next;
    packing_key key;
    uint64_t bytes;
    void *data;
} entry;

enum { BUCKETS = 256 };

struct packing {
    brink_context *context;
    entry *buckets[BUCKETS];
    uint64_t bytes;
    packing_give_up give_up;
    void *user;
};

static uint32_t bucket_of(const packing_key *key)
{
    uint64_t h = (uintptr_t)key->layout;
    for (int i = 0; i < PACKING_SOURCES; i++)
        h = (h ^ (uintptr_t)key->sources[i]) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 40) % BUCKETS;
}

brink_status packing_create(brink_context *context, packing **out)
{
    *out = core_calloc(context, 1, sizeof **out);
    if (*out == NULL)
        return BRINK_OUT_OF_MEMORY;
    (*out)->context = context;
    return BRINK_OK;
}

void packing_free(packing *p)
{
    if (p == NULL)
        return;
    for (uint32_t i = 0; i < BUCKETS; i++)
        for (entry *e = p->buckets[i], *next; e != NULL; e = next) {
            next = e->next;
            core_free(p->context, e->data);
            core_free(p->context, e);
        }
    core_free(p->context, p);
}

const void *packing_find(const packing *p, const packing_key *key)
{
    const entry *e = p->buckets[bucket_of(key)];
    while (e != NULL && memcmp(&e->key, key, sizeof *key) != 0)
        e = e->next;
    return e == NULL ? NULL : e->data;
}

void *packing_add(packing *p, const packing_key *key, uint64_t bytes)
{
    entry *e = core_calloc(p->context, 1, sizeof *e);
    if (e == NULL)
        return NULL;
    e->data = core_alloc(p->context, bytes);
    if (e->data == NULL) {
        core_free(p->context, e);
        return NULL;
    }
    uint32_t bucket = bucket_of(key);
    e->key = *key;
    e->bytes = bytes;
    e->next = p->buckets[bucket];
    p->buckets[bucket] = e;
    p->bytes += bytes;
    return e->data;
}

static bool is_made_of(const packing_key *key, const void *source)
{
    for (int i = 0; i < PACKING_SOURCES; i++)
        if (key->sources[i] == source)
            return true;
    return false;
}

/* Takes one such entry out; NULL where there is none. */
static entry *take_made_of(packing *p, const void *source)
{
    for (uint32_t i = 0; i < BUCKETS; i++)
        for (entry **link = &p->buckets[i]; *link != NULL; link = &(*link)->next)
            if (is_made_of(&(*link)->key, source)) {
                entry *e = *link;
                *link = e->next;
                return e;
            }
    return NULL;
}

void packing_forget(packing *p, const void *source)
{
    for (entry *e; (e = take_made_of(p, source)) != NULL;) {
        packing_forget(p, e->data);
        p->bytes -= e->bytes;
        core_free(p->context, e->data);
        core_free(p->context, e);
    }
}

uint64_t packing_bytes(const packing *p)
{
    return p->bytes;
}

void packing_set_give_up(packing *p, packing_give_up give_up, void *user)
{
    p->give_up = give_up;
    p->user = user;
}

void packing_done_with(const packing *p, const void *data, uint64_t bytes)
{
    if (p->give_up != NULL)
        p->give_up(p->user, data, bytes);
}
