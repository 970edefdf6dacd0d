/* constants.h — a model's constants on the GPU, shared by its plans.

   Most are uploaded from the host's copy when they are first bound. Those that the loader was let
   leave here alone (remote) came in parts while the model was loaded, and are known by the address
   that stands for their data.

   Invariant: the bytes of a remote constant are in its own buffer, or, once it was joined with others
   and nothing had bound that buffer, in the joined one alone. */
#ifndef GPU_CONSTANTS_H
#define GPU_CONSTANTS_H

#include "gpu/program.h"

typedef struct gpu_weight {
    const void *data; /* the host's address: a name */
    uint64_t bytes;
    WGPUBuffer buffer; /* NULL: the bytes are in `home` */
    WGPUBuffer home;   /* of those it is joined with; at home_at */
    uint64_t home_at;
    bool bound; /* bind groups may hold the buffer */
} gpu_weight;

typedef struct gpu_weight_list {
    gpu_weight *list;
    uint32_t count, capacity;
} gpu_weight_list;

struct gpu_weights {
    gpu_weight_list single, joined;
    uint32_t generation; /* the device's, when they were made */
    uint32_t forgotten;  /* grows when one goes while programs stay */
};

/* Whether the constant is on the GPU alone. */
bool gpu_is_remote(const plan *p, uint32_t root);

/* A place on the host where a remote constant can be read back to. */
brink_status gpu_make_room(gpu_program *g, uint32_t root);

/* See executor.keeps and executor.weight_write in plan.h. */
bool gpu_keeps(const gpu_device *d, const onnx_node *n, uint32_t input, const onnx_tensor *w);
brink_status gpu_weight_write(gpu_device *d, gpu_weights *weights, const onnx_tensor *w,
                              uint64_t at, const void *data, uint64_t bytes);

/* Frees the buffers that go by this address. */
void gpu_weights_forget(gpu_device *d, gpu_weights *weights, const void *data);

/* Frees or, of a device that was lost, forgets them; what comes then belongs to the present device. */
void gpu_weights_free(gpu_device *d, gpu_weights *weights);

#endif
