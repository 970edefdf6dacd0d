/* tensors.c — see tensors.h. */
#include "tensors.h"

#include "npy.h"
#include "output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void cli_held_tensor_free(brink_context *context, held_tensor *held)
{
    if (held->parsed)
        brink_tensor_release(context, &held->tensor);
    else
        free((void *)(uintptr_t)held->tensor.data);
    *held = (held_tensor){0};
}

bool cli_shape_elements(const int64_t *shape, uint32_t rank, uint64_t *elements)
{
    uint64_t product = 1;
    bool empty = false;
    for (uint32_t i = 0; i < rank; i++) {
        if (shape[i] < 0)
            return false;
        empty |= shape[i] == 0;
    }
    for (uint32_t i = 0; i < rank && !empty; i++) {
        if (__builtin_mul_overflow(product, (uint64_t)shape[i], &product))
            return false;
    }
    *elements = empty ? 0 : product;
    return true;
}

bool cli_tensor_bytes(brink_type type, const int64_t *shape, uint32_t rank, uint64_t *bytes)
{
    uint64_t elements, bits = brink_type_bits(type);
    if (bits == 0 || !cli_shape_elements(shape, rank, &elements) ||
        elements > UINT64_MAX / bits - 7)
        return false;
    *bytes = (elements * bits + 7) / 8;
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

bool cli_tensor_read(brink_context *context, const char *path, held_tensor *out, int *status,
                     char error[ERROR_TEXT])
{
    *out = (held_tensor){0};
    uint64_t size;
    char *data = cli_file_read(path, &size, status, error);
    if (!data)
        return false;
    bool done;
    if (ends_with(path, ".npy")) {
        done = cli_npy_parse(path, data, size, out, status, error);
    } else {
        brink_status result = brink_tensor_parse(context, data, size, &out->tensor);
        done = out->parsed = result == BRINK_OK;
        *status = result == BRINK_INVALID_ARGUMENT ? EXIT_INPUT : cli_exit_status(result);
        if (!done)
            snprintf(error, ERROR_TEXT, "%s: %s", path, brink_error(context));
    }
    free(data);
    return done;
}

uint64_t cli_random_next(random_state *random)
{
    uint64_t z = random->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void random_element(random_state *random, brink_type type, void *data, uint64_t index)
{
    uint64_t bits = cli_random_next(random);
    float value = (float)(bits >> 40) / 8388608.0f - 1.0f;
    uint32_t pattern;
    memcpy(&pattern, &value, 4);
    switch (type) {
    case BRINK_F32:
        ((float *)data)[index] = value;
        break;
    case BRINK_F64:
        ((double *)data)[index] = (double)value;
        break;
    case BRINK_F16:
        ((uint16_t *)data)[index] = cli_half_bits(value);
        break;
    case BRINK_BF16:
        ((uint16_t *)data)[index] = (uint16_t)(pattern >> 16);
        break;
    case BRINK_U8:
    case BRINK_I8:
        ((uint8_t *)data)[index] = (uint8_t)(bits >> 56);
        break;
    case BRINK_BOOL:
        ((uint8_t *)data)[index] = (uint8_t)(bits >> 63);
        break;
    case BRINK_U16:
    case BRINK_I16:
        ((uint16_t *)data)[index] = (uint16_t)(bits >> 63);
        break;
    case BRINK_U32:
    case BRINK_I32:
        ((uint32_t *)data)[index] = (uint32_t)(bits >> 63);
        break;
    case BRINK_U64:
    case BRINK_I64:
        ((uint64_t *)data)[index] = bits >> 63;
        break;
    case BRINK_U4:
    case BRINK_I4:
        ((uint8_t *)data)[index / 2] |= (uint8_t)(bits >> 60 << index % 2 * 4);
        break;
    default:
        break;
    }
}

bool cli_tensor_random(random_state *random, brink_type type, const int64_t *shape, uint32_t rank,
                       held_tensor *out, int *status, char error[ERROR_TEXT])
{
    char text[192];
    *out = (held_tensor){.tensor = {.type = type, .rank = rank}};
    uint64_t bytes, elements = 0;
    *status = EXIT_INPUT;
    if (!cli_tensor_bytes(type, shape, rank, &bytes) ||
        !cli_shape_elements(shape, rank, &elements)) {
        snprintf(error, ERROR_TEXT, "cannot make random values of type %s", brink_type_name(type));
        return false;
    }
    memcpy(out->tensor.shape, shape, rank * sizeof *shape);
    out->tensor.bytes = bytes;
    void *data = bytes >= SIZE_MAX ? NULL : calloc((size_t)bytes + 1, 1);
    if (!data) {
        *status = EXIT_MEMORY;
        snprintf(error, ERROR_TEXT, "out of memory: %llu bytes for an input of %s %s",
                 (unsigned long long)bytes, brink_type_name(type),
                 cli_shape_text(shape, rank, text));
        return false;
    }
    out->tensor.data = data;
    for (uint64_t i = 0; i < elements; i++)
        random_element(random, type, data, i);
    return true;
}

float cli_half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    float mantissa = (float)(bits & 1023), sign = bits & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31)
        return bits & 1023 ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexpf(mantissa, -24);
    return sign * ldexpf(mantissa + 1024.0f, exponent - 25);
}

/* Rounds to nearest, ties to even. */
uint16_t cli_half_bits(float value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    float magnitude = fabsf(value);
    if (isnan(value))
        return (uint16_t)(sign | 0x7E00);
    if (magnitude >= 65520.0f)
        return (uint16_t)(sign | 0x7C00);
    if (magnitude < 6.103515625e-5f) /* below 2^-14: steps of 2^-24 */
        return (uint16_t)(sign | (uint16_t)lrintf(ldexpf(magnitude, 24)));
    int exponent;
    float fraction = frexpf(magnitude, &exponent); /* in [0.5, 1) */
    long steps = lrintf(ldexpf(fraction, 11));     /* 1024..2048  */
    return (uint16_t)(sign | (uint16_t)(((exponent + 13) << 10) + (steps - 1024) + 0x400));
}

double cli_tensor_value(const brink_tensor *t, uint64_t i)
{
    switch (t->type) {
    case BRINK_F32:
        return (double)((const float *)t->data)[i];
    case BRINK_F64:
        return ((const double *)t->data)[i];
    case BRINK_F16:
        return (double)cli_half_value(((const uint16_t *)t->data)[i]);
    case BRINK_BF16: {
        uint32_t bits = (uint32_t)((const uint16_t *)t->data)[i] << 16;
        float value;
        memcpy(&value, &bits, 4);
        return (double)value;
    }
    case BRINK_U8:
        return ((const uint8_t *)t->data)[i];
    case BRINK_I8:
        return ((const int8_t *)t->data)[i];
    case BRINK_U16:
        return ((const uint16_t *)t->data)[i];
    case BRINK_I16:
        return ((const int16_t *)t->data)[i];
    case BRINK_U32:
        return ((const uint32_t *)t->data)[i];
    case BRINK_I32:
        return ((const int32_t *)t->data)[i];
    case BRINK_U64:
        return (double)((const uint64_t *)t->data)[i];
    case BRINK_I64:
        return (double)((const int64_t *)t->data)[i];
    case BRINK_BOOL:
        return ((const uint8_t *)t->data)[i] != 0;
    case BRINK_U4:
    case BRINK_I4: {
        int nibble = ((const uint8_t *)t->data)[i / 2] >> i % 2 * 4 & 15;
        return t->type == BRINK_I4 && nibble > 7 ? nibble - 16 : nibble;
    }
    default:
        return 0;
    }
}
