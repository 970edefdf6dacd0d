/* unicode.c — categories, case and normalisation forms.

   utf8proc decomposes and composes pairs; the canonical ordering between the two is done here by a merge
   sort, because utf8proc's own exchange sort takes quadratic time on long runs of marks. */
#include "text/unicode.h"

#include "text/utf8.h"

#include <utf8proc.h>

uint32_t unicode_category(uint32_t code)
{
    return 1u << utf8proc_category((utf8proc_int32_t)code);
}

bool unicode_is_space(uint32_t code)
{
    if (code < 0x80)
        return code == ' ' || (code >= 9 && code <= 13);
    return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
           code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool unicode_is_word(uint32_t code)
{
    const uint32_t all = UNICODE_L | UNICODE_M | UNICODE_ND | UNICODE_NL | UNICODE_PC;
    return (unicode_category(code) & all) != 0 || (code >= 0x24B6 && code <= 0x24E9) ||
           (code >= 0x1F130 && code <= 0x1F149) || (code >= 0x1F150 && code <= 0x1F169) ||
           (code >= 0x1F170 && code <= 0x1F189); /* the last four: letters in circles and squares */
}

bool unicode_is_punctuation(uint32_t code)
{
    if (code < 0x80)
        return (code >= 33 && code <= 47) || (code >= 58 && code <= 64) ||
               (code >= 91 && code <= 96) || (code >= 123 && code <= 126);
    if (code == 0x166D || code == 0x111C9) /* punctuation then, and not now */
        return true;
    return (unicode_category(code) & UNICODE_P) != 0 && !unicode_is_after_8(code);
}

bool unicode_is_bert_mark(uint32_t code)
{
    if (code == 0x1734) /* was one then; the next ones were not yet */
        return true;
    if (code == 0x1885 || code == 0x1886 || code == 0xA9BD || code == 0x111C9)
        return false;
    return (unicode_category(code) & UNICODE_MN) != 0 && !unicode_is_after_8(code);
}

bool unicode_is_accent(uint32_t code)
{
    if (code == 0x1CF2 || code == 0x1CF3 || code == 0x111C9) /* changed their category since */
        return code != 0x111C9;
    return (unicode_category(code) & UNICODE_M) != 0 && !unicode_is_after_9(code);
}

bool unicode_is_bert_other(uint32_t code)
{
    return (unicode_category(code) & UNICODE_OTHER) != 0 && !unicode_is_after_8(code);
}

uint32_t unicode_fold(uint32_t code)
{
    if (code < 0x80)
        return code >= 'A' && code <= 'Z' ? code + 32 : code;
    utf8proc_int32_t folded[4];
    int last = 0;
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)code, folded, 4, UTF8PROC_CASEFOLD, &last);
    return n == 1 ? (uint32_t)folded[0] : code;
}

uint32_t unicode_title(uint32_t code)
{
    return (uint32_t)utf8proc_totitle((utf8proc_int32_t)code);
}

brink_status unicode_put_lower(buffer *out, uint32_t code)
{
    TRY(buffer_put(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)code)));
    if (code == 0x130) /* the only unconditional lower case of two code points */
        TRY(buffer_put(out, 0x307));
    return BRINK_OK;
}

brink_status unicode_put_upper(buffer *out, uint32_t code)
{
    if (code == 0xDF) {
        TRY(buffer_put(out, 'S'));
        return buffer_put(out, 'S');
    }
    return buffer_put(out, (uint32_t)utf8proc_toupper((utf8proc_int32_t)code));
}

static uint32_t combining_class(int32_t code)
{
    if (code < 0x300)
        return 0;
    uint32_t class_ = utf8proc_get_property(code)->combining_class;
    return class_ != 0 && unicode_is_after_9((uint32_t)code) ? 0 : class_;
}

/* A code point on its way through normalisation. */
typedef struct point {
    int32_t code, change;
} point;

/* Sorts one run of marks by class, keeping the order of equals. */
static void merge_sort(point *run, uint32_t n, point *spare)
{
    for (uint32_t width = 1; width < n; width *= 2) {
        for (uint32_t from = 0; from < n; from += 2 * width) {
            uint32_t middle = from + width < n ? from + width : n;
            uint32_t end = middle + width < n ? middle + width : n;
            uint32_t a = from, b = middle;
            for (uint32_t i = from; i < end; i++) {
                bool left = a < middle && (b >= end || combining_class(run[a].code) <=
                                                           combining_class(run[b].code));
                spare[i] = left ? run[a++] : run[b++];
            }
        }
        memcpy(run, spare, n * sizeof *run);
    }
}

static brink_status order_marks(brink_context *context, point *points, uint32_t n)
{
    for (uint32_t i = 0; i < n;) {
        if (combining_class(points[i].code) == 0) {
            i++;
            continue;
        }
        uint32_t from = i;
        bool sorted = true;
        for (i++; i < n && combining_class(points[i].code) != 0; i++)
            sorted &= combining_class(points[i - 1].code) <= combining_class(points[i].code);
        if (sorted)
            continue;
        point few[32], *spare = few;
        if (i - from > 32) {
            spare = core_alloc(context, (uint64_t)(i - from) * sizeof *spare);
            if (spare == NULL)
                return BRINK_OUT_OF_MEMORY;
        }
        merge_sort(points + from, i - from, spare);
        if (spare != few)
            core_free(context, spare);
    }
    return BRINK_OK;
}

/* Joins the mark or letter to what is before it, if the two have a composed form. */
static bool compose_pair(point *base, point with)
{
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    int32_t pair[2] = {base->code, with.code};
    if (utf8proc_normalize_utf32(pair, 2, options) != 1)
        return false;
    *base = (point){pair[0], base->change + with.change - 1};
    return true;
}

/* Canonical composition (UAX #15) in place: a mark joins the last starter unless one of its own or a
   higher class stands between. Returns how many points are left. */
static uint32_t compose(point *points, uint32_t n)
{
    uint32_t starter = UINT32_MAX, kept = 0, last = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t class_ = combining_class(points[i].code);
        bool adjacent = starter != UINT32_MAX && starter + 1 == kept;
        bool free_ = starter != UINT32_MAX && (adjacent || (class_ != 0 && last < class_));
        if (free_ && compose_pair(&points[starter], points[i]))
            continue;
        if (class_ == 0)
            starter = kept;
        last = class_;
        points[kept++] = points[i];
    }
    return kept;
}

static brink_status decompose(buffer *points, const char *text, uint32_t size,
                              utf8proc_option_t options)
{
    enum { MOST = 20 }; /* the longest decomposition has 18 code points */
    for (uint32_t i = 0; i < size;) {
        int32_t one[MOST];
        int last = 0;
        uint32_t code = utf8_next(text, &i);
        utf8proc_ssize_t n =
            utf8proc_decompose_char((utf8proc_int32_t)code, one, MOST, options, &last);
        bool changed = n != 1 || one[0] != (int32_t)code;
        if (n < 0 || n > MOST || (changed && unicode_is_after_9(code))) {
            one[0] = (int32_t)code;
            n = 1;
        }
        for (utf8proc_ssize_t k = 0; k < n; k++) {
            point p = {one[k], k != 0};
            TRY(buffer_append(points, &p, sizeof p));
        }
    }
    return BRINK_OK;
}

/* Whether the form leaves the character and its neighbours on this side as they are, whatever those are. */
static bool is_stable(uint32_t code, unicode_form form)
{
    if (code < 0xA0)
        return true;
    if (form == UNICODE_NFC)
        return code < 0x300;
    if (form == UNICODE_NFKC)
        return false;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)code);
    bool syllable = code >= 0xAC00 && code < 0xD7A4; /* which utf8proc decomposes without a table */
    return p->decomp_seqindex == UINT16_MAX && p->combining_class == 0 && !syllable;
}

/* Where the part of text[from, size) ends that stays as it is. A composed form may join its last
   character to what follows, which is therefore left to what changes unless the text ends. */
static uint32_t stable_end(const char *text, uint32_t size, uint32_t from, unicode_form form)
{
    uint32_t i = from, last = from;
    while (i < size) {
        uint32_t next = i;
        if (!is_stable(utf8_next(text, &next), form))
            return form == UNICODE_NFC || form == UNICODE_NFKC ? last : i;
        last = i;
        i = next;
    }
    return i;
}

/* Where the part of text[from, size) ends behind which a stable one begins. */
static uint32_t unstable_end(const char *text, uint32_t size, uint32_t from, unicode_form form)
{
    bool composed = form == UNICODE_NFC || form == UNICODE_NFKC, first = true;
    for (uint32_t i = from; i < size; first = false) {
        uint32_t here = i, code = utf8_next(text, &i);
        if (is_stable(code, form) && !(composed && first))
            return here;
    }
    return size;
}

static brink_status normalize_part(buffer *out, const char *text, uint32_t size, unicode_form form,
                                   buffer *points, buffer *changes)
{
    bool composed = form == UNICODE_NFC || form == UNICODE_NFKC;
    utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
    if (form == UNICODE_NFKC || form == UNICODE_NFKD)
        options |= UTF8PROC_COMPAT;
    points->size = 0;
    TRY(decompose(points, text, size, options));
    point *all = (point *)(void *)points->data;
    uint32_t count = (uint32_t)(points->size / sizeof *all);
    TRY(order_marks(out->context, all, count));
    if (composed)
        count = compose(all, count);
    for (uint32_t i = 0; i < count; i++) {
        TRY(buffer_put(out, (uint32_t)all[i].code));
        if (changes != NULL)
            TRY(buffer_append(changes, &all[i].change, sizeof all[i].change));
    }
    return BRINK_OK;
}

static brink_status normalize_parts(buffer *out, const char *text, uint32_t size, unicode_form form,
                                    buffer *points, buffer *changes)
{
    static const int32_t same = 0;
    for (uint32_t i = 0; i < size;) {
        uint32_t end = stable_end(text, size, i, form);
        TRY(buffer_append(out, text + i, end - i));
        for (uint32_t k = i; changes != NULL && k < end; k += utf8_width(text[k]))
            TRY(buffer_append(changes, &same, sizeof same));
        i = end;
        if (i == size)
            break;
        end = unstable_end(text, size, i, form);
        TRY(normalize_part(out, text + i, end - i, form, points, changes));
        i = end;
    }
    return BRINK_OK;
}

/* Characters that the form leaves alone are copied; the parts between go through decomposition. */
brink_status unicode_normalize_traced(buffer *out, const char *text, uint32_t size,
                                      unicode_form form, buffer *changes)
{
    buffer points = {.context = out->context};
    brink_status status = normalize_parts(out, text, size, form, &points, changes);
    buffer_free(&points);
    return status;
}

brink_status unicode_normalize(buffer *out, const char *text, uint32_t size, unicode_form form)
{
    return unicode_normalize_traced(out, text, size, form, NULL);
}
