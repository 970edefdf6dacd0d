/* text.c — see text.h. */
#include "text.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void cli_token_list_add(token_list *list, uint32_t id)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 64;
        list->ids = cli_grow(list->ids, list->capacity, sizeof *list->ids);
    }
    list->ids[list->count++] = id;
}

void cli_token_list_free(token_list *list)
{
    free(list->ids);
    free(list->offsets);
    *list = (token_list){0};
}

brink_status cli_tokenize(brink_model *model, const char *text, uint64_t bytes, bool special,
                          token_list *out)
{
    for (;;) {
        uint32_t count = 0;
        brink_status status =
            brink_tokenize(model, text, bytes, special, out->ids, out->capacity, &count);
        if (status != BRINK_OK)
            return status;
        out->count = count;
        if (count <= out->capacity)
            return BRINK_OK;
        out->ids = cli_grow(out->ids, count, sizeof *out->ids);
        out->capacity = count;
    }
}

static int told(const engine *e, brink_status status)
{
    return status == BRINK_OK ? EXIT_DONE : cli_engine_fail(e, status);
}

int cli_text_tokenize(const engine *e, const char *text, uint64_t bytes, bool special,
                      token_list *out)
{
    return told(e, cli_tokenize(e->model, text, bytes, special, out));
}

int cli_text_tokenize_offsets(const engine *e, const char *text, uint64_t bytes, bool special,
                              token_list *out)
{
    for (;;) {
        uint32_t count = 0, room = out->offsets ? out->capacity : 0;
        uint32_t none[2]; /* an address for no offsets */
        brink_status status =
            brink_tokenize_offsets(e->model, text, bytes, special, out->ids,
                                   out->offsets ? out->offsets : none, room, &count);
        if (status != BRINK_OK)
            return cli_engine_fail(e, status);
        out->count = count;
        if (count <= room)
            return EXIT_DONE;
        out->ids = cli_grow(out->ids, count, sizeof *out->ids);
        out->offsets = cli_grow(out->offsets, count, 2 * sizeof *out->offsets);
        out->capacity = count;
    }
}

brink_status cli_detokenize(brink_model *model, const uint32_t *ids, uint32_t count, bool special,
                            char **text, uint64_t *bytes)
{
    uint64_t capacity = 16 + 8 * (uint64_t)count;
    *text = NULL;
    for (;;) {
        *text = cli_grow(*text, (size_t)capacity, 1);
        brink_status status = brink_detokenize(model, ids, count, special, *text, capacity, bytes);
        if (status == BRINK_OK && *bytes >= capacity) {
            capacity = *bytes + 1;
            continue;
        }
        if (status != BRINK_OK) {
            free(*text);
            *text = NULL;
        }
        return status;
    }
}

int cli_text_detokenize(const engine *e, const token_list *tokens, bool special, char **text,
                        uint64_t *bytes)
{
    return told(e, cli_detokenize(e->model, tokens->ids, tokens->count, special, text, bytes));
}

brink_status cli_chat_format(brink_model *model, const brink_message *messages, uint32_t count,
                             char **text, uint64_t *bytes)
{
    uint64_t capacity = 4096;
    *text = NULL;
    for (;;) {
        *text = cli_grow(*text, (size_t)capacity, 1);
        brink_status status = brink_chat_format(model, messages, count, *text, capacity, bytes);
        if (status == BRINK_OK && *bytes >= capacity) {
            capacity = *bytes + 1;
            continue;
        }
        if (status != BRINK_OK) {
            free(*text);
            *text = NULL;
        }
        return status;
    }
}

int cli_text_chat(const engine *e, const brink_message *messages, uint32_t count, char **text,
                  uint64_t *bytes)
{
    return told(e, cli_chat_format(e->model, messages, count, text, bytes));
}

static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void cli_interrupt_watch(void)
{
    struct sigaction action = {.sa_handler = note_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

bool cli_interrupt_pending(void)
{
    return interrupted != 0;
}

void cli_interrupt_forget(void)
{
    interrupted = 0;
    signal(SIGINT, SIG_DFL);
}
