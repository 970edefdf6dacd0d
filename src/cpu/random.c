/* random.c — RandomNormal, RandomUniform and their …Like, Bernoulli, Multinomial, Dropout.

   The standard asks for the distribution only. Numbers come from the Mersenne Twister (Matsumoto and
   Nishimura 1998) and normal ones from Marsaglia's polar method, so that with the attribute `seed`
   they are those of numpy's RandomState and of ONNX's reference implementation. Without it every
   call has another seed. One sequence, so one thread. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { TWISTER_SIZE = 624, TWISTER_SHIFT = 397 };

typedef struct twister {
    uint32_t state[TWISTER_SIZE], next;
    double spare; /* the second of a pair of normal numbers */
    bool has_spare;
} twister;

static void twister_seed(twister *t, uint32_t seed)
{
    *t = (twister){.next = TWISTER_SIZE};
    for (uint32_t i = 0; i < TWISTER_SIZE; i++) {
        t->state[i] = seed;
        seed = 1812433253u * (seed ^ seed >> 30) + i + 1;
    }
}

/* The seed attribute, a float or (Dropout) an integer. */
static void twister_of(const kernel_args *a, twister *t)
{
    static atomic_uint calls;
    const onnx_attr *seed = onnx_find(a->node, ATTR_seed);
    if (seed != NULL && seed->kind == ATTR_KIND_INT)
        twister_seed(t, (uint32_t)seed->i);
    else if (seed != NULL && seed->kind == ATTR_KIND_FLOAT && fabsf(seed->f) < 9e18f)
        twister_seed(t, (uint32_t)(int64_t)seed->f);
    else
        twister_seed(t, 0x9E3779B9u * (atomic_fetch_add(&calls, 1) + 1));
}

static uint32_t twister_bits(twister *t)
{
    if (t->next == TWISTER_SIZE) {
        for (uint32_t i = 0; i < TWISTER_SIZE; i++) {
            uint32_t y =
                (t->state[i] & 0x80000000u) | (t->state[(i + 1) % TWISTER_SIZE] & 0x7FFFFFFFu);
            t->state[i] =
                t->state[(i + TWISTER_SHIFT) % TWISTER_SIZE] ^ y >> 1 ^ (y & 1 ? 0x9908B0DFu : 0);
        }
        t->next = 0;
    }
    uint32_t y = t->state[t->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9D2C5680u;
    y ^= y << 15 & 0xEFC60000u;
    return y ^ y >> 18;
}

/* In [0, 1), 53 bits. */
static double uniform(twister *t)
{
    uint32_t high = twister_bits(t) >> 5, low = twister_bits(t) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
}

static double normal(twister *t)
{
    if (t->has_spare) {
        t->has_spare = false;
        return t->spare;
    }
    double x, y, r;
    do {
        x = 2 * uniform(t) - 1;
        y = 2 * uniform(t) - 1;
        r = x * x + y * y;
    } while (r >= 1 || r == 0);
    double f = sqrt(-2 * log(r) / r);
    t->spare = f * x;
    t->has_spare = true;
    return f * y;
}

/* out = draw * scale + offset, rounded to the output's type before and after as numpy does. */
static brink_status fill(const kernel_args *a, double (*draw)(twister *), double scale,
                         double offset)
{
    tensor *out = a->out[0];
    int64_t n = tensor_count(out);
    twister t;
    twister_of(a, &t);
    if (out->type == BRINK_F32)
        for (int64_t i = 0; i < n; i++)
            ((float *)out->data)[i] = (float)draw(&t) * (float)scale + (float)offset;
    else if (out->type == BRINK_F64)
        for (int64_t i = 0; i < n; i++)
            ((double *)out->data)[i] = draw(&t) * scale + offset;
    else
        return kernel_bad_type(a, out->type);
    return BRINK_OK;
}

brink_status cpu_random_normal(const kernel_args *a)
{
    return fill(a, normal, onnx_float(a->node, ATTR_scale, 1), onnx_float(a->node, ATTR_mean, 0));
}

brink_status cpu_random_uniform(const kernel_args *a)
{
    double low = onnx_float(a->node, ATTR_low, 0), high = onnx_float(a->node, ATTR_high, 1);
    return fill(a, uniform, high - low, low);
}

static void set_number(const tensor *out, int64_t i, double value)
{
    switch (out->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        ((T *)out->data)[i] = (T)value;                                                            \
        break;
        INTEGER_TYPES(CASE)
        FLOAT_TYPES(CASE)
        CASE(BRINK_BOOL, uint8_t)
#undef CASE
    default:
        break;
    }
}

/* One with the probability that the input names; numpy's inversion for one trial. */
brink_status cpu_bernoulli(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    int64_t n = tensor_count(out);
    twister t;
    if (element_bytes(out->type) == 0)
        return kernel_bad_type(a, out->type);
    twister_of(a, &t);
    for (int64_t i = 0; i < n; i++) {
        double p = tensor_number(x, i);
        if (!(p >= 0 && p <= 1))
            return kernel_fail(a, BRINK_BAD_INPUT, "probability %g is outside 0 to 1", p);
        set_number(out, i, p != 0 && (p <= 0.5 ? uniform(&t) > 1 - p : uniform(&t) <= p));
    }
    return BRINK_OK;
}

/* Samples classes from rows of unnormalised log-probabilities, by inverting their running sum. */
brink_status cpu_multinomial(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    int64_t classes = x->dims[1], samples = out->dims[1];
    twister t;
    if (out->type != BRINK_I32 && out->type != BRINK_I64)
        return kernel_bad_type(a, out->type);
    if (tensor_count(out) == 0)
        return BRINK_OK;
    double *sums = kernel_scratch(a, (uint64_t)classes * sizeof *sums + 8);
    if (sums == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (classes == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "there are no classes to choose from");
    twister_of(a, &t);
    for (int64_t r = 0; r < out->dims[0]; r++) {
        double most = -INFINITY, sum = 0;
        for (int64_t c = 0; c < classes; c++)
            most = fmax(most, tensor_number(x, r * classes + c));
        for (int64_t c = 0; c < classes; c++) {
            double p = most == -INFINITY ? 1 : exp(tensor_number(x, r * classes + c) - most);
            sums[c] = sum += p == p ? p : 0;
        }
        for (int64_t s = 0; s < samples; s++) {
            double at = uniform(&t) * sum;
            int64_t low = 0, high = classes - 1;
            while (low < high) {
                int64_t middle = low + (high - low) / 2;
                if (sums[middle] > at)
                    high = middle;
                else
                    low = middle + 1;
            }
            set_number(out, r * samples + s, (double)low);
        }
    }
    return BRINK_OK;
}

/* A copy; when training (opset 12 on), zeros with probability `ratio` and the rest scaled up. */
brink_status cpu_dropout(const kernel_args *a)
{
    const tensor *x = a->in[0], *ratio_in = kernel_in(a, 1), *training_in = kernel_in(a, 2);
    tensor *out = kernel_out(a, 0), *mask = kernel_out(a, 1);
    int64_t n = tensor_count(x);
    bool training =
        training_in != NULL && tensor_count(training_in) > 0 && tensor_int(training_in, 0) != 0;
    double ratio = 0;
    if (training)
        ratio = ratio_in != NULL && tensor_count(ratio_in) > 0 ? tensor_number(ratio_in, 0) : 0.5;
    if (!(ratio >= 0 && ratio < 1))
        return kernel_fail(a, BRINK_BAD_INPUT, "ratio is %g, outside [0, 1)", ratio);
    if (element_bytes(x->type) == 0 || (ratio > 0 && x->type != BRINK_F32 && x->type != BRINK_F64))
        return kernel_bad_type(a, x->type);
    if (out != NULL && n > 0)
        memcpy(out->data, x->data, (size_t)n * element_bytes(x->type));
    if (ratio == 0) {
        for (int64_t i = 0; mask != NULL && i < n; i++)
            set_number(mask, i, 1);
        return BRINK_OK;
    }
    twister t;
    twister_of(a, &t);
    double scale = 1 / (1 - ratio);
    for (int64_t i = 0; i < n; i++) {
        bool kept = uniform(&t) >= ratio;
        if (out != NULL)
            set_number(out, i, kept ? tensor_number(x, i) * scale : 0);
        if (mask != NULL)
            set_number(mask, i, kept);
    }
    return BRINK_OK;
}
