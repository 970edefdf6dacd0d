/* tolerances.c — see tolerances.h. A meta.json maps a graph's name, without .onnx, to an object
   with its "kind"; one that cannot be read counts as absent. */
#include "tolerances.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

/* The table of the fixtures' README. Stored outputs of half-precision kinds come from a runtime
   that rounds at other places; int8dyn from one that rounds ties of activations its own way. */
static const struct {
    const char *kind;
    tolerance allowed;
} kinds[] = {
    {"fp32", {1e-4, 1e-4}}, {"fp16", {1e-2, 1e-2}},  {"int8dyn", {3e-2, 3e-2}},
    {"q4", {1e-3, 1e-3}},   {"q4f16", {3e-2, 3e-2}}, {"f16out", {1e-3, 1e-4}},
};

/* 1.5 times the largest shift that accuracy_level 4 makes in the reference runtime; 0: not said. */
static double activation_shift(yyjson_val *graph)
{
    double largest = 0;
    size_t index, count;
    yyjson_val *one;
    yyjson_arr_foreach(yyjson_obj_get(graph, "cases"), index, count, one)
    {
        double shift =
            yyjson_get_num(yyjson_obj_get(one, "ort_as_stored_accuracy_level_max_abs_diff"));
        if (shift > largest)
            largest = shift;
    }
    return 1.5 * largest;
}

static void from_meta(const char *text, uint64_t size, const char *name, bool exact, tolerance *t)
{
    yyjson_doc *doc = yyjson_read(text, (size_t)size, 0);
    yyjson_val *graph = yyjson_obj_get(yyjson_doc_get_root(doc), name);
    const char *kind = yyjson_get_str(yyjson_obj_get(graph, "kind"));
    for (size_t i = 0; kind && i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].kind, kind) == 0)
            *t = kinds[i].allowed;
    }
    double shift = exact ? 0 : activation_shift(graph);
    if (shift > t->atol)
        t->atol = shift;
    yyjson_doc_free(doc);
}

tolerance cli_tolerance_of(const char *graph, bool exact, double rtol, double atol)
{
    tolerance t = {.rtol = 1e-3, .atol = 1e-5};
    char error[ERROR_TEXT], *folder = cli_copy(graph), *name = cli_copy(cli_path_base(graph));
    char *slash = strrchr(folder, '/'), *dot = strrchr(name, '.');
    if (slash)
        slash[1] = 0;
    if (dot)
        *dot = 0;
    char *meta = cli_path_join(slash ? folder : "", "meta.json");
    uint64_t size;
    int status;
    char *text = cli_path_is_file(meta) ? cli_file_read(meta, &size, &status, error) : NULL;
    if (text)
        from_meta(text, size, name, exact, &t);
    free(text);
    free(meta);
    free(name);
    free(folder);
    if (rtol >= 0)
        t.rtol = rtol;
    if (atol >= 0)
        t.atol = atol;
    return t;
}
