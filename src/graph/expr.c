/* expr.c — hash-consed integer expressions; see expr.h for the invariant.

   Bounds saturate at ±2^62, so that they never overflow themselves. Arithmetic on constants that
   would overflow marks the table as failed: such a model has an absurd shape. */
#include "graph/expr.h"

#include <string.h>

#define BOUND ((int64_t)1 << 62)

static int64_t clamp(__int128 v)
{
    return v > BOUND ? BOUND : v < -BOUND ? -BOUND : (int64_t)v;
}

brink_status expr_table_init(expr_table *t, arena *a)
{
    *t = (expr_table){.arena = a, .capacity = 256, .hash_size = 1024};
    t->nodes = ARENA_ARRAY(a, expr_node, t->capacity);
    t->hash = ARENA_ARRAY(a, expr, t->hash_size);
    if (t->nodes == NULL || t->hash == NULL)
        return BRINK_OUT_OF_MEMORY;
    memset(t->hash, 0xFF, t->hash_size * sizeof(expr));
    return BRINK_OK;
}

static uint32_t hash_node(const expr_node *n)
{
    uint64_t h = (uint64_t)n->kind * 0x9E3779B97F4A7C15u;
#define MIX(x) (h = (h ^ (uint64_t)(x)) * 0xFF51AFD7ED558CCDu, h ^= h >> 29)
    MIX(n->a);
    MIX(n->b);
    MIX(n->c);
    MIX(n->value);
    for (uint32_t i = 0; i < n->term_count; i++) {
        MIX(n->terms[i].atom);
        MIX(n->terms[i].coefficient);
    }
#undef MIX
    return (uint32_t)(h >> 16);
}

static bool same_node(const expr_node *x, const expr_node *y)
{
    if (x->kind != y->kind || x->a != y->a || x->b != y->b || x->c != y->c ||
        x->value != y->value || x->term_count != y->term_count)
        return false;
    for (uint32_t i = 0; i < x->term_count; i++)
        if (x->terms[i].atom != y->terms[i].atom ||
            x->terms[i].coefficient != y->terms[i].coefficient)
            return false;
    return true;
}

static bool grow(expr_table *t)
{
    uint32_t capacity = t->capacity * 2;
    expr_node *nodes = ARENA_ARRAY(t->arena, expr_node, capacity);
    expr *hash = ARENA_ARRAY(t->arena, expr, t->hash_size * 2);
    if (nodes == NULL || hash == NULL) {
        t->no_room = true;
        return false;
    }
    memcpy(nodes, t->nodes, t->count * sizeof *nodes);
    t->nodes = nodes;
    t->capacity = capacity;
    t->hash = hash;
    t->hash_size *= 2;
    memset(hash, 0xFF, t->hash_size * sizeof *hash);
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t slot = hash_node(&nodes[i]) & (t->hash_size - 1);
        while (hash[slot] != EXPR_NONE)
            slot = (slot + 1) & (t->hash_size - 1);
        hash[slot] = (expr)i;
    }
    return true;
}

/* The index of this node, added if it is new. Its terms are copied. */
static expr intern(expr_table *t, const expr_node *n)
{
    if (t->failed || (t->count == t->capacity && !grow(t))) {
        t->failed = true;
        return EXPR_NONE;
    }
    uint32_t slot = hash_node(n) & (t->hash_size - 1);
    for (; t->hash[slot] != EXPR_NONE; slot = (slot + 1) & (t->hash_size - 1))
        if (same_node(&t->nodes[t->hash[slot]], n))
            return t->hash[slot];
    expr_node copy = *n;
    if (n->term_count != 0) {
        expr_term *terms = ARENA_ARRAY(t->arena, expr_term, n->term_count);
        if (terms == NULL) {
            t->failed = t->no_room = true;
            return EXPR_NONE;
        }
        memcpy(terms, n->terms, n->term_count * sizeof *terms);
        copy.terms = terms;
    }
    t->nodes[t->count] = copy;
    t->hash[slot] = (expr)t->count;
    return (expr)t->count++;
}

expr expr_const(expr_table *t, int64_t value)
{
    expr_node n = {.kind = EXPR_CONST, .a = -1, .b = -1, .c = -1, .value = value};
    n.low = n.high = clamp(value);
    return intern(t, &n);
}

expr expr_symbol(expr_table *t, int64_t low, int64_t high)
{
    expr_node n = {.kind = EXPR_SYMBOL, .a = -1, .b = -1, .c = -1, .low = low, .high = high};
    n.value = t->symbol_count++;
    return intern(t, &n);
}

bool expr_known(const expr_table *t, expr e, int64_t *value)
{
    if (e < 0 || t->nodes[e].kind != EXPR_CONST)
        return false;
    if (value != NULL)
        *value = t->nodes[e].value;
    return true;
}

int64_t expr_low(const expr_table *t, expr e)
{
    return e < 0 ? -BOUND : t->nodes[e].low;
}

int64_t expr_high(const expr_table *t, expr e)
{
    return e < 0 ? BOUND : t->nodes[e].high;
}

enum { MAX_TERMS = 32 };

/* An expression seen as constant + terms. */
static uint32_t as_linear(const expr_table *t, expr e, int64_t *constant, expr_term *terms)
{
    const expr_node *n = &t->nodes[e];
    *constant = 0;
    if (n->kind == EXPR_CONST) {
        *constant = n->value;
        return 0;
    }
    if (n->kind == EXPR_LINEAR) {
        *constant = n->value;
        memcpy(terms, n->terms, n->term_count * sizeof *terms);
        return n->term_count;
    }
    terms[0] = (expr_term){e, 1};
    return 1;
}

static expr overflow(expr_table *t)
{
    t->failed = true;
    return EXPR_NONE;
}

static expr from_linear(expr_table *t, int64_t constant, const expr_term *terms, uint32_t count)
{
    if (count == 0)
        return expr_const(t, constant);
    if (count == 1 && constant == 0 && terms[0].coefficient == 1)
        return terms[0].atom;
    expr_node n = {.kind = EXPR_LINEAR, .a = -1, .b = -1, .c = -1, .value = constant};
    n.terms = terms;
    n.term_count = count;
    __int128 low = constant, high = constant;
    for (uint32_t i = 0; i < count; i++) {
        __int128 x = (__int128)terms[i].coefficient * t->nodes[terms[i].atom].low;
        __int128 y = (__int128)terms[i].coefficient * t->nodes[terms[i].atom].high;
        low += x < y ? x : y;
        high += x < y ? y : x;
        low = clamp(low);
        high = clamp(high);
    }
    n.low = (int64_t)low;
    n.high = (int64_t)high;
    return intern(t, &n);
}

/* a + scale * b */
static expr combine(expr_table *t, expr a, expr b, int64_t scale)
{
    if (t->failed || a < 0 || b < 0)
        return EXPR_NONE;
    expr_term x[MAX_TERMS], y[MAX_TERMS], sum[2 * MAX_TERMS];
    int64_t cx, cy, constant;
    uint32_t nx = as_linear(t, a, &cx, x), ny = as_linear(t, b, &cy, y), n = 0;
    if (__builtin_mul_overflow(cy, scale, &constant) ||
        __builtin_add_overflow(constant, cx, &constant))
        return overflow(t);
    for (uint32_t i = 0, j = 0; i < nx || j < ny;) {
        expr_term term;
        if (j == ny || (i < nx && x[i].atom < y[j].atom)) {
            term = x[i++];
        } else {
            term = y[j];
            if (__builtin_mul_overflow(y[j].coefficient, scale, &term.coefficient))
                return overflow(t);
            if (i < nx && x[i].atom == y[j].atom &&
                __builtin_add_overflow(term.coefficient, x[i++].coefficient, &term.coefficient))
                return overflow(t);
            j++;
        }
        if (term.coefficient != 0)
            sum[n++] = term;
    }
    if (n > MAX_TERMS)
        return overflow(t);
    return from_linear(t, constant, sum, n);
}

expr expr_add(expr_table *t, expr a, expr b)
{
    return combine(t, a, b, 1);
}

expr expr_sub(expr_table *t, expr a, expr b)
{
    return combine(t, a, b, -1);
}

/* A node of two or three operands; commutative ones are ordered so that they are equal. */
static expr node_of(expr_table *t, expr_kind kind, expr a, expr b, expr c, int64_t low,
                    int64_t high)
{
    if (low == high)
        return expr_const(t, low);
    bool commutes = kind == EXPR_MUL || kind == EXPR_MIN || kind == EXPR_MAX || kind == EXPR_EQUAL;
    if (commutes && a > b) {
        expr swap = a;
        a = b;
        b = swap;
    }
    expr_node n = {.kind = kind, .a = a, .b = b, .c = c, .low = low, .high = high};
    return intern(t, &n);
}

#define OPERANDS(a, b)                                                                             \
    if (t->failed || (a) < 0 || (b) < 0)                                                           \
        return EXPR_NONE;                                                                          \
    int64_t al = t->nodes[a].low, ah = t->nodes[a].high;                                           \
    int64_t bl = t->nodes[b].low, bh = t->nodes[b].high;                                           \
    int64_t av = 0, bv = 0;                                                                        \
    bool ak = expr_known(t, a, &av), bk = expr_known(t, b, &bv);                                   \
    (void)al, (void)ah, (void)bl, (void)bh, (void)av, (void)bv, (void)ak, (void)bk

static void corners(int64_t al, int64_t ah, int64_t bl, int64_t bh, int64_t *low, int64_t *high)
{
    __int128 p[4] = {(__int128)al * bl, (__int128)al * bh, (__int128)ah * bl, (__int128)ah * bh};
    __int128 least = p[0], most = p[0];
    for (int i = 1; i < 4; i++) {
        least = p[i] < least ? p[i] : least;
        most = p[i] > most ? p[i] : most;
    }
    *low = clamp(least);
    *high = clamp(most);
}

expr expr_mul(expr_table *t, expr a, expr b)
{
    OPERANDS(a, b);
    if (bk)
        return combine(t, expr_const(t, 0), a, bv);
    if (ak)
        return combine(t, expr_const(t, 0), b, av);
    int64_t low, high;
    corners(al, ah, bl, bh, &low, &high);
    return node_of(t, EXPR_MUL, a, b, -1, low, high);
}

expr expr_div(expr_table *t, expr a, expr b)
{
    OPERANDS(a, b);
    if (bk && bv == 0)
        return overflow(t);
    if (ak && bk)
        return av == INT64_MIN && bv == -1 ? overflow(t) : expr_const(t, av / bv);
    if (bk && bv == 1)
        return a;
    if (a == b && al > 0)
        return expr_const(t, 1);
    if (bk && t->nodes[a].kind == EXPR_LINEAR) { /* exact when every coefficient divides */
        expr_term terms[MAX_TERMS];
        int64_t constant;
        uint32_t n = as_linear(t, a, &constant, terms), i = 0;
        for (; i < n && terms[i].coefficient % bv == 0; i++)
            terms[i].coefficient /= bv;
        if (i == n && constant % bv == 0)
            return from_linear(t, constant / bv, terms, n);
    }
    if (t->nodes[a].kind == EXPR_MUL && al >= 0 && expr_low(t, b) > 0) {
        if (t->nodes[a].a == b)
            return t->nodes[a].b;
        if (t->nodes[a].b == b)
            return t->nodes[a].a;
    }
    int64_t low = -BOUND, high = BOUND;
    if (bl > 0) {
        low = al >= 0 ? al / bh : al / bl;
        high = ah >= 0 ? ah / bl : ah / bh;
    }
    return node_of(t, EXPR_DIV, a, b, -1, low, high);
}

static int64_t floor_mod(int64_t a, int64_t b)
{
    if (b == 0 || b == -1)
        return 0;
    int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

expr expr_mod(expr_table *t, expr a, expr b)
{
    OPERANDS(a, b);
    if (bk && bv == 0)
        return overflow(t);
    if (ak && bk)
        return expr_const(t, floor_mod(av, bv));
    if (bl > 0 && al >= 0 && ah < bl)
        return a;
    int64_t low = bl > 0 ? 0 : -BOUND, high = bl > 0 ? bh - 1 : BOUND;
    return node_of(t, EXPR_MOD, a, b, -1, low, high);
}

expr expr_min(expr_table *t, expr a, expr b)
{
    OPERANDS(a, b);
    expr difference = expr_sub(t, a, b);
    if (difference < 0)
        return EXPR_NONE;
    if (expr_high(t, difference) <= 0)
        return a;
    if (expr_low(t, difference) >= 0)
        return b;
    return node_of(t, EXPR_MIN, a, b, -1, al < bl ? al : bl, ah < bh ? ah : bh);
}

expr expr_max(expr_table *t, expr a, expr b)
{
    OPERANDS(a, b);
    expr difference = expr_sub(t, a, b);
    if (difference < 0)
        return EXPR_NONE;
    if (expr_low(t, difference) >= 0)
        return a;
    if (expr_high(t, difference) <= 0)
        return b;
    return node_of(t, EXPR_MAX, a, b, -1, al > bl ? al : bl, ah > bh ? ah : bh);
}

expr expr_equal(expr_table *t, expr a, expr b)
{
    OPERANDS(a, b);
    expr difference = expr_sub(t, a, b);
    if (difference < 0)
        return EXPR_NONE;
    int64_t low = expr_low(t, difference), high = expr_high(t, difference);
    if (low == 0 && high == 0)
        return expr_const(t, 1);
    if (low > 0 || high < 0)
        return expr_const(t, 0);
    return node_of(t, EXPR_EQUAL, a, b, -1, 0, 1);
}

expr expr_less(expr_table *t, expr a, expr b)
{
    OPERANDS(a, b);
    expr difference = expr_sub(t, a, b);
    if (difference < 0)
        return EXPR_NONE;
    if (expr_high(t, difference) < 0)
        return expr_const(t, 1);
    if (expr_low(t, difference) >= 0)
        return expr_const(t, 0);
    return node_of(t, EXPR_LESS, a, b, -1, 0, 1);
}

expr expr_select(expr_table *t, expr condition, expr yes, expr no)
{
    OPERANDS(yes, no);
    if (condition < 0)
        return EXPR_NONE;
    int64_t value;
    if (expr_known(t, condition, &value))
        return value != 0 ? yes : no;
    if (yes == no)
        return yes;
    return node_of(t, EXPR_SELECT, condition, yes, no, al < bl ? al : bl, ah > bh ? ah : bh);
}

void expr_evaluate(const expr_table *t, const int64_t *symbols, int64_t *values)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const expr_node *n = &t->nodes[i];
        int64_t a = n->a >= 0 ? values[n->a] : 0, b = n->b >= 0 ? values[n->b] : 0, v = 0;
        switch (n->kind) {
        case EXPR_CONST:
            v = n->value;
            break;
        case EXPR_SYMBOL:
            v = symbols[n->value];
            break;
        case EXPR_LINEAR:
            v = n->value;
            for (uint32_t k = 0; k < n->term_count; k++)
                v += n->terms[k].coefficient * values[n->terms[k].atom];
            break;
        case EXPR_MUL:
            v = a * b;
            break;
        case EXPR_DIV:
            v = b == 0 ? 0 : a / b;
            break;
        case EXPR_MOD:
            v = floor_mod(a, b);
            break;
        case EXPR_MIN:
            v = a < b ? a : b;
            break;
        case EXPR_MAX:
            v = a > b ? a : b;
            break;
        case EXPR_EQUAL:
            v = a == b;
            break;
        case EXPR_LESS:
            v = a < b;
            break;
        case EXPR_SELECT:
            v = a != 0 ? b : values[n->c];
            break;
        }
        values[i] = v;
    }
}
