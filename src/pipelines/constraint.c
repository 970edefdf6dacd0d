/* constraint.c — see constraint.h.

   The model's tokens are put in a tree once, when the first grammar is made. What has to follow is written in
   the longest tokens, but for the last of them: the model might join it with what follows. Whether a text can
   still be completed is asked of its distance in bytes first; the completion is spelled only where the budget
   is so near that its count of tokens matters. */
#include "pipelines/constraint.h"

#include "text/buffer.h"
#include "text/schema.h"

#include <string.h>

struct constraint {
    brink_context *context;
    const token_trie *trie;
    grammar_state *state, *tried;
    uint32_t *allowed; /* [words] */
    uint32_t words;
    bool has_bytes; /* the vocabulary spells each byte, so no text needs more tokens than bytes */
    char *text;     /* what has to follow, or completes the text */
    uint32_t text_capacity;
    token_run close; /* that completion, in tokens */
};

/* ── Grammars of a model ── */

static brink_status make_trie(brink_model *m)
{
    TRY(model_need_tokenizer(m));
    return m->trie != NULL ? BRINK_OK
                           : token_trie_create(m->context, m->tokenizer, m->decoder.ends,
                                               m->decoder.end_count, &m->trie);
}

static brink_status wrap(brink_model *m, grammar *g, brink_grammar **out)
{
    *out = core_alloc(m->context, sizeof **out);
    if (*out == NULL) {
        grammar_destroy(g);
        return BRINK_OUT_OF_MEMORY;
    }
    **out = (brink_grammar){m, g};
    return BRINK_OK;
}

brink_status brink_grammar_from_schema(brink_model *m, const char *name, const void *json,
                                       uint64_t bytes, brink_grammar **out)
{
    enum { SPACES = 16 };
    const schema_options options = {.max_space = SPACES, .plain = true, .closed = true};
    grammar *g = NULL;
    *out = NULL;
    TRY(make_trie(m));
    TRY(schema_compile(m->context, name, json, bytes, &options, &g));
    return wrap(m, g, out);
}

brink_status brink_grammar_from_rules(brink_model *m, const char *name, const void *text,
                                      uint64_t bytes, brink_grammar **out)
{
    grammar *g = NULL;
    *out = NULL;
    TRY(make_trie(m));
    TRY(grammar_create(m->context, name, text, bytes, &g));
    return wrap(m, g, out);
}

void brink_grammar_destroy(brink_grammar *g)
{
    if (g == NULL)
        return;
    grammar_destroy(g->grammar);
    core_free(g->model->context, g);
}

/* ── A generation's ── */

static brink_status reserve(constraint *c, token_run *run, uint64_t count)
{
    return array_grow(c->context, (void **)&run->ids, &run->capacity, count, sizeof *run->ids);
}

static brink_status reserve_text(constraint *c, uint64_t bytes)
{
    return array_grow(c->context, (void **)&c->text, &c->text_capacity, bytes, 1);
}

/* c->text[0, bytes) in the longest tokens, behind what is in the run. *whole: they spell all of it. */
static brink_status split(constraint *c, uint64_t bytes, token_run *run, bool *whole)
{
    uint32_t count;
    uint64_t covered;
    TRY(reserve(c, run, run->count + bytes));
    token_trie_split(c->trie, c->text, bytes, run->ids + run->count, (uint32_t)bytes, &count,
                     &covered);
    run->count += count;
    *whole = covered == bytes;
    return BRINK_OK;
}

/* c->close from a state; *fits: it is of at most `left` tokens. */
static brink_status find_close(constraint *c, grammar_state *s, uint32_t left, bool *fits)
{
    uint64_t bytes;
    TRY(grammar_close(s, c->text, c->text_capacity, &bytes));
    if (bytes > c->text_capacity) {
        TRY(reserve_text(c, bytes));
        TRY(grammar_close(s, c->text, c->text_capacity, &bytes));
    }
    c->close.count = 0;
    TRY(split(c, bytes, &c->close, fits));
    *fits = *fits && c->close.count <= left;
    return BRINK_OK;
}

/* *fits: what completes the text from a state is of at most `left` tokens. */
static brink_status can_close(constraint *c, grammar_state *s, uint32_t left, bool *fits)
{
    uint64_t bytes;
    TRY(grammar_distance(s, &bytes));
    *fits = c->has_bytes && bytes <= left;
    return *fits ? BRINK_OK : find_close(c, s, left, fits);
}

static bool spells_bytes(const token_trie *trie)
{
    uint32_t id, count;
    uint64_t covered, all = 0;
    for (uint32_t b = 0; b < 256; b++) {
        char byte = (char)b;
        token_trie_split(trie, &byte, 1, &id, 1, &count, &covered);
        all += covered;
    }
    return all == 256;
}

brink_status constraint_create(const brink_grammar *g, uint32_t most, constraint **out)
{
    *out = NULL;
    constraint *c = core_calloc(g->model->context, 1, sizeof *c);
    if (c == NULL)
        return BRINK_OUT_OF_MEMORY;
    c->context = g->model->context;
    c->trie = g->model->trie;
    c->has_bytes = spells_bytes(c->trie);
    bool fits = true;
    brink_status status = reserve_text(c, 256);
    if (status == BRINK_OK)
        status = grammar_state_create(g->grammar, &c->state);
    if (status == BRINK_OK)
        status = grammar_state_create(g->grammar, &c->tried);
    if (status == BRINK_OK)
        status = find_close(c, c->state, most, &fits);
    if (status == BRINK_OK && !fits)
        status =
            core_fail(c->context, BRINK_INVALID_ARGUMENT,
                      "the shortest text that the grammar allows needs more than %u tokens", most);
    if (status == BRINK_OK)
        *out = c;
    else
        constraint_destroy(c);
    return status;
}

void constraint_destroy(constraint *c)
{
    if (c == NULL)
        return;
    grammar_state_destroy(c->state);
    grammar_state_destroy(c->tried);
    core_free(c->context, c->allowed);
    core_free(c->context, c->text);
    core_free(c->context, c->close.ids);
    core_free(c->context, c);
}

brink_status constraint_mask(constraint *c, uint32_t vocabulary, uint32_t **allowed)
{
    uint32_t own = token_trie_vocabulary(c->trie);
    uint32_t words = (uint32_t)(((uint64_t)(own > vocabulary ? own : vocabulary) + 31) / 32);
    if (words > c->words) {
        core_free(c->context, c->allowed);
        c->allowed = core_calloc(c->context, words, sizeof *c->allowed);
        c->words = c->allowed != NULL ? words : 0;
        if (c->allowed == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    *allowed = c->allowed;
    return grammar_mask(c->state, c->trie, c->allowed);
}

/* Nothing may follow but the end, or white space. */
static brink_status is_complete(constraint *c, bool *complete)
{
    *complete = grammar_can_end(c->state);
    if (!*complete)
        return BRINK_OK;
    uint32_t count = token_trie_vocabulary(c->trie), *allowed;
    TRY(constraint_mask(c, count, &allowed));
    for (uint32_t i = 0; i < count && *complete; i++) {
        if (allowed[i / 32] == 0)
            i |= 31; /* the next word */
        else if (allowed[i / 32] >> i % 32 & 1) {
            uint32_t size = 0;
            const char *bytes = token_trie_bytes(c->trie, i, &size);
            for (uint32_t k = 0; k < size; k++)
                *complete = *complete && strchr(" \t\r\n", bytes[k]) != NULL && bytes[k] != 0;
        }
    }
    return BRINK_OK;
}

/* What has to follow, but for its last token, if the text can be completed behind it. */
static brink_status add_forced(constraint *c, uint32_t left, token_run *run)
{
    uint64_t bytes;
    bool whole, allowed, fits;
    TRY(grammar_forced(c->state, c->text, c->text_capacity, &bytes));
    bytes = bytes < c->text_capacity ? bytes : c->text_capacity;
    uint32_t before = run->count;
    if (bytes == 0)
        return BRINK_OK;
    TRY(split(c, bytes, run, &whole));
    run->count -= run->count > before;
    TRY(grammar_state_copy(c->tried, c->state));
    for (uint32_t i = before; i < run->count; i++) {
        uint32_t size;
        const char *text = token_trie_bytes(c->trie, run->ids[i], &size);
        TRY(grammar_advance(c->tried, text, size, &allowed));
        if (!allowed)
            run->count = i;
    }
    fits = run->count - before <= left;
    if (fits)
        TRY(can_close(c, c->tried, left - (run->count - before), &fits));
    if (fits)
        return grammar_state_copy(c->state, c->tried);
    run->count = before;
    return BRINK_OK;
}

brink_status constraint_take(constraint *c, uint32_t token, uint32_t left, token_run *run,
                             bool *ended, bool *cut)
{
    uint32_t size = 0;
    bool fits = false;
    const char *bytes = token_trie_bytes(c->trie, token, &size);
    *ended = *cut = false;
    run->count = 0;
    TRY(grammar_state_copy(c->tried, c->state));
    if (size != 0)
        TRY(grammar_advance(c->tried, bytes, size, &fits));
    if (fits)
        TRY(can_close(c, c->tried, left, &fits));
    if (!fits) {
        TRY(find_close(c, c->state, left + 1, &fits));
        TRY(reserve(c, run, c->close.count));
        memcpy(run->ids, c->close.ids, c->close.count * sizeof *run->ids);
        run->count = c->close.count;
        *ended = *cut = true;
        return BRINK_OK;
    }
    TRY(grammar_state_copy(c->state, c->tried));
    TRY(reserve(c, run, 1));
    run->ids[run->count++] = token;
    TRY(add_forced(c, left, run));
    return is_complete(c, ended);
}
