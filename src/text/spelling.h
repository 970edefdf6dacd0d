/* spelling.h — characters as the bytes that spell them, as edges of an NFA.

   In plain text a character is its UTF-8 (RFC 3629). Inside a JSON string (RFC 8259, 7) it is that,
   or an escape: \n and its like, \uXXXX, a pair of surrogates above U+FFFF. Lone surrogates are
   no character. */
#ifndef TEXT_SPELLING_H
#define TEXT_SPELLING_H

#include "text/dfa.h"

typedef enum spelling {
    SPELL_JSON,       /* every spelling                                        */
    SPELL_JSON_PLAIN, /* one spelling: an escape only where a character needs one */
    SPELL_UTF8
} spelling;

typedef struct char_range {
    uint32_t low, high;
} char_range;

/* Every spelling of one character in [low, high] leads from `from` to `to`. */
brink_status spell_range(nfa *n, spelling how, uint32_t from, uint32_t to, uint32_t low,
                         uint32_t high);

/* The text, valid UTF-8, from `from` on; *to is where it ends. */
brink_status spell_text(nfa *n, spelling how, uint32_t from, const char *text, uint32_t bytes,
                        uint32_t *to);

/* What may stand between the quotes: least to most characters (UINT32_MAX: any number). */
brink_status spell_any(dfa_work *work, spelling how, uint32_t least, uint32_t most, arena *memory,
                       dfa **out);

/* A language between quotes. */
brink_status spell_quoted(dfa_work *work, const dfa *body, arena *memory, dfa **out);

/* pattern.c: the strings in which an ECMA-262 pattern finds a match, as what is between quotes, or
   as plain text. `whole` asks it to match all of them. */
brink_status pattern_compile(dfa_work *work, spelling how, bool whole, const char *pattern,
                             uint32_t bytes, arena *memory, dfa **out);

#endif
