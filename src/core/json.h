/* json.h — reading JSON with yyjson, its memory counted and its errors with line and column.

   Invariant: a document that json_parse accepted is nested at most JSON_MAX_DEPTH levels, so that
   code which walks it may recurse. */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include "core/context.h"
#include "yyjson.h"

enum { JSON_MAX_DEPTH = 128 };

typedef struct json_document {
    brink_context *context;
    yyjson_doc *doc;
    yyjson_val *root; /* lives until json_free */
} json_document;

/* Reads UTF-8 JSON (a byte order mark, Infinity and NaN are allowed, as Python writes them). Fails
   with BRINK_BAD_INPUT "name: line 3, column 7: reason". `name` and `data` are not kept. */
brink_status json_parse(brink_context *context, const char *name, const void *data, uint64_t size,
                        json_document *out);
void json_free(json_document *document);

/* A member of an object; NULL if `object` is none (or NULL), lacks it, or holds null there. */
yyjson_val *json_get(yyjson_val *object, const char *key);

/* Members of the type asked for; `otherwise` when they are missing or of another type. */
bool json_bool(yyjson_val *object, const char *key, bool otherwise);
int64_t json_int(yyjson_val *object, const char *key, int64_t otherwise);
double json_number(yyjson_val *object, const char *key, double otherwise);
const char *json_string(yyjson_val *object, const char *key, const char *otherwise);

#endif
