/* schema_internal.h — schemas on their way to a grammar.

   What must hold at one place of a document is a conjunction: a sorted list of items. Expanding it
   ($ref, allOf) and splitting it (anyOf, oneOf, enum, not, if, dependent…) ends in leaves, lists of
   assertions that hold together, from which nodes are made. Each conjunction has one node, made when it is first
   asked for and filled from a queue, so recursive schemas become recursive rules and no schema
   makes this code recurse. */
#ifndef TEXT_SCHEMA_INTERNAL_H
#define TEXT_SCHEMA_INTERNAL_H

#include "core/json.h"
#include "text/decimal.h"
#include "text/grammar_internal.h"
#include "text/schema.h"
#include "text/spelling.h"

typedef enum item_kind {
    ITEM_SCHEMA, /* a schema, unexpanded                          */
    ITEM_BASE,   /* the assertions of a schema object             */
    ITEM_VALUE,  /* a value that the instance equals              */
    ITEM_TEXTS,  /* a schema object: one of the strings of its enum */
    ITEM_IS,     /* of one of the types in `types`                  */
    ITEM_FAILS,  /* a keyword, whose value follows it, is not satisfied */
    ITEM_WITH,   /* a name: an object has that property             */
    ITEM_WITHOUT,
    ITEM_UNLIKE, /* a name in `properties`: that property is there and does not satisfy its schema */
    ITEM_ENUM,   /* what is yet to split: schema objects by their keyword */
    ITEM_ANY_OF,
    ITEM_ONE_OF,
    ITEM_IF,
    ITEM_NOT,    /* a schema that must not hold                     */
    ITEM_DEPENDS /* a name in dependentRequired or dependentSchemas */
} item_kind;

typedef struct item {
    yyjson_val *json;
    uint16_t kind, types;
    bool done; /* from ENUM on: a branch was taken */
} item;

enum { MAX_ITEMS = 256, MAX_CONJUNCTIONS = 12000, MAX_PATTERNS = 10 };

typedef struct conjunction {
    item *items; /* [count] sorted */
    uint32_t count, node;
    bool never; /* holds a schema that is false */
} conjunction;

/* Pairs of branches to be proven disjoint. */
typedef struct one_of {
    yyjson_val *schema;
    uint32_t *nodes, count;
} one_of;

/* A pattern that was compiled before: schemas say the same often. */
typedef struct known_pattern {
    const char *text; /* the schema's, or a format's */
    uint32_t bytes;
    dfa *d;
} known_pattern;

typedef struct schema_compiler {
    grammar_builder b;
    schema_options options;
    brink_context *context;
    yyjson_val *root;
    spelling how;
    conjunction *known; /* [count] in the order of asking; filled up to `filled` */
    uint32_t count, capacity, filled;
    uint32_t *slots, slot_count;
    one_of *splits;
    uint32_t split_count, split_capacity;
    known_pattern *patterns;
    uint32_t pattern_count, pattern_capacity;
    yyjson_val *
        *overlapping; /* schemas whose oneOf has branches that are not disjoint by themselves */
    uint32_t overlap_count, overlap_capacity;
    bool inner_id; /* some $id lies below the root */
    uint32_t any_string, literals[3];
    dfa *any;
} schema_compiler;

/* `list` for yyjson's loops, which compute with its address even if it is NULL. */
static inline yyjson_val *schema_each(yyjson_val *list)
{
    static yyjson_val nothing[4];
    return list != NULL ? list : nothing;
}

/* A list under construction. */
typedef struct item_list {
    item at[MAX_ITEMS];
    uint32_t count;
    bool never, full;
} item_list;

void items_add(item_list *list, item_kind kind, yyjson_val *json);
void items_restrict(item_list *list, uint32_t types);

/* The value behind a member's name: yyjson lays them side by side. */
static inline yyjson_val *schema_member(yyjson_val *name)
{
    return yyjson_obj_iter_get_val(name);
}

/* The value of a keyword that must not be satisfied, NULL if the item is no such one. */
static inline yyjson_val *item_failing(const item *one, const char *keyword)
{
    return one->kind == ITEM_FAILS && yyjson_equals_str(one->json, keyword)
               ? schema_member(one->json)
               : NULL;
}

/* The node of a conjunction, asked for the first time or known. */
brink_status schema_node(schema_compiler *c, item_list *list, uint32_t *node);

/* keyword "NAME" (`what`, may be "") is not supported */
brink_status schema_refuse(schema_compiler *c, const char *keyword, const char *what);
brink_status schema_malformed(schema_compiler *c, const char *keyword, const char *expected);

bool schema_is_note(const char *name);
/* Refuses keywords that are not known, and values of a wrong type. */
brink_status schema_check(schema_compiler *c, yyjson_val *schema);
/* Looks for $id below the root. */
bool schema_inner_id(yyjson_val *root);
brink_status schema_resolve(schema_compiler *c, const char *reference, yyjson_val **out);

/* A count such as minItems; `otherwise` if there is none. */
brink_status schema_count(schema_compiler *c, yyjson_val *schema, const char *keyword,
                          uint32_t otherwise, uint32_t *out);

/* What the item says of a pair such as minItems and maxItems: 0 and GRAMMAR_ENDLESS if nothing; a
   low above the high where nothing will do. */
brink_status item_bounds(schema_compiler *c, const item *one, const char *least, const char *most,
                         uint32_t *low, uint32_t *high);

/* Type names as a mask. */
enum {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_OBJECT = 4,
    TYPE_ARRAY = 8,
    TYPE_NUMBER = 16, /* numbers that are no integers */
    TYPE_STRING = 32,
    TYPE_INTEGER = 64,
    TYPE_ALL = 127
};
brink_status schema_types(schema_compiler *c, yyjson_val *schema, uint32_t *mask);

/* Nodes for the leaf's parts; 0 where nothing fits. */
brink_status leaf_literal(schema_compiler *c, uint32_t which, uint32_t *node);
/* `types`: TYPE_INTEGER, TYPE_NUMBER or both. */
brink_status leaf_number(schema_compiler *c, const conjunction *leaf, uint32_t types,
                         uint32_t *node);
brink_status leaf_string(schema_compiler *c, const conjunction *leaf, uint32_t *node);
/* What a string must be; NULL: anything. Also used for names of properties. */
brink_status leaf_string_body(schema_compiler *c, const conjunction *leaf, bool lengths, dfa **out);
brink_status leaf_array(schema_compiler *c, const conjunction *leaf, uint32_t *node);
brink_status leaf_object(schema_compiler *c, const conjunction *leaf, uint32_t *node);

/* Whether the automaton accepts the text as a JSON string spells it. */
bool schema_text_matches(const dfa *d, const char *text, uint32_t size);

/* schema_split.c: the item decided, one conjunction a branch. The branches' nodes are in the scratch
   arena. */
brink_status schema_split(schema_compiler *c, const item_list *list, uint32_t at, uint32_t **nodes,
                          uint32_t *count);
/* The types that all of a leaf's items allow; bits of `literals`: null, false, true. */
brink_status schema_leaf_types(schema_compiler *c, const item *items, uint32_t count,
                               uint32_t *mask, uint32_t *literals);

/* The check that grammar_measure calls: branches of oneOf exclude one another. Those that may not
   are added to c->overlapping. */
brink_status schema_check_splits(grammar_builder *b);

/* The strings in which a pattern finds a match, between quotes; in the scratch arena. */
brink_status schema_pattern(schema_compiler *c, const char *pattern, uint32_t bytes, dfa **out);

/* The pattern of a format, NULL if it is not supported. */
const char *schema_format(const char *name);

#endif
