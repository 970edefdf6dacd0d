/* tensors.h — tensors that the command owns: read from .npy and .pb, made at random, or empty. */
#ifndef CLI_TENSORS_H
#define CLI_TENSORS_H

#include "files.h"

typedef struct held_tensor {
    brink_tensor tensor;
    bool parsed; /* the engine's, from brink_tensor_parse; else data is malloc'd */
} held_tensor;

void cli_held_tensor_free(brink_context *context, held_tensor *held);

/* Elements of a shape, and the bytes they take; false on a negative dimension or overflow. */
bool cli_shape_elements(const int64_t *shape, uint32_t rank, uint64_t *elements);
bool cli_tensor_bytes(brink_type type, const int64_t *shape, uint32_t rank, uint64_t *bytes);

/* Reads a .npy or, by any other name, a serialized TensorProto. On failure *status is the exit
   status and `error` says why. */
bool cli_tensor_read(brink_context *context, const char *path, held_tensor *out, int *status,
                     char error[ERROR_TEXT]);

/* A generator (splitmix64) whose numbers are the same on every machine. */
typedef struct random_state {
    uint64_t state;
} random_state;

uint64_t cli_random_next(random_state *random);

/* Floats in [-1, 1), 8- and 4-bit integers over their range, booleans either; wider integers 0 or
   1, which are valid ids, masks and positions of every model. NULL data: *status and `error`. */
bool cli_tensor_random(random_state *random, brink_type type, const int64_t *shape, uint32_t rank,
                       held_tensor *out, int *status, char error[ERROR_TEXT]);

/* Element `index` as a number; for every type but strings. */
double cli_tensor_value(const brink_tensor *tensor, uint64_t index);

float cli_half_value(uint16_t bits);
uint16_t cli_half_bits(float value);

#endif
