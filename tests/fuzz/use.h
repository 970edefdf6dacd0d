/* use.h — a model from bytes, and what it is asked to do: planned and run on small inputs made from its
   declarations, within a number of steps. For the fuzz target and for tests that let it fail. */
#ifndef TESTS_FUZZ_USE_H
#define TESTS_FUZZ_USE_H

#include "core/context.h"
#include "core/sanitize.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_INPUTS = 16, MOST_ELEMENTS = 512, MOST_ADVANCES = 100, ROOM = 16384 };

/* A shape for an input: what is free is small. */
static inline bool shape_of(const brink_value_info *v, uint32_t index, brink_dim *out)
{
    uint64_t count = 1;
    *out = (brink_dim){.name = v->name, .rank = v->rank < 0 ? 1 : (uint32_t)v->rank};
    for (uint32_t i = 0; i < out->rank; i++) {
        int64_t n = v->rank < 0 ? -1 : v->shape[i];
        uint32_t mix = index * 7 + i * 3;
        if (v->rank >= 0)
            for (const char *c = v->dim_names[i]; *c; c++)
                mix = (uint8_t)*c; /* the same for the same name */
        out->shape[i] = n < 0 ? 1 + mix % 4 : n;
        if (!core_mul(count, (uint64_t)out->shape[i], &count) || count > MOST_ELEMENTS)
            return false;
    }
    return true;
}

/* Small numbers of either sign, readable as any type. */
static inline void fill(brink_type type, uint8_t *to, uint64_t bytes)
{
    uint32_t size = brink_type_bits(type) / 8;
    for (uint64_t i = 0; size != 0 && i < bytes / size; i++) {
        int64_t k = (int64_t)(i * 7 % 5) - (i % 3 == 0);
        float f = (float)k * 0.75f;
        double d = f;
        uint16_t h = (uint16_t)(0x3C00 + k * 64);
        const void *from = type == BRINK_F32   ? (const void *)&f
                           : type == BRINK_F64 ? (const void *)&d
                           : type == BRINK_F16 ? (const void *)&h
                                               : (const void *)&k;
        memcpy(to + i * size, from, size);
    }
    if (size == 0)
        memset(to, 0x21, (size_t)bytes);
    if (type == BRINK_BOOL)
        for (uint64_t i = 0; i < bytes; i++)
            to[i] &= 1;
}

static inline brink_status run_steps(brink_model *model, brink_tensor *inputs, uint32_t count)
{
    brink_task *task;
    brink_run_desc desc = {.inputs = inputs, .input_count = count};
    brink_status status = brink_run_begin(model, &desc, &task);
    if (status != BRINK_OK)
        return status;
    for (uint32_t i = 0; i < MOST_ADVANCES; i++)
        if ((status = brink_task_advance(task, 0)) != BRINK_PENDING)
            break;
    uint64_t sum = 0;
    for (uint32_t k = 0; status == BRINK_OK && k < brink_model_output_count(model); k++) {
        brink_tensor out;
        status = brink_run_output(task, k, &out);
        for (uint64_t i = 0; i < out.bytes; i++)
            sum += ((const uint8_t *)out.data)[i];
    }
    if (sum == UINT64_MAX)
        abort();
    brink_task_destroy(task);
    return status == BRINK_PENDING ? BRINK_OK : status;
}

typedef struct use_inputs {
    uint32_t count;
    brink_tensor tensors[MOST_INPUTS];
    brink_dim dims[MOST_INPUTS];
} use_inputs;

/* False where the declarations ask for more than there is room for. */
static inline bool make_inputs(brink_model *model, use_inputs *out)
{
    static uint64_t room[MOST_INPUTS][ROOM / 8];
    out->count = brink_model_input_count(model);
    if (out->count > MOST_INPUTS)
        return false;
    for (uint32_t i = 0; i < out->count; i++) {
        brink_value_info v;
        brink_dim *dim = &out->dims[i];
        brink_model_input(model, i, &v);
        if (!shape_of(&v, i, dim))
            return false;
        brink_tensor t = {.type = v.type ? v.type : BRINK_F32, .rank = dim->rank};
        memcpy(t.shape, dim->shape, sizeof dim->shape);
        uint64_t elements = 1;
        for (uint32_t k = 0; k < dim->rank; k++)
            elements *= (uint64_t)dim->shape[k];
        t.bytes = (elements * brink_type_bits(t.type) + 7) / 8;
        if (t.bytes > ROOM)
            return false;
        /* at the end of its room, so that reading on is an error */
        uint8_t *to = (uint8_t *)room[i] + (ROOM - t.bytes) / 8 * 8;
        core_poison(room[i], sizeof room[i]);
        core_unpoison(to, t.bytes);
        t.data = to;
        fill(t.type, to, t.bytes);
        out->tensors[i] = t;
    }
    return true;
}

/* Loads the model; external files are of the size that is asked for. */
static inline brink_status load_bytes(brink_context *context, const void *data, size_t size,
                                      brink_model **out)
{
    brink_model_desc desc = {.graph = "fuzz.onnx", .graph_only = true};
    brink_task *task;
    brink_want want;
    *out = NULL;
    brink_status status = brink_model_load_begin(context, &desc, &task);
    if (status != BRINK_OK)
        return status;
    while ((status = brink_task_advance(task, 0)) == BRINK_PENDING) {
        if (!brink_task_want(task, &want))
            abort();
        bool first = strcmp(want.file, "fuzz.onnx") == 0;
        uint64_t bytes = first ? size : want.least_bytes;
        void *copy = bytes <= 65536 ? brink_alloc(context, bytes) : NULL;
        if (copy == NULL) {
            status = bytes <= 65536 ? BRINK_OUT_OF_MEMORY : brink_task_supply_missing(task);
            break;
        }
        memset(copy, 1, (size_t)bytes);
        if (first && size != 0)
            memcpy(copy, data, size);
        status = brink_task_supply(task, copy, bytes, NULL, NULL);
        if (status != BRINK_OK)
            break;
    }
    if (status == BRINK_OK)
        status = brink_model_take(task, out);
    brink_task_destroy(task);
    return status;
}

#endif
