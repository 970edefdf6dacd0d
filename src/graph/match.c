/* match.c — patterns of nodes as text; see rewrite.h.

   Recursive descent over the pattern and the graph at once. Operators whose order does not matter
   are tried both ways, with what was bound put back in between.

   Invariant: a function that fails leaves the match as it found it, and `at` of the reader anywhere. */
#include "graph/rewrite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct matcher {
    const rewrite *w;
    rewrite_match *m;
    const char *at; /* in the pattern */
} matcher;

/* Behind one value of the pattern. */
static const char *skip(const char *p)
{
    uint32_t depth = 0;
    for (;; p++) {
        if (*p == '(' || *p == '[')
            depth++;
        else if (depth > 0 && (*p == ')' || *p == ']'))
            depth--;
        else if (*p == '\0' || (depth == 0 && (*p == ')' || *p == ']' || *p == ',' || *p == '|')))
            return p;
    }
}

static bool is_small(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* A letter stands for this value from now on, or did so before. */
static bool bind(const matcher *p, signed char letter, uint32_t value)
{
    uint32_t *bound = &p->m->value[letter - 'A'];
    if (*bound == IR_NONE && p->m->trail_count < MATCH_NODES) {
        *bound = value;
        p->m->trail[p->m->trail_count++] = letter;
    }
    return *bound == value;
}

/* Where a match stands, to come back to. */
typedef struct mark {
    uint32_t nodes, trail;
} mark;

static mark mark_of(const rewrite_match *m)
{
    return (mark){m->node_count, m->trail_count};
}

static void back_to(rewrite_match *m, mark to)
{
    m->node_count = to.nodes;
    while (m->trail_count > to.trail) {
        signed char letter = m->trail[--m->trail_count];
        if (letter < 0)
            m->number[-letter - 'a'] = 1;
        else
            m->value[letter - 'A'] = IR_NONE;
    }
}

static bool match(matcher *p, uint32_t value);

/* The node's inputs against what stands in brackets at `from`, inputs 0 and 1 swapped or not. */
static bool match_inputs(matcher *p, const ir_node *n, const char *from, bool swap)
{
    uint32_t inputs[8], count = 0;
    for (; count < n->input_count && count < 8; count++)
        inputs[count] = n->inputs[swap && count < 2 ? 1 - count : count];
    p->at = from;
    for (uint32_t i = 0;; i++) {
        if (i == count || inputs[i] == IR_NONE || !match(p, inputs[i]))
            return false;
        if (*p->at++ != ',')
            return true; /* behind the bracket */
    }
}

static bool is_commutative(op_id op)
{
    return op == OP_onnx_Add_1 || op == OP_onnx_Mul_1 || op == OP_onnx_Max_1 ||
           op == OP_onnx_Min_1 || op == OP_onnx_And_1 || op == OP_onnx_Or_1;
}

static bool match_node(matcher *p, uint32_t value)
{
    const char *name = p->at;
    size_t length = strcspn(name, "(");
    const ir_node *n = rewrite_producer(p->w, value);
    if (n == NULL || n->outputs[0] != value || strncmp(n->op->name, name, length) != 0 ||
        n->op->name[length] != '\0' || *n->op->domain != '\0')
        return false;
    uint32_t index = rewrite_index(p->w, n), k = 0;
    while (k < p->m->node_count && p->m->nodes[k] != index)
        k++;
    if (k == MATCH_NODES)
        return false;
    mark before = mark_of(p->m);
    uint32_t orders = is_commutative(n->op->id) && n->input_count == 2 ? 2 : 1;
    for (uint32_t swap = 0; swap < orders; swap++) {
        if (k == p->m->node_count)
            p->m->nodes[p->m->node_count++] = index;
        if (match_inputs(p, n, name + length + 1, swap != 0))
            return true;
        back_to(p->m, before);
    }
    return false;
}

static bool is_floating(brink_type type)
{
    return type == BRINK_F32 || type == BRINK_F16 || type == BRINK_BF16;
}

/* What a cast between floating types was made from. */
static uint32_t behind_cast(matcher *p, uint32_t value)
{
    const ir_node *n = rewrite_made_by(p->w, value, OP_onnx_Cast_1);
    if (n == NULL || !is_floating(p->w->g->values[value].type) ||
        !is_floating(p->w->g->values[n->inputs[0]].type) || p->m->node_count == MATCH_NODES)
        return IR_NONE;
    p->m->nodes[p->m->node_count++] = rewrite_index(p->w, n);
    return n->inputs[0];
}

/* With a cast in front, as far as there is one; then without. */
static bool match_cast(matcher *p, uint32_t value)
{
    const char *from = p->at;
    mark before = mark_of(p->m);
    uint32_t inner = behind_cast(p, value);
    if (inner != IR_NONE) {
        p->at = from - 1; /* a further cast may follow */
        if (match(p, inner))
            return true;
        back_to(p->m, before);
    }
    p->at = from;
    return match(p, value);
}

static bool match_either(matcher *p, uint32_t value)
{
    const char *end = skip(p->at - 1);
    mark before = mark_of(p->m);
    for (;;) {
        const char *from = p->at;
        if (match(p, value)) {
            p->at = end;
            return true;
        }
        back_to(p->m, before);
        p->at = skip(from);
        if (*p->at++ != '|')
            return false;
    }
}

static bool match_number(matcher *p, uint32_t value)
{
    char *end;
    double want = strtod(p->at, &end), have;
    p->at = end;
    return rewrite_number(p->w, value, &have) && fabs(have - want) <= 1e-3 * fabs(want);
}

static bool match(matcher *p, uint32_t value)
{
    char c = *p->at;
    if (c == '~') {
        p->at++;
        return match_cast(p, value);
    }
    if (c == '[') {
        p->at++;
        return match_either(p, value);
    }
    if (c == '$') {
        char letter = p->at[1];
        p->at += 2;
        if (p->m->trail_count == MATCH_NODES ||
            !rewrite_number(p->w, value, &p->m->number[letter - 'a']))
            return false;
        p->m->trail[p->m->trail_count++] = (signed char)-letter;
        return true;
    }
    if (is_small(c)) {
        p->at++;
        if (*p->at != '=')
            return bind(p, c, value);
        p->at++;
        return bind(p, c, value) && match(p, value);
    }
    if (!is_capital(c))
        return match_number(p, value);
    if (!is_capital(p->at[1]) && !is_small(p->at[1])) {
        p->at++;
        return rewrite_is_const(p->w, value) && bind(p, c, value);
    }
    return match_node(p, value);
}

/* Whether nothing outside of the match reads what is made inside. */
static bool is_closed(const rewrite *w, const rewrite_match *m)
{
    const ir_graph *g = w->g;
    for (uint32_t i = 1; i < m->node_count; i++) {
        const ir_node *n = &g->nodes[m->nodes[i]];
        for (uint32_t k = 0; k < n->output_count; k++) {
            uint32_t value = n->outputs[k], inside = 0;
            if (value == IR_NONE)
                continue;
            for (uint32_t j = 0; j < m->node_count; j++)
                for (uint32_t s = 0; s < g->nodes[m->nodes[j]].input_count; s++)
                    inside += g->nodes[m->nodes[j]].inputs[s] == value;
            if ((w->output[value] || w->readers[value] != inside) && n->op->id != OP_onnx_Cast_1)
                return false;
        }
    }
    return true;
}

static void begin(rewrite_match *m)
{
    m->node_count = m->trail_count = 0;
    memset(m->value, 0xFF, sizeof m->value);
    for (uint32_t i = 0; i < 32; i++)
        m->number[i] = 1;
}

/* A match that has begun, and is as it was if this fails. */
static bool attempt(const rewrite *w, uint32_t value, const char *pattern, rewrite_match *m)
{
    matcher p = {w, m, pattern};
    if (match(&p, value) && is_closed(w, m))
        return true;
    back_to(m, (mark){0, 0});
    return false;
}

bool rewrite_matches(const rewrite *w, uint32_t value, const char *pattern, rewrite_match *m)
{
    begin(m);
    return attempt(w, value, pattern, m);
}

int rewrite_match_any(const rewrite *w, uint32_t at, const char *const *patterns, rewrite_match *m)
{
    const ir_node *n = &w->g->nodes[at];
    if (n->dead || n->output_count == 0 || n->outputs[0] == IR_NONE)
        return -1;
    begin(m);
    for (int i = 0; patterns[i] != NULL; i++)
        if (attempt(w, n->outputs[0], patterns[i], m))
            return i;
    return -1;
}
