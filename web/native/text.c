/* text.c — text to tokens and back, conversations, and generation, for script.

   Lengths follow brink.h: the count that comes back may exceed the capacity given, and script then
   calls again with that much room. */
#include "module.h"

/* web/sdk/src/layout.ts */
_Static_assert(sizeof(brink_message) == 8, "{u32 role, u32 content}");
_Static_assert(sizeof(brink_generate_stats) == 56, "{9 × u32, u64, u64}");
_Static_assert(offsetof(brink_generate_stats, prefill_tokens) == 12, "");
_Static_assert(offsetof(brink_generate_stats, accepted_tokens) == 32, "");
_Static_assert(offsetof(brink_generate_stats, prefill_us) == 40, "");
_Static_assert(offsetof(brink_generate_stats, decode_us) == 48, "");

/* `offsets` [capacity][2] may be NULL. */
EXPORT(web_tokenize)
brink_status web_tokenize(brink_model *model, const char *text, uint32_t bytes, uint32_t special,
                          uint32_t *ids, uint32_t *offsets, uint32_t capacity, uint32_t *count)
{
    return offsets == NULL ? brink_tokenize(model, text, bytes, special != 0, ids, capacity, count)
                           : brink_tokenize_offsets(model, text, bytes, special != 0, ids, offsets,
                                                    capacity, count);
}

EXPORT(web_detokenize)
brink_status web_detokenize(brink_model *model, const uint32_t *ids, uint32_t count,
                            uint32_t special, char *text, uint32_t capacity, uint64_t *bytes)
{
    return brink_detokenize(model, ids, count, special != 0, text, capacity, bytes);
}

EXPORT(web_chat_format)
brink_status web_chat_format(brink_model *model, const brink_message *messages, uint32_t count,
                             char *text, uint32_t capacity, uint64_t *bytes)
{
    return brink_chat_format(model, messages, count, text, capacity, bytes);
}

_Static_assert(sizeof(brink_sampling) == 48 && sizeof(brink_logit_bias) == 8, "");
_Static_assert(offsetof(brink_sampling, bias_count) == 4, "");
_Static_assert(offsetof(brink_sampling, repetition_penalty) == 8, "");
_Static_assert(offsetof(brink_sampling, presence_penalty) == 16, "");
_Static_assert(offsetof(brink_sampling, temperature) == 20, "");
_Static_assert(offsetof(brink_sampling, top_k) == 24 && offsetof(brink_sampling, top_p) == 28, "");
_Static_assert(offsetof(brink_sampling, min_p) == 32 && offsetof(brink_sampling, seed) == 40, "");

enum { WEB_IGNORE_END = 1, WEB_KEEP_LOGITS = 2, WEB_PROFILE = 4, WEB_WHOLE = 8, WEB_SHIFT = 16 };

EXPORT(web_generate_begin)
brink_status web_generate_begin(brink_session *session, const uint32_t *tokens, uint32_t count,
                                uint32_t max_tokens, const char *const *stop, uint32_t stop_count,
                                uint32_t flags, uint32_t keep, uint32_t draft_tokens,
                                const brink_sampling *sampling, brink_grammar *grammar,
                                const brink_adapter *adapter, brink_task **out)
{
    const brink_generate_desc desc = {.tokens = tokens,
                                      .token_count = count,
                                      .whole = (flags & WEB_WHOLE) != 0,
                                      .shift = (flags & WEB_SHIFT) != 0,
                                      .keep = keep,
                                      .draft_tokens = draft_tokens,
                                      .max_tokens = max_tokens,
                                      .stop = stop,
                                      .stop_count = stop_count,
                                      .sampling = *sampling,
                                      .grammar = grammar,
                                      .adapter = adapter,
                                      .ignore_end = (flags & WEB_IGNORE_END) != 0,
                                      .profile = (flags & WEB_PROFILE) != 0,
                                      .keep_logits = (flags & WEB_KEEP_LOGITS) != 0};
    return brink_generate_begin(session, &desc, out);
}

/* From a JSON Schema, or from rules. */
EXPORT(web_grammar_create)
brink_status web_grammar_create(brink_model *model, uint32_t is_schema, const char *text,
                                uint32_t bytes, brink_grammar **out)
{
    return is_schema ? brink_grammar_from_schema(model, NULL, text, bytes, out)
                     : brink_grammar_from_rules(model, NULL, text, bytes, out);
}

EXPORT(web_grammar_destroy)
void web_grammar_destroy(brink_grammar *grammar)
{
    brink_grammar_destroy(grammar);
}

/* `modules` NULL: the model has no map of its modules. */
EXPORT(web_adapter_create)
brink_status web_adapter_create(brink_model *model, const char *name, const void *config,
                                uint32_t config_bytes, const void *weights, uint32_t weights_bytes,
                                const void *modules, uint32_t modules_bytes, brink_adapter **out)
{
    return brink_adapter_create(model,
                                &(brink_adapter_desc){.name = name,
                                                      .config = config,
                                                      .config_bytes = config_bytes,
                                                      .weights = weights,
                                                      .weights_bytes = weights_bytes,
                                                      .modules = modules,
                                                      .modules_bytes = modules_bytes},
                                out);
}

EXPORT(web_adapter_destroy)
void web_adapter_destroy(brink_adapter *adapter)
{
    brink_adapter_destroy(adapter);
}

/* 1 and {id, text} while there is a token that was not taken yet, else 0. */
EXPORT(web_generate_next)
uint32_t web_generate_next(brink_task *task, uint32_t *id, const char **text)
{
    return brink_generate_next(task, id, text);
}

/* The two highest logits behind the newest token to best[2]; 0 when there are none. Reading them
   here spares script a copy of the whole vocabulary. */
EXPORT(web_generate_top_two)
uint32_t web_generate_top_two(const brink_task *task, float *best)
{
    uint32_t vocabulary = 0;
    const float *logits = brink_generate_logits(task, &vocabulary); /* [vocabulary] */
    if (!logits || vocabulary < 2)
        return 0;
    best[0] = best[1] = -__builtin_inff();
    for (uint32_t i = 0; i < vocabulary; ++i) {
        if (logits[i] > best[0]) {
            best[1] = best[0];
            best[0] = logits[i];
        } else if (logits[i] > best[1]) {
            best[1] = logits[i];
        }
    }
    return 1;
}

EXPORT(web_generate_stats)
void web_generate_stats(const brink_task *task, brink_generate_stats *out)
{
    brink_generate_get_stats(task, out);
}
