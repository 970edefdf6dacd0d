/* regex.h — the patterns of published tokenizers: Oniguruma's Ruby dialect without captures.

   Alternation, groups, (?:…), (?i:…), (?>…), lookahead, classes with ranges, escapes, nested
   classes and properties of general categories, greedy, lazy and possessive repeats, anchors.
   Backreferences, lookbehind and what else is missing are refused with their name.

   Invariant: a search ends. Steps are counted against a budget proportional to the text. */
#ifndef TEXT_REGEX_H
#define TEXT_REGEX_H

#include "core/arena.h"

typedef struct regex regex;

/* Compiles `pattern`; `where` opens the error text. */
brink_status regex_create(brink_context *context, const char *where, const char *pattern,
                          uint32_t bytes, regex **out);
void regex_destroy(regex *r);

/* Gives a text of `size` bytes its budget of steps. */
void regex_begin(regex *r, uint32_t size);

/* The first match in valid UTF-8 text[0, size) that starts at `from` or behind. */
brink_status regex_find(regex *r, const char *text, uint32_t size, uint32_t from, bool *found,
                        uint32_t *start, uint32_t *end);

#endif
