/* packing.h — weights in the layout their kernel reads, made once and shared by a model's plans.

   Invariant: what packing_add gave stays where it is, unchanged once filled, until packing_free; one
   key has one packed form. */
#ifndef GRAPH_PACKING_H
#define GRAPH_PACKING_H

#include "core/context.h"

enum { PACKING_SOURCES = 4 };

/* The layout, named by an address, and the constants that went in; NULL: none. */
typedef struct packing_key {
    const void *layout;
    const void *sources[PACKING_SOURCES];
} packing_key;

typedef struct packing packing;

brink_status packing_create(brink_context *context, packing **out);
void packing_free(packing *p);

/* What was kept for the key, NULL if nothing was. */
const void *packing_find(const packing *p, const packing_key *key);

/* `bytes` for the key, to be filled by the caller; NULL with the error recorded when there is no room. */
void *packing_add(packing *p, const packing_key *key, uint64_t bytes);

/* Drops what was made of a source that is about to go, and what was made of that. */
void packing_forget(packing *p, const void *source);

uint64_t packing_bytes(const packing *p);

/* Says that a source will hardly be read again, so that its pages need not stay in memory. `give_up`
   is the owner's way to let go of them; without one they stay. */
typedef void (*packing_give_up)(void *user, const void *data, uint64_t bytes);
void packing_set_give_up(packing *p, packing_give_up give_up, void *user);
void packing_done_with(const packing *p, const void *data, uint64_t bytes);

#endif
