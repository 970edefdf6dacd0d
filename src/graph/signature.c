/* signature.c — what every node is checked for before its shape rule sees it: that the inputs and
   outputs which the operator's schema asks for are there, and have types it takes.

   Rules and kernels rely on it: a binary kernel reads both inputs as elements of the first's type. */
#include "graph/rules.h"

#include <string.h>

typedef struct signature {
    const char *name, *domain;
    int32_t since;
    const char *form; /* see signatures.def */
    uint32_t sets[8]; /* by letter; bit n: brink_type n */
} signature;

#define DOMAIN_onnx ""
#define DOMAIN_ms "com.microsoft"

static const signature signatures[] = {
#define SIGNATURE(domain, name, since, form, ...)                                                  \
    {#name, DOMAIN_##domain, since, form, {__VA_ARGS__}},
#include "onnx/signatures.def"
#undef SIGNATURE
};

static const signature *find(const onnx_node *n)
{
    uint32_t low = 0, high = sizeof signatures / sizeof *signatures;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(signatures[middle].name, n->op->name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const signature *best = NULL;
    for (; low < sizeof signatures / sizeof *signatures; low++) {
        const signature *s = &signatures[low];
        if (strcmp(s->name, n->op->name) != 0)
            break;
        if (strcmp(s->domain, n->op->domain) == 0 && s->since <= n->opset)
            best = s;
    }
    return best;
}

static bool is_optional(char c)
{
    return c >= 'a';
}

static uint32_t letter_of(char c)
{
    return (uint32_t)(c - (is_optional(c) ? 'a' : 'A'));
}

static brink_status check_inputs(const rule_args *r, const signature *s)
{
    const ir_value *first[8] = {NULL}; /* that has the letter's type */
    uint32_t first_at[8] = {0};
    const char *at = s->form;
    for (uint32_t i = 0; i < r->in_count || (*at != '>' && *at != '*' && *at != '+'); i++) {
        bool more = *at == '*' || *at == '+', own = *at == '+' || at[1] == '+';
        if (*at == '>')
            return rule_fail(r, "it has %u inputs, and takes at most %u", r->in_count, i);
        char parameter = more ? at[-1] : *at++;
        const ir_value *v = rule_in(r, i);
        if (v == NULL) {
            if (!is_optional(parameter) && !more)
                return rule_fail(r, "input %u is missing", i);
            continue;
        }
        uint32_t k = letter_of(parameter), set = s->sets[k];
        if (set != 0 && (v->type > 31 || (set >> v->type & 1) == 0))
            return rule_fail(r, "input %u is %s, which it does not take", i,
                             brink_type_name(v->type));
        if (own)
            continue;
        if (first[k] == NULL) {
            first[k] = v;
            first_at[k] = i;
        } else if (set != 0 && first[k]->type != v->type) {
            return rule_fail(r, "input %u is %s, but input %u is %s", i, brink_type_name(v->type),
                             first_at[k], brink_type_name(first[k]->type));
        }
    }
    return BRINK_OK;
}

static brink_status check_outputs(const rule_args *r, const signature *s)
{
    const char *at = strchr(s->form, '>') + 1;
    for (uint32_t i = 0; i < r->out_count || (*at && *at != '*' && *at != '+'); i++) {
        if (*at == 0)
            return rule_fail(r, "it has %u outputs, and gives at most %u", r->out_count, i);
        if (*at == '*' || *at == '+')
            return BRINK_OK;
        if (!is_optional(*at) && at[1] != '*' && at[1] != '+' && i >= r->out_count)
            return rule_fail(r, "output %u is missing", i);
        at++;
    }
    return BRINK_OK;
}

brink_status signature_check(const rule_args *r)
{
    const signature *s = find(r->node);
    if (s == NULL)
        return BRINK_OK;
    TRY(check_inputs(r, s));
    return check_outputs(r, s);
}
