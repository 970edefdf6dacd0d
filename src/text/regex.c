/* regex.c — character sets, and a pattern's tree to its program. */
#include "text/regex_internal.h"
#include "text/unicode.h"
#include "text/utf8.h"

/* ── Character sets ── */

/* \w as Oniguruma has it, with what Latin-1 holds of superscripts and fractions. */
bool regex_is_word(uint32_t code)
{
    return unicode_is_word(code) || code == 0xB2 || code == 0xB3 || code == 0xB9 ||
           (code >= 0xBC && code <= 0xBE);
}

static bool item_holds(const regex *r, const set_item *item, uint32_t code)
{
    bool holds = false;
    switch ((set_item_kind)item->kind) {
    case ITEM_RANGE:
        holds = code >= item->low && code <= item->high;
        break;
    case ITEM_CATEGORY:
        holds = (unicode_category(code) & item->low) != 0;
        break;
    case ITEM_SPACE:
        holds = unicode_is_space(code);
        break;
    case ITEM_WORD:
        holds = regex_is_word(code);
        break;
    case ITEM_SET:
        holds = char_set_holds(r, &r->sets[item->low], code);
        break;
    }
    return holds != item->negated;
}

bool char_set_holds(const regex *r, const char_set *set, uint32_t code)
{
    bool holds = false;
    for (uint32_t i = 0; i < set->count && !holds; i++)
        holds = item_holds(r, &set->items[i], code);
    if (!holds && set->fold) {
        uint32_t folded = unicode_fold(code), upper = unicode_title(folded);
        for (uint32_t i = 0; i < set->count && !holds; i++) {
            const set_item *item = &set->items[i];
            holds = item_holds(r, item, folded) || item_holds(r, item, upper) ||
                    (item->kind == ITEM_RANGE && item->low == item->high &&
                     unicode_fold(item->low) == folded);
        }
    }
    return holds != set->negated;
}

/* ── Tree to program ── */

static void first_of(const regex *r, const node *n, first_set *out);

static void first_of_sequence(const regex *r, const node *child, first_set *out)
{
    *out = (first_set){.always = true};
    for (; child != NULL && out->always; child = child->next) {
        first_set one;
        first_of(r, child, &one);
        out->ascii[0] |= one.ascii[0];
        out->ascii[1] |= one.ascii[1];
        out->always = one.always;
    }
}

/* Which ASCII bytes can begin a match of the node. */
static void first_of(const regex *r, const node *n, first_set *out)
{
    switch (n->kind) {
    case NODE_SET:
        *out = (first_set){{r->sets[n->set].ascii[0], r->sets[n->set].ascii[1]}, false};
        return;
    case NODE_SEQUENCE:
        first_of_sequence(r, n->child, out);
        return;
    case NODE_ATOMIC:
        first_of(r, n->child, out);
        return;
    case NODE_REPEAT:
        first_of(r, n->child, out);
        out->always |= n->least == 0;
        return;
    case NODE_CHOICE:
        *out = (first_set){0};
        for (const node *c = n->child; c != NULL; c = c->next) {
            first_set one;
            first_of(r, c, &one);
            out->ascii[0] |= one.ascii[0];
            out->ascii[1] |= one.ascii[1];
            out->always |= one.always;
        }
        return;
    case NODE_AHEAD:
    case NODE_ASSERT:
        *out = (first_set){.always = true};
        return;
    }
}

static bool may_be_empty(const node *n)
{
    switch (n->kind) {
    case NODE_SET:
        return false;
    case NODE_ATOMIC:
        return may_be_empty(n->child);
    case NODE_REPEAT:
        return n->least == 0 || may_be_empty(n->child);
    case NODE_SEQUENCE:
        for (const node *c = n->child; c != NULL; c = c->next)
            if (!may_be_empty(c))
                return false;
        return true;
    case NODE_CHOICE:
        for (const node *c = n->child; c != NULL; c = c->next)
            if (may_be_empty(c))
                return true;
        return false;
    case NODE_AHEAD:
    case NODE_ASSERT:
        break;
    }
    return true;
}

static brink_status emit(regex *r, instruction one, uint32_t *at)
{
    if (r->length >= REGEX_MAX_PROGRAM)
        return core_fail(r->context, BRINK_UNSUPPORTED, "%s: pattern \"%.120s\" is too large",
                         r->where, r->pattern);
    TRY(array_grow(r->context, (void **)&r->program, &r->capacity, r->length + 1ull, sizeof one));
    if (at != NULL)
        *at = r->length;
    one.first = UINT32_MAX;
    r->program[r->length++] = one;
    return BRINK_OK;
}

static brink_status compile(regex *r, const node *n);

static brink_status compile_choice(regex *r, const node *n)
{
    /* Each choice jumps over the rest; the jumps are threaded through `a` until the end is known. */
    uint32_t jumps = UINT32_MAX;
    for (const node *c = n->child; c != NULL; c = c->next) {
        uint32_t choice = UINT32_MAX, jump;
        if (c->next != NULL) {
            node rest = {.kind = NODE_CHOICE, .child = c->next};
            TRY(emit(r, (instruction){.op = OP_CHOICE}, &choice));
            TRY(array_grow(r->context, (void **)&r->firsts, &r->first_capacity,
                           r->first_count + 2ull, sizeof *r->firsts));
            first_of(r, c, &r->firsts[r->first_count]);
            first_of(r, &rest, &r->firsts[r->first_count + 1]);
            r->program[choice].first = r->first_count;
            r->program[choice].a = choice + 1;
            r->first_count += 2;
        }
        TRY(compile(r, c));
        if (c->next != NULL) {
            TRY(emit(r, (instruction){.op = OP_JUMP, .a = jumps}, &jump));
            jumps = jump;
            r->program[choice].b = r->length;
        }
    }
    while (jumps != UINT32_MAX) {
        uint32_t next = r->program[jumps].a;
        r->program[jumps].a = r->length;
        jumps = next;
    }
    return BRINK_OK;
}

static brink_status compile_repeat(regex *r, const node *n)
{
    uint32_t at;
    const node *child = n->child;
    if (child->kind == NODE_SET)
        return emit(r,
                    (instruction){.op = OP_LOOP,
                                  .mode = (uint8_t)n->mode,
                                  .a = child->set,
                                  .least = n->least,
                                  .most = n->most},
                    NULL);
    if (n->mode == REPEAT_POSSESSIVE) {
        node greedy = *n;
        greedy.mode = REPEAT_GREEDY;
        TRY(emit(r, (instruction){.op = OP_ATOMIC}, &at));
        TRY(compile_repeat(r, &greedy));
        TRY(emit(r, (instruction){.op = OP_DONE}, NULL));
        r->program[at].a = r->length;
        return BRINK_OK;
    }
    if (n->most == REPEAT_ENDLESS && may_be_empty(child))
        return core_fail(r->context, BRINK_UNSUPPORTED,
                         "%s: pattern \"%.120s\": an endless repeat of what may be empty is not "
                         "supported",
                         r->where, r->pattern);
    bool lazy = n->mode == REPEAT_LAZY;
    for (uint32_t i = 0; i < n->least; i++)
        TRY(compile(r, child));
    if (n->most == REPEAT_ENDLESS) { /* L: choice body, out; body; jump L */
        uint32_t top;
        TRY(emit(r, (instruction){.op = OP_CHOICE}, &top));
        TRY(compile(r, child));
        TRY(emit(r, (instruction){.op = OP_JUMP, .a = top}, NULL));
        r->program[top].a = lazy ? r->length : top + 1;
        r->program[top].b = lazy ? top + 1 : r->length;
        return BRINK_OK;
    }
    for (uint32_t i = n->least; i < n->most; i++) { /* each optional one may jump to the next */
        TRY(emit(r, (instruction){.op = OP_CHOICE}, &at));
        TRY(compile(r, child));
        r->program[at].a = lazy ? r->length : at + 1;
        r->program[at].b = lazy ? at + 1 : r->length;
    }
    return BRINK_OK;
}

static brink_status compile(regex *r, const node *n)
{
    uint32_t at;
    switch (n->kind) {
    case NODE_SET:
        return emit(r, (instruction){.op = OP_SET, .a = n->set}, NULL);
    case NODE_CHOICE:
        return compile_choice(r, n);
    case NODE_REPEAT:
        return compile_repeat(r, n);
    case NODE_ASSERT:
        return emit(r, (instruction){.op = OP_ASSERT, .a = n->assertion}, NULL);
    case NODE_SEQUENCE:
        for (const node *c = n->child; c != NULL; c = c->next)
            TRY(compile(r, c));
        return BRINK_OK;
    case NODE_AHEAD:
    case NODE_ATOMIC:
        break;
    }
    TRY(emit(
        r, (instruction){.op = n->kind == NODE_AHEAD ? OP_AHEAD : OP_ATOMIC, .negated = n->negated},
        &at));
    TRY(compile(r, n->child));
    TRY(emit(r, (instruction){.op = OP_DONE}, NULL));
    r->program[at].a = r->length;
    return BRINK_OK;
}

brink_status regex_create(brink_context *context, const char *where, const char *pattern,
                          uint32_t bytes, regex **out)
{
    *out = NULL;
    regex *r = core_calloc(context, 1, sizeof *r);
    if (r == NULL)
        return BRINK_OUT_OF_MEMORY;
    arena nodes;
    node *tree = NULL;
    arena_init(&nodes, context);
    arena_init(&r->memory, context);
    r->context = context;
    r->where = where;
    r->pattern = arena_string(&r->memory, pattern, bytes);
    brink_status status =
        r->pattern == NULL ? BRINK_OUT_OF_MEMORY
        : utf8_valid(pattern, bytes)
            ? regex_parse(r, &nodes, bytes, &tree)
            : core_fail(context, BRINK_BAD_INPUT, "%s: pattern is not UTF-8", where);
    if (status == BRINK_OK)
        status = compile(r, tree);
    if (status == BRINK_OK)
        status = emit(r, (instruction){.op = OP_DONE}, NULL);
    arena_free(&nodes);
    r->where = "pattern";
    if (status != BRINK_OK) {
        regex_destroy(r);
        return status;
    }
    *out = r;
    return BRINK_OK;
}

void regex_destroy(regex *r)
{
    if (r == NULL)
        return;
    brink_context *context = r->context;
    for (uint32_t i = 0; i < r->set_count; i++)
        core_free(context, r->sets[i].items);
    core_free(context, r->sets);
    core_free(context, r->program);
    core_free(context, r->firsts);
    core_free(context, r->stack);
    arena_free(&r->memory);
    core_free(context, r);
}
