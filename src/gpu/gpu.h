/* gpu.h — the GPU backend: its kernels by operator, and plans that run on it.

   Each kernel word X in the GPU column of onnx/ops.def is the function gpu_X. */
#ifndef GPU_GPU_H
#define GPU_GPU_H

#include "gpu/program.h"

#include <stdarg.h>

extern const gpu_kernel_fn gpu_kernels[OP_COUNT];

static inline bool gpu_is_f32(const tensor *t)
{
    return t != NULL && t->type == BRINK_F32;
}

/* Appends to a text of `room` bytes; what finds no place is cut, so that the shader does not compile. */
void gpu_text_append(char *text, size_t room, size_t *used, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));

/* The tensor whose bytes these are. Two inputs of one root cannot both be bound: see pipeline.h. */
static inline uint32_t gpu_root(const tensor *t)
{
    return ((const plan_tensor *)t)->root;
}

/* Copies what the walk says, operand 1 to operand 0, from these elements on: of four or eight bytes. */
struct nd;
brink_status gpu_copy_walk(gpu_program *g, const tensor *to, int64_t to_offset, const tensor *from,
                           int64_t from_offset, struct nd *w);

/* Copies `outer` runs of `run` elements, from one row length to another. */
brink_status gpu_copy_runs(gpu_program *g, int64_t outer, int64_t run, const tensor *to,
                           int64_t to_row, const tensor *from, int64_t from_row);

/* Rounds every element of t to float16 or bfloat16; what is too large for it stays. */
brink_status gpu_round_to(gpu_program *g, const tensor *t, brink_type type);

/* `x` after the steps of a chain of two inputs, in WGSL: x and y are the inputs. Returns the length. */
size_t gpu_chain_text(const onnx_node *node, char *to, size_t size);

/* GatherBlockQuantized of any form; see gather_nbits.c for the usual one. */
brink_status gpu_gather_codes(gpu_program *g, const kernel_args *a);

/* Runs the plans of one model: what has a GPU kernel there, the rest on the CPU with copies between.
   Freed after the plans. */
brink_status gpu_executor_create(gpu_device *d, executor **out);
void gpu_executor_free(executor *e);

/* An executor that only places steps: on the context's GPU or, where none is open, on one with the
   default limits. Its plans are built with no_data and cannot run. */
brink_status gpu_planner_create(brink_context *context, executor **out);

/* What such a plan would take there. Kernels know how many dispatches they need, and a few take memory of
   their own, only when they run: these are estimates. */
typedef struct gpu_forecast {
    uint64_t weights; /* the model's constants, which plans share   */
    uint64_t derived; /* constants of this plan alone               */
    uint64_t scratch; /* intermediate values, parameters, read-back */
    bool refused;     /* a step on the CPU reads or writes what is resident */
} gpu_forecast;
brink_status gpu_forecast_plan(plan *p, gpu_forecast *out);

/* Begins to compile what such a plan, forecast before, will need for a chunk of this many tokens, and to
   be repeated if r is not NULL: some of it may be missed. */
brink_status gpu_rehearse(plan *p, uint32_t chunk, const plan_repeat *r);

#define OP(domain, name, since, rule, kernel, gpu, flags)                                          \
    brink_status gpu_##gpu(gpu_program *g, const kernel_args *a);
#include "onnx/ops.def"
#undef OP

#endif
