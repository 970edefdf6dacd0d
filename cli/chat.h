/* chat.h — a conversation and what may be said about it. */
#ifndef CLI_CHAT_H
#define CLI_CHAT_H

#include "cache.h"
#include "generate.h"

typedef struct conversation {
    const command *command;
    engine *engine;
    brink_message
        *messages; /* content is ours, roles are literals; a system message is the first */
    uint32_t count;
    uint32_t replies; /* made so far, those taken back too: each draws its own tokens */
    token_cache cache;
    sampling_options sampling;
    uint32_t max_tokens;
    brink_grammar *grammar; /* NULL: replies are any text */
    bool terminal;
} conversation;

void cli_chat_say(conversation *talk, const char *role, const char *content);

/* Takes back the last message, the last exchange, or all of them. */
void cli_chat_unsay(conversation *talk);
bool cli_chat_undo(conversation *talk); /* false: there is none */
void cli_chat_clear(conversation *talk, bool system);

/* The first message from now on; "" takes it away. */
void cli_chat_set_system(conversation *talk, const char *content);

typedef enum chat_next {
    CHAT_GO_ON, /* the line is dealt with */
    CHAT_REPLY, /* the last message waits for its reply */
    CHAT_END
} chat_next;

/* A line that begins with a slash. What it says goes to standard error. */
chat_next cli_chat_command(conversation *talk, char *line);

#endif
