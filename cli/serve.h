/* serve.h — what the parts of `brink serve` share.

   A request is parsed into a job; the jobs that run are advanced in turn, some milliseconds each; what
   a job has to say goes into its text, which the HTTP side sends. One thread does all of it, so nothing
   is locked and an error's text is read before another call can replace it.

   serve.c          options, models, the loop
   serve_http.c     connections, on libmicrohttpd (serve_library.c, serve_listen.c)
   serve_routes.c   who may ask, what is there, what goes back
   serve_jobs.c     waiting and running jobs, sessions
   serve_fields.c   the fields of a request, by tables
   serve_generate.c chat and text completions: running them
   serve_reply.c    … what is written of them
   serve_prompt.c   … messages, prompts, stop texts and grammars
   serve_embed.c    embeddings */
#ifndef CLI_SERVE_H
#define CLI_SERVE_H

#include "cache.h"
#include "output.h"

typedef struct job job;

/* ── Errors, as OpenAI's error object has them ── */

typedef struct api_error {
    unsigned status;    /* of HTTP; 0: none */
    const char *code;   /* a literal; NULL: null */
    char param[96];     /* "": null */
    char message[1024]; /* one line, UTF-8 */
} api_error;

/* Fills *error, unless it is filled already; always false. `param` may be NULL. */
bool api_fail(api_error *error, unsigned status, const char *code, const char *param,
              const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The same with the context's text. */
bool api_engine_fail(api_error *error, const brink_context *context, brink_status status,
                     const char *param);

/* {"error": {…}}; the caller frees. */
char *api_error_text(const api_error *error, size_t *bytes);

/* ── Models and the server ── */

typedef struct slot {
    token_cache cache; /* without a session until it is first taken */
    bool taken;
    uint64_t used; /* when, in jobs */
} slot;

typedef struct served {
    char *id;
    brink_model *model;
    brink_model_facts facts;
    uint32_t context; /* most tokens of a session; 0: not known */
    slot *slots; /* [slot_count]; jobs that run at once. Embeddings take one without a session */
    uint32_t slot_count;
} served;

typedef struct server {
    engine engine; /* its model is NULL: the models are these */
    served *models;
    uint32_t model_count;
    job **jobs; /* in the order they came; not ours: each belongs to its connection */
    uint32_t job_count, turn;
    uint64_t taken; /* slots so far */
    uint32_t most_waiting;
    uint64_t most_bytes; /* of a body */
    int64_t started;     /* seconds since 1970 */
    text_list origins;   /* of pages that may ask */
    bool open, quiet;    /* open: other machines may ask */
} server;

/* NULL where there is none. */
served *api_model(server *s, const char *id);

/* ── Jobs ── */

typedef struct job_kind {
    void (*start)(job *j);   /* a slot has been taken */
    void (*advance)(job *j); /* for some milliseconds; sets `done` at the end */
    void (*destroy)(job *j); /* frees it; what it holds of the engine first */
} job_kind;

struct job {
    const job_kind *kind;
    server *server;
    served *model;
    slot *slot; /* NULL: it waits, or is done with it */
    bool stream, done;
    bool begun;      /* the stream's status is sent: an error is its last event */
    api_error error; /* status 0: none */
    char *text;      /* the reply, or its events so far */
    size_t bytes, capacity, sent;
    void *user; /* of the HTTP side */
};

void job_write(job *j, const char *text, size_t bytes);

/* Ends the job with what its error says. */
void job_fail(job *j);

/* Puts it in the queue; false with the job's error where too many wait. */
bool job_enqueue(job *j);

/* Takes it out of the queue and frees it, whatever it is doing. */
void job_destroy(job *j);

/* Gives the slot back. Call it when the job is done computing. */
void job_leave_slot(job *j);

/* The free slot in which a generation after `prompt` has least to compute, its session made if need be.
   Only for a job that holds some slot, which may be the one that comes back. */
brink_status job_session(job *j, const token_list *prompt, token_cache **out);

/* Destroys the sessions that no job uses, as when there was no room; false: there were none. */
bool jobs_free_sessions(server *s);

/* Starts what can start and advances one job; the one that moved, or NULL where there is nothing to
   do. */
job *jobs_step(server *s);

/* Milliseconds that a job runs before it is another's turn. */
enum { SLICE_US = 10000 };

/* A job of a request's body, or NULL with the error. */
job *api_chat(server *s, const char *body, size_t bytes, api_error *error);
job *api_completion(server *s, const char *body, size_t bytes, api_error *error);
job *api_embedding(server *s, const char *body, size_t bytes, api_error *error);

/* ── Fields of a request ── */

typedef enum field_kind {
    FIELD_NUMBER,   /* double, from low to high                                      */
    FIELD_INTEGER,  /* int64_t, from low to high                                     */
    FIELD_BOOL,     /* bool                                                          */
    FIELD_TEXT,     /* const char *, without NUL; lives as long as the document      */
    FIELD_VALUE,    /* yyjson_val *                                                  */
    FIELD_ANYTHING, /* has no effect on a reply: passed over                         */
    FIELD_UNUSED    /* may say that it is not used: false, 0, [], {}, "", none, auto, default */
} field_kind;

typedef struct field {
    const char *name; /* NULL ends a table */
    field_kind kind;
    size_t at; /* in the structure that is filled */
    double low, high;
} field;

/* Sets what the object has; null is as if absent. An unknown name is an error, and so is one that is not
   honoured. `where` goes before names: "" or "messages[0].". */
bool api_fields(yyjson_val *object, const char *where, const field *table, void *into,
                api_error *error);

/* The document of a body whose root is an object. */
yyjson_doc *api_parse(const char *body, size_t bytes, api_error *error);

/* The model that the request names. */
served *api_need_model(server *s, const char *id, api_error *error);

/* A string without NUL, else NULL. */
const char *api_text(yyjson_val *value);

/* Token ids of an array of integers. */
bool api_tokens(yyjson_val *array, const char *param, token_list *out, api_error *error);

/* `prefix` and 24 random characters; the caller frees. */
char *api_new_id(const char *prefix);
uint64_t api_random(void);

/* ── HTTP ── */

typedef struct http http;

/* EXIT_DONE, or the failure told. The server's `host` and `port` (0: a free one) are listened on. */
int http_open(server *s, const char *host, uint16_t port, http **out);
const char *http_url(const http *h);

/* Serves what there is to serve; waits up to so many milliseconds for something. */
void http_run(http *h, int32_t wait_ms);

/* The job has moved: sends what there is of it. */
void http_notify(http *h, job *j);

/* Ends the jobs of clients that have gone. */
void http_watch(http *h);

void http_close(http *h);

#endif
