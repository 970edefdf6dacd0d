/* walk.h — generated WGSL for operators that make each element of the output by itself.

   A kernel names its operands, writes a function of them, and encodes kernels/elementwise.wgsl behind
   it. Elements of a byte lie four a word: an invocation then makes a whole word of the output. */
#ifndef GPU_WALK_H
#define GPU_WALK_H

#include "gpu/gpu.h"

enum { GPU_WALK_RANK = 8, GPU_HEAD = 12288 /* bytes of text */ };

typedef struct gpu_walk {
    uint32_t count; /* invocations: elements of the output, or its words */
    uint32_t rank;
    uint32_t elements, unused;
    uint32_t dims[GPU_WALK_RANK];
    uint32_t strides[12 * 4];
} gpu_walk;
_Static_assert(sizeof(gpu_walk) <= GPU_PARAMETERS, "a uniform block");

typedef struct gpu_wgsl {
    char data[GPU_HEAD];
    size_t used;
} gpu_wgsl;

__attribute__((format(printf, 2, 3))) void gpu_put(gpu_wgsl *t, const char *format, ...);

/* `let NAME = …;` of exactly this value. */
void gpu_put_number(gpu_wgsl *t, const char *name, float value);

/* Bindings: the output first, then each value once, though an operator may read it twice. */
typedef struct gpu_operands {
    const tensor *list[GPU_BINDINGS];
    uint32_t count;
} gpu_operands;

/* The place of t in the list; 0 where there is no room. */
uint32_t gpu_bind(gpu_operands *o, const tensor *t);

/* What the shader holds of an element. */
typedef enum gpu_class {
    GPU_NO_CLASS,
    GPU_FLOAT,  /* f32                              */
    GPU_SIGNED, /* i32: of i32 and i8               */
    GPU_PLAIN,  /* u32: of u32, u8 and bool         */
    GPU_LONG    /* vec2<u32>: of i64 and u64, low word first */
} gpu_class;

gpu_class gpu_class_of(brink_type type);
const char *gpu_class_name(gpu_class c);

static inline bool gpu_is_byte(brink_type type)
{
    return type == BRINK_U8 || type == BRINK_I8 || type == BRINK_BOOL;
}

/* Storage y, x1, x2, … with functions load1(at), load2(at), … that give an element as its class has
   it, and the text of functions.wgsl. */
void gpu_put_storage(gpu_wgsl *t, const gpu_operands *o);

/* After a function result(i), which gives element i of the output: what elementwise.wgsl calls. */
void gpu_put_result(gpu_wgsl *t, const tensor *out);

/* How `count` inputs broadcast to the output: at(i, k) is then the element of input k. */
brink_status gpu_put_walk(const kernel_args *a, const tensor *const *in, uint32_t count,
                          gpu_walk *w);

/* Encodes elementwise.wgsl after `head`; sets the counts of w. */
brink_status gpu_encode_walk(gpu_program *g, const gpu_operands *o, const gpu_wgsl *head,
                             gpu_walk *w);

/* In pick.c: out[0] dense from x by operand 1 of the walk; by rows that in[1] numbers; of all inputs
   along an axis. For what move.c and gather.c have no words for. */
struct nd;
brink_status gpu_pick_walk(gpu_program *g, const kernel_args *a, const tensor *x, int64_t offset,
                           const struct nd *n);
brink_status gpu_pick_rows(gpu_program *g, const kernel_args *a, int64_t inner, int64_t bound);
brink_status gpu_pick_concat(gpu_program *g, const kernel_args *a, int64_t inner, uint32_t axis);

#endif
