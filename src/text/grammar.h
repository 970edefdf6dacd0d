/* grammar.h — text that cannot break its grammar: an automaton over bytes that says which tokens
   may come next.

   A grammar comes from JSON Schema (schema.h) or from the notation below. Its state is a set of at
   most 128 stacks (one each for every reading of the bytes so far), each at most 256 deep; a
   reading beyond that is given up, never let through. From every state that grammar_advance
   reports as allowed the text can be completed.

       root   ::= "[" items? "]"          # rules; the text is what `root` derives
       items  ::= value ("," value)*      # repeats * + ? {m} {m,} {m,n}, groups, choices by |
       value  ::= [a-z_]+ | [^"\\] | root # classes of characters; escapes \n \r \t \xHH \uHHHH \\ \"

   Rules that do not contain themselves become deterministic automata, the others stacks. A rule
   that begins with itself is refused. A grammar serves one thread at a time: it caches masks. */
#ifndef TEXT_GRAMMAR_H
#define TEXT_GRAMMAR_H

#include "core/context.h"
#include "text/tokenizer.h"

typedef struct grammar grammar;

/* Compiles the notation; `name` opens error texts (NULL: "grammar"). */
brink_status grammar_create(brink_context *context, const char *name, const void *text,
                            uint64_t size, grammar **out);
void grammar_destroy(grammar *g);

/* ── Where a text stands ── */

typedef struct grammar_state grammar_state;

brink_status grammar_state_create(grammar *g, grammar_state **out);
void grammar_state_destroy(grammar_state *s);
void grammar_state_reset(grammar_state *s);
/* Both of one grammar; copies a few hundred bytes as a rule. */
brink_status grammar_state_copy(grammar_state *to, const grammar_state *from);

/* Moves behind the bytes if the grammar allows them, else leaves the state as it was. */
brink_status grammar_advance(grammar_state *s, const void *bytes, uint64_t size, bool *allowed);

/* Whether the text may end here. */
bool grammar_can_end(const grammar_state *s);

/* The bytes that must follow: every continuation begins with them, up to white space between
   JSON's tokens, which is not counted as a choice. At most `capacity`; the count goes to *bytes. */
brink_status grammar_forced(grammar_state *s, char *text, uint64_t capacity, uint64_t *bytes);

/* The shortest text that ends the document from here, by which a generation that runs out of
   tokens is closed. *bytes is its whole length, also where `capacity` (may be 0) is less. It needs
   no mask; an ambiguous grammar, where readings are given up, may refuse to advance over it. */
brink_status grammar_close(grammar_state *s, char *text, uint64_t capacity, uint64_t *bytes);

/* The length of that text: no more tokens than this are needed by a vocabulary that has a token
   for each byte. */
brink_status grammar_distance(grammar_state *s, uint64_t *bytes);

/* ── Tokens ── */

/* The bytes of all tokens as a tree. Special tokens are no part of it. */
typedef struct token_trie token_trie;

/* `ends` are allowed wherever the text may end, and nowhere else. The tokenizer may go before the
   trie does. */
brink_status token_trie_create(brink_context *context, tokenizer *t, const uint32_t *ends,
                               uint32_t end_count, token_trie **out);
/* Token i is bytes[i], sizes[i] long; of size 0: never allowed. */
brink_status token_trie_from_bytes(brink_context *context, const char *const *bytes,
                                   const uint32_t *sizes, uint32_t count, const uint32_t *ends,
                                   uint32_t end_count, token_trie **out);
void token_trie_destroy(token_trie *t);

/* The highest id + 1. */
uint32_t token_trie_vocabulary(const token_trie *t);

/* What a token adds to a text, NULL and 0 if nothing that a grammar may allow. */
const char *token_trie_bytes(const token_trie *t, uint32_t id, uint32_t *size);

/* The longest tokens from the left; *covered tells how many bytes they spell. */
void token_trie_split(const token_trie *t, const char *text, uint64_t size, uint32_t *ids,
                      uint32_t capacity, uint32_t *count, uint64_t *covered);

/* Bit i % 32 of bits[i / 32] is set if token i may come next; [(vocabulary + 31) / 32] words. */
brink_status grammar_mask(grammar_state *s, const token_trie *t, uint32_t *bits);

#endif
