/* walk.c — see walk.h. */
#include "gpu/walk.h"

#include "cpu/loops.h"
#include "gpu/sources.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void gpu_text_append(char *text, size_t room, size_t *used, const char *format, va_list args)
{
    int n = vsnprintf(text + *used, room - *used, format, args);
    *used += n < 0 ? 0 : (size_t)n;
    if (*used >= room)
        *used = room - 1;
}

void gpu_put(gpu_wgsl *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    gpu_text_append(t->data, sizeof t->data, &t->used, format, args);
    va_end(args);
}

void gpu_put_number(gpu_wgsl *t, const char *name, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    gpu_put(t, "    let %s = bitcast<f32>(0x%08xu + zero_);\n", name, bits);
}

uint32_t gpu_bind(gpu_operands *o, const tensor *t)
{
    for (uint32_t i = 1; i < o->count; i++)
        if (gpu_root(o->list[i]) == gpu_root(t))
            return i;
    if (o->count == GPU_BINDINGS)
        return 0;
    o->list[o->count] = t;
    return o->count++;
}

gpu_class gpu_class_of(brink_type type)
{
    switch (type) {
    case BRINK_F32:
        return GPU_FLOAT;
    case BRINK_I32:
    case BRINK_I8:
        return GPU_SIGNED;
    case BRINK_U32:
    case BRINK_U8:
    case BRINK_BOOL:
        return GPU_PLAIN;
    case BRINK_I64:
    case BRINK_U64:
        return GPU_LONG;
    default:
        return GPU_NO_CLASS;
    }
}

const char *gpu_class_name(gpu_class c)
{
    static const char *const names[] = {"f32", "f32", "i32", "u32", "vec2<u32>"};
    return names[c];
}

static void put_load(gpu_wgsl *t, uint32_t at, brink_type type)
{
    const char *name = gpu_class_name(gpu_class_of(type));
    bool byte = gpu_is_byte(type);
    gpu_put(t, "@group(0) @binding(%u) var<storage, ACCESS_%u> x%u: array<%s>;\n", at + 1, at + 1,
            at, byte ? "u32" : name);
    gpu_put(t, "fn load%u(at: u32) -> %s { ", at, name);
    if (!byte)
        gpu_put(t, "return x%u[at]; }\n", at);
    else if (type == BRINK_I8)
        gpu_put(t, "return i32(x%u[at / 4u] << (24u - 8u * (at %% 4u))) >> 24u; }\n", at);
    else
        gpu_put(t, "return (x%u[at / 4u] >> (8u * (at %% 4u))) & 255u; }\n", at);
}

void gpu_put_storage(gpu_wgsl *t, const gpu_operands *o)
{
    brink_type type = o->list[0]->type;
    gpu_put(t, "@group(0) @binding(1) var<storage, ACCESS_1> y: array<%s>;\n",
            gpu_is_byte(type) ? "u32" : gpu_class_name(gpu_class_of(type)));
    for (uint32_t i = 1; i < o->count; i++)
        put_load(t, i, o->list[i]->type);
    gpu_put(t, "%s", gpu_source_functions);
}

void gpu_put_result(gpu_wgsl *t, const tensor *out)
{
    const char *name = gpu_class_name(gpu_class_of(out->type));
    if (!gpu_is_byte(out->type)) {
        gpu_put(t, "fn value(i: u32) -> %s { return result(i); }\n", name);
        return;
    }
    gpu_put(t, "fn value(word: u32) -> u32 {\n"
               "    var v = 0u;\n"
               "    for (var k = 0u; k < 4u; k++) {\n"
               "        if (4u * word + k < walk.elements) {\n"
               "            v |= (u32(result(4u * word + k)) & 255u) << (8u * k);\n"
               "        }\n    }\n    return v;\n}\n");
}

brink_status gpu_put_walk(const kernel_args *a, const tensor *const *in, uint32_t count,
                          gpu_walk *w)
{
    nd n;
    nd_broadcast(&n, a->out[0], in, count);
    nd_collapse(&n);
    if (n.rank > GPU_WALK_RANK)
        return kernel_fail(a, BRINK_UNSUPPORTED, "gpu: more than %d dimensions", GPU_WALK_RANK);
    w->rank = n.rank;
    for (uint32_t d = 0; d < n.rank; d++) {
        w->dims[d] = (uint32_t)n.dims[d];
        for (uint32_t k = 0; k < count; k++)
            w->strides[k * GPU_WALK_RANK + d] = (uint32_t)n.stride[k + 1][d];
    }
    return BRINK_OK;
}

brink_status gpu_encode_walk(gpu_program *g, const gpu_operands *o, const gpu_wgsl *head,
                             gpu_walk *w)
{
    int64_t count = tensor_count(o->list[0]);
    if (count > UINT32_MAX)
        return core_fail(g->d->context, BRINK_OUT_OF_MEMORY, "gpu: a tensor of %lld elements",
                         (long long)count);
    w->elements = (uint32_t)count;
    w->count = gpu_is_byte(o->list[0]->type) ? (w->elements + 3) / 4 : w->elements;
    gpu_dispatch d = {.head = head->data,
                      .body = gpu_source_elementwise,
                      .count = o->count,
                      .parameters = w,
                      .bytes = sizeof *w,
                      .groups = ((uint64_t)w->count + 63) / 64};
    memcpy(d.tensors, o->list, sizeof d.tensors);
    return gpu_encode(g, &d);
}
