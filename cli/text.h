/* text.h — tokenising and chat formatting into buffers of the right size, and Ctrl-C as
   cancellation. What takes an engine tells failures on standard error and returns EXIT_DONE or the
   exit status; what takes a model only returns the engine's status. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include "engine.h"

typedef struct token_list {
    uint32_t *ids;
    uint32_t *offsets; /* [capacity][2], where cli_text_tokenize_offsets filled the list */
    uint32_t count, capacity;
} token_list;

void cli_token_list_add(token_list *list, uint32_t id);
void cli_token_list_free(token_list *list);

/* Replaces what `out` holds. */
brink_status cli_tokenize(brink_model *model, const char *text, uint64_t bytes, bool special,
                          token_list *out);
int cli_text_tokenize(const engine *e, const char *text, uint64_t bytes, bool special,
                      token_list *out);

int cli_text_tokenize_offsets(const engine *e, const char *text, uint64_t bytes, bool special,
                              token_list *out);

/* *text is the caller's to free; *bytes is its length, as it may hold NUL. */
brink_status cli_detokenize(brink_model *model, const uint32_t *ids, uint32_t count, bool special,
                            char **text, uint64_t *bytes);
brink_status cli_chat_format(brink_model *model, const brink_message *messages, uint32_t count,
                             char **text, uint64_t *bytes);
int cli_text_detokenize(const engine *e, const token_list *tokens, bool special, char **text,
                        uint64_t *bytes);
int cli_text_chat(const engine *e, const brink_message *messages, uint32_t count, char **text,
                  uint64_t *bytes);

/* From now on the first Ctrl-C sets a flag, and a second one ends the process as usual. */
void cli_interrupt_watch(void);
bool cli_interrupt_pending(void);
void cli_interrupt_forget(void); /* Ctrl-C ends the process again, and there was none */

#endif
