/* unicode.h — what the tokenizers ask of a character, on utf8proc's data.

   The predicates follow the libraries that published tokenizers were made with: Oniguruma for
   patterns, Rust's char methods elsewhere. */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include "text/buffer.h"

/* Sets of general categories: bit 1 << UTF8PROC_CATEGORY_…, so bit 0 is "unassigned". */
enum {
    UNICODE_LU = 1 << 1,
    UNICODE_LL = 1 << 2,
    UNICODE_LT = 1 << 3,
    UNICODE_LM = 1 << 4,
    UNICODE_LO = 1 << 5,
    UNICODE_MN = 1 << 6,
    UNICODE_MC = 1 << 7,
    UNICODE_ME = 1 << 8,
    UNICODE_ND = 1 << 9,
    UNICODE_NL = 1 << 10,
    UNICODE_NO = 1 << 11,
    UNICODE_PC = 1 << 12,
    UNICODE_L = 0x1F << 1,
    UNICODE_M = 7 << 6,
    UNICODE_N = 7 << 9,
    UNICODE_P = 0x7F << 12,
    UNICODE_S = 0xF << 19,
    UNICODE_Z = 7 << 23,
    UNICODE_C = 0xF << 26 | 1,
    UNICODE_OTHER = 0xF << 26 /* Cc, Cf, Cs, Co: unassigned ones are not among them */
};

/* The category of `code` as a set of one. */
uint32_t unicode_category(uint32_t code);

bool unicode_is_space(uint32_t code);       /* White_Space                          */
bool unicode_is_word(uint32_t code);        /* Alphabetic, marks, digits, connectors  */
bool unicode_is_punctuation(uint32_t code); /* P* of Unicode 8, and $+<=>^`|~         */
bool unicode_is_bert_mark(uint32_t code);   /* Mn of Unicode 8                        */
bool unicode_is_bert_other(uint32_t code);  /* Cc, Cf and Co of Unicode 8             */

bool unicode_is_accent(uint32_t code); /* M* of Unicode 9                        */

/* A number for each script, 0 for what belongs to any; see unicode_script.c. */
uint32_t unicode_script(uint32_t code);

/* Whether a mark, punctuation, control or decomposing character is younger than that version. */
bool unicode_is_after_8(uint32_t code);
bool unicode_is_after_9(uint32_t code);

/* A code point that case variants share, for comparison without regard to case. */
uint32_t unicode_fold(uint32_t code);

/* Title case of one code point, upper and lower case where one becomes several. */
uint32_t unicode_title(uint32_t code);
brink_status unicode_put_lower(buffer *out, uint32_t code);
brink_status unicode_put_upper(buffer *out, uint32_t code);

/* True only of characters of scripts without case: Hebrew to Myanmar, and those of East Asia. */
static inline bool unicode_is_caseless(uint32_t code)
{
    return (code >= 0x590 && code < 0x10A0) || (code >= 0x2E80 && code < 0xA640) ||
           (code >= 0xAC00 && code < 0xD800);
}

typedef enum unicode_form { UNICODE_NFD, UNICODE_NFC, UNICODE_NFKD, UNICODE_NFKC } unicode_form;

/* Appends valid UTF-8 `text` to `out` in a normalisation form (UAX #15) of Unicode 9. Takes linear time, and
   n log n within a run of combining marks. */
brink_status unicode_normalize(buffer *out, const char *text, uint32_t size, unicode_form form);

/* The same, and for each character of the result an int32_t in `changes`: 0 for one in place of a
   character read, 1 for one inserted, -n for one in place of n + 1. */
brink_status unicode_normalize_traced(buffer *out, const char *text, uint32_t size,
                                      unicode_form form, buffer *changes);

#endif
