/* pretokenizer.c — cutting the text into the words that the model sees, one stage after the other.

   Every stage writes its pieces behind one another into a second list, and the lists swap. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

static const char gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static brink_status read_behavior(tokenizer *t, yyjson_val *json, const char *otherwise,
                                  split_behavior *out)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    const char *name = json_string(json, "behavior", otherwise);
    for (int i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (split_behavior)i;
            return BRINK_OK;
        }
    return tokenizer_unsupported(t, "split behavior", name);
}

static brink_status read_prepend(tokenizer *t, yyjson_val *json, prepend_scheme *out)
{
    const char *scheme = json_string(json, "prepend_scheme", "always");
    *out = strcmp(scheme, "never") == 0   ? PREPEND_NEVER
           : strcmp(scheme, "first") == 0 ? PREPEND_FIRST
                                          : PREPEND_ALWAYS;
    if (*out == PREPEND_ALWAYS && strcmp(scheme, "always") != 0)
        return tokenizer_unsupported(t, "prepend_scheme", scheme);
    if (!json_bool(json, "add_prefix_space", true))
        *out = PREPEND_NEVER;
    return BRINK_OK;
}

static brink_status compile(tokenizer *t, const char *text, regex **out)
{
    return regex_create(t->context, t->file, text, (uint32_t)strlen(text), out);
}

/* ── Classes ── */

static bool in_class(const pretokenizer *p, uint32_t code)
{
    switch (p->class_) {
    case CLASS_SPACE:
        return unicode_is_space(code);
    case CLASS_PUNCTUATION:
        return unicode_is_punctuation(code);
    case CLASS_NUMERIC:
        return (unicode_category(code) & UNICODE_N) != 0;
    case CLASS_ONE:
        break;
    }
    uint32_t i = 0;
    return p->replacement_size != 0 && utf8_next(p->replacement, &i) == code;
}

static void classify_ascii(pretokenizer *p)
{
    for (uint32_t code = 0; code < 128; code++)
        p->ascii[code >> 6] |= (uint64_t)in_class(p, code) << (code & 63);
}

/* ── Reading ── */

/* One stage of the kind that splits at a class of characters. */
static void split_at(pretokenizer *p, char_class class_, split_behavior behavior)
{
    p->kind = PRETOKENIZE_CLASS;
    p->class_ = class_;
    p->behavior = behavior;
    classify_ascii(p);
}

static brink_status read_one(tokenizer *t, yyjson_val *json, pretokenizer *p)
{
    const char *type = json_string(json, "type", "");
    if (strcmp(type, "ByteLevel") == 0) {
        p->kind = PRETOKENIZE_BYTE_LEVEL;
        p->add_prefix_space = json_bool(json, "add_prefix_space", true);
        return json_bool(json, "use_regex", true) ? compile(t, gpt2, &p->what.compiled) : BRINK_OK;
    }
    if (strcmp(type, "Split") == 0) {
        p->kind = PRETOKENIZE_SPLIT;
        p->invert = json_bool(json, "invert", false);
        TRY(read_behavior(t, json, "", &p->behavior));
        return pattern_read(t, "pre_tokenizer Split", json_get(json, "pattern"), &p->what);
    }
    if (strcmp(type, "Metaspace") == 0) {
        p->kind = PRETOKENIZE_METASPACE;
        p->split = json_bool(json, "split", true);
        TRY(read_prepend(t, json, &p->prepend));
        t->follows |= p->prepend == PREPEND_FIRST;
        return tokenizer_text(t, json, "replacement", "\xE2\x96\x81", &p->replacement,
                              &p->replacement_size);
    }
    if (strcmp(type, "Whitespace") == 0) {
        p->kind = PRETOKENIZE_WORDS;
        return BRINK_OK;
    }
    if (strcmp(type, "UnicodeScripts") == 0) {
        p->kind = PRETOKENIZE_SCRIPTS;
        return BRINK_OK;
    }
    if (strcmp(type, "FixedLength") == 0) {
        int64_t length = json_int(json, "length", 5);
        p->kind = PRETOKENIZE_FIXED;
        p->length = length < 0 ? 0 : (uint64_t)length;
        return length > 0
                   ? BRINK_OK
                   : tokenizer_malformed(t, "pre_tokenizer FixedLength: length is not positive");
    }
    if (strcmp(type, "WhitespaceSplit") == 0)
        return split_at(p, CLASS_SPACE, SPLIT_REMOVED), BRINK_OK;
    if (strcmp(type, "Digits") == 0) {
        bool each = json_bool(json, "individual_digits", false);
        return split_at(p, CLASS_NUMERIC, each ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS), BRINK_OK;
    }
    if (strcmp(type, "Punctuation") == 0) {
        split_at(p, CLASS_PUNCTUATION, SPLIT_ISOLATED);
        return read_behavior(t, json, "Isolated", &p->behavior);
    }
    if (strcmp(type, "CharDelimiterSplit") == 0) {
        split_at(p, CLASS_ONE, SPLIT_REMOVED);
        TRY(tokenizer_text(t, json, "delimiter", " ", &p->replacement, &p->replacement_size));
        return classify_ascii(p), BRINK_OK;
    }
    if (strcmp(type, "BertPreTokenizer") == 0) {
        split_at(p, CLASS_SPACE, SPLIT_REMOVED);
        if (t->pretokenizer_count == MAX_STAGES)
            return tokenizer_malformed(t, "has too many pre-tokenizers");
        split_at(&t->pretokenizers[t->pretokenizer_count++], CLASS_PUNCTUATION, SPLIT_ISOLATED);
        return BRINK_OK;
    }
    return tokenizer_unsupported(t, "pre_tokenizer", type);
}

brink_status pretokenizers_read(tokenizer *t, yyjson_val *json)
{
    if (json == NULL)
        return BRINK_OK;
    if (strcmp(json_string(json, "type", ""), "Sequence") == 0) {
        yyjson_val *list = json_get(json, "pretokenizers"), *one;
        size_t i, n;
        yyjson_arr_foreach(list, i, n, one) TRY(pretokenizers_read(t, one));
        return BRINK_OK;
    }
    if (t->pretokenizer_count == MAX_STAGES)
        return tokenizer_malformed(t, "has too many pre-tokenizers");
    return read_one(t, json, &t->pretokenizers[t->pretokenizer_count++]);
}

/* ── Running ── */

/* Each character of the class is a match of its own. */
static brink_status class_split(tokenizer *t, const pretokenizer *p, const char *text,
                                uint32_t size)
{
    uint32_t done = 0;
    t->found.count = 0;
    for (uint32_t i = 0; i < size;) {
        uint32_t from = i, code = utf8_next(text, &i);
        if (!(code < 128 ? p->ascii[code >> 6] >> (code & 63) & 1 : in_class(p, code)))
            continue;
        if (from > done)
            TRY(segment_add(t, done, from, false));
        TRY(segment_add(t, from, i, true));
        done = i;
    }
    return done < size ? segment_add(t, done, size, false) : BRINK_OK;
}

/* \w+|[^\w\s]+ as Rust's regex crate has \w: runs of word characters, runs of others, no blanks. */
static brink_status word_split(tokenizer *t, const char *text, uint32_t size)
{
    enum { BLANK, WORD, OTHER } kind, last = BLANK;
    uint32_t start = 0;
    t->found.count = 0;
    for (uint32_t i = 0; i <= size;) {
        uint32_t from = i;
        kind = BLANK;
        if (i < size) {
            uint32_t code = utf8_next(text, &i);
            if (!unicode_is_space(code))
                kind = tokenizer_is_word(code) ? WORD : OTHER;
        } else {
            i++;
        }
        if (kind == last)
            continue;
        if (last != BLANK)
            TRY(segment_add(t, start, from, false));
        start = from;
        last = kind;
    }
    return BRINK_OK;
}

/* Runs of one script. A space or an unassigned character goes with what is before
   it, and as in the library is lost at the beginning. */
static brink_status script_split(tokenizer *t, const char *text, uint32_t size)
{
    uint32_t start = 0, last = 0;
    t->found.count = 0;
    for (uint32_t i = 0; i < size;) {
        uint32_t from = i, script = unicode_script(utf8_next(text, &i));
        if (script == 0)
            continue;
        if (script != last) {
            if (last != 0)
                TRY(segment_add(t, start, from, false));
            start = from;
        }
        last = script;
    }
    return last != 0 ? segment_add(t, start, size, false) : BRINK_OK;
}

static brink_status fixed_split(tokenizer *t, uint64_t length, const char *text, uint32_t size)
{
    uint32_t start = 0;
    uint64_t characters = 0;
    t->found.count = 0;
    for (uint32_t i = 0; i < size;) {
        i += utf8_width(text[i]);
        if (++characters % length == 0 || i == size) {
            TRY(segment_add(t, start, i, false));
            start = i;
        }
    }
    return BRINK_OK;
}

/* Joins what was found as the behaviour says; the result stays in t->found. */
static void join(segments *s, split_behavior behavior)
{
    uint32_t kept = 0;
    bool previous = false;
    switch (behavior) {
    case SPLIT_ISOLATED:
        return;
    case SPLIT_REMOVED:
        for (uint32_t i = 0; i < s->count; i++)
            if (!s->at[i].is_match)
                s->at[kept++] = s->at[i];
        break;
    case SPLIT_CONTIGUOUS:
        for (uint32_t i = 0; i < s->count; i++) {
            if (kept != 0 && s->at[kept - 1].is_match == s->at[i].is_match)
                s->at[kept - 1].end = s->at[i].end;
            else
                s->at[kept++] = s->at[i];
        }
        break;
    case SPLIT_MERGED_WITH_PREVIOUS:
        for (uint32_t i = 0; i < s->count; i++) {
            segment one = s->at[i];
            if (one.is_match && !previous && kept != 0)
                s->at[kept - 1].end = one.end;
            else
                s->at[kept++] = one;
            previous = one.is_match;
        }
        break;
    case SPLIT_MERGED_WITH_NEXT: { /* the same from the end */
        uint32_t top = s->count;
        for (uint32_t i = s->count; i-- > 0;) {
            segment one = s->at[i];
            if (one.is_match && !previous && top != s->count)
                s->at[top].start = one.start;
            else
                s->at[--top] = one;
            previous = one.is_match;
        }
        kept = s->count - top;
        memmove(s->at, s->at + top, kept * sizeof *s->at);
        break;
    }
    }
    s->count = kept;
}

/* Text that a stage cuts, with its origins while tracing. */
typedef struct span {
    const char *text;
    uint32_t size;
    const uint32_t *origin;
} span;

/* Appends text[start, end) as a piece; empty pieces vanish. */
static brink_status put(tokenizer *t, span in, uint32_t start, uint32_t end, bool first,
                        bool byte_level)
{
    piece one = {.id = VOCAB_NONE, .first = first};
    if (start >= end)
        return BRINK_OK;
    if (!byte_level)
        return pieces_copy(t, &t->back, in.text, start, end, in.origin, one);
    t->spare.size = 0;
    t->trace.count = 0;
    TRY(byte_level_put(t, &t->spare, in.text + start, end - start));
    if (t->tracing)
        TRY(trace_back(t, in.origin + start, in.origin[start], &t->spare_origin));
    return pieces_copy(t, &t->back, t->spare.data, 0, (uint32_t)t->spare.size, t->spare_origin.at,
                       one);
}

/* Takes t->word, which the stage made of `in`, in its place. */
static brink_status take_word(tokenizer *t, span *in)
{
    if (t->tracing)
        TRY(trace_back(t, in->origin, in->size != 0 ? in->origin[0] : 0, &t->normal_origin));
    *in = (span){t->word.data, (uint32_t)t->word.size, t->normal_origin.at};
    return BRINK_OK;
}

static brink_status split_piece(tokenizer *t, const pretokenizer *p, span in, bool first)
{
    const char *text = in.text;
    uint32_t size = in.size;
    bool byte_level = p->kind == PRETOKENIZE_BYTE_LEVEL;
    buffer *word = &t->word;
    word->size = 0;
    t->trace.count = 0;
    switch (p->kind) {
    case PRETOKENIZE_BYTE_LEVEL:
        if (p->add_prefix_space && (size == 0 || text[0] != ' ')) {
            TRY(buffer_append(word, " ", 1));
            TRY(buffer_append(word, text, size));
            TRY(trace_same(t, 0, 1));
            TRY(trace_run(t, 0, size));
            TRY(take_word(t, &in));
        }
        if (p->what.compiled == NULL)
            return put(t, in, 0, in.size, first, true);
        TRY(pattern_split(t, &p->what, in.text, in.size));
        break;
    case PRETOKENIZE_METASPACE: {
        pattern space = {.text = " ", .size = 1};
        pattern mark = {.text = p->replacement, .size = p->replacement_size};
        bool marked = size >= mark.size && memcmp(text, mark.text, mark.size) == 0;
        marked |= size != 0 && text[0] == ' ';
        if (!marked && (p->prepend == PREPEND_ALWAYS || (p->prepend == PREPEND_FIRST && first))) {
            TRY(trace_same(t, 0, mark.size));
            TRY(buffer_append(word, mark.text, mark.size));
        }
        TRY(pattern_replace(t, &space, text, size, mark.text, mark.size, word));
        TRY(take_word(t, &in));
        if (!p->split)
            return put(t, in, 0, in.size, first, false);
        TRY(pattern_split(t, &mark, in.text, in.size));
        join(&t->found, SPLIT_MERGED_WITH_NEXT);
        break;
    }
    case PRETOKENIZE_SPLIT:
        TRY(pattern_split(t, &p->what, text, size));
        for (uint32_t i = 0; p->invert && i < t->found.count; i++)
            t->found.at[i].is_match = !t->found.at[i].is_match;
        join(&t->found, p->behavior);
        break;
    case PRETOKENIZE_WORDS:
        TRY(word_split(t, text, size));
        break;
    case PRETOKENIZE_SCRIPTS:
        TRY(script_split(t, text, size));
        break;
    case PRETOKENIZE_FIXED:
        TRY(fixed_split(t, p->length, text, size));
        break;
    case PRETOKENIZE_CLASS:
        TRY(class_split(t, p, text, size));
        join(&t->found, p->behavior);
        break;
    }
    for (uint32_t i = 0; i < t->found.count; i++) {
        const segment *s = &t->found.at[i];
        TRY(put(t, in, s->start, s->end, first && s->start == 0, byte_level));
    }
    return BRINK_OK;
}

brink_status pretokenize(tokenizer *t)
{
    for (uint32_t stage = 0; stage < t->pretokenizer_count; stage++) {
        pieces_clear(&t->back);
        for (uint32_t i = 0; i < t->front.count; i++) {
            piece one = t->front.at[i];
            span in = {t->front.text.data + one.start, one.size,
                       t->tracing ? t->front.origin + one.start : NULL};
            if (one.id == VOCAB_NONE)
                TRY(split_piece(t, &t->pretokenizers[stage], in, one.first));
            else
                TRY(pieces_copy(t, &t->back, in.text, 0, in.size, in.origin, one));
        }
        pieces swapped = t->front;
        t->front = t->back;
        t->back = swapped;
        if (t->front.text.size > UINT32_MAX / 4)
            return core_fail(t->context, BRINK_INVALID_ARGUMENT, "the text is too long");
    }
    return BRINK_OK;
}
