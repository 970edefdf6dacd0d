/* op.c — the table that ops.def fills, and its look-ups. */
#include "onnx/op.h"

#include <string.h>

#define DOMAIN_onnx ""
#define DOMAIN_ms "com.microsoft"
#define DOMAIN_brink "brink"

/* HAS(x): false only for the word none, whatever other words there are. */
#define SECOND(a, b, ...) b
#define PROBE_none ~, false
#define IS(...) SECOND(__VA_ARGS__, true, ~)
#define HAS(kernel) IS(PROBE_##kernel)

#ifdef BRINK_GPU
#define HAS_GPU(kernel) HAS(kernel)
#else
#define HAS_GPU(kernel) false
#endif

const op_row op_table[OP_COUNT] = {
#define OP(domain, name, since, rule, kernel, gpu, flags)                                          \
    {DOMAIN_##domain,                                                                              \
     #name,                                                                                        \
     since,                                                                                        \
     OP_##domain##_##name##_##since,                                                               \
     flags,                                                                                        \
     HAS(kernel) || ((flags) & (OP_VIEW | OP_CONTROL | OP_SEQUENCE)) != 0,                         \
     HAS_GPU(gpu) || ((flags) & (OP_VIEW | OP_CONTROL | OP_SEQUENCE)) != 0},
#include "onnx/ops.def"
#undef OP
};

const op_row *op_find(const char *domain, const char *name, int64_t opset)
{
    const op_row *best = NULL;
    if (strcmp(domain, DOMAIN_brink) == 0) /* the planner's own, not a file's */
        return NULL;
    for (uint32_t i = 0; i < OP_COUNT; i++) {
        const op_row *row = &op_table[i];
        if (row->since <= opset && (best == NULL || row->since > best->since) &&
            strcmp(row->name, name) == 0 && strcmp(row->domain, domain) == 0)
            best = row;
    }
    return best;
}

static const char *const attr_names[ATTR_COUNT] = {
    "",
#define ATTR(name) #name,
#include "onnx/attrs.def"
#undef ATTR
};

attr_name attr_find(const char *name, uint64_t length)
{
    for (uint32_t i = 1; i < ATTR_COUNT; i++)
        if (strlen(attr_names[i]) == length && memcmp(attr_names[i], name, (size_t)length) == 0)
            return (attr_name)i;
    return ATTR_UNKNOWN;
}
