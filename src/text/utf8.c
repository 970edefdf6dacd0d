/* utf8.c — validation by the table of well-formed sequences (Unicode 3.9, table 3-7). */
#include "text/utf8.h"

uint32_t utf8_sequence(const char *s, uint64_t n, uint32_t *bad)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char low = 0x80, high = 0xBF; /* what the second byte may be */
    uint32_t width;
    *bad = 1;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    if (p[0] < 0xE0) {
        width = 2;
    } else if (p[0] < 0xF0) {
        width = 3;
        low = p[0] == 0xE0 ? 0xA0 : 0x80;
        high = p[0] == 0xED ? 0x9F : 0xBF;
    } else {
        width = 4;
        low = p[0] == 0xF0 ? 0x90 : 0x80;
        high = p[0] == 0xF4 ? 0x8F : 0xBF;
    }
    for (uint32_t i = 1; i < width; i++) {
        if (i >= n || p[i] < low || p[i] > high)
            return 0;
        *bad = i + 1;
        low = 0x80;
        high = 0xBF;
    }
    return width;
}

bool utf8_valid(const char *s, uint64_t n)
{
    uint32_t bad;
    for (uint64_t i = 0; i < n;) {
        if ((unsigned char)s[i] < 0x80) {
            i++;
            continue;
        }
        uint32_t width = utf8_sequence(s + i, n - i, &bad);
        if (width == 0)
            return false;
        i += width;
    }
    return true;
}

uint32_t utf8_open_tail(const char *s, uint64_t n)
{
    for (uint32_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)s[n - back];
        if ((c & 0xC0) == 0x80)
            continue;
        uint32_t bad, width = utf8_sequence(s + n - back, back, &bad);
        return c >= 0xC2 && c <= 0xF4 && width == 0 && bad == back && utf8_width((char)c) > back
                   ? back
                   : 0;
    }
    return 0;
}

brink_status utf8_clean(buffer *out, const char *s, uint64_t n)
{
    TRY(buffer_reserve(out, n));
    if (n == 0)
        return BRINK_OK; /* `s` may be NULL */
    uint64_t from = 0;
    uint32_t bad;
    for (uint64_t i = 0; i < n;) {
        if ((unsigned char)s[i] < 0x80) {
            i++;
            continue;
        }
        uint32_t width = utf8_sequence(s + i, n - i, &bad);
        if (width == 0) {
            TRY(buffer_append(out, s + from, i - from));
            TRY(buffer_put(out, UTF8_REPLACEMENT));
            i += bad;
            from = i;
        } else {
            i += width;
        }
    }
    return buffer_append(out, s + from, n - from);
}
