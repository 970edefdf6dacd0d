/* template.h — chat templates: the part of Jinja that published models use.

   Rendering is that of Transformers: trim_blocks and lstrip_blocks are on, loop controls work,
   {% generation %} is passed over, tojson does not escape, raise_exception ends the rendering with
   its text. Variables, and `strftime_now` as the text it shall give, come as one JSON object.

   A template is a stranger's program: steps, depth of calls, output and memory are bounded, and it
   reaches nothing but its variables. */
#ifndef TEXT_TEMPLATE_H
#define TEXT_TEMPLATE_H

#include "core/json.h"

typedef struct chat_template chat_template;

/* Parses `source`; `name` opens error texts "name: line 3: reason". */
brink_status chat_template_create(brink_context *context, const char *name, const char *source,
                                  uint64_t bytes, chat_template **out);
void chat_template_destroy(chat_template *t);

/* Writes at most `capacity` bytes, NUL included, and the length without NUL to *bytes. `variables`
   is an object: messages, add_generation_prompt, bos_token, eos_token, tools and what else the
   template asks for. raise_exception gives BRINK_BAD_INPUT. */
brink_status chat_template_render(chat_template *t, const yyjson_val *variables, char *text,
                                  uint64_t capacity, uint64_t *bytes);

#endif
