/* dfa.c — exploring a step function into a table, and products as its special case.

   States are numbered in the order in which a breadth-first walk meets them. The finished table is
   pruned: what cannot reach an accepting state becomes the dead state, columns that are equal
   become one class. */
#include "text/dfa.h"

#include "text/buffer.h"

#include <string.h>

brink_status dfa_spend(dfa_work *work, uint64_t steps)
{
    work->steps += steps;
    return work->steps <= DFA_MAX_STEPS ? BRINK_OK
                                        : core_fail(work->context, BRINK_UNSUPPORTED,
                                                    "%s: is too large to compile", work->where);
}

typedef struct table {
    dfa_work *work;
    uint32_t size, count, state_capacity, label_capacity, next_capacity, slot_count, columns;
    uint8_t *states; /* [count, size]    */
    uint16_t *label; /* [count]          */
    uint16_t *next;  /* [count, columns] */
    uint32_t *slots; /* hash table of index + 1 */
} table;

static void table_free(table *t)
{
    core_free(t->work->context, t->states);
    core_free(t->work->context, t->label);
    core_free(t->work->context, t->next);
    core_free(t->work->context, t->slots);
}

static uint64_t hash_bytes(const uint8_t *data, uint32_t size)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < size; i++)
        h = (h ^ data[i]) * 0x100000001b3u;
    return h ^ h >> 29;
}

static brink_status rehash(table *t, uint32_t slots)
{
    core_free(t->work->context, t->slots);
    t->slots = core_calloc(t->work->context, slots, sizeof *t->slots);
    if (t->slots == NULL)
        return BRINK_OUT_OF_MEMORY;
    t->slot_count = slots;
    for (uint32_t i = 0; i < t->count; i++) {
        uint64_t h = hash_bytes(t->states + (size_t)i * t->size, t->size);
        while (t->slots[h & (slots - 1)] != 0)
            h++;
        t->slots[h & (slots - 1)] = i + 1;
    }
    return BRINK_OK;
}

static brink_status intern(table *t, const uint8_t *state, uint16_t *out)
{
    if (t->count * 2 >= t->slot_count)
        TRY(rehash(t, t->slot_count == 0 ? 64 : t->slot_count * 2));
    uint64_t h = hash_bytes(state, t->size);
    for (;; h++) {
        uint32_t at = t->slots[h & (t->slot_count - 1)];
        if (at == 0)
            break;
        if (memcmp(t->states + (size_t)(at - 1) * t->size, state, t->size) == 0) {
            *out = (uint16_t)at; /* index + 1: 0 stays dead */
            return BRINK_OK;
        }
    }
    if (t->count == DFA_MAX_STATES)
        return core_fail(t->work->context, BRINK_UNSUPPORTED,
                         "%s: asks for an automaton of more than %d states", t->work->where,
                         DFA_MAX_STATES);
    TRY(array_grow(t->work->context, (void **)&t->states, &t->state_capacity, t->count + 1ull,
                   t->size));
    memcpy(t->states + (size_t)t->count * t->size, state, t->size);
    t->slots[h & (t->slot_count - 1)] = ++t->count;
    *out = (uint16_t)t->count;
    return BRINK_OK;
}

/* Bytes to the nearest state whose `near` is 0, by a breadth-first walk backwards from those, which
   the caller marked; UINT16_MAX where none can be reached. States 1 to `count` have the rows of
   `next`, [count, columns]; near is [count + 1]. Only columns in `use` (NULL: all) are gone over. */
static brink_status measure(dfa_work *work, const uint16_t *next, uint32_t count, uint32_t columns,
                            const bool *use, uint16_t *near)
{
    uint64_t edges = (uint64_t)count * columns;
    uint32_t *head = core_calloc(work->context, count + 3ull, sizeof *head);
    uint32_t *sources = core_alloc(work->context, edges * sizeof *sources + 4);
    uint32_t *queue = core_alloc(work->context, (count + 1ull) * sizeof *queue);
    const uint16_t *row = next, first = near[0] != 0; /* the dead state leads nowhere */
    brink_status status = head && sources && queue ? BRINK_OK : BRINK_OUT_OF_MEMORY;
    if (status == BRINK_OK) {
        for (uint32_t s = 1; s <= count; s++, row += columns)
            for (uint32_t c = 0; c < columns; c++)
                if (row[c] >= first && (use == NULL || use[c]))
                    head[row[c] + 2u]++;
        for (uint32_t s = 0; s <= count; s++)
            head[s + 2] += head[s + 1];
        row = next;
        for (uint32_t s = 1; s <= count; s++, row += columns)
            for (uint32_t c = 0; c < columns; c++)
                if (row[c] >= first && (use == NULL || use[c]))
                    sources[head[row[c] + 1u]++] = s; /* head[t] .. head[t + 1] when all are in */
        uint32_t from = 0, to = 0;
        for (uint32_t s = 0; s <= count; s++)
            if (near[s] == 0)
                queue[to++] = s;
        while (from < to) {
            uint32_t s = queue[from++];
            for (uint32_t i = head[s]; i < head[s + 1]; i++)
                if (near[sources[i]] == UINT16_MAX) {
                    near[sources[i]] = (uint16_t)(near[s] + 1);
                    queue[to++] = sources[i];
                }
        }
    }
    core_free(work->context, head);
    core_free(work->context, sources);
    core_free(work->context, queue);
    return status;
}

brink_status dfa_calm(dfa_work *work, const dfa *d, const bool *stirred, arena *memory,
                      uint16_t **out)
{
    bool use[256] = {false};
    *out = ARENA_ARRAY(memory, uint16_t, d->states);
    if (*out == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t b = 0; b < 256; b++)
        use[d->class_of[b]] = use[d->class_of[b]] || dfa_is_plain((uint8_t)b);
    for (uint32_t s = 1; s < d->states; s++)
        (*out)[s] = stirred[s] ? 0 : UINT16_MAX;
    TRY(dfa_spend(work, (uint64_t)d->states * d->classes / 8));
    return d->states < 2
               ? BRINK_OK
               : measure(work, d->next + d->classes, d->states - 1, d->classes, use, *out);
}

/* Writes the pruned table. `class_of` says which column a byte has so far. */
static brink_status finish(dfa_work *work, const uint16_t *next, const uint16_t *label,
                           uint32_t count, uint32_t columns, const uint8_t *class_of, arena *memory,
                           dfa **out)
{
    uint16_t *near = core_alloc(work->context, (count + 1ull) * sizeof *near * 2);
    dfa *d = ARENA_NEW(memory, dfa);
    if (near == NULL || d == NULL) {
        core_free(work->context, near);
        return BRINK_OUT_OF_MEMORY;
    }
    uint16_t *number = near + count + 1;
    near[0] = UINT16_MAX;
    for (uint32_t s = 1; s <= count; s++)
        near[s] = label[s - 1] != 0 ? 0 : UINT16_MAX;
    brink_status status = measure(work, next, count, columns, NULL, near);
    d->states = 1;
    number[0] = 0;
    for (uint32_t s = 1; status == BRINK_OK && s <= count; s++)
        number[s] = near[s] == UINT16_MAX || near[1] == UINT16_MAX ? 0 : (uint16_t)d->states++;
    /* columns that are equal once the dead are gone */
    uint8_t merged[256];
    uint32_t first[256];
    for (uint32_t c = 0; c < columns; c++) {
        uint32_t k;
        for (k = 0; k < d->classes; k++) {
            uint32_t s = 0;
            while (s < count &&
                   (number[s + 1] == 0 || number[next[(size_t)s * columns + c]] ==
                                              number[next[(size_t)s * columns + first[k]]]))
                s++;
            if (s == count)
                break;
        }
        if (k == d->classes)
            first[d->classes++] = c;
        merged[c] = (uint8_t)k;
    }
    for (uint32_t b = 0; b < 256; b++)
        d->class_of[b] = merged[class_of[b]];
    d->next = ARENA_ARRAY(memory, uint16_t, (uint64_t)d->states * d->classes);
    d->label = ARENA_ARRAY(memory, uint16_t, d->states);
    d->near = ARENA_ARRAY(memory, uint16_t, d->states);
    d->final = ARENA_ARRAY(memory, bool, d->states);
    if (status == BRINK_OK && (!d->next || !d->label || !d->near || !d->final))
        status = BRINK_OUT_OF_MEMORY;
    for (uint32_t s = 1; status == BRINK_OK && s <= count; s++) {
        uint32_t n = number[s];
        if (n == 0)
            continue;
        bool follows = false;
        for (uint32_t k = 0; k < d->classes; k++) {
            uint16_t to = number[next[(size_t)(s - 1) * columns + first[k]]];
            d->next[n * d->classes + k] = to;
            follows = follows || to != 0;
        }
        d->label[n] = label[s - 1];
        d->near[n] = near[s];
        d->final[n] = d->label[n] != 0 && !follows;
    }
    if (status == BRINK_OK)
        d->near[0] = UINT16_MAX;
    core_free(work->context, near);
    *out = d;
    return status;
}

brink_status dfa_explore(dfa_work *work, const dfa_source *source, arena *memory, dfa **out)
{
    uint8_t own[256], sample[256];
    const uint8_t *class_of = source->class_of;
    uint32_t columns = 0;
    for (uint32_t b = 0; b < 256; b++)
        own[b] = (uint8_t)b;
    class_of = class_of != NULL ? class_of : own;
    for (uint32_t b = 256; b-- > 0;) {
        sample[class_of[b]] = (uint8_t)b;
        columns = class_of[b] >= columns ? class_of[b] + 1u : columns;
    }
    table t = {.work = work, .size = source->size, .columns = columns};
    uint8_t state[DFA_SOURCE_BYTES], step[DFA_SOURCE_BYTES];
    uint16_t id;
    brink_status status = intern(&t, source->start, &id);
    for (uint32_t s = 0; status == BRINK_OK && s < t.count; s++) {
        memcpy(state, t.states + (size_t)s * t.size, t.size);
        status = dfa_spend(work, columns);
        if (status == BRINK_OK)
            status = array_grow(work->context, (void **)&t.next, &t.next_capacity,
                                (s + 1ull) * columns, sizeof *t.next);
        if (status == BRINK_OK)
            status = array_grow(work->context, (void **)&t.label, &t.label_capacity, s + 1ull,
                                sizeof *t.label);
        if (status != BRINK_OK)
            break;
        t.label[s] = source->label(source->user, state);
        for (uint32_t c = 0; c < columns && status == BRINK_OK; c++) {
            memset(step, 0, t.size);
            id = 0;
            if (source->step(source->user, state, sample[c], step))
                status = intern(&t, step, &id);
            t.next[(size_t)s * columns + c] = id;
        }
    }
    if (status == BRINK_OK)
        status = finish(work, t.next, t.label, t.count, columns, class_of, memory, out);
    table_free(&t);
    return status;
}

/* ── Products ── */

typedef struct product {
    const dfa *const *parts;
    uint32_t count, needed;
    dfa_join join;
    void *user;
} product;

static bool product_step(const void *user, const void *state, uint8_t byte, void *next)
{
    const product *p = user;
    uint16_t at[DFA_MAX_PARTS], to[DFA_MAX_PARTS];
    bool alive = false;
    memcpy(at, state, p->count * sizeof *at);
    for (uint32_t i = 0; i < p->count; i++) {
        to[i] = at[i] == DFA_DEAD ? DFA_DEAD : dfa_step(p->parts[i], at[i], byte);
        if (to[i] == DFA_DEAD && (p->needed >> i & 1))
            return false;
        alive = alive || to[i] != DFA_DEAD;
    }
    memcpy(next, to, p->count * sizeof *to);
    return alive;
}

static uint16_t product_label(const void *user, const void *state)
{
    const product *p = user;
    uint16_t at[DFA_MAX_PARTS], labels[DFA_MAX_PARTS];
    memcpy(at, state, p->count * sizeof *at);
    for (uint32_t i = 0; i < p->count; i++) {
        labels[i] = at[i] == DFA_DEAD ? 0 : p->parts[i]->label[at[i]];
        if (labels[i] == 0 && (p->needed >> i & 1))
            return 0;
    }
    return p->join(p->user, labels);
}

brink_status dfa_product(dfa_work *work, const dfa *const *parts, uint32_t count, uint32_t needed,
                         dfa_join join, void *user, arena *memory, dfa **out)
{
    if (count > DFA_MAX_PARTS)
        return core_fail(work->context, BRINK_UNSUPPORTED,
                         "%s: more than %d languages to combine are not supported", work->where,
                         DFA_MAX_PARTS);
    product p = {parts, count, needed, join, user};
    uint16_t start[DFA_MAX_PARTS];
    uint8_t class_of[256];
    uint32_t classes = 0, sample[256];
    for (uint32_t i = 0; i < count; i++)
        start[i] = dfa_empty(parts[i]) ? DFA_DEAD : DFA_START;
    for (uint32_t b = 0; b < 256; b++) { /* bytes that no part tells apart */
        uint32_t k;
        for (k = 0; k < classes; k++) {
            uint32_t i = 0;
            while (i < count && parts[i]->class_of[b] == parts[i]->class_of[sample[k]])
                i++;
            if (i == count)
                break;
        }
        if (k == classes)
            sample[classes++] = b;
        class_of[b] = (uint8_t)k;
    }
    dfa_source source = {&p,       start,        count * (uint32_t)sizeof *start,
                         class_of, product_step, product_label};
    return dfa_explore(work, &source, memory, out);
}

static uint16_t both(void *user, const uint16_t *labels)
{
    (void)user;
    return labels[0] != 0 && labels[1] != 0 ? labels[0] : 0;
}

brink_status dfa_intersect(dfa_work *work, const dfa *a, const dfa *b, arena *memory, dfa **out)
{
    const dfa *parts[] = {a, b};
    return dfa_product(work, parts, 2, 3, both, NULL, memory, out);
}

static uint16_t first_only(void *user, const uint16_t *labels)
{
    (void)user;
    return labels[1] != 0 ? 0 : labels[0];
}

brink_status dfa_subtract(dfa_work *work, const dfa *a, const dfa *b, arena *memory, dfa **out)
{
    const dfa *parts[] = {a, b};
    return dfa_product(work, parts, 2, 1, first_only, NULL, memory, out);
}

static uint16_t either(void *user, const uint16_t *labels)
{
    (void)user;
    return labels[0] != 0 ? labels[0] : labels[1];
}

brink_status dfa_unite(dfa_work *work, const dfa *a, const dfa *b, arena *memory, dfa **out)
{
    const dfa *parts[] = {a, b};
    return dfa_product(work, parts, 2, 0, either, NULL, memory, out);
}

static uint16_t mapped(void *user, const uint16_t *labels)
{
    const uint16_t *map = user;
    return map[labels[0]];
}

brink_status dfa_relabel(dfa_work *work, const dfa *d, const uint16_t *map, arena *memory,
                         dfa **out)
{
    return dfa_product(work, &d, 1, 1, mapped, (void *)(uintptr_t)map, memory, out);
}

/* A breadth-first walk, as far as it has to go; the next path from the same state goes on with it. */
static uint32_t search_on(const dfa *d, dfa_search *search, uint32_t state, uint16_t label)
{
    if (search->d != d || search->state != state) {
        memset(search->from, 0, d->states * sizeof *search->from);
        search->d = d;
        search->state = state;
        search->from[state] = (uint16_t)state;
        search->queue[0] = (uint16_t)state;
        search->head = 0;
        search->tail = 1;
    }
    for (uint32_t i = 0;; i++) {
        if (i == search->tail)
            return 0;
        uint32_t s = search->queue[i];
        if (d->label[s] != 0 && (label == 0 || d->label[s] == label))
            return s;
        if (i < search->head)
            continue;
        search->head = i + 1;
        /* printable bytes first, so that what is closed by itself reads well */
        for (uint32_t k = 0; k < 256; k++) {
            uint8_t byte = (uint8_t)(k + 0x30);
            uint32_t to = dfa_step(d, s, byte);
            if (to != DFA_DEAD && search->from[to] == 0) {
                search->from[to] = (uint16_t)s;
                search->byte[to] = byte;
                search->queue[search->tail++] = (uint16_t)to;
            }
        }
    }
}

bool dfa_path(const dfa *d, dfa_search *search, uint32_t state, uint16_t label, uint8_t *text,
              uint32_t room, uint32_t *length)
{
    uint32_t found = search_on(d, search, state, label), n = 0;
    if (found == 0)
        return false;
    for (uint32_t s = found; s != state; s = search->from[s])
        n++;
    *length = n;
    if (n > room)
        return false;
    for (uint32_t s = found; s != state; s = search->from[s])
        text[--n] = search->byte[s];
    return true;
}
