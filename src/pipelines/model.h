/* model.h — an opened model: its graph, weights, configuration and tokenizer, and the plans made
   for the shapes it was run with. */
#ifndef PIPELINES_MODEL_H
#define PIPELINES_MODEL_H

#include "core/blob.h"
#include "core/json.h"
#include "onnx/model.h"
#include "plan/segment.h"
#include "text/template.h"
#include "text/tokenizer.h"

/* One past input and the present output that continues it. */
typedef struct cache_slot {
    uint32_t input, output; /* indices of the graph's inputs and outputs */
    int64_t heads, width;
} cache_slot;

/* How a graph is driven as a language model; slots is empty when it is none. */
typedef struct decoder {
    uint32_t input_ids, attention_mask, position_ids; /* inputs; ONNX_NONE where there is none */
    uint32_t cache_position;                          /* rows of the cache that are written */
    uint32_t logits_to_keep; /* number; 0: all, of which the engine computes what it needs */
    uint32_t cache_branch;   /* whether a merged decoder has a past: always, if an empty one */
    uint32_t first_position; /* of position_ids */
    uint32_t logits;         /* output */
    uint32_t slot_count;
    cache_slot *slots;
    uint32_t vocabulary;
    uint32_t context; /* tokens the configuration allows, 0: not said */
    uint32_t end_count;
    uint32_t ends[16]; /* tokens that end a reply */
} decoder;

/* Inputs and outputs of a graph that turns tokens into vectors; ONNX_NONE where there is none. */
typedef struct encoder {
    bool found;
    uint32_t input_ids, attention_mask, token_type_ids, position_ids; /* inputs               */
    uint32_t tokens; /* output [batch, tokens, width] */
    uint32_t pooled; /* output [batch, width]         */
} encoder;

typedef struct external_file {
    const char *name; /* relative to the model's folder */
    uint64_t least_bytes;
    blob data;         /* the whole file, if it came so */
    bool in_parts;     /* weights in it may be left to the GPU alone */
    uint64_t taken;    /* bytes that came in parts */
    uint64_t identity; /* of what is nowhere else: see identity.h */
} external_file;

struct brink_model {
    brink_context *context;
    brink_model_desc desc;
    arena memory; /* strings, slots, external files */
    onnx_model onnx;
    packing *packing; /* weights as the kernels read them */
    blob graph_file;
    const char *folder; /* native: where its files are; NULL: not known */
    uint64_t adapters;  /* made so far */
    uint32_t external_count;
    external_file *externals;
    uint32_t *file_of;          /* by tensor: its file among these, ONNX_NONE: none             */
    bool remote;                /* weights may be in the executor's memory alone: see parts.h   */
    uint32_t remote_generation; /* of that memory, when they came, or began to come             */
    uint32_t missing;           /* after a loss: the file that has to come again + 1, 0: none   */
    json_document config, genai, generation, tokenizer_config;
    json_document modules, pooling, sentence, prompts; /* of an encoder, see encoder.h */
    const char *pooling_file;
    tokenizer *tokenizer;
    struct token_trie *trie; /* its tokens' bytes, once a grammar was made */
    chat_template *template;
    decoder decoder;
    encoder encoder;
    brink_op_info *ops;
    uint32_t op_count;
    brink_cpu_op *cpu_ops; /* of the last brink_model_plan_gpu */
    uint32_t cpu_op_count;
    executor *executor; /* of the GPU; NULL: none was asked for, or nothing ran yet */
    segment *segments;  /* of earlier runs, newest first */
    workspace workspace;
    bool workspace_taken;
    workspace together; /* rows of several sessions' steps, see plan/together.h */
    const char *tokenizer_missing,
        *template_missing; /* why there is none, where a file was there */
};

/* Sizes and names of the key-value cache, from the graph and its configuration. */
brink_status decoder_find(brink_model *m);

/* Fails where there is none, and says why. */
brink_status model_need_tokenizer(brink_model *m);

/* m->executor of a model that is to run on the GPU; does nothing for others. */
brink_status model_executor_open(brink_model *m);
void model_executor_close(brink_model *m);

/* Whether a plan for these bindings is one of a session; else of a run. */
bool model_plans_session(const brink_model *m, uint32_t dim_count);

/* Tokens that a session of `context` (0: not said) is planned for: no more than the configuration allows. */
enum { MODEL_TOKENS = 2048 };
uint32_t model_tokens(const brink_model *m, uint32_t context);

/* What a plan is made of without weights (p->ir has been initialised): shapes from the declarations and
   `dims`, or a chunk of a session of `tokens`. */
brink_status model_plan_desc(brink_model *m, const brink_dim *dims, uint32_t dim_count,
                             uint32_t tokens, uint32_t chunk, plan *p, plan_desc *out);

/* Begins to compile what a model's plans will need on the GPU, before its weights have come. What goes
   wrong is for the first run to say. */
void model_rehearse(brink_model *m);
uint64_t model_cache_bytes(const brink_model *m, uint32_t tokens);

/* Counts the operators of all graphs into m->ops. */
brink_status model_count_ops(brink_model *m);

/* What an input always is whose value the engine chooses for itself (logits_to_keep, cache_branch);
   NULL: it is none. */
const void *decoder_settled(const decoder *d, uint32_t input);

/* Bindings for a step of `chunk` tokens after `past` of them, [input_count]. */
brink_status decoder_bindings(brink_model *m, expr_table *t, expr past, uint32_t chunk,
                              ir_binding *out, arena *memory);

#endif
