/* token_trie.c — the vocabulary as a tree of bytes, laid out in preorder.

   Tokens sorted by their bytes are the tree read in preorder, so one pass with a stack of open
   nodes builds it. Equal spellings share a node. A token longer than 255 bytes is left out, which
   means that it is never allowed. */
#include "text/grammar_internal.h"

#include "text/tokenizer_internal.h"

#include <stdlib.h>

enum { LONGEST_TOKEN = 255 };

typedef struct entry {
    const char *bytes;
    uint32_t size, id;
} entry;

static int by_bytes(const void *a, const void *b)
{
    entry x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    uint32_t common = x.size < y.size ? x.size : y.size;
    int order = common != 0 ? memcmp(x.bytes, y.bytes, common) : 0;
    if (order != 0)
        return order;
    if (x.size != y.size)
        return x.size < y.size ? -1 : 1;
    return (x.id > y.id) - (x.id < y.id);
}

void token_trie_destroy(token_trie *t)
{
    if (t == NULL)
        return;
    brink_context *context = t->context;
    core_free(context, t->byte);
    core_free(context, t->depth);
    core_free(context, t->end);
    core_free(context, t->below);
    core_free(context, t->plain);
    core_free(context, t->plain_bits);
    core_free(context, t->tokens);
    core_free(context, t->ids);
    core_free(context, t->ends);
    core_free(context, t->offset);
    core_free(context, t->text);
    core_free(context, t);
}

static uint32_t shared_prefix(const entry *a, const entry *b)
{
    uint32_t n = 0;
    while (n < a->size && n < b->size && a->bytes[n] == b->bytes[n])
        n++;
    return n;
}

static brink_status lay_out(token_trie *t, const entry *sorted, uint32_t count)
{
    uint64_t nodes = 1;
    uint32_t open[LONGEST_TOKEN + 1] = {0}, depth = 0, at = 1;
    for (uint32_t i = 0; i < count; i++)
        nodes += sorted[i].size - (i > 0 ? shared_prefix(&sorted[i - 1], &sorted[i]) : 0);
    if (nodes > UINT32_MAX / 8)
        return core_fail(t->context, BRINK_UNSUPPORTED, "tokens: are too many bytes");
    t->nodes = (uint32_t)nodes;
    t->byte = core_calloc(t->context, nodes, 1);
    t->depth = core_calloc(t->context, nodes, 1);
    t->end = core_calloc(t->context, nodes, sizeof *t->end);
    t->tokens = core_calloc(t->context, nodes + 1, sizeof *t->tokens);
    t->ids = core_calloc(t->context, count + 1ull, sizeof *t->ids);
    t->below = core_calloc(t->context, nodes, 1);
    t->plain = core_calloc(t->context, nodes, sizeof *t->plain);
    t->plain_bits = core_calloc(t->context, t->vocabulary / 32 + 1ull, sizeof *t->plain_bits);
    if (!t->byte || !t->depth || !t->end || !t->below || !t->plain || !t->plain_bits ||
        !t->tokens || !t->ids)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t shared = i > 0 ? shared_prefix(&sorted[i - 1], &sorted[i]) : 0;
        for (; depth > shared; depth--)
            t->end[open[depth]] = at;
        for (; depth < sorted[i].size; at++) {
            t->byte[at] = (uint8_t)sorted[i].bytes[depth++];
            t->depth[at] = (uint8_t)depth;
            t->tokens[at] = i;
            open[depth] = at;
        }
        t->ids[i] = sorted[i].id;
        bool plain = true;
        for (uint32_t k = 0; k < sorted[i].size && plain; k++)
            plain = dfa_is_plain((uint8_t)sorted[i].bytes[k]);
        t->plain_bits[sorted[i].id >> 5] |= (uint32_t)plain << (sorted[i].id & 31);
        t->longest = sorted[i].size > t->longest ? sorted[i].size : t->longest;
    }
    for (; depth > 0; depth--)
        t->end[open[depth]] = at;
    t->end[0] = at;
    /* A node's tokens are the sorted ones that begin where it was made and end where the next node
       in preorder was made; those of inner nodes have no token of their own unless it is first. */
    t->tokens[t->nodes] = count;
    for (uint32_t n = t->nodes; n-- > 0;) { /* children come behind their parents */
        t->plain[n] = true;
        for (uint32_t k = n + 1; k < t->end[n]; k = t->end[k]) {
            t->plain[n] = t->plain[n] && t->plain[k] && dfa_is_plain(t->byte[k]);
            t->below[n] = t->below[k] + 1 > t->below[n] ? (uint8_t)(t->below[k] + 1) : t->below[n];
        }
    }
    return BRINK_OK;
}

brink_status token_trie_from_bytes(brink_context *context, const char *const *bytes,
                                   const uint32_t *sizes, uint32_t count, const uint32_t *ends,
                                   uint32_t end_count, token_trie **out)
{
    static uint64_t serial;
    token_trie *t = core_calloc(context, 1, sizeof *t);
    entry *sorted = core_alloc(context, (count + 1ull) * sizeof *sorted);
    uint64_t total = 0;
    uint32_t kept = 0;
    brink_status status = t != NULL && sorted != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
    if (t != NULL) {
        t->context = context;
        t->vocabulary = count;
        t->serial = __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED);
        for (uint32_t i = 0; i < count; i++)
            total += sizes[i] <= LONGEST_TOKEN ? sizes[i] : 0;
        t->offset = core_calloc(context, count + 1ull, sizeof *t->offset);
        t->text = core_alloc(context, total + 1);
        t->ends = core_alloc(context, (end_count + 1ull) * sizeof *t->ends);
        if (!t->offset || !t->text || !t->ends)
            status = BRINK_OUT_OF_MEMORY;
    }
    for (uint32_t i = 0; status == BRINK_OK && i < count; i++) {
        uint32_t size = sizes[i] <= LONGEST_TOKEN ? sizes[i] : 0;
        for (uint32_t k = 0; k < end_count; k++)
            size = ends[k] == i ? 0 : size;
        char *copy = t->text + t->offset[i];
        if (size != 0) {
            memcpy(copy, bytes[i], size);
            sorted[kept++] = (entry){copy, size, i};
        }
        t->offset[i + 1] = t->offset[i] + size;
    }
    for (uint32_t k = 0; status == BRINK_OK && k < end_count; k++)
        if (ends[k] < count)
            t->ends[t->end_count++] = ends[k];
    if (status == BRINK_OK) {
        qsort(sorted, kept, sizeof *sorted, by_bytes);
        status = lay_out(t, sorted, kept);
    }
    core_free(context, sorted);
    if (status != BRINK_OK) {
        token_trie_destroy(t);
        t = NULL;
    }
    *out = t;
    return status;
}

/* ── The bytes of a tokenizer's tokens ── */

static brink_status replace_all(const char *text, uint32_t size, const char *what,
                                uint32_t what_size, const char *by, uint32_t by_size, buffer *out)
{
    for (uint32_t i = 0; i < size;) {
        bool hit =
            what_size != 0 && size - i >= what_size && memcmp(text + i, what, what_size) == 0;
        TRY(buffer_append(out, hit ? by : text + i, hit ? by_size : 1));
        i += hit ? what_size : 1;
    }
    return BRINK_OK;
}

/* <0x41> */
static int fallback_byte(const char *text, uint32_t size)
{
    unsigned value;
    char spelled[8];
    if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    memcpy(spelled, text + 3, 2);
    spelled[2] = 0;
    char *end;
    value = (unsigned)strtoul(spelled, &end, 16);
    return *end == 0 ? (int)value : -1;
}

/* What the token adds in the middle of a text: the decoders one after the other, as decoder.c has
   them for a list. Those that look at neighbours (Strip, Fuse, CTC) change nothing there. */
static brink_status token_text(tokenizer *t, uint32_t id, buffer *out, buffer *spare)
{
    const char *spelling = tokenizer_spelling(t, id);
    out->size = 0;
    if (spelling == NULL || tokenizer_is_special(t, id))
        return BRINK_OK;
    uint32_t added = t->added_by_id[id];
    TRY(buffer_append(out, spelling,
                      added != VOCAB_NONE ? t->added[added].match_size : t->vocabulary.length[id]));
    for (uint32_t i = 0; i < t->decoder_count; i++) {
        const decoder *d = &t->decoders[i];
        uint32_t size = (uint32_t)out->size;
        spare->size = 0;
        switch (d->kind) {
        case DECODE_BYTE_LEVEL:
            TRY(byte_level_bytes(spare, out->data, size));
            break;
        case DECODE_BYTE_FALLBACK: {
            int byte = fallback_byte(out->data, size);
            char c = (char)byte;
            if (byte < 0)
                continue;
            TRY(buffer_append(spare, &c, 1));
            break;
        }
        case DECODE_REPLACE:
            TRY(pattern_replace(t, &d->what, out->data, size, d->content, d->content_size, spare));
            break;
        case DECODE_METASPACE:
            TRY(replace_all(out->data, size, d->content, d->content_size, " ", 1, spare));
            break;
        case DECODE_SUFFIX:
            TRY(replace_all(out->data, size, d->content, d->content_size, " ", 1, spare));
            break;
        case DECODE_WORDPIECE: {
            bool inner =
                size >= d->content_size && memcmp(out->data, d->content, d->content_size) == 0;
            uint32_t skip = inner ? d->content_size : 0;
            TRY(buffer_append(spare, " ", inner ? 0 : 1));
            TRY(buffer_append(spare, out->data + skip, size - skip));
            break;
        }
        case DECODE_FUSE:
        case DECODE_STRIP:
        case DECODE_CTC:
            continue;
        }
        buffer swapped = *out;
        *out = *spare;
        *spare = swapped;
    }
    return BRINK_OK;
}

brink_status token_trie_create(brink_context *context, tokenizer *t, const uint32_t *ends,
                               uint32_t end_count, token_trie **out)
{
    uint32_t count = tokenizer_size(t);
    buffer all = {.context = context}, one = {.context = context}, spare = {.context = context};
    uint32_t *sizes = core_calloc(context, count + 1ull, sizeof *sizes);
    const char **bytes = core_calloc(context, count + 1ull, sizeof *bytes);
    brink_status status = sizes != NULL && bytes != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
    *out = NULL;
    for (uint32_t i = 0; i < count && status == BRINK_OK; i++) {
        status = buffer_reserve(&one, 1);
        if (status == BRINK_OK)
            status = token_text(t, i, &one, &spare);
        if (status == BRINK_OK)
            status = buffer_append(&all, one.data, one.size);
        if (status == BRINK_OK)
            sizes[i] = (uint32_t)one.size;
    }
    uint64_t at = 0;
    for (uint32_t i = 0; i < count && status == BRINK_OK; at += sizes[i++])
        bytes[i] = all.data + at;
    if (status == BRINK_OK)
        status = token_trie_from_bytes(context, bytes, sizes, count, ends, end_count, out);
    buffer_free(&all);
    buffer_free(&one);
    buffer_free(&spare);
    core_free(context, sizes);
    core_free(context, (void *)bytes);
    return status;
}

/* ── Looking up ── */

uint32_t token_trie_vocabulary(const token_trie *t)
{
    return t->vocabulary;
}

const char *token_trie_bytes(const token_trie *t, uint32_t id, uint32_t *size)
{
    *size = id < t->vocabulary ? (uint32_t)(t->offset[id + 1] - t->offset[id]) : 0;
    return *size != 0 ? t->text + t->offset[id] : NULL;
}

void token_trie_split(const token_trie *t, const char *text, uint64_t size, uint32_t *ids,
                      uint32_t capacity, uint32_t *count, uint64_t *covered)
{
    *count = 0;
    *covered = 0;
    while (*covered < size && *count < capacity) {
        uint32_t node = 0, found = 0;
        uint64_t end = *covered;
        for (uint64_t i = *covered; i < size; i++) {
            uint32_t child = node + 1;
            while (child < t->end[node] && t->byte[child] != (uint8_t)text[i])
                child = t->end[child];
            if (child >= t->end[node])
                break;
            node = child;
            if (t->tokens[node] < t->tokens[node + 1]) {
                found = node;
                end = i + 1;
            }
        }
        if (found == 0)
            return;
        ids[(*count)++] = t->ids[t->tokens[found]];
        *covered = end;
    }
}
