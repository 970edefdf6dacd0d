/* output.h — a command's result: one JSON object, or text for people.

   Invariant: nothing reaches standard output before cli_output_print: a failed command leaves
   it empty. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli.h"

#include <yyjson.h>

typedef struct output {
    yyjson_mut_doc *json; /* NULL where text is wanted */
    yyjson_mut_val *root;
    FILE *text; /* written in either case, printed only without JSON */
    char *buffer;
    size_t size;
} output;

void cli_output_begin(output *out, bool json);

/* Prints and frees. Returns `status`, or EXIT_INPUT where standard output cannot be written. */
int cli_output_print(output *out, int status);

/* The JSON, which is the caller's; frees the rest and prints nothing. */
char *cli_output_take(output *out, size_t *bytes);

/* Frees and prints nothing; `status` back. */
int cli_output_drop(output *out, int status);

/* Setters of one key. Without JSON they do nothing. Keys must be literals or outlive the output;
   text is copied, and what is not UTF-8 in it becomes U+FFFD. NaN and infinity become null. */
void cli_put_text(output *out, yyjson_mut_val *object, const char *key, const char *text);
void cli_put_number(output *out, yyjson_mut_val *object, const char *key, double value);
void cli_put_count(output *out, yyjson_mut_val *object, const char *key, uint64_t value);
void cli_put_bool(output *out, yyjson_mut_val *object, const char *key, bool value);
void cli_put_null(output *out, yyjson_mut_val *object, const char *key);
yyjson_mut_val *cli_put_array(output *out, yyjson_mut_val *object, const char *key);
yyjson_mut_val *cli_put_object(output *out, yyjson_mut_val *object, const char *key);

/* The same for elements of an array. */
yyjson_mut_val *cli_add_object(output *out, yyjson_mut_val *array);
yyjson_mut_val *cli_add_array(output *out, yyjson_mut_val *array);
void cli_add_text(output *out, yyjson_mut_val *array, const char *text, size_t bytes);
void cli_add_integer(output *out, yyjson_mut_val *array, int64_t value);
void cli_add_float(output *out, yyjson_mut_val *array, float value);

/* A shape as [2,3]. */
void cli_put_shape(output *out, yyjson_mut_val *object, const char *key, const int64_t *shape,
                   uint32_t rank);

/* A key that does not outlive the output. */
void cli_put_named_count(output *out, yyjson_mut_val *object, const char *key, uint64_t value);
void cli_put_named_number(output *out, yyjson_mut_val *object, const char *key, double value);
yyjson_mut_val *cli_put_named_object(output *out, yyjson_mut_val *object, const char *key);

/* "[2, 3]" into `text`; returns it. */
const char *cli_shape_text(const int64_t *shape, uint32_t rank, char text[192]);

#endif
