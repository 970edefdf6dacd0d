/* schema_keywords.c — which keywords there are, what their values must look like, and where
   references lead. JSON Schema core and validation, draft 2020-12. */
#include "text/schema_internal.h"

#include <math.h>
#include <stdlib.h>

typedef enum keyword_kind {
    KEYWORD_NOTE, /* says nothing about instances, or is read elsewhere */
    KEYWORD_NUMBER,
    KEYWORD_COUNT,
    KEYWORD_SCHEMA,
    KEYWORD_SCHEMAS, /* an object of schemas           */
    KEYWORD_LIST,    /* a list of one schema or more   */
    KEYWORD_VALUES,
    KEYWORD_NAMES,
    KEYWORD_NAME_LISTS, /* an object of lists of names */
    KEYWORD_TEXT,
    KEYWORD_FLAG,
    KEYWORD_TYPE
} keyword_kind;

static const struct {
    const char *name;
    keyword_kind kind;
} keywords[] = {
    {"$schema", KEYWORD_NOTE},
    {"$id", KEYWORD_NOTE},
    {"$anchor", KEYWORD_NOTE},
    {"$defs", KEYWORD_NOTE},
    {"definitions", KEYWORD_NOTE},
    {"$comment", KEYWORD_NOTE},
    {"title", KEYWORD_NOTE},
    {"description", KEYWORD_NOTE},
    {"default", KEYWORD_NOTE},
    {"examples", KEYWORD_NOTE},
    {"deprecated", KEYWORD_NOTE},
    {"readOnly", KEYWORD_NOTE},
    {"writeOnly", KEYWORD_NOTE},
    {"contentEncoding", KEYWORD_NOTE},
    {"contentMediaType", KEYWORD_NOTE},
    {"contentSchema", KEYWORD_NOTE},
    {"markdownDescription", KEYWORD_NOTE},
    {"enumDescriptions", KEYWORD_NOTE},
    {"deprecationMessage", KEYWORD_NOTE},
    {"const", KEYWORD_NOTE},
    {"$ref", KEYWORD_TEXT},
    {"type", KEYWORD_TYPE},
    {"enum", KEYWORD_VALUES},
    {"allOf", KEYWORD_LIST},
    {"anyOf", KEYWORD_LIST},
    {"oneOf", KEYWORD_LIST},
    {"not", KEYWORD_SCHEMA},
    {"if", KEYWORD_SCHEMA},
    {"then", KEYWORD_SCHEMA},
    {"else", KEYWORD_SCHEMA},
    {"dependentRequired", KEYWORD_NAME_LISTS},
    {"dependentSchemas", KEYWORD_SCHEMAS},
    {"properties", KEYWORD_SCHEMAS},
    {"patternProperties", KEYWORD_SCHEMAS},
    {"additionalProperties", KEYWORD_SCHEMA},
    {"propertyNames", KEYWORD_SCHEMA},
    {"required", KEYWORD_NAMES},
    {"minProperties", KEYWORD_COUNT},
    {"maxProperties", KEYWORD_COUNT},
    {"prefixItems", KEYWORD_LIST},
    {"items", KEYWORD_SCHEMA},
    {"minItems", KEYWORD_COUNT},
    {"maxItems", KEYWORD_COUNT},
    {"uniqueItems", KEYWORD_FLAG},
    {"pattern", KEYWORD_TEXT},
    {"format", KEYWORD_TEXT},
    {"minLength", KEYWORD_COUNT},
    {"maxLength", KEYWORD_COUNT},
    {"minimum", KEYWORD_NUMBER},
    {"maximum", KEYWORD_NUMBER},
    {"exclusiveMinimum", KEYWORD_NUMBER},
    {"exclusiveMaximum", KEYWORD_NUMBER},
    {"multipleOf", KEYWORD_NUMBER},
};

static bool is_schema(yyjson_val *v)
{
    return yyjson_is_obj(v) || yyjson_is_bool(v);
}

/* NULL, or what it should be. */
static const char *misfit(keyword_kind kind, yyjson_val *v)
{
    yyjson_val *one, *key;
    size_t i, n;
    switch (kind) {
    case KEYWORD_NOTE:
    case KEYWORD_TYPE:
        return NULL;
    case KEYWORD_NUMBER:
        return yyjson_is_num(v) && isfinite(yyjson_get_num(v)) ? NULL : "a number";
    case KEYWORD_COUNT:
        return yyjson_is_num(v) && yyjson_get_num(v) >= 0 &&
                       floor(yyjson_get_num(v)) == yyjson_get_num(v)
                   ? NULL
                   : "a count";
    case KEYWORD_SCHEMA:
        return is_schema(v) ? NULL : "a schema";
    case KEYWORD_SCHEMAS:
        if (!yyjson_is_obj(v))
            return "an object of schemas";
        yyjson_obj_foreach(schema_each(v), i, n, key,
                           one) if (!is_schema(one)) return "an object of schemas";
        return NULL;
    case KEYWORD_LIST:
        if (!yyjson_is_arr(v) || yyjson_arr_size(v) == 0)
            return "a list of schemas";
        yyjson_arr_foreach(schema_each(v), i, n,
                           one) if (!is_schema(one)) return "a list of schemas";
        return NULL;
    case KEYWORD_VALUES:
        return yyjson_is_arr(v) ? NULL : "a list of values";
    case KEYWORD_NAMES:
        if (!yyjson_is_arr(v))
            return "a list of names";
        yyjson_arr_foreach(schema_each(v), i, n,
                           one) if (!yyjson_is_str(one)) return "a list of names";
        return NULL;
    case KEYWORD_NAME_LISTS:
        if (!yyjson_is_obj(v))
            return "an object of lists of names";
        yyjson_obj_foreach(schema_each(v), i, n, key, one)
        {
            if (misfit(KEYWORD_NAMES, one) != NULL)
                return "an object of lists of names";
        }
        return NULL;
    case KEYWORD_TEXT:
        return yyjson_is_str(v) ? NULL : "a text";
    case KEYWORD_FLAG:
        return yyjson_is_bool(v) ? NULL : "true or false";
    }
    return NULL;
}

/* The keyword's place in the table, or behind it. x-… are notes by common agreement. */
static size_t keyword_named(const char *name)
{
    size_t k = 0, count = sizeof keywords / sizeof *keywords;
    name = strncmp(name, "x-", 2) == 0 ? "$comment" : name;
    while (k < count && strcmp(keywords[k].name, name) != 0)
        k++;
    return k;
}

bool schema_is_note(const char *name)
{
    size_t k = keyword_named(name);
    return k < sizeof keywords / sizeof *keywords && keywords[k].kind == KEYWORD_NOTE;
}

brink_status schema_check(schema_compiler *c, yyjson_val *schema)
{
    yyjson_val *key, *value;
    size_t i, n;
    if (!yyjson_is_obj(schema))
        return core_fail(c->context, BRINK_BAD_INPUT, "%s: a schema is an object or a boolean",
                         c->b.where);
    yyjson_obj_foreach(schema_each(schema), i, n, key, value)
    {
        const char *name = yyjson_get_str(key), *expected;
        size_t k = keyword_named(name);
        if (k == sizeof keywords / sizeof *keywords)
            return schema_refuse(c, name, "");
        if (strcmp(name, "$schema") == 0 && yyjson_is_str(value) &&
            strstr(yyjson_get_str(value), "://json-schema.org/") == NULL)
            return schema_refuse(c, name, "of another vocabulary");
        expected = misfit(keywords[k].kind, value);
        if (expected != NULL)
            return schema_malformed(c, name, expected);
    }
    return dfa_spend(&c->b.work, n * 8);
}

static uint32_t count_of(yyjson_val *v)
{
    double value = yyjson_get_num(v);
    return value >= GRAMMAR_ENDLESS ? GRAMMAR_ENDLESS - 1 : (uint32_t)value;
}

brink_status schema_count(schema_compiler *c, yyjson_val *schema, const char *keyword,
                          uint32_t otherwise, uint32_t *out)
{
    yyjson_val *v = yyjson_obj_get(schema, keyword);
    *out = v != NULL ? count_of(v) : otherwise;
    (void)c;
    return BRINK_OK;
}

brink_status item_bounds(schema_compiler *c, const item *one, const char *least, const char *most,
                         uint32_t *low, uint32_t *high)
{
    *low = 0;
    *high = GRAMMAR_ENDLESS;
    if (one->kind == ITEM_BASE) {
        TRY(schema_count(c, one->json, least, 0, low));
        return schema_count(c, one->json, most, GRAMMAR_ENDLESS, high);
    }
    if (item_failing(one, least) != NULL) {
        uint32_t count = count_of(schema_member(one->json));
        *low = count == 0; /* nothing is less: none at all */
        *high = count == 0 ? 0 : count - 1;
    } else if (item_failing(one, most) != NULL) {
        uint32_t count = count_of(schema_member(one->json));
        *low = count + (count < GRAMMAR_ENDLESS - 1);
    }
    return BRINK_OK;
}

static uint32_t type_named(const char *name)
{
    static const struct {
        const char *name;
        uint32_t mask;
    } types[] = {
        {"null", TYPE_NULL},       {"boolean", TYPE_BOOLEAN},
        {"object", TYPE_OBJECT},   {"array", TYPE_ARRAY},
        {"string", TYPE_STRING},   {"number", TYPE_NUMBER | TYPE_INTEGER},
        {"integer", TYPE_INTEGER},
    };
    for (size_t i = 0; name != NULL && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].mask;
    return 0;
}

brink_status schema_types(schema_compiler *c, yyjson_val *schema, uint32_t *mask)
{
    yyjson_val *type = yyjson_obj_get(schema, "type"), *one;
    size_t i, n;
    *mask = type == NULL ? TYPE_ALL : type_named(yyjson_get_str(type));
    yyjson_arr_foreach(schema_each(type), i, n, one)
    {
        uint32_t own = type_named(yyjson_get_str(one));
        if (own == 0)
            return schema_malformed(c, "type", "a name of a type or a list of them");
        *mask |= own;
    }
    return *mask != 0 ? BRINK_OK
                      : schema_malformed(c, "type", "a name of a type or a list of them");
}

/* ── References ── */

static bool holds_values(const char *key)
{
    return strcmp(key, "enum") == 0 || strcmp(key, "const") == 0 || strcmp(key, "default") == 0 ||
           strcmp(key, "examples") == 0;
}

/* Any object below `at` whose member `key` is the text `value` (NULL: any text). JSON is at most
   JSON_MAX_DEPTH deep. */
static yyjson_val *find(yyjson_val *at, const char *key, const char *value, bool itself)
{
    yyjson_val *name, *one, *found = yyjson_is_obj(at) ? yyjson_obj_get(at, key) : NULL;
    size_t i, n;
    if (itself && yyjson_is_str(found) && (value == NULL || yyjson_equals_str(found, value)))
        return at;
    found = NULL;
    if (yyjson_is_obj(at)) {
        yyjson_obj_foreach(schema_each(at), i, n, name,
                           one) if (found == NULL && !holds_values(yyjson_get_str(name))) found =
            find(one, key, value, true);
    } else if (yyjson_is_arr(at)) {
        yyjson_arr_foreach(schema_each(at), i, n, one) if (found == NULL) found =
            find(one, key, value, true);
    }
    return found;
}

bool schema_inner_id(yyjson_val *root)
{
    return find(root, "$id", NULL, false) != NULL;
}

/* %XX of a URI fragment; writes at most as many bytes as it reads. */
static void unescape(const char *from, char *to)
{
    for (; *from != 0; from++) {
        unsigned value;
        char hex[3] = {from[1], from[1] != 0 ? from[2] : 0, 0};
        if (*from == '%' && strspn(hex, "0123456789abcdefABCDEF") == 2) {
            value = (unsigned)strtoul(hex, NULL, 16);
            *to++ = (char)value;
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = 0;
}

brink_status schema_resolve(schema_compiler *c, const char *reference, yyjson_val **out)
{
    const char *fragment = reference;
    const char *id = yyjson_get_str(yyjson_obj_get(c->root, "$id"));
    if (c->inner_id)
        return schema_refuse(c, "$id", "below the root, beside \"$ref\",");
    if (id != NULL) { /* the document's own name is no other document */
        size_t n = strcspn(id, "#");
        if (n != 0 && strncmp(reference, id, n) == 0 && (reference[n] == '#' || reference[n] == 0))
            fragment = reference + n;
    }
    char *text = arena_string(&c->b.work.scratch, fragment, strlen(fragment));
    if (text == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (*fragment != '#' && *fragment != 0)
        return schema_refuse(c, "$ref", "to another document");
    unescape(*fragment == '#' ? fragment + 1 : fragment, text);
    TRY(dfa_spend(&c->b.work, strlen(text)));
    *out = c->root;
    if (text[0] == '/') {
        *out = yyjson_ptr_get(c->root, text);
    } else if (text[0] != 0) {
        TRY(dfa_spend(&c->b.work, yyjson_is_obj(c->root) ? 2000 : 0));
        *out = find(c->root, "$anchor", text, true);
    }
    if (*out == NULL || !is_schema(*out))
        return core_fail(c->context, BRINK_BAD_INPUT, "%s: $ref \"%.100s\" leads to no schema",
                         c->b.where, reference);
    return BRINK_OK;
}

/* ── Formats ── */

#define YEAR "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
#define LEAP "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
#define DATE                                                                                       \
    "(?:" YEAR "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|"                                \
    "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|" LEAP "-02-29)"
#define TIME                                                                                       \
    "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]+)?"                                     \
    "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
#define ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
#define HOST_LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
#define HEX4 "[0-9A-Fa-f]{1,4}"
#define TAIL6 "(?:" HEX4 ":" HEX4 "|" OCTET "(?:\\." OCTET "){3})"
#define IPV6                                                                                       \
    "(?:(?:" HEX4 ":){6}" TAIL6 "|::(?:" HEX4 ":){5}" TAIL6 "|(?:" HEX4 ")?::(?:" HEX4             \
    ":){4}" TAIL6 "|(?:(?:" HEX4 ":)?" HEX4 ")?::(?:" HEX4 ":){3}" TAIL6 "|(?:(?:" HEX4            \
    ":){0,2}" HEX4 ")?::(?:" HEX4 ":){2}" TAIL6 "|(?:(?:" HEX4 ":){0,3}" HEX4 ")?::" HEX4          \
    ":" TAIL6 "|(?:(?:" HEX4 ":){0,4}" HEX4 ")?::" TAIL6 "|(?:(?:" HEX4 ":){0,5}" HEX4 ")?::" HEX4 \
    "|(?:(?:" HEX4 ":){0,6}" HEX4 ")?::)"
#define SECONDS "[0-9]+S"
#define MINUTES "[0-9]+M(?:" SECONDS ")?"
#define CLOCK "T(?:[0-9]+H(?:" MINUTES ")?|" MINUTES "|" SECONDS ")"
#define MONTHS "[0-9]+M(?:[0-9]+D)?"
#define PATH_CHAR "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
#define USER_CHAR "(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})"
#define NAME_CHAR "(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
#define SEGMENTS "(?:/" PATH_CHAR "*)*"
#define URI                                                                                        \
    "[A-Za-z][A-Za-z0-9+.-]*:(?://(?:" USER_CHAR "*@)?(?:" NAME_CHAR "*|\\[" IPV6                  \
    "\\])(?::[0-9]*)?" SEGMENTS "|/(?:" PATH_CHAR "+" SEGMENTS ")?|" PATH_CHAR "+" SEGMENTS        \
    "|)(?:\\?(?:" PATH_CHAR "|[/?])*)?(?:#(?:" PATH_CHAR "|[/?])*)?"
#define REFERENCE                                                                                  \
    "(?:" URI "|(?://(?:" USER_CHAR "*@)?(?:" NAME_CHAR "*|\\[" IPV6 "\\])(?::[0-9]*)?" SEGMENTS   \
    "|/(?:" PATH_CHAR "+" SEGMENTS ")?|(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})+" SEGMENTS  \
    "|)(?:\\?(?:" PATH_CHAR "|[/?])*)?(?:#(?:" PATH_CHAR "|[/?])*)?)"
#define HOST "[A-Za-z0-9](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?"
#define OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"

/* RFC 3339 without leap seconds; RFC 4122; RFC 5321 without quoted names and address literals; RFC
   4291; RFC 3986 (no IPvFuture); RFC 6901; RFC 1123, at most six labels of 40. */
const char *schema_format(const char *name)
{
    static const char *const formats[][2] = {
        {"date", "^" DATE "$"},
        {"time", "^" TIME "$"},
        {"date-time", "^" DATE "[Tt]" TIME "$"},
        {"uuid", "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"},
        {"email", "^" ATOM "(?:\\." ATOM ")*@" HOST_LABEL "(?:\\." HOST_LABEL ")*$"},
        {"ipv4", "^" OCTET "(?:\\." OCTET "){3}$"},
        {"ipv6", "^" IPV6 "$"},
        {"duration",
         "^P(?:(?:[0-9]+D|" MONTHS "|[0-9]+Y(?:" MONTHS ")?)(?:" CLOCK ")?|" CLOCK "|[0-9]+W)$"},
        {"uri", "^" URI "$"},
        {"uri-reference", "^" REFERENCE "$"},
        {"hostname", "^" HOST "(?:\\." HOST "){0,5}$"},
        {"json-pointer", "^(?:/(?:[^~/]|~[01])*)*$"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i][0], name) == 0)
            return formats[i][1];
    return NULL;
}
