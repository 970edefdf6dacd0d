/* schema.h — JSON Schema (draft 2020-12) as a grammar: every text it allows is valid JSON that
   satisfies the schema.

   What the grammar leaves out of the valid texts: white space beyond `max_space` bytes in a row,
   exponents where a number has bounds or divisors, lone surrogates, an object's declared property
   twice, nesting beyond 256. Properties may come in any order, at most 64 declared ones an object.
   A keyword that cannot be honoured is refused by name (BRINK_UNSUPPORTED); annotations
   (title, description, default, …) are passed over. docs/structured-output.md has the table. */
#ifndef TEXT_SCHEMA_H
#define TEXT_SCHEMA_H

#include "text/grammar.h"

typedef struct schema_options {
    uint32_t max_space; /* 0: 128. White space in a row between JSON's tokens */
    bool no_space;
    bool plain;  /* strings in one spelling (escapes only where needed), integers without ".0" */
    bool closed; /* an object with `properties` has no others unless additionalProperties says so */
} schema_options;

/* `file_name` (may be NULL) opens error texts: `person.json: schema: keyword "not" is not
   supported`. `options` may be NULL. The text is not needed afterwards. */
brink_status schema_compile(brink_context *context, const char *file_name, const void *json,
                            uint64_t size, const schema_options *options, grammar **out);

#endif
