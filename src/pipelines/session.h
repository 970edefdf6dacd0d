/* session.h — the key-value cache of one conversation and the plans that extend it.

   Rows [0, length) of every cache buffer are valid. A buffer is [heads, capacity, width] in f32.
   Where every layer's attention appends to its buffer itself (GroupQueryAttention) a step touches
   one row a head; else the present rows are written to a second buffer and the two change places.

   With an executor, what lies there may be lost. The session knows its tokens, and computes the cache
   anew from them: `owed` tokens behind `length` are then still to come, and nothing else is stepped.

   A step runs a chunk of 1, 8, 32 or 128 tokens, with an executor also 512. The last rows of a chunk may be padding: they come
   after all real tokens, so nothing that counts attends to them, and they are not counted. */
#ifndef PIPELINES_SESSION_H
#define PIPELINES_SESSION_H

#include "pipelines/adapter.h"

enum { PLAN_SETS = 4 };
/* Plans: one a chunk size, and one that verifies a draft: its logits are those of every row. */
enum { CHUNK_SIZES = 5, SESSION_DRAFT = CHUNK_SIZES, SESSION_PLANS };

/* The key of the model's own weights. */
enum { SESSION_BASE = 0 };

/* Tokens of a draft at most, behind the newest token in a chunk. */
enum { SESSION_DRAFT_TOKENS = 7 };

typedef struct step_plan {
    plan plan;
    bool built;
    uint32_t chunk;
} step_plan;

/* Plans without an adapter, or with one of a structure. */
typedef struct plan_set {
    step_plan plans[SESSION_PLANS];
    lora structure;   /* the nodes and ranks, its matrices not to be read; empty: none */
    uint64_t adapter; /* id of the one whose matrices the plans have; 0: none          */
    uint64_t used;    /* when, in turns                                                */
} plan_set;

struct brink_session {
    brink_model *model;
    uint32_t context;    /* most tokens */
    uint32_t capacity;   /* rows reserved in each buffer */
    uint32_t length;     /* tokens in the cache */
    uint32_t owed;       /* tokens that were in it and were lost */
    uint32_t generation; /* of the executor's memory             */
    uint32_t *tokens;    /* [capacity] those of the cache, and those owed */
    uint64_t key;        /* of what adapted the weights that made the rows */
    bool refilling;      /* a step over tokens that are owed is in progress */
    bool in_place;       /* attention appends to its own buffer */
    bool fixed;          /* the graph cannot be planned for a running length: planned each step */
    bool busy;           /* a task is using it */
    bool draftless;      /* a chunk's rows are not what they are alone */
    bool repeating;      /* session_repeat has begun                 */
    bool profile;        /* decoding steps are measured */
    step_usage *usage;   /* by step of plans[0]         */
    uint32_t used_steps; /* decoding steps in `usage`   */
    plan_repeat repeats;
    uint32_t repeated; /* tokens that came since it began          */
    bool single;       /* it cannot be repeated: step by step      */
    bool has_pending;  /* the newest token is not in the cache yet */
    uint32_t pending;
    const executor *executor;     /* NULL: the CPU alone; else buffers are its memory */
    void **buffers, **others;     /* by slot; others is NULL when in place */
    const brink_adapter *adapter; /* of the present or last generation, then perhaps gone */
    uint64_t adapter_id;          /* its own; 0: none */
    uint64_t adapter_key;         /* of the rows that it makes */
    plan_set sets[PLAN_SETS];     /* the first is without */
    uint64_t turn;
    step_plan *plans; /* [SESSION_PLANS] of the set in use */
    workspace workspace;
    execution execution;
    step_plan *running; /* plan of the step in progress */
    uint32_t running_tokens;
    int64_t *ids, *positions, *rows; /* [largest chunk] */
    int64_t *ones;                   /* [capacity]: the attention mask */
    int32_t *narrow;                 /* the same as int32 where the graph wants that */
    float *logits;                   /* [vocabulary] of the newest token */
    uint32_t vocabulary;
};

/* The key of rows that are made with it; NULL: without. */
static inline uint64_t session_key(const brink_adapter *adapter)
{
    return adapter != NULL ? adapter->key : SESSION_BASE;
}

/* What is computed from now on is with this adapter (NULL: none); rows of another key are to be cut off. */
brink_status session_use_adapter(brink_session *s, const brink_adapter *adapter);

/* Sizes of chunks, in rising order; 0 past the last. */
uint32_t session_chunk(uint32_t index, bool executor);

/* Whether a cache can stay in an executor's memory under this plan. */
bool session_in_place(const brink_model *m, const plan *p);

/* Room for tokens that are expected, so that the cache does not grow step by step where growing is
   dear; fewer may fit. */
brink_status session_expect(brink_session *s, uint32_t tokens);

/* Room for `needed` tokens in all. */
brink_status session_reserve(brink_session *s, uint32_t needed);

/* A cache that something on the CPU reads stays there, and with it a session, which has no tokens yet. */
brink_status session_leave(brink_session *s);

/* Finds out where the cache of a session without tokens is to lie, and how. */
brink_status session_settle(brink_session *s);

/* brink_session_truncate, for whoever uses the session. */
void session_cut(brink_session *s, uint32_t length);

/* How many of the tokens, from the first on, the session holds already, by the same key. */
uint32_t session_match(const brink_session *s, uint64_t key, const uint32_t *tokens,
                       uint32_t count);

/* Forgets `drop` tokens behind the first `keep`. Rows behind those are owed then, since positions are
   in them. */
void session_shift(brink_session *s, uint32_t keep, uint32_t drop);

/* Whether the executor lost what the session had there. */
bool session_is_lost(const brink_session *s);

/* Makes the cache anew where it was lost; BRINK_PENDING while it is not whole. */
brink_status session_restore(brink_session *s, uint64_t deadline);

/* `token` is in the cache now, after session_repeat: counts it. */
void session_extend(brink_session *s, uint32_t token);

/* Begins a step over tokens[0, count), of which as many as one chunk takes are used: *taken. */
brink_status session_step_begin(brink_session *s, const uint32_t *tokens, uint32_t count,
                                uint32_t *taken);

/* Goes on until the deadline; BRINK_OK when the step is done and s->logits is that of its last
   token. */
brink_status session_step_advance(brink_session *s, uint64_t deadline);

/* The same over the newest token and a draft of what follows, SESSION_DRAFT_TOKENS at most.
   BRINK_UNSUPPORTED, with nothing done, where that cannot be undone, on an executor, where a graph's rows
   depend on each other (activations quantised by the chunk), and where there is no room. When it is done
   session_row has the logits behind each token, until the next step begins; of the tokens those that
   proved wrong have to be cut off. */
brink_status session_draft_begin(brink_session *s, const uint32_t *tokens, uint32_t count);
const float *session_row(const brink_session *s, uint32_t row);

/* The tokens that follow `token`, [PLAN_REPEATS] at most, computed ahead where the plan allows it:
   BRINK_UNSUPPORTED, once and for all, where it does not. For each that is taken one more token is in
   the cache: the caller tells it by session_extend. `how` says how many are wanted at most, how they are
   chosen, and the place of the next in the reply. */
brink_status session_repeat(brink_session *s, uint32_t token, const plan_repeat *how,
                            uint64_t deadline, uint32_t *tokens, uint32_t *count);

/* Drops what was computed ahead. */
void session_repeat_end(brink_session *s);

#endif
