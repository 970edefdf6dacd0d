/* brink.h — run small neural networks from ONNX files, natively and in a browser.

   This header is the whole public C API and its own manual. It rises in difficulty: contexts and
   errors, tasks, loading, running a graph, text, generation, embeddings, and last the native
   conveniences.

   Everything that may take long is a task. A function named brink_…_begin() makes one,
   brink_task_advance() moves it on for about as long as it is told and answers BRINK_PENDING until
   it is done, brink_task_cancel() makes the next advance end with BRINK_CANCELLED, and
   brink_task_destroy() frees it at any time. Nothing here blocks.

   Errors: every function that can fail returns a brink_status; brink_error() then gives one line
   that names what was being read, where, what was found and what was expected.

   Ownership: what a function returns through `out` belongs to the caller, who gives it to the
   matching …_destroy() (NULL is allowed). `const` pointers that come out are lent: they live as
   long as the object they were asked of, unless a line says otherwise. Destroy in the reverse
   order: tasks, sessions, models, context. A destroyed parent with living children is an error of
   the caller.

   Threads: a context and all that hangs on it is used by one thread at a time; different contexts
   are independent. A context's worker threads are its own affair.

   Options are structs whose zero value is the sensible default. Sizes are bytes, times are
   microseconds unless the name says otherwise. Strings are UTF-8 and end in NUL. */
#ifndef BRINK_H
#define BRINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__wasm__)
#define BRINK_API __attribute__((visibility("default")))
#elif defined(__GNUC__)
#define BRINK_API __attribute__((visibility("default")))
#else
#define BRINK_API
#endif

/* ── Status and errors ───────────────────────────────────────────────────────────────────────── */

typedef enum brink_status {
    BRINK_OK = 0,
    BRINK_PENDING = 1,          /* a task has more to do: advance it again              */
    BRINK_INVALID_ARGUMENT = 2, /* the caller asked for something that makes no sense   */
    BRINK_BAD_INPUT = 3,        /* a file or text cannot be read as what it should be   */
    BRINK_UNSUPPORTED = 4,      /* it is well formed, and this build cannot do it       */
    BRINK_OUT_OF_MEMORY = 5,    /* the machine or the budget has no room; bytes in text */
    BRINK_DEVICE_FAILED = 6,    /* the GPU was lost, again and again, or refused        */
    BRINK_CANCELLED = 7         /* brink_task_cancel() was called                       */
} brink_status;

/* "BRINK_BAD_INPUT" and so on. */
BRINK_API const char *brink_status_name(brink_status status);

/* The engine's version, "major.minor.patch". */
BRINK_API const char *brink_version(void);

typedef struct brink_context brink_context;
typedef struct brink_task brink_task;
typedef struct brink_model brink_model;
typedef struct brink_session brink_session;

typedef struct brink_context_desc {
    uint32_t threads;       /* that compute, the caller's included; 0: one a core */
    uint64_t memory_budget; /* most bytes the engine may hold at once; 0: no limit */
    void (*log)(void *user, const char *line); /* NULL: silent */
    void *user;
} brink_context_desc;

/* `desc` may be NULL. Fails only with BRINK_OUT_OF_MEMORY. */
BRINK_API brink_status brink_context_create(const brink_context_desc *desc, brink_context **out);
BRINK_API void brink_context_destroy(brink_context *context);

/* The text of the last failure on this context, "" if there was none. */
BRINK_API const char *brink_error(const brink_context *context);

/* Number of threads that compute, the caller's included. */
BRINK_API uint32_t brink_context_threads(const brink_context *context);

typedef struct brink_memory {
    uint64_t live; /* bytes the engine holds now, mapped and lent files not counted */
    uint64_t peak; /* the most it ever held                                         */
} brink_memory;

BRINK_API brink_memory brink_context_memory(const brink_context *context);

/* ── Tasks ───────────────────────────────────────────────────────────────────────────────────── */

/* Works for about `budget_us` microseconds (0: the smallest step) and returns BRINK_PENDING if
   there is more to do or if a load waits for a file (see brink_task_want), BRINK_OK once when done
   (and again if asked again), or the failure. */
BRINK_API brink_status brink_task_advance(brink_task *task, uint64_t budget_us);

/* Advances several tasks of one context, as brink_task_advance does each, for about `budget_us` in all.
   Generations of sessions of one model step together: weights are read once for all of them, and each
   gives exactly the tokens that it gives alone. statuses[count] receives what brink_task_advance would
   return. Comes back earlier when a task ends, so that another can take its place: any set of tasks may
   be given each time, none of them twice. BRINK_PENDING while any is pending, else BRINK_OK.
   docs/batching.md says what steps together. */
BRINK_API brink_status brink_tasks_advance(brink_task *const *tasks, uint32_t count,
                                           uint64_t budget_us, brink_status *statuses);

/* The next advance returns BRINK_CANCELLED. What was made so far stays valid: a cancelled
   generation keeps its tokens, and its session can go on. */
BRINK_API void brink_task_cancel(brink_task *task);
BRINK_API void brink_task_destroy(brink_task *task);

/* ── The GPU ─────────────────────────────────────────────────────────────────────────────────── */

typedef struct brink_gpu_desc {
    bool hardware; /* a software adapter is refused                            */
    bool plain;    /* default limits and no optional feature, whatever there is */
} brink_gpu_desc;

typedef struct brink_gpu_info {
    const char *name; /* of the adapter, "" where it is hidden; lent by the context */
    bool software;    /* the adapter is a CPU                                       */
    bool f16, subgroups, timestamps; /* features in use */
    uint64_t bandwidth; /* bytes a second that a copy reached, 0 until a run was profiled there */
} brink_gpu_info;

/* A task that opens a GPU for the context: its models run there where brink_model_desc says so. One a
   context. BRINK_DEVICE_FAILED where there is none, BRINK_UNSUPPORTED in a build without a GPU
   backend. `desc` may be NULL. */
BRINK_API brink_status brink_gpu_begin(brink_context *context, const brink_gpu_desc *desc,
                                       brink_task **out);

/* False while none is open. */
BRINK_API bool brink_context_gpu(const brink_context *context, brink_gpu_info *out);

/* Bytes of its buffers, as far as the engine made them. A memory_budget is for both together. */
BRINK_API brink_memory brink_context_gpu_memory(const brink_context *context);

/* Work is handed to the GPU in parts of about this many milliseconds, so that others get between them;
   a single operator is not cut. 100 at first (0: again so); 8 while something is drawn. */
BRINK_API void brink_gpu_set_submit_ms(brink_context *context, uint32_t ms);

/* ── Tensors ─────────────────────────────────────────────────────────────────────────────────── */

/* Element types, numbered as ONNX's TensorProto.DataType. */
typedef enum brink_type {
    BRINK_UNDEFINED = 0,
    BRINK_F32 = 1,
    BRINK_U8 = 2,
    BRINK_I8 = 3,
    BRINK_U16 = 4,
    BRINK_I16 = 5,
    BRINK_I32 = 6,
    BRINK_I64 = 7,
    BRINK_STRING = 8,
    BRINK_BOOL = 9,
    BRINK_F16 = 10,
    BRINK_F64 = 11,
    BRINK_U32 = 12,
    BRINK_U64 = 13,
    BRINK_BF16 = 16,
    BRINK_U4 = 21, /* two a byte, the first in the low half */
    BRINK_I4 = 22
} brink_type;

enum { BRINK_MAX_RANK = 8 };

/* Bits of one element; 0 for a type that has no fixed size. */
BRINK_API uint32_t brink_type_bits(brink_type type);

/* "float32", "int64": numpy's name. */
BRINK_API const char *brink_type_name(brink_type type);

/* A dense row-major array. `data` may be NULL only when a dimension is 0. */
typedef struct brink_tensor {
    const char *name; /* may be NULL where position says which tensor it is */
    brink_type type;
    uint32_t rank;
    int64_t shape[BRINK_MAX_RANK];
    const void *data;
    uint64_t bytes;
} brink_tensor;

/* Reads a serialized ONNX TensorProto. `*out` and its data are the caller's: free with
   brink_tensor_release. */
BRINK_API brink_status brink_tensor_parse(brink_context *context, const void *data, uint64_t size,
                                          brink_tensor *out);
BRINK_API void brink_tensor_release(brink_context *context, brink_tensor *tensor);

/* ── Loading a model ─────────────────────────────────────────────────────────────────────────── */

/* A model is a set of named files: a graph with its external data and, for language models,
   configuration and tokenizer. The load task says which it wants next; the host supplies them from
   disk, network or storage. Natively brink_task_serve_files() does that. */
typedef struct brink_model_desc {
    const char *graph; /* name of the graph inside the folder, "model.onnx" if NULL */
    bool graph_only;   /* do not ask for configuration and tokenizer                */
    bool no_weights;   /* do not ask for external data: queries work, running fails */
    bool exact;        /* f32 activations, whatever a node's accuracy_level says    */
    bool all_values;   /* what any node of the main graph gives is an output too    */
    bool gpu;          /* on the context's GPU; nodes without a kernel there on the CPU */
} brink_model_desc;

BRINK_API brink_status brink_model_load_begin(brink_context *context, const brink_model_desc *desc,
                                              brink_task **out);

/* What a load waits for: the whole of `file`, a path relative to the model's folder with forward
   slashes. `optional` files may be missing. A file `in_parts` holds weights that go to the GPU: it may
   come through brink_task_supply_part, and is then nowhere whole. */
typedef struct brink_want {
    const char *file; /* lives until the want is answered */
    bool optional;
    bool in_parts;
    uint64_t least_bytes; /* the file must be at least this long, 0 if that is not known yet */
} brink_want;

/* True and fills *want while the task waits for a file. */
BRINK_API bool brink_task_want(const brink_task *task, brink_want *want);

/* The files that the load will ask for after the one it waits for, as far as it knows them now:
   true and fills *want for `index` 0, 1, 2 …; false past the last. They are asked for in this order;
   a host that fetches may begin with all of them at once. `file` lives until the task is destroyed
   or the next want is answered, whichever comes first. */
BRINK_API bool brink_task_want_later(const brink_task *task, uint32_t index, brink_want *want);

/* Answers the want. `data` is lent until `release(user, data, size)` is called, which happens when
   the model is destroyed or the bytes are no longer needed. With `release` NULL the data must come
   from brink_alloc() and is the engine's from now on. */
BRINK_API brink_status brink_task_supply(brink_task *task, void *data, uint64_t size,
                                         void (*release)(void *user, void *data, uint64_t size),
                                         void *user);

/* Answers a want that is `in_parts`, with `size` bytes of the file from `at` on, which are the caller's
   again at once: in order, a multiple of 4 each but the last. A part of no bytes ends the file.

   Weights that came so are on the GPU alone. When it was lost, a run or a generation waits for them:
   brink_task_want() then holds for that task, and the file is given to it again. */
BRINK_API brink_status brink_task_supply_part(brink_task *task, uint64_t at, const void *data,
                                              uint64_t size);

/* Answers the want: there is no such file. An error of the task unless it was optional. */
BRINK_API brink_status brink_task_supply_missing(brink_task *task);

/* Bytes aligned to 64 for brink_task_supply; NULL when there is no room. */
BRINK_API void *brink_alloc(brink_context *context, uint64_t size);
BRINK_API void brink_free(brink_context *context, void *data);

/* After the load ended with BRINK_OK: the model, once. */
BRINK_API brink_status brink_model_take(brink_task *task, brink_model **out);
BRINK_API void brink_model_destroy(brink_model *model);

/* ── What a model is ─────────────────────────────────────────────────────────────────────────── */

/* An input or output as the graph declares it. A dimension is a number, or −1 with a name (""
   where the graph gives none). rank is −1 where the graph does not say. */
typedef struct brink_value_info {
    const char *name;
    brink_type type;
    int32_t rank;
    int64_t shape[BRINK_MAX_RANK];
    const char *dim_names[BRINK_MAX_RANK];
} brink_value_info;

BRINK_API uint32_t brink_model_input_count(const brink_model *model);
BRINK_API uint32_t brink_model_output_count(const brink_model *model);
BRINK_API void brink_model_input(const brink_model *model, uint32_t index, brink_value_info *out);
BRINK_API void brink_model_output(const brink_model *model, uint32_t index, brink_value_info *out);

/* The node that computes output `index`: its name and operator, both "" where it is an input or a
   constant. They live as long as the model. */
BRINK_API void brink_model_output_node(const brink_model *model, uint32_t index, const char **name,
                                       const char **type);

typedef struct brink_op_info {
    const char *domain; /* "" is ONNX's own */
    const char *type;
    uint32_t count; /* nodes, those of subgraphs included */
    bool cpu;       /* this engine has a kernel           */
    bool gpu;
} brink_op_info;

/* Operators by domain and name. */
BRINK_API uint32_t brink_model_op_count(const brink_model *model);
BRINK_API void brink_model_op(const brink_model *model, uint32_t index, brink_op_info *out);

typedef struct brink_opset {
    const char *domain;
    int64_t version;
} brink_opset;

BRINK_API uint32_t brink_model_opset_count(const brink_model *model);
BRINK_API void brink_model_opset(const brink_model *model, uint32_t index, brink_opset *out);

typedef struct brink_model_facts {
    uint64_t parameters;    /* elements of all initializers                     */
    uint64_t weights_bytes; /* their size as stored, external data included     */
    bool language_model;    /* has token input, logits and a key-value cache    */
    bool embedder;          /* has token input and gives vectors: brink_embed_begin works */
    uint32_t vocabulary;    /* rows of the logits; 0 unless a language model    */
    uint32_t context;       /* tokens its configuration allows; 0 if not said   */
} brink_model_facts;

BRINK_API void brink_model_get_facts(const brink_model *model, brink_model_facts *out);

typedef struct brink_dim {
    const char *name; /* an input's name, or a symbolic dimension's */
    uint32_t rank;    /* 0: `shape[0]` is that dimension's value     */
    int64_t shape[BRINK_MAX_RANK];
} brink_dim;

/* The memory that running the graph takes, its free dimensions bound by `dims`; a language model
   without a binding is planned as a session of `context` tokens (0: 2048; no more than its
   configuration allows). Bytes are exact for what the plan knows; fails with BRINK_UNSUPPORTED where
   a size depends on data. */
typedef struct brink_plan_memory {
    uint64_t weights; /* read from the model's files          */
    uint64_t derived; /* copies of weights in another form    */
    uint64_t cache;   /* keys and values                      */
    uint64_t scratch; /* intermediate values                  */
    uint64_t peak;    /* all of it                            */
} brink_plan_memory;

BRINK_API brink_status brink_model_plan(brink_model *model, const brink_dim *dims,
                                        uint32_t dim_count, uint32_t context,
                                        brink_plan_memory *out);

/* The same on a GPU: `weights`, `derived`, `cache` and `scratch` are bytes of its buffers. A session's
   scratch is that of all its plans. Needs no GPU: where the context has none open, it is one with
   WebGPU's default limits. Exact but for a part of `scratch` (docs/gpu.md). BRINK_UNSUPPORTED also where
   a session would stay on the CPU, and in a build without a GPU backend. */
BRINK_API brink_status brink_model_plan_gpu(brink_model *model, const brink_dim *dims,
                                            uint32_t dim_count, uint32_t context,
                                            brink_plan_memory *out);

/* Steps that the CPU computes then, beside the GPU, as the last brink_model_plan_gpu found: by operator,
   those of rewritten graphs among them (domain "brink"). Where it failed, what has no GPU kernel at
   all. */
typedef struct brink_cpu_op {
    const char *domain, *type;
    uint32_t count;
    const char *name; /* of the first node */
} brink_cpu_op;

BRINK_API uint32_t brink_model_cpu_op_count(const brink_model *model);
BRINK_API void brink_model_cpu_op(const brink_model *model, uint32_t index, brink_cpu_op *out);

/* ── Running a graph ─────────────────────────────────────────────────────────────────────────── */

typedef struct brink_run_desc {
    const brink_tensor *inputs; /* by name, or by position where a name is NULL; lent until the
                                    task is destroyed, since an output may be a view of one */
    uint32_t input_count;
    bool profile; /* keep the time of each node */
} brink_run_desc;

/* Plans for these shapes (kept for the next run with the same) and computes every output. */
BRINK_API brink_status brink_run_begin(brink_model *model, const brink_run_desc *desc,
                                       brink_task **out);

/* Output `index` after BRINK_OK, in the graph's order; its data lives until the task is
   destroyed. */
BRINK_API brink_status brink_run_output(const brink_task *task, uint32_t index, brink_tensor *out);

typedef struct brink_node_time {
    const char *name;
    const char *type;
    uint64_t nanoseconds; /* on the CPU or, where it ran there, on the GPU; 0 where it is computed
                             together with another node                              */
    uint64_t bytes;       /* read and written                                        */
    uint32_t dispatches;  /* on the GPU; 0: none                                     */
} brink_node_time;

/* With `profile`: nodes in the order they ran; of a generation, the mean of its decoding steps. */
BRINK_API uint32_t brink_run_node_count(const brink_task *task);
BRINK_API void brink_run_node(const brink_task *task, uint32_t index, brink_node_time *out);

/* ── Text ────────────────────────────────────────────────────────────────────────────────────── */

/* Writes at most `capacity` ids and the number there are to *count; a count above the capacity says
   how much room to come back with. `special` adds what the tokenizer's post-processor adds. */
BRINK_API brink_status brink_tokenize(brink_model *model, const char *text, uint64_t bytes,
                                      bool special, uint32_t *ids, uint32_t capacity,
                                      uint32_t *count);

/* The same, and in `offsets` [capacity][2] where each token begins and where it ends in the text, in
   characters (code points, not bytes), whatever was normalized on the way. What the post-processor
   adds is at 0, 0; an invalid part of the text counts as one character. */
BRINK_API brink_status brink_tokenize_offsets(brink_model *model, const char *text, uint64_t bytes,
                                              bool special, uint32_t *ids, uint32_t *offsets,
                                              uint32_t capacity, uint32_t *count);

/* The text of tokens, special ones left out unless `special`. Writes at most `capacity` bytes, NUL
   included, and the length without NUL to *bytes. */
BRINK_API brink_status brink_detokenize(brink_model *model, const uint32_t *ids, uint32_t count,
                                        bool special, char *text, uint64_t capacity,
                                        uint64_t *bytes);

/* The token's own spelling in the vocabulary, NULL if there is no such id. */
BRINK_API const char *brink_token_spelling(brink_model *model, uint32_t id);

typedef struct brink_message {
    const char *role; /* "system", "user", "assistant" */
    const char *content;
} brink_message;

/* The model's chat template over these messages, with its opening of the next reply. Same rule for
   `capacity` and *bytes as brink_detokenize. */
BRINK_API brink_status brink_chat_format(brink_model *model, const brink_message *messages,
                                         uint32_t count, char *text, uint64_t capacity,
                                         uint64_t *bytes);

/* ── Generation ──────────────────────────────────────────────────────────────────────────────── */

/* A session owns the key-value cache of one conversation: the tokens seen so far. */
typedef struct brink_session_desc {
    uint32_t context; /* most tokens it may hold; 0: what the model's configuration allows */
} brink_session_desc;

BRINK_API brink_status brink_session_create(brink_model *model, const brink_session_desc *desc,
                                            brink_session **out);
BRINK_API void brink_session_destroy(brink_session *session);

/* Tokens in the cache. */
BRINK_API uint32_t brink_session_length(const brink_session *session);

/* Forgets the tokens from `length` on. O(1). */
BRINK_API brink_status brink_session_truncate(brink_session *session, uint32_t length);

/* Another session that holds the same, and goes on by itself. */
BRINK_API brink_status brink_session_fork(const brink_session *session, brink_session **out);

/* A task that makes bytes of what a session holds (docs/sessions.md has the format), which is in use until it
   ends. After BRINK_OK brink_session_saved lends them until the task is destroyed. */
BRINK_API brink_status brink_session_save_begin(brink_session *session, brink_task **out);
BRINK_API brink_status brink_session_saved(const brink_task *task, const void **data,
                                           uint64_t *bytes);

/* A session as it was saved, on any backend; the bytes are not needed afterwards. BRINK_BAD_INPUT where they are
   no such bytes or were damaged, BRINK_INVALID_ARGUMENT where they are another model's, another adapter's
   or do not fit the context. */
BRINK_API brink_status brink_session_load(brink_model *model, const brink_session_desc *desc,
                                          const void *data, uint64_t bytes, brink_session **out);

typedef struct brink_logit_bias {
    uint32_t token;
    float bias; /* added to its logit; -INFINITY: never */
} brink_logit_bias;

/* How the next token is chosen from the logits, in this order. All 0: the highest logit, the lowest id among
   equals. */
typedef struct brink_sampling {
    const brink_logit_bias *bias; /* [bias_count], copied                                        */
    uint32_t bias_count;
    float
        repetition_penalty; /* logits of tokens that the context holds, the reply included, are divided by
                                 it, or multiplied where negative; 0 and 1: none                     */
    float
        frequency_penalty; /* taken off a logit for each time that the reply holds the token       */
    float
        presence_penalty; /* … and once if it does                                                */
    float temperature;    /* logits are divided by it; 0: the highest, and nothing below applies  */
    uint32_t top_k;       /* the so many highest, and equals of the last; 0: all                  */
    float top_p;   /* the fewest highest of these whose probabilities sum up to it; 0, 1: all */
    float min_p;   /* those at least so probable, beside the most probable; 0: all         */
    uint64_t seed; /* same seed, same logits: same tokens, on every backend                */
} brink_sampling;

/* ── Adapters ── */

/* LoRA adapters as PEFT saves them, read beside a model whose weights stay as they are; several may be
   loaded, and each generation names the one it runs with. docs/adapters.md says which settings are honoured;
   all others are refused by name. */
typedef struct brink_adapter brink_adapter;

enum { BRINK_MAX_ADAPTERS = 16 };

typedef struct brink_adapter_desc {
    const char *name;   /* opens errors */
    const void *config; /* adapter_config.json                            */
    uint64_t config_bytes;
    const void *weights; /* adapter_model.safetensors                     */
    uint64_t weights_bytes;
    const void *modules; /* brink_modules.json of the model's own folder, NULL: there is none */
    uint64_t modules_bytes;
} brink_adapter_desc;

/* None of the bytes are needed afterwards. BRINK_UNSUPPORTED for settings or tensors that are no plain LoRA,
   and for a model without brink_modules.json; BRINK_BAD_INPUT for an adapter of another model. Destroyed
   before its model, and not while a generation uses it. */
BRINK_API brink_status brink_adapter_create(brink_model *model, const brink_adapter_desc *desc,
                                            brink_adapter **out);
BRINK_API void brink_adapter_destroy(brink_adapter *adapter);

/* One that makes the changes of `count` (1 to BRINK_MAX_ADAPTERS) together, each times its weight (`weights`
   NULL: 1). The others may be destroyed. */
BRINK_API brink_status brink_adapter_join(const brink_adapter *const *list, const float *weights,
                                          uint32_t count, brink_adapter **out);

/* Bytes of its matrices, which are float16. */
BRINK_API uint64_t brink_adapter_bytes(const brink_adapter *adapter);

/* ── Structured output ── */

/* What replies of a model may be: text that cannot break its grammar. Made by the engine's own thread, for
   one generation at a time; destroyed before its model. */
typedef struct brink_grammar brink_grammar;

/* JSON that satisfies a schema (JSON Schema, draft 2020-12), or text that rules derive: both described in
   docs/structured-output.md. The text is not needed afterwards; `name` opens errors. BRINK_UNSUPPORTED names
   a keyword that cannot be honoured. */
BRINK_API brink_status brink_grammar_from_schema(brink_model *model, const char *name,
                                                 const void *json, uint64_t bytes,
                                                 brink_grammar **out);
BRINK_API brink_status brink_grammar_from_rules(brink_model *model, const char *name,
                                                const void *text, uint64_t bytes,
                                                brink_grammar **out);
BRINK_API void brink_grammar_destroy(brink_grammar *grammar);

/* A caller's own rule, asked before each choice: clears bits of tokens that may not come next, token i at bit
   i % 32 of allowed[i / 32]; the reply so far is tokens[0, count). With a grammar, its bits are set already. */
typedef void (*brink_token_rule)(void *user, const uint32_t *tokens, uint32_t count,
                                 uint32_t *allowed, uint32_t vocabulary);

typedef struct brink_generate_desc {
    const uint32_t *tokens; /* the prompt, copied; appended to what the session holds */
    uint32_t token_count;
    bool
        whole; /* `tokens` is the whole text, as of a conversation: of its beginning the session keeps what
                    it holds already, forgets the rest, and computes what is new                   */
    bool shift;    /* what is too long for the context loses its middle, in place of an error or of
                    BRINK_FINISH_LENGTH: see docs/sessions.md. The stats say how much            */
    uint32_t keep; /* … and never the first so many tokens, as of a system message               */
    uint32_t draft_tokens; /* most that are guessed ahead from what the text repeats (prompt lookup
                    decoding) and verified in one step; 0: none, and no more than 7. The reply is the same.
                    Not with a grammar, `profile` or `keep_logits`                           */
    uint32_t max_tokens;   /* 0: 256                                                 */
    const char *const *stop; /* texts that end the reply and are not part of it, copied */
    uint32_t stop_count;
    brink_sampling sampling;
    const brink_adapter
        *adapter; /* NULL: the model as it is. What the session holds was read with the one
                                     of its last generation: with another it is read anew */
    brink_grammar
        *grammar; /* NULL: any text. Where tokens run out, the text is completed by the shortest
                               that the grammar allows, within max_tokens                  */
    brink_token_rule rule; /* NULL: none */
    void *rule_user;
    bool ignore_end; /* go on past end-of-text tokens: for measuring            */
    bool profile;    /* keep the time of each node, see brink_run_node: no step is computed ahead */
    bool keep_logits; /* brink_generate_logits has them after each token: no step is computed ahead
                         on the GPU                                              */
} brink_generate_desc;

/* How many tokens of a prompt that is the `whole` text the session holds already: what a server compares to
   choose a session. */
BRINK_API uint32_t brink_session_held(const brink_session *session,
                                      const brink_generate_desc *desc);

BRINK_API brink_status brink_generate_begin(brink_session *session, const brink_generate_desc *desc,
                                            brink_task **out);

/* The next token not yet taken: true and its id and text (whole characters only; may be "" while
   one is incomplete; lives until the next call), false if there is none yet. */
BRINK_API bool brink_generate_next(brink_task *task, uint32_t *id, const char **text);

/* The logits that decided the newest token, [vocabulary] f32, lent until the next advance; NULL
   before the first, and where a GPU computes ahead (see keep_logits). */
BRINK_API const float *brink_generate_logits(const brink_task *task, uint32_t *vocabulary);

typedef enum brink_finish {
    BRINK_FINISH_NONE = 0,
    BRINK_FINISH_STOP,   /* an end token or a stop text */
    BRINK_FINISH_LENGTH, /* max_tokens, or the context is full */
    BRINK_FINISH_SCHEMA  /* the text is complete by its grammar */
} brink_finish;

typedef struct brink_generate_stats {
    brink_finish finish;
    uint32_t prompt_tokens;
    uint32_t cached_tokens;  /* of those, with `whole`: what the session held already          */
    uint32_t prefill_tokens; /* that were computed before the first one of the reply          */
    uint32_t tokens;
    uint32_t shifts;          /* how often the context was full …                             */
    uint32_t dropped_tokens;  /* … and the tokens that the model no longer sees for it        */
    uint32_t draft_tokens;    /* guessed …                                                     */
    uint32_t accepted_tokens; /* … and right                                                   */
    uint64_t prefill_us;      /* begin to the first token */
    uint64_t decode_us;       /* first token to the last  */
} brink_generate_stats;

BRINK_API void brink_generate_get_stats(const brink_task *task, brink_generate_stats *out);

/* ── Embeddings ──────────────────────────────────────────────────────────────────────────────── */

/* Texts to vectors, as sentence-transformers' encode() does it (https://sbert.net): tokens, cut to the
   model's maximum with the post-processor's special tokens kept; the graph, on texts of similar length
   together; pooling over the tokens; the first `dimensions` numbers; length 1; the precision. The graph
   takes input_ids (and attention_mask, token_type_ids, position_ids) and gives [batch, tokens, width],
   or [batch, width] already pooled. docs/embeddings.md says where the model's own choices are read. */

typedef enum brink_pooling {
    BRINK_POOLING_MODEL = 0, /* as configured; mean where nothing is */
    BRINK_POOLING_MEAN,      /* of all tokens, special ones included */
    BRINK_POOLING_CLS,       /* the first token                      */
    BRINK_POOLING_LAST       /* the last token                       */
} brink_pooling;

typedef enum brink_normalize {
    BRINK_NORMALIZE_MODEL = 0, /* as configured; on where nothing is */
    BRINK_NORMALIZE_ON,        /* Euclidean length 1                 */
    BRINK_NORMALIZE_OFF
} brink_normalize;

typedef enum brink_embed_precision {
    BRINK_EMBED_F32 = 0,
    BRINK_EMBED_I8,     /* by `ranges`, or else x * 127 to the nearest, x held to [-1, 1] */
    BRINK_EMBED_UBINARY /* a bit is x > 0; eight a byte, the first the highest            */
} brink_embed_precision;

typedef struct brink_embed_desc {
    const char *const *texts; /* [count], they and what follows lent until the task is destroyed */
    const uint64_t *bytes;    /* [count] of each text; NULL: they end in NUL                     */
    uint32_t count;
    const char *prefix;  /* put before each text; "" for none. NULL: the prompt's               */
    const char *prompt;  /* its name in config_sentence_transformers.json; NULL: the default one */
    uint32_t dimensions; /* the first so many numbers of a vector, for models trained to allow it
                            (Matryoshka); 0: all. Cut before the vector is normalised            */
    uint32_t max_tokens; /* of a text, special ones included; 0, or more than the model's: its   */
    brink_pooling pooling;
    brink_normalize normalize;
    brink_embed_precision precision;
    const float *ranges;   /* [2, dimensions] of calibration, lows then highs: int8 is (x - low) /
                            ((high - low) / 255) - 128 towards 0, held to [-128, 127]; NULL: none */
    uint32_t batch_tokens; /* most that one run of the graph takes, padding included, unless a text
                              alone has more; 0: 512, on a GPU 4096                              */
} brink_embed_desc;

/* BRINK_UNSUPPORTED where the graph is no encoder of text or asks for what is not there (another kind of
   pooling, a module behind it), BRINK_INVALID_ARGUMENT for a prompt or dimensions it lacks. */
BRINK_API brink_status brink_embed_begin(brink_model *model, const brink_embed_desc *desc,
                                         brink_task **out);

/* After BRINK_OK, in the caller's order: [count, dimensions] f32 or int8, or [count, (dimensions + 7) / 8]
   uint8. A text of no tokens gives zeros. Lives until the task is destroyed. */
BRINK_API brink_status brink_embed_vectors(const brink_task *task, brink_tensor *out);

typedef struct brink_embed_stats {
    uint32_t dimensions; /* of a vector; 0 before the first                  */
    uint32_t texts;      /* done so far                                      */
    uint32_t truncated;  /* texts of which tokens were cut off               */
    uint32_t runs;       /* of the graph                                     */
    uint64_t tokens;     /* of all texts, after truncation                   */
    uint64_t padding;    /* tokens computed beyond those                     */
} brink_embed_stats;

/* At any time, as while it runs. */
BRINK_API void brink_embed_get_stats(const brink_task *task, brink_embed_stats *out);

/* ── Native conveniences (not in the browser build) ──────────────────────────────────────────── */

#ifndef __wasm__
/* Begins to load a folder, or one .onnx file and what lies beside it. In a folder the graph is, if
   `desc` names none, genai_config.json's, model.onnx, onnx/model.onnx, or the only .onnx there. */
BRINK_API brink_status brink_model_open_begin(brink_context *context, const char *path,
                                              const brink_model_desc *desc, brink_task **out);

/* Answers the current want of such a load from disk, by mapping the file. Call it whenever
   brink_task_want() is true. */
BRINK_API brink_status brink_task_serve_files(brink_task *task);

/* Loads in one call: a loop over the three above. */
BRINK_API brink_status brink_model_open(brink_context *context, const char *path,
                                        const brink_model_desc *desc, brink_model **out);

/* Reads adapter_config.json and adapter_model.safetensors of a folder, and the model's own
   brink_modules.json. */
BRINK_API brink_status brink_adapter_open(brink_model *model, const char *folder,
                                          brink_adapter **out);

/* Advances until the task is no longer pending. */
BRINK_API brink_status brink_task_wait(brink_task *task);
#endif

#ifdef __cplusplus
}
#endif
#endif
