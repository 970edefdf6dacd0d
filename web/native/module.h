/* module.h — what the entry points of the wasm module share.

   Each is a flat function over brink.h: pointers and 32-bit integers as they are, 64-bit sizes and
   times as doubles (exact up to 2^53), results through memory. Structs of brink.h that script reads
   and writes in place are held to the layout that web/sdk/src/layout.ts states.

   Memory that script passes in or owns comes from malloc() and goes to free(), both exported. Only
   the first instance of a module calls anything here; the instances on helper threads know only
   brink_worker_main(). */
#ifndef WEB_MODULE_H
#define WEB_MODULE_H

#include "brink.h"

#define EXPORT(name) __attribute__((export_name(#name), visibility("default")))

/* A size that script gave as a double; anything that is not one becomes the largest, which no
   allocation grants. */
static inline uint64_t web_size(double value)
{
    return value >= 0 && value <= 9007199254740992.0 ? (uint64_t)value : UINT64_MAX;
}

#endif
