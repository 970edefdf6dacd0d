/* compare.c — see compare.h. */
#include "compare.h"

#include "output.h"
#include "tensors.h"

#include <math.h>
#include <string.h>

static comparison differs(comparison c)
{
    c.passed = false;
    c.max_abs = c.worst = INFINITY;
    return c;
}

static bool is_float(brink_type type)
{
    return type == BRINK_F32 || type == BRINK_F64 || type == BRINK_F16 || type == BRINK_BF16;
}

static bool same_element(const brink_tensor *a, const brink_tensor *b, uint64_t i)
{
    uint32_t size = brink_type_bits(a->type) / 8;
    if (a->type == BRINK_BOOL || size == 0)
        return cli_tensor_value(a, i) == cli_tensor_value(b, i);
    return memcmp((const char *)a->data + i * size, (const char *)b->data + i * size, size) == 0;
}

static comparison compare_exact(const brink_tensor *got, const brink_tensor *expected,
                                uint64_t elements)
{
    comparison c = {.passed = true};
    uint64_t first = 0, different = 0;
    for (uint64_t i = 0; i < elements; i++) {
        if (same_element(got, expected, i))
            continue;
        if (different++ == 0)
            first = i;
        double want = cli_tensor_value(expected, i), abs = fabs(cli_tensor_value(got, i) - want);
        c.max_abs = fmax(c.max_abs, abs);
        if (want != 0)
            c.max_rel = fmax(c.max_rel, abs / fabs(want));
    }
    if (different) {
        c.passed = false;
        c.worst = INFINITY;
        snprintf(c.reason, sizeof c.reason,
                 "%llu of %llu elements differ, the first at %llu: %.0f where %.0f is expected",
                 (unsigned long long)different, (unsigned long long)elements,
                 (unsigned long long)first, cli_tensor_value(got, first),
                 cli_tensor_value(expected, first));
    }
    return c;
}

static comparison compare_floats(const brink_tensor *got, const brink_tensor *expected,
                                 uint64_t elements, tolerance t)
{
    comparison c = {.passed = true};
    uint64_t worst_at = 0, outside = 0;
    for (uint64_t i = 0; i < elements; i++) {
        double a = cli_tensor_value(got, i), b = cli_tensor_value(expected, i);
        if (a == b || (isnan(a) && isnan(b)))
            continue;
        double abs = isfinite(a) && isfinite(b) ? fabs(a - b) : INFINITY;
        double allowed = t.atol + t.rtol * fabs(b);
        bool inside = isfinite(abs) && abs <= allowed;
        double excess = inside && abs == 0 ? 0 : abs / fmax(allowed, 1e-300);
        c.max_abs = fmax(c.max_abs, abs);
        if (b != 0 && isfinite(b))
            c.max_rel = fmax(c.max_rel, abs / fabs(b));
        outside += !inside;
        if (excess > c.worst) {
            c.worst = excess;
            worst_at = i;
        }
    }
    if (outside) {
        c.passed = false;
        snprintf(c.reason, sizeof c.reason,
                 "%llu of %llu elements differ, most at %llu: %.9g where %.9g is expected",
                 (unsigned long long)outside, (unsigned long long)elements,
                 (unsigned long long)worst_at, cli_tensor_value(got, worst_at),
                 cli_tensor_value(expected, worst_at));
    }
    return c;
}

comparison cli_compare_tensors(const brink_tensor *got, const brink_tensor *expected, tolerance t)
{
    comparison c = {0};
    char a[192], b[192];
    if (got->type != expected->type) {
        snprintf(c.reason, sizeof c.reason, "type is %s, %s is expected",
                 brink_type_name(got->type), brink_type_name(expected->type));
        return differs(c);
    }
    if (got->rank != expected->rank ||
        memcmp(got->shape, expected->shape, got->rank * sizeof *got->shape) != 0) {
        snprintf(c.reason, sizeof c.reason, "shape is %s, %s is expected",
                 cli_shape_text(got->shape, got->rank, a),
                 cli_shape_text(expected->shape, expected->rank, b));
        return differs(c);
    }
    uint64_t elements, bytes;
    if (!cli_tensor_bytes(got->type, got->shape, got->rank, &bytes) || got->bytes < bytes ||
        expected->bytes < bytes || !cli_shape_elements(got->shape, got->rank, &elements)) {
        snprintf(c.reason, sizeof c.reason, "tensors of type %s cannot be compared",
                 brink_type_name(got->type));
        return differs(c);
    }
    return is_float(got->type) ? compare_floats(got, expected, elements, t)
                               : compare_exact(got, expected, elements);
}
