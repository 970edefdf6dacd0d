/* template.c — statements of a template, and the way in.

   Scopes are as in Jinja: a loop and a macro have their own, a condition has none. */
#include "text/template_internal.h"
#include "text/utf8.h"

static brink_status assign(renderer *r, string name, value v)
{
    return dict_set(r, &r->scope->variables, (value){.kind = VALUE_STRING, .s = name}, v);
}

/* One target takes the value, several take its items. */
static brink_status assign_targets(renderer *r, const ast *node, const value *v)
{
    list *items;
    if (node->name_count == 1)
        return assign(r, node->names[0], *v);
    TRY(value_items(r, v, &items));
    if (items->count != node->name_count)
        return FAIL(r, "%u values for %u names", items->count, node->name_count);
    for (uint32_t i = 0; i < items->count; i++)
        TRY(assign(r, node->names[i], items->at[i]));
    return BRINK_OK;
}

/* Runs statements with their output in a value. */
static brink_status capture(renderer *r, const ast *first, value *out)
{
    buffer text = {.context = r->context}, *outer = r->out;
    flow ignored = FLOW_NEXT;
    r->out = &text;
    brink_status status = render_block(r, first, &ignored);
    r->out = outer;
    if (status == BRINK_OK)
        return buffer_to_string(r, &text, out);
    buffer_free(&text);
    return status;
}

/* Puts a captured text through the filters of a block, whose innermost has no operand. */
static brink_status apply_filters(renderer *r, const ast *filter, value *text)
{
    if (filter->a != NULL)
        TRY(apply_filters(r, filter->a, text));
    ast constant = {.kind = AST_CONSTANT, .line = filter->line, .constant = *text};
    ast node = *filter;
    node.a = &constant;
    return eval(r, &node, text);
}

static brink_status run_set(renderer *r, const ast *node)
{
    value v;
    if (node->a != NULL)
        TRY(eval(r, node->a, &v));
    else
        TRY(capture(r, node->child, &v));
    if (node->a == NULL && node->b != NULL)
        TRY(apply_filters(r, node->b, &v));
    if (node->attribute.text == NULL)
        return assign_targets(r, node, &v);
    for (scope *s = r->scope; s != NULL; s = s->parent) {
        const value *target = dict_find(&s->variables, node->names[0]);
        if (target == NULL)
            continue;
        if (target->kind != VALUE_NAMESPACE)
            break;
        return dict_set(r, target->members, (value){.kind = VALUE_STRING, .s = node->attribute}, v);
    }
    return FAIL(r, "cannot assign an attribute of what is no namespace");
}

/* The items of a loop that pass its condition. */
static brink_status chosen(renderer *r, const ast *node, const value *of, value *out)
{
    list *items;
    value passes;
    TRY(value_items(r, of, &items));
    TRY(list_new(r, VALUE_LIST, out));
    for (uint32_t i = 0; i < items->count; i++) {
        if (node->c != NULL) {
            TRY(assign_targets(r, node, &items->at[i]));
            TRY(eval(r, node->c, &passes));
        }
        if (node->c == NULL || value_truth(&passes))
            TRY(list_add(r, out->items, items->at[i]));
    }
    return BRINK_OK;
}

static brink_status run_loop(renderer *r, const ast *node, const value *of, uint32_t depth,
                             flow *out)
{
    scope *outer = r->scope, *conditions = render_alloc(r, sizeof *conditions);
    loop *l = render_alloc(r, sizeof *l);
    value items;
    if (conditions == NULL || l == NULL)
        return render_failed(r);
    conditions->parent = outer;
    r->scope = conditions;
    TRY(chosen(r, node, of, &items));
    *l = (loop){.items = items.items,
                .depth = depth,
                .body = node->recursive ? node : NULL,
                .last_changed = {.kind = VALUE_UNDEFINED}};
    r->scope = outer;
    for (uint32_t i = 0; i < l->items->count; i++) {
        flow inner = FLOW_NEXT;
        scope *s = render_alloc(r, sizeof *s);
        if (s == NULL)
            return render_failed(r);
        s->parent = outer;
        r->scope = s;
        l->index = i;
        TRY(assign(r, (string){"loop", 4}, (value){.kind = VALUE_LOOP, .loop = l}));
        TRY(assign_targets(r, node, &l->items->at[i]));
        TRY(render_block(r, node->child, &inner));
        r->scope = outer;
        if (inner == FLOW_BREAK)
            break;
    }
    return l->items->count == 0 && node->d != NULL ? render_block(r, node->d->child, out)
                                                   : BRINK_OK;
}

/* loop(items) of a recursive loop. */
brink_status loop_again(renderer *r, const loop *l, const value *items, value *out)
{
    buffer text = {.context = r->context}, *outer = r->out;
    scope *kept = r->scope;
    flow ignored = FLOW_NEXT;
    if (++r->calls > TEMPLATE_MAX_CALLS)
        return FAIL(r, "calls are nested too deeply");
    r->out = &text;
    brink_status status = run_loop(r, l->body, items, l->depth + 1, &ignored);
    r->out = outer;
    r->scope = kept;
    r->calls--;
    if (status == BRINK_OK)
        return buffer_to_string(r, &text, out);
    buffer_free(&text);
    return status;
}

brink_status call_macro(renderer *r, const macro *m, const arguments *args, value *out)
{
    const ast *node = m->definition;
    scope *outer = r->scope, *s = render_alloc(r, sizeof *s);
    uint32_t given = 0;
    if (s == NULL)
        return render_failed(r);
    if (++r->calls > TEMPLATE_MAX_CALLS)
        return FAIL(r, "calls are nested too deeply");
    s->parent = m->closure;
    r->scope = s;
    const ast *fallback = node->b->child;
    for (uint32_t i = 0; i < node->name_count; i++, fallback = fallback->next) {
        value v = value_undefined(node->names[i]);
        const value *passed = NULL;
        uint32_t position = 0;
        for (uint32_t k = 0; k < args->count && passed == NULL; k++) {
            string name = args->names[k];
            if (name.text == NULL ? position++ == i
                                  : name.size == node->names[i].size &&
                                        memcmp(name.text, node->names[i].text, name.size) == 0)
                passed = &args->at[k];
        }
        given += passed != NULL;
        if (passed != NULL)
            v = *passed;
        else if (fallback->a != NULL)
            TRY(eval(r, fallback->a, &v));
        TRY(assign(r, node->names[i], v));
    }
    if (given < args->count)
        return FAIL(r, "macro %.*s takes no such argument", (int)node->text.size, node->text.text);
    TRY(capture(r, node->child, out));
    r->scope = outer;
    r->calls--;
    return BRINK_OK;
}

static brink_status run_macro(renderer *r, const ast *node)
{
    macro *m = render_alloc(r, sizeof *m);
    if (m == NULL)
        return render_failed(r);
    *m = (macro){node, r->scope};
    return assign(r, node->text, (value){.kind = VALUE_MACRO, .macro = m});
}

static brink_status run_statement(renderer *r, const ast *node, flow *out)
{
    value v;
    switch (node->kind) {
    case AST_DATA:
        return buffer_append(r->out, node->text.text, node->text.size);
    case AST_PRINT:
        TRY(eval(r, node->a, &v));
        return value_print(r, &v, r->out);
    case AST_IF:
        TRY(eval(r, node->a, &v));
        if (value_truth(&v))
            return render_block(r, node->child, out);
        return node->b != NULL ? run_statement(r, node->b, out) : BRINK_OK;
    case AST_FOR:
        TRY(eval(r, node->b, &v));
        if (v.kind == VALUE_UNDEFINED) {
            list *none;
            TRY(value_items(r, &v, &none));
        }
        return run_loop(r, node, &v, 1, out);
    case AST_SET:
        return run_set(r, node);
    case AST_MACRO:
        return run_macro(r, node);
    case AST_FILTER_BLOCK:
        TRY(capture(r, node->child, &v));
        TRY(apply_filters(r, node->b, &v));
        return value_print(r, &v, r->out);
    case AST_BLOCK: /* {% do %} carries an expression */
        return node->a != NULL ? eval(r, node->a, &v) : render_block(r, node->child, out);
    case AST_BREAK:
        *out = FLOW_BREAK;
        return BRINK_OK;
    case AST_CONTINUE:
        *out = FLOW_CONTINUE;
        return BRINK_OK;
    default:
        return FAIL(r, "not a statement");
    }
}

brink_status render_block(renderer *r, const ast *first, flow *out)
{
    *out = FLOW_NEXT;
    if (++r->depth > TEMPLATE_MAX_EVALUATIONS)
        return FAIL(r, "nested too deeply");
    for (const ast *node = first; node != NULL && *out == FLOW_NEXT; node = node->next) {
        r->line = node->line;
        if (++r->steps > TEMPLATE_MAX_STEPS)
            return FAIL(r, "the template runs too long");
        TRY(run_statement(r, node, out));
        if (r->out->size > TEMPLATE_MAX_OUTPUT)
            return FAIL(r, "the text is too long");
    }
    r->depth--;
    return BRINK_OK;
}

/* ── The way in ── */

brink_status chat_template_create(brink_context *context, const char *name, const char *source,
                                  uint64_t bytes, chat_template **out)
{
    *out = NULL;
    if (bytes > TEMPLATE_MAX_SOURCE)
        return core_fail(context, BRINK_UNSUPPORTED, "%s: a template of %llu bytes is too long",
                         name, (unsigned long long)bytes);
    chat_template *t = core_calloc(context, 1, sizeof *t);
    if (t == NULL)
        return BRINK_OUT_OF_MEMORY;
    token_list tokens = {0};
    buffer clean = {.context = context};
    t->context = context;
    arena_init(&t->memory, context);
    t->name = arena_string(&t->memory, name, strlen(name));
    brink_status status = t->name == NULL ? BRINK_OUT_OF_MEMORY : utf8_clean(&clean, source, bytes);
    if (status == BRINK_OK)
        status = template_lex(t, clean.data, (uint32_t)clean.size, &tokens);
    if (status == BRINK_OK)
        status = template_parse(t, &tokens, &t->body);
    core_free(context, tokens.at);
    buffer_free(&clean);
    if (status != BRINK_OK) {
        chat_template_destroy(t);
        return status;
    }
    *out = t;
    return BRINK_OK;
}

void chat_template_destroy(chat_template *t)
{
    if (t == NULL)
        return;
    arena_free(&t->memory);
    core_free(t->context, t);
}

static brink_status render(renderer *r, const yyjson_val *variables)
{
    value all;
    flow ignored;
    scope globals = {0}, top = {.parent = &globals};
    TRY(value_from_json(r, variables, &all, 0));
    if (all.kind != VALUE_DICT)
        return core_fail(r->context, BRINK_INVALID_ARGUMENT, "%s: the variables are no object",
                         r->source->name);
    globals.variables = *all.members;
    r->scope = &top;
    return render_block(r, r->source->body, &ignored);
}

brink_status chat_template_render(chat_template *t, const yyjson_val *variables, char *text,
                                  uint64_t capacity, uint64_t *bytes)
{
    buffer out = {.context = t->context};
    renderer r = {.context = t->context, .source = t, .out = &out, .line = 1};
    *bytes = 0;
    t->context->error[0] = 0;
    arena_init(&r.memory, t->context);
    brink_status status = render(&r, variables);
    if (status == BRINK_OK)
        buffer_give(&out, text, capacity, bytes);
    buffer_free(&out);
    arena_free(&r.memory);
    return status;
}
