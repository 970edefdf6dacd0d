/* utf8.h — reading and writing UTF-8.

   Text enters through utf8_clean, which replaces each maximal invalid part by U+FFFD as the Unicode
   standard recommends (3.9, "U+FFFD substitution of maximal subparts"; Python's errors="replace"
   and Rust's from_utf8_lossy do the same). Behind it all text is valid. */
#ifndef TEXT_UTF8_H
#define TEXT_UTF8_H

#include "text/buffer.h"

enum { UTF8_REPLACEMENT = 0xFFFD };

/* Bytes of the valid sequence at `s`; 0 if there is none, *bad then its maximal invalid part. */
uint32_t utf8_sequence(const char *s, uint64_t n, uint32_t *bad);

bool utf8_valid(const char *s, uint64_t n);

/* Bytes at the end of `s` that begin a character and may still be completed: 0 to 3. */
uint32_t utf8_open_tail(const char *s, uint64_t n);

/* Appends `s` to `out` with invalid parts replaced. */
brink_status utf8_clean(buffer *out, const char *s, uint64_t n);

/* Writes 1 to 4 bytes and returns their number. */
static inline uint32_t utf8_write(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 63));
        out[2] = (char)(0x80 | (code & 63));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 63));
    out[2] = (char)(0x80 | (code >> 6 & 63));
    out[3] = (char)(0x80 | (code & 63));
    return 4;
}

/* Bytes of the character that `lead` begins, in valid text. */
static inline uint32_t utf8_width(char lead)
{
    unsigned char c = (unsigned char)lead;
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* The character at s[*i] of valid text; moves *i behind it. */
static inline uint32_t utf8_next(const char *s, uint32_t *i)
{
    const unsigned char *p = (const unsigned char *)s + *i;
    if (p[0] < 0x80) {
        *i += 1;
        return p[0];
    }
    if (p[0] < 0xE0) {
        *i += 2;
        return (uint32_t)(p[0] & 31) << 6 | (p[1] & 63u);
    }
    if (p[0] < 0xF0) {
        *i += 3;
        return (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63u);
    }
    *i += 4;
    return (uint32_t)(p[0] & 7) << 18 | (uint32_t)(p[1] & 63) << 12 | (uint32_t)(p[2] & 63) << 6 |
           (p[3] & 63u);
}

/* The start of the character that ends at s[i], i > 0, in valid text. */
static inline uint32_t utf8_before(const char *s, uint32_t i)
{
    do
        i--;
    while (((unsigned char)s[i] & 0xC0) == 0x80);
    return i;
}

#endif
