/* tokenizer_internal.h — the stages of a tokenizer, as tokenizer.json names them.

   encode: clean UTF-8 → added tokens → normalizers → added tokens again → pre-tokenizers → model →
   post-processor. Between stages the text is one buffer and a list of pieces of it; a piece that is
   a token already has its id and passes through. */
#ifndef TEXT_TOKENIZER_INTERNAL_H
#define TEXT_TOKENIZER_INTERNAL_H

#include "core/arena.h"
#include "core/json.h"
#include "text/buffer.h"
#include "text/regex.h"
#include "text/tokenizer.h"
#include "text/trie.h"
#include "text/unicode.h"
#include "text/vocab.h"

enum { MAX_STAGES = 64 };

/* ── Pieces ── */

typedef struct piece {
    uint32_t start, size; /* in the text                                     */
    uint32_t id;          /* VOCAB_NONE while it is text                     */
    bool first;           /* begins where the whole input begins (Metaspace) */
} piece;

typedef struct pieces {
    buffer text;
    piece *at;
    uint32_t count, capacity;
    uint32_t *origin; /* [text.size] while tracing, see trace.c */
    uint32_t origin_capacity;
} pieces;

brink_status pieces_add(pieces *p, piece one);
void pieces_clear(pieces *p);
void pieces_free(pieces *p);

/* ── Patterns: {"String": …} or {"Regex": …} ── */

typedef struct pattern {
    const char *text; /* set for a plain string */
    uint32_t size;
    regex *compiled; /* set for a regular expression */
} pattern;

typedef struct segment {
    uint32_t start, end;
    bool is_match;
} segment;

typedef struct segments {
    segment *at;
    uint32_t count, capacity;
} segments;

typedef enum split_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
    SPLIT_CONTIGUOUS
} split_behavior;

/* ── Stages ── */

typedef enum normalizer_kind {
    NORMALIZE_FORM,
    NORMALIZE_LOWERCASE,
    NORMALIZE_REPLACE,
    NORMALIZE_PREPEND,
    NORMALIZE_STRIP,
    NORMALIZE_STRIP_ACCENTS,
    NORMALIZE_BERT_CLEAN,
    NORMALIZE_BERT_MARKS,
    NORMALIZE_BYTE_LEVEL,
    NORMALIZE_NMT,
    NORMALIZE_PRECOMPILED
} normalizer_kind;

typedef struct normalizer {
    normalizer_kind kind;
    unicode_form form;
    pattern what;        /* replace */
    const char *content; /* what replaces or is prepended; of Precompiled all, each NUL-ended */
    uint32_t content_size;
    const uint8_t *units; /* [unit_count] little-endian u32: Precompiled's trie */
    uint32_t unit_count;
    uint64_t plain[2];              /* code points below 128 that Precompiled keeps */
    bool left, right;               /* strip */
    bool clean_text, chinese_chars; /* of BERT */
} normalizer;

typedef enum pretokenizer_kind {
    PRETOKENIZE_SPLIT,
    PRETOKENIZE_BYTE_LEVEL,
    PRETOKENIZE_METASPACE,
    PRETOKENIZE_WORDS,
    PRETOKENIZE_SCRIPTS,
    PRETOKENIZE_FIXED,
    PRETOKENIZE_CLASS /* splits at characters of a class */
} pretokenizer_kind;

typedef enum char_class { CLASS_SPACE, CLASS_PUNCTUATION, CLASS_NUMERIC, CLASS_ONE } char_class;
typedef enum prepend_scheme { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } prepend_scheme;

typedef struct pretokenizer {
    pretokenizer_kind kind;
    pattern what;
    split_behavior behavior;
    bool invert, add_prefix_space, split;
    char_class class_;
    prepend_scheme prepend;
    uint64_t ascii[2];       /* the answer of CLASS for code points below 128    */
    const char *replacement; /* one character: Metaspace's, or that of CLASS_ONE */
    uint32_t replacement_size;
    uint64_t length; /* of PRETOKENIZE_FIXED, in characters */
} pretokenizer;

typedef enum decoder_kind {
    DECODE_BYTE_LEVEL,
    DECODE_BYTE_FALLBACK,
    DECODE_FUSE,
    DECODE_REPLACE,
    DECODE_STRIP,
    DECODE_WORDPIECE,
    DECODE_METASPACE,
    DECODE_SUFFIX,
    DECODE_CTC
} decoder_kind;

typedef struct decoder {
    decoder_kind kind;
    pattern what;
    const char *content; /* also prefix, suffix and CTC's padding */
    const char *blank;   /* CTC's word delimiter                  */
    uint32_t content_size, blank_size;
    uint32_t start, stop;
    bool cleanup;
    prepend_scheme prepend;
} decoder;

/* Tokens between two decoders: their texts one behind the other. */
typedef struct token_texts {
    buffer text;
    uint32_t *ends; /* [count] */
    uint32_t count, capacity;
} token_texts;

typedef struct added_token {
    const char *content; /* as in the file */
    uint32_t size;
    const char
        *match; /* what the text must hold and what it decodes to: normalised if `normalized` */
    uint32_t match_size;
    uint32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} added_token;

/* Tokens sorted by `match`; `from` gives the range of each first byte. */
typedef struct added_set {
    const added_token **at;
    uint32_t count;
    uint32_t from[257];
} added_set;

typedef enum model_kind { MODEL_BPE, MODEL_WORDPIECE, MODEL_WORDLEVEL, MODEL_UNIGRAM } model_kind;

/* The best way to cut the text before a place. */
typedef struct best_path {
    double score;
    uint32_t start, id; /* of the last piece; VOCAB_NONE in `start`: none leads here */
} best_path;

typedef struct merge {
    uint32_t left, right; /* VOCAB_NONE in `left`: a free slot */
    uint32_t rank, id;
} merge;

typedef struct symbol {
    uint32_t id;   /* VOCAB_NONE once it is part of its left neighbour */
    uint32_t size; /* bytes of the word                                */
    uint32_t rank; /* of merging with the right neighbour              */
    uint32_t merged;
    uint32_t previous, next;
} symbol;

enum { CACHE_TEXT = 36, CACHE_IDS = 12, CACHE_ENTRIES = 4096, CHAR_TABLE = 512 };

/* A word met lately and what the model made of it. */
typedef struct cache_entry {
    uint8_t size, count; /* size 0: free */
    bool placed;         /* `spans` are there: it was met while tracing */
    char text[CACHE_TEXT];
    uint8_t spans[CACHE_IDS][2]; /* bytes of the word */
    uint32_t ids[CACHE_IDS];
} cache_entry;

typedef struct id_list {
    uint32_t *at;
    uint32_t count, capacity;
} id_list;

/* Where a token comes from: bytes of a word, then of the input, at last characters. */
typedef struct token_span {
    uint32_t start, end;
    uint32_t blanks_before, blanks_behind; /* at the ends of its spelling, for trimming */
} token_span;

/* Tokens as they leave the model and go through post-processors: in parts, as a template makes them. */
typedef struct token_list {
    id_list ids;
    token_span *spans; /* [ids.count] while tracing */
    uint32_t span_capacity;
    id_list ends; /* of the parts */
} token_list;

typedef enum processor_kind { PROCESS_TRIM, PROCESS_PAIR, PROCESS_TEMPLATE } processor_kind;

/* A template: its items one behind the other. An item is a sequence, or special tokens. */
typedef struct template_item {
    bool is_sequence;
    uint32_t sequence;    /* 0 or 1                                  */
    uint32_t first, last; /* of the tokenizer's processor_ids, [first, last) */
} template_item;

typedef struct processor {
    processor_kind kind;
    bool prefix_space; /* PROCESS_TRIM: one blank at the beginning was added   */
    bool twice;        /* PROCESS_PAIR: `behind` also opens the second sequence */
    uint32_t before, behind;
    template_item *items[2]; /* for one sequence and for two */
    uint32_t counts[2];
} processor;

typedef struct truncation {
    bool given, left, first_only, second_only;
    uint64_t length, stride;
} truncation;

typedef struct padding {
    bool given, left, fixed;
    uint64_t length, multiple; /* length: if fixed */
    uint32_t id;
} padding;

struct tokenizer {
    brink_context *context;
    const char *file; /* only while reading */
    arena memory;

    model_kind model;
    vocab vocabulary;
    uint32_t model_size; /* tokens, as new ones are numbered behind */
    uint32_t unknown;    /* VOCAB_NONE if there is none             */
    bool byte_fallback, ignore_merges, fuse_unknown;
    bool needs_unknown; /* BPE names a token for unknown characters; without, it skips them */
    const char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix */
    uint32_t prefix_size, suffix_size, longest_word;
    merge *merges;
    uint32_t merge_mask;
    uint32_t char_ids[CHAR_TABLE]; /* ids of single characters below CHAR_TABLE */
    uint32_t byte_ids[256];        /* of <0x00> to <0xFF>                       */
    trie trie;                     /* of the pieces of Unigram and WordPiece */
    uint32_t inner; /* WordPiece: the node that continuing_subword_prefix leads to; 0: none */
    double *scores; /* [vocabulary.size]                         */
    double unknown_score;

    added_token *added;
    uint32_t added_count;
    vocab added_vocabulary; /* contents to indices of `added` */
    uint32_t *added_by_id;  /* [size] index of the token, VOCAB_NONE if the id is the model's */
    added_set raw, normalized;
    uint32_t size;

    normalizer normalizers[MAX_STAGES];
    pretokenizer pretokenizers[MAX_STAGES];
    decoder decoders[MAX_STAGES];
    uint32_t normalizer_count, pretokenizer_count, decoder_count;
    bool has_decoder;
    processor processors[MAX_STAGES];
    uint32_t processor_count;
    id_list processor_ids; /* special tokens of the templates */
    truncation truncation;
    padding padding;
    bool trims;   /* a post-processor asks for blanks */
    bool follows; /* a stage asks where a piece comes from: tracing is always on */

    /* Scratch, kept from call to call. */
    buffer input, spare, normal, word;
    pieces front, back;
    segments found;
    symbol *symbols;
    uint32_t symbol_capacity;
    uint64_t *heap;
    uint32_t heap_capacity;
    cache_entry *cache;
    token_list tokens, other_tokens;
    id_list cuts;
    bool tracing;
    id_list trace; /* of the running stage: the byte of its input, or TRACE_NOTHING */
    id_list input_origin, normal_origin, spare_origin, changes;
    best_path *best;
    uint32_t best_capacity;
    token_texts texts, other_texts;
};

/* `what`: "normalizer type \"X\"". */
brink_status tokenizer_unsupported(tokenizer *t, const char *part, const char *what);
brink_status tokenizer_malformed(tokenizer *t, const char *what);

/* A member as a string in the tokenizer's memory. */
brink_status tokenizer_text(tokenizer *t, yyjson_val *object, const char *key,
                            const char *otherwise, const char **out, uint32_t *size);

brink_status pattern_read(tokenizer *t, const char *part, yyjson_val *json, pattern *out);
/* Matches and what lies between them, into t->found. */
brink_status pattern_split(tokenizer *t, const pattern *p, const char *text, uint32_t size);
brink_status pattern_replace(tokenizer *t, const pattern *p, const char *text, uint32_t size,
                             const char *content, uint32_t content_size, buffer *out);

brink_status segment_add(tokenizer *t, uint32_t start, uint32_t end, bool is_match);

/* ── Origins (trace.c) ── */

#define TRACE_NOTHING UINT32_MAX

/* What a stage writes: `count` bytes that are those from `from` on, or all stand for byte `from`.
   Nothing happens while nothing is traced. */
brink_status trace_run(tokenizer *t, uint32_t from, uint32_t count);
brink_status trace_same(tokenizer *t, uint32_t from, uint64_t count);
/* The characters of `made`, one change each. */
brink_status trace_changes(tokenizer *t, const char *text, uint32_t size, const char *made,
                           const int32_t *changes, uint32_t count);
/* The origins of what the stage wrote, from those of what it read; `base` is the first of those. */
brink_status trace_back(tokenizer *t, const uint32_t *origin, uint32_t base, id_list *out);
brink_status trace_input(tokenizer *t, const char *text, uint32_t size);
/* Appends a piece: text[start, end) and, while tracing, its origins. */
brink_status pieces_copy(tokenizer *t, pieces *to, const char *text, uint32_t start, uint32_t end,
                         const uint32_t *origin, piece one);

brink_status normalizers_read(tokenizer *t, yyjson_val *json);
/* While tracing `origin` is the text's, and t->normal_origin becomes that of `out`. */
brink_status normalize(tokenizer *t, const char *text, uint32_t size, const uint32_t *origin,
                       buffer *out);

brink_status precompiled_read(tokenizer *t, yyjson_val *json, normalizer *n);
brink_status precompiled_apply(tokenizer *t, const normalizer *n, const char *text, uint32_t size,
                               buffer *out);

brink_status pretokenizers_read(tokenizer *t, yyjson_val *json);
/* From t->front back to t->front. */
brink_status pretokenize(tokenizer *t);

brink_status added_tokens_read(tokenizer *t, yyjson_val *json);
brink_status added_tokens_split(tokenizer *t, const added_set *set, const char *text, uint32_t size,
                                const uint32_t *origin);

brink_status bpe_read(tokenizer *t, yyjson_val *json);
brink_status bpe_encode(tokenizer *t, const char *text, uint32_t size);
void bpe_free(tokenizer *t);
brink_status wordpiece_read(tokenizer *t, yyjson_val *json);
brink_status wordpiece_encode(tokenizer *t, const char *text, uint32_t size);
brink_status unigram_read(tokenizer *t, yyjson_val *json);
brink_status unigram_encode(tokenizer *t, const char *text, uint32_t size);
void unigram_free(tokenizer *t);
brink_status vocabulary_read(tokenizer *t, yyjson_val *json);

brink_status post_processor_read(tokenizer *t, yyjson_val *json);
/* As the file says; they do nothing where it says nothing. */
brink_status truncation_read(tokenizer *t, yyjson_val *json);
brink_status padding_read(tokenizer *t, yyjson_val *json);
brink_status truncate_tokens(tokenizer *t, bool special);
brink_status pad_tokens(tokenizer *t);

/* From t->tokens back to t->tokens. */
brink_status post_process(tokenizer *t, bool special);
/* Special tokens around one sequence. */
uint64_t post_processor_adds(const tokenizer *t);

brink_status decoders_read(tokenizer *t, yyjson_val *json);
/* The text of tokens, into t->texts as one text. */
brink_status decode(tokenizer *t, const uint32_t *ids, uint32_t count, bool keep_special);

bool tokenizer_is_word(uint32_t code);

brink_status ids_add(tokenizer *t, id_list *list, uint32_t id);
/* A token of the model, of bytes [start, end) of the word. */
brink_status token_add(tokenizer *t, uint32_t id, uint32_t start, uint32_t end);
brink_status spans_add(tokenizer *t, token_list *list, token_span span);

/* GPT-2's printable stand-ins for the 256 bytes, and back: -1 where there is none. */
uint32_t byte_level_char(uint8_t byte);
int byte_level_byte(uint32_t code);
brink_status byte_level_put(tokenizer *t, buffer *out, const char *text, uint32_t size);
/* The bytes of a token spelled in stand-ins; its own bytes if any character is none. */
brink_status byte_level_bytes(buffer *out, const char *text, uint32_t size);

#endif
