/* template.c — arbitrary bytes as a chat template, a NUL, and what a user says. */
#include "fuzz.h"
#include "text/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char variables[] =
        "{\"messages\": [{\"role\": \"system\", \"content\": \"be brief\"},"
        "{\"role\": \"user\", \"content\": \"<b>h\\u00e9</b> 'x'\\n\"},"
        "{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"name\": \"f\"}]}],"
        "\"add_generation_prompt\": true, \"bos_token\": \"<s>\", \"eos_token\": \"</s>\","
        "\"tools\": [{\"a\": 1, \"b\": [1.5, false]}], \"strftime_now\": \"2024\", \"n\": -3}";
    brink_context *context = fuzz_context(8u << 20);
    chat_template *t;
    json_document document;
    const char *text;
    size_t bytes, source = fuzz_split(data, size, &text, &bytes);
    char out[512];
    uint64_t length;
    brink_status status =
        chat_template_create(context, "chat_template.jinja", (const char *)data, source, &t);
    if (status == BRINK_OK) {
        if (bytes == 0) {
            text = variables;
            bytes = sizeof variables - 1;
        }
        status = json_parse(context, "variables", text, bytes, &document);
        if (status == BRINK_OK) {
            status = chat_template_render(t, document.root, out, sizeof out, &length);
            json_free(&document);
        }
    }
    chat_template_destroy(t);
    fuzz_text(context, status);
    fuzz_end(context);
    return 0;
}
