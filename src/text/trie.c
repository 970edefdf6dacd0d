/* trie.c — a double-array trie (Aoe 1989, "An Efficient Digital Search Algorithm by Using a Double-Array
   Structure"): a step is one addition and one comparison.

   The spellings are sorted, so that those below a node are a range of the list; nodes are placed breadth
   first. The children of a node go to the first places free for all of them, of the next FEW; where those
   do not do, behind all others, so that building takes time linear in the nodes whatever the vocabulary. */
#include "text/trie.h"

#include <stdlib.h>

enum { LABELS = 256, FEW = 128 };

typedef struct spelling {
    const char *text;
    uint32_t size, id;
    uint64_t
        begins; /* the first eight bytes as a number, so that most comparisons are of numbers */
} spelling;

static spelling spelling_of(const char *text, uint32_t size, uint32_t id)
{
    spelling s = {text, size, id, 0};
    for (uint32_t i = 0; i < 8; i++)
        s.begins = s.begins << 8 | (i < size ? (uint8_t)text[i] : 0);
    return s;
}

static int by_spelling(const void *a, const void *b)
{
    const spelling *x = a, *y = b;
    if (x->begins != y->begins)
        return x->begins < y->begins ? -1 : 1;
    uint32_t n = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->text, y->text, n);
    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

/* The spellings of a node: list[low, high) share their first `depth` bytes. */
typedef struct range {
    uint32_t node, low, high, depth;
} range;

typedef struct builder {
    trie *tree;
    spelling *list;
    range *queue;
    uint32_t queued, room;
} builder;

static brink_status reserve(trie *tree, uint64_t count)
{
    TRY(array_grow(tree->context, (void **)&tree->units, &tree->capacity, count,
                   sizeof *tree->units));
    for (; tree->count < count; tree->count++)
        tree->units[tree->count] = (trie_unit){.parent = VOCAB_NONE, .token = VOCAB_NONE};
    return BRINK_OK;
}

static bool fits(const trie *tree, uint32_t base, const uint8_t *labels, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (tree->units[base + labels[i]].parent != VOCAB_NONE)
            return false;
    return base + labels[0] != 0; /* the root's place */
}

/* A base at which all places base + labels[i] are free; labels ascend. */
static brink_status find_base(trie *tree, const uint8_t *labels, uint32_t n, uint32_t *base)
{
    while (tree->search < tree->count && tree->units[tree->search].parent != VOCAB_NONE)
        tree->search++;
    uint32_t from = tree->search > labels[0] ? tree->search - labels[0] : 0;
    for (*base = from; *base < from + FEW; ++*base) {
        TRY(reserve(tree, (uint64_t)*base + LABELS));
        if (fits(tree, *base, labels, n))
            break;
    }
    if (*base == from + FEW) {
        tree->search = from + labels[0] + FEW;
        *base = tree->count - labels[0];
    }
    return reserve(tree, (uint64_t)*base + LABELS);
}

static brink_status add_children(builder *b, range r)
{
    uint8_t labels[LABELS];
    uint32_t starts[LABELS + 1], n = 0, base;
    const spelling *list = b->list;
    while (r.low < r.high && list[r.low].size == r.depth)
        b->tree->units[r.node].token = list[r.low++].id;
    if (r.low == r.high)
        return BRINK_OK;
    for (uint32_t i = r.low; i < r.high; i++) {
        uint8_t label = (uint8_t)list[i].text[r.depth];
        if (n != 0 && labels[n - 1] == label)
            continue;
        starts[n] = i;
        labels[n++] = label;
    }
    starts[n] = r.high;
    TRY(find_base(b->tree, labels, n, &base));
    b->tree->units[r.node].base = base;
    TRY(array_grow(b->tree->context, (void **)&b->queue, &b->room, (uint64_t)b->queued + n,
                   sizeof *b->queue));
    for (uint32_t i = 0; i < n; i++) {
        b->tree->units[base + labels[i]].parent = r.node;
        b->queue[b->queued++] = (range){base + labels[i], starts[i], starts[i + 1], r.depth + 1};
    }
    return BRINK_OK;
}

static brink_status build(builder *b, uint32_t count)
{
    TRY(reserve(b->tree, LABELS));
    TRY(array_grow(b->tree->context, (void **)&b->queue, &b->room, 1, sizeof *b->queue));
    b->queue[b->queued++] = (range){0, 0, count, 0};
    for (uint32_t i = 0; i < b->queued; i++)
        TRY(add_children(b, b->queue[i]));
    return BRINK_OK;
}

brink_status trie_create(trie *tree, const vocab *v)
{
    *tree = (trie){.context = v->context, .search = 1};
    builder b = {.tree = tree};
    b.list = core_alloc(v->context, ((uint64_t)v->size + 1) * sizeof *b.list);
    if (b.list == NULL)
        return BRINK_OUT_OF_MEMORY;
    uint32_t count = 0;
    for (uint32_t id = 0; id < v->size; id++) {
        const char *text = vocab_spelling(v, id);
        if (text != NULL && vocab_find(v, text, v->length[id]) == id)
            b.list[count++] = spelling_of(text, v->length[id], id);
    }
    qsort(b.list, count, sizeof *b.list, by_spelling);
    brink_status status = build(&b, count);
    core_free(v->context, b.list);
    core_free(v->context, b.queue);
    if (status != BRINK_OK)
        trie_free(tree);
    return status;
}

void trie_free(trie *tree)
{
    if (tree->context == NULL)
        return;
    core_free(tree->context, tree->units);
    *tree = (trie){.context = tree->context};
}
