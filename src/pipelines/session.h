/* session.h — the key-value cache of one conversation and the plans that extend it.

   Rows [0, length) of every cache buffer are valid. A buffer is [heads, capacity, width] in f32.
   Where every layer's attention appends to its buffer itself (GroupQueryAttention) a step touches
   one row a head; else the present rows are written to a second buffer and the two change places.

   A step runs a chunk of 1, 8, 32 or 128 tokens. The last rows of a chunk may be padding: they come
   after all real tokens, so nothing that counts attends to them, and they are not counted. */
#ifndef PIPELINES_SESSION_H
#define PIPELINES_SESSION_H

#include "pipelines/model.h"

enum { CHUNK_SIZES = 4 };

typedef struct step_plan {
    plan plan;
    bool built;
    uint32_t chunk;
} step_plan;

struct brink_session {
    brink_model *model;
    uint32_t context;  /* most tokens */
    uint32_t capacity; /* rows reserved in each buffer */
    uint32_t length;   /* tokens in the cache */
    bool in_place;     /* attention appends to its own buffer */
    bool fixed;        /* the graph cannot be planned for a running length: planned each step */
    bool busy;         /* a task is using it */
    bool has_pending;  /* the newest token is not in the cache yet */
    uint32_t pending;
    const executor *executor; /* NULL: the CPU alone; else buffers are its memory */
    void **buffers, **others; /* by slot; others is NULL when in place */
    step_plan plans[CHUNK_SIZES];
    workspace workspace;
    execution execution;
    step_plan *running; /* plan of the step in progress */
    uint32_t running_tokens;
    int64_t *ids, *positions; /* [largest chunk] */
    int64_t *ones;            /* [capacity]: the attention mask */
    int32_t *narrow;          /* the same as int32 where the graph wants that */
    float *logits;            /* [vocabulary] of the newest token */
    uint32_t vocabulary;
};

/* Begins a step over tokens[0, count), of which as many as one chunk takes are used: *taken. */
brink_status session_step_begin(brink_session *s, const uint32_t *tokens, uint32_t count,
                                uint32_t *taken);

/* Goes on until the deadline; BRINK_OK when the step is done and s->logits is that of its last
   token. */
brink_status session_step_advance(brink_session *s, uint64_t deadline);

#endif
