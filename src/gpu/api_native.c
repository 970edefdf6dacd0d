/* api_native.c — opens wgpu-native; see api.h. */
#ifndef __wasm__

#include "gpu/api.h"

#include <wgpu.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

gpu_api gpu_functions;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char failure[512];

/* `name` in the folder of the running program; false where that is not known. */
static bool beside_program(const char *name, char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length <= 0)
        return false;
    path[length] = 0;
    char *end = strrchr(path, '/');
    size_t used = end == NULL ? 0 : (size_t)(end + 1 - path);
    return used != 0 && (size_t)snprintf(path + used, size - used, "%s", name) < size - used;
}

static void *open_library(void)
{
    char path[4096];
    const char *chosen = getenv("BRINK_WEBGPU");
    if (chosen != NULL && chosen[0] != 0)
        return dlopen(chosen, RTLD_NOW | RTLD_LOCAL);
    void *library = NULL;
    if (beside_program("libwgpu_native.so", path, sizeof path))
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return library != NULL ? library : dlopen("libwgpu_native.so", RTLD_NOW | RTLD_LOCAL);
}

static void open_once(void)
{
    void *library = open_library();
    if (library == NULL) {
        const char *why = dlerror();
        snprintf(failure, sizeof failure, "no WebGPU library: %s", why != NULL ? why : "not found");
        return;
    }
#define GPU_LOAD(name)                                                                             \
    {                                                                                              \
        void *symbol = dlsym(library, "wgpu" #name);                                               \
        memcpy(&gpu_functions.name, &symbol, sizeof symbol);                                       \
        if (symbol == NULL)                                                                        \
            snprintf(failure, sizeof failure, "the WebGPU library has no wgpu%s", #name);          \
    }
    GPU_FUNCTIONS(GPU_LOAD)
#undef GPU_LOAD
}

WGPUInstance gpu_api_instance(void)
{
    WGPUInstanceExtras extras = {.chain.sType = (WGPUSType)WGPUSType_InstanceExtras,
                                 .backends = WGPUInstanceBackend_Primary};
    WGPUInstanceDescriptor desc = WGPU_INSTANCE_DESCRIPTOR_INIT;
    desc.nextInChain = &extras.chain;
    return GPU_CALL(CreateInstance)(&desc);
}

const char *gpu_api_open(void)
{
    pthread_once(&once, open_once);
    return failure[0] != 0 ? failure : NULL;
}

#endif
