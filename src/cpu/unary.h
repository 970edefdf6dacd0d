/* unary.h — elementwise functions of one input: what unary.c and activations.c share.

   A function is written once as an expression of p, the element, and becomes a row function for each
   type; unary_run spreads the rows over the threads. */
#ifndef CPU_UNARY_H
#define CPU_UNARY_H

#include "cpu/activation.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"

typedef struct unary_job {
    void (*row)(const struct unary_job *job, void *to, const void *x, int64_t n);
    void (*fast)(float *to, const float *x, int64_t n); /* instead of row, for f32 */
    char *to;
    const char *x;
    uint32_t size;
    double p, q;  /* the operator's parameters */
    activation f; /* activation_f32's */
} unary_job;

/* A row function: job->f in vector code. */
void activation_f32(const unary_job *job, void *to, const void *x, int64_t n);

#define ROW(name, T, expr)                                                                         \
    static void name(const unary_job *job, void *to, const void *x, int64_t n)                     \
    {                                                                                              \
        const T *v = x;                                                                            \
        T *d = to;                                                                                 \
        double alpha = job->p, beta = job->q;                                                      \
        (void)alpha, (void)beta;                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                          \
            T p = v[i];                                                                            \
            d[i] = (T)(expr);                                                                      \
        }                                                                                          \
    }

/* A function of floats: written once in terms of p, in each width. */
#define FLOAT_ROWS(name, expr32, expr64)                                                           \
    ROW(name##_f32, float, expr32)                                                                 \
    ROW(name##_f64, double, expr64)

/* Runs job->row (or job->fast) from input 0 to output 0, both of one type; "type … is not supported"
   where there is neither. */
brink_status unary_run(const kernel_args *a, unary_job *job);

/* unary_run with the job of the output's width. */
brink_status unary_float(const kernel_args *a, const unary_job *f32, const unary_job *f64);

#define FLOAT_KERNEL(name, expr32, expr64)                                                         \
    FLOAT_ROWS(name, expr32, expr64)                                                               \
    brink_status cpu_##name(const kernel_args *a)                                                  \
    {                                                                                              \
        return unary_float(a, &(unary_job){.row = name##_f32}, &(unary_job){.row = name##_f64});   \
    }

/* As FLOAT_KERNEL with a vector form for f32. */
#define FAST_KERNEL(name, fast32, expr64)                                                          \
    ROW(name##_f64, double, expr64)                                                                \
    brink_status cpu_##name(const kernel_args *a)                                                  \
    {                                                                                              \
        return unary_float(a, &(unary_job){.fast = fast32}, &(unary_job){.row = name##_f64});      \
    }

/* A function of activation.h, with its attributes alpha and beta if it has any. */
#define ACTIVATION_KERNEL(name, its_kind, alpha_default, beta_default, expr64)                     \
    ROW(name##_f64, double, expr64)                                                                \
    brink_status cpu_##name(const kernel_args *a)                                                  \
    {                                                                                              \
        float p = onnx_float(a->node, ATTR_alpha, alpha_default);                                  \
        float q = onnx_float(a->node, ATTR_beta, beta_default);                                    \
        activation f = {.kind = its_kind, .alpha = p, .beta = q};                                  \
        return unary_float(a, &(unary_job){.row = activation_f32, .f = f},                         \
                           &(unary_job){.row = name##_f64, .p = (double)p, .q = (double)q});       \
    }

/* With attributes alpha and beta. */
#define PARAMETER_KERNEL(name, alpha_default, beta_default, expr)                                  \
    FLOAT_ROWS(name, expr, expr)                                                                   \
    brink_status cpu_##name(const kernel_args *a)                                                  \
    {                                                                                              \
        double p = onnx_float(a->node, ATTR_alpha, alpha_default);                                 \
        double q = onnx_float(a->node, ATTR_beta, beta_default);                                   \
        return unary_float(a, &(unary_job){.row = name##_f32, .p = p, .q = q},                     \
                           &(unary_job){.row = name##_f64, .p = p, .q = q});                       \
    }

#endif
