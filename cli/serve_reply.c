/* serve_reply.c — chat and text completions as OpenAI writes them: one object, or server-sent events
   of chunks that end with [DONE].

   Log probabilities are those of the model: the logarithm of the softmax of its logits, before bias,
   penalties and temperature. */
#include "serve_generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct likely {
    uint32_t id;
    float logit;
} likely;

/* ── Chunks ── */

static void put_head(const generation *g, output *out, bool chunk)
{
    cli_output_begin(out, true);
    cli_put_text(out, out->root, "id", g->id);
    cli_put_text(out, out->root, "object",
                 !g->chat ? "text_completion"
                 : chunk  ? "chat.completion.chunk"
                          : "chat.completion");
    cli_put_count(out, out->root, "created", (uint64_t)g->created);
    cli_put_text(out, out->root, "model", g->base.model->id);
    char *fingerprint = cli_format("brink-%s", brink_version());
    cli_put_text(out, out->root, "system_fingerprint", fingerprint);
    free(fingerprint);
}

static void send_chunk(generation *g, output *out)
{
    size_t bytes;
    if (g->fields.include_usage && !yyjson_mut_obj_get(out->root, "usage"))
        cli_put_null(out, out->root, "usage");
    char *text = cli_output_take(out, &bytes);
    job_write(&g->base, "data: ", 6);
    job_write(&g->base, text, bytes);
    job_write(&g->base, "\n\n", 2);
    free(text);
}

/* A chunk of one choice; its text goes into what comes back: a delta, or the choice itself. */
static yyjson_mut_val *begin_chunk(generation *g, output *out, yyjson_mut_val **choice)
{
    put_head(g, out, true);
    *choice = cli_add_object(out, cli_put_array(out, out->root, "choices"));
    cli_put_count(out, *choice, "index", g->choice);
    return g->chat ? cli_put_object(out, *choice, "delta") : *choice;
}

static const char *finish_reason(brink_finish finish)
{
    return finish == BRINK_FINISH_LENGTH ? "length" : "stop";
}

/* ── Log probabilities ── */

/* The `count` highest, highest first; returns log(sum(exp(logits))). */
static double rank(const float *logits, uint32_t vocabulary, uint32_t count, likely *best)
{
    double sum = 0;
    uint32_t held = 0;
    float top = -INFINITY;
    for (uint32_t i = 0; i < vocabulary; i++)
        top = logits[i] > top ? logits[i] : top;
    for (uint32_t i = 0; i < vocabulary; i++) {
        sum += exp((double)(logits[i] - top));
        if (count == 0 || (held == count && !(logits[i] > best[held - 1].logit)))
            continue;
        uint32_t at = held < count ? held++ : held - 1;
        for (; at > 0 && logits[i] > best[at - 1].logit; at--)
            best[at] = best[at - 1];
        best[at] = (likely){i, logits[i]};
    }
    return top + log(sum);
}

static char *token_text(const generation *g, uint32_t id)
{
    char *text;
    uint64_t bytes;
    brink_status status = cli_detokenize(g->base.model->model, &id, 1, true, &text, &bytes);
    return status == BRINK_OK ? text : cli_copy("");
}

/* A part of a character has no text: its bytes are not known. */
static void put_token(const generation *g, output *out, yyjson_mut_val *entry, uint32_t id,
                      double logprob)
{
    char *text = token_text(g, id);
    cli_put_text(out, entry, "token", text);
    cli_put_number(out, entry, "logprob", logprob);
    if (strstr(text, "\xEF\xBF\xBD")) {
        cli_put_null(out, entry, "bytes");
    } else {
        yyjson_mut_val *bytes = cli_put_array(out, entry, "bytes");
        for (const char *at = text; *at; at++)
            cli_add_integer(out, bytes, (unsigned char)*at);
    }
    free(text);
}

static uint64_t code_points(const char *text)
{
    uint64_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

static void put_chat_logprob(const generation *g, output *out, yyjson_mut_val *logprobs,
                             uint32_t id, const float *logits, const likely *best, double sum)
{
    yyjson_mut_val *content = yyjson_mut_obj_get(logprobs, "content");
    yyjson_mut_val *entry =
        cli_add_object(out, content ? content : cli_put_array(out, logprobs, "content"));
    put_token(g, out, entry, id, logits[id] - sum);
    yyjson_mut_val *top = cli_put_array(out, entry, "top_logprobs");
    for (uint32_t i = 0; i < g->top_logprobs; i++)
        put_token(g, out, cli_add_object(out, top), best[i].id, best[i].logit - sum);
}

static yyjson_mut_val *list(output *out, yyjson_mut_val *object, const char *key)
{
    yyjson_mut_val *found = yyjson_mut_obj_get(object, key);
    return found ? found : cli_put_array(out, object, key);
}

static void put_text_logprob(const generation *g, output *out, yyjson_mut_val *logprobs,
                             uint32_t id, const float *logits, const likely *best, double sum)
{
    char *text = token_text(g, id);
    cli_add_text(out, list(out, logprobs, "tokens"), text, strlen(text));
    cli_add_float(out, list(out, logprobs, "token_logprobs"), (float)(logits[id] - sum));
    cli_add_integer(out, list(out, logprobs, "text_offset"), (int64_t)g->text_offset);
    yyjson_mut_val *top = cli_add_object(out, list(out, logprobs, "top_logprobs"));
    for (uint32_t i = 0; i < g->top_logprobs; i++) {
        char *other = token_text(g, best[i].id);
        cli_put_named_number(out, top, other, best[i].logit - sum);
        free(other);
    }
    free(text);
}

static void put_logprob(generation *g, output *out, yyjson_mut_val *logprobs, uint32_t id)
{
    likely best[MOST_TOP_LOGPROBS];
    uint32_t vocabulary;
    const float *logits = brink_generate_logits(g->task, &vocabulary);
    if (!logits || id >= vocabulary)
        return;
    if (g->top_logprobs > vocabulary)
        g->top_logprobs = vocabulary;
    double sum = rank(logits, vocabulary, g->top_logprobs, best);
    if (g->chat)
        put_chat_logprob(g, out, logprobs, id, logits, best, sum);
    else
        put_text_logprob(g, out, logprobs, id, logits, best, sum);
}

/* ── Choices ── */

void reply_begin(generation *g)
{
    if (g->base.stream)
        return;
    put_head(g, &g->reply, false);
    g->made = cli_put_array(&g->reply, g->reply.root, "choices");
}

void reply_choice_begin(generation *g)
{
    g->bytes = 0;
    g->text_offset = 0;
    g->text = cli_grow(g->text, 1, 1);
    *g->text = 0;
    if (!g->base.stream) {
        yyjson_mut_val *choice = cli_add_object(&g->reply, g->made);
        cli_put_count(&g->reply, choice, "index", g->choice);
        g->logprob_list = g->logprobs ? cli_put_object(&g->reply, choice, "logprobs") : NULL;
        if (g->logprob_list && g->chat)
            cli_put_array(&g->reply, g->logprob_list, "content");
    } else if (g->chat) {
        output out;
        yyjson_mut_val *choice, *delta = begin_chunk(g, &out, &choice);
        cli_put_text(&out, delta, "role", "assistant");
        cli_put_text(&out, delta, "content", "");
        cli_put_null(&out, choice, "logprobs");
        cli_put_null(&out, choice, "finish_reason");
        send_chunk(g, &out);
    }
}

static void stream_token(generation *g, uint32_t id, const char *text)
{
    output out;
    yyjson_mut_val *choice;
    if (!*text && !g->logprobs)
        return;
    yyjson_mut_val *delta = begin_chunk(g, &out, &choice);
    cli_put_text(&out, delta, g->chat ? "content" : "text", text);
    if (g->logprobs)
        put_logprob(g, &out, cli_put_object(&out, choice, "logprobs"), id);
    else
        cli_put_null(&out, choice, "logprobs");
    cli_put_null(&out, choice, "finish_reason");
    send_chunk(g, &out);
}

void reply_token(generation *g, uint32_t id, const char *text)
{
    size_t more = strlen(text);
    if (g->base.stream) {
        stream_token(g, id, text);
    } else {
        g->text = cli_grow(g->text, g->bytes + more + 1, 1);
        memcpy(g->text + g->bytes, text, more + 1);
        g->bytes += more;
        if (g->logprobs)
            put_logprob(g, &g->reply, g->logprob_list, id);
    }
    g->text_offset += code_points(text);
}

void reply_choice_end(generation *g, brink_finish finish)
{
    output chunk, *out = g->base.stream ? &chunk : &g->reply;
    yyjson_mut_val *choice;
    if (g->base.stream) {
        yyjson_mut_val *delta = begin_chunk(g, out, &choice);
        if (!g->chat)
            cli_put_text(out, delta, "text", "");
    } else {
        choice = yyjson_mut_arr_get_last(g->made);
        if (g->chat) {
            yyjson_mut_val *message = cli_put_object(out, choice, "message");
            cli_put_text(out, message, "role", "assistant");
            cli_put_text(out, message, "content", g->text);
            cli_put_null(out, message, "refusal");
        } else {
            cli_put_text(out, choice, "text", g->text);
        }
    }
    if (g->base.stream || !g->logprobs)
        cli_put_null(out, choice, "logprobs");
    cli_put_text(out, choice, "finish_reason", finish_reason(finish));
    if (g->base.stream)
        send_chunk(g, out);
}

static void put_usage(const generation *g, output *out)
{
    yyjson_mut_val *usage = cli_put_object(out, out->root, "usage");
    cli_put_count(out, usage, "prompt_tokens", g->prompt_tokens);
    cli_put_count(out, usage, "completion_tokens", g->reply_tokens);
    cli_put_count(out, usage, "total_tokens", g->prompt_tokens + g->reply_tokens);
    cli_put_count(out, cli_put_object(out, usage, "prompt_tokens_details"), "cached_tokens",
                  g->cached_tokens);
}

void reply_end(generation *g)
{
    size_t bytes;
    if (!g->base.stream) {
        put_usage(g, &g->reply);
        char *text = cli_output_take(&g->reply, &bytes);
        job_write(&g->base, text, bytes);
        free(text);
        return;
    }
    if (g->fields.include_usage) {
        output out;
        put_head(g, &out, true);
        cli_put_array(&out, out.root, "choices");
        put_usage(g, &out);
        send_chunk(g, &out);
    }
    job_write(&g->base, "data: [DONE]\n\n", 14);
}
