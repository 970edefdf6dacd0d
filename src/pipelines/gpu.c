/* gpu.c — opens the context's GPU, and lets models run there. */
#include "pipelines/model.h"
#include "pipelines/task.h"

#ifdef BRINK_GPU

#include "gpu/gpu.h"

typedef struct gpu_task {
    brink_task base;
    gpu_device *device;
    bool hardware;
} gpu_task;

static brink_status gpu_advance(brink_task *base, uint64_t deadline)
{
    gpu_task *t = (gpu_task *)base;
    brink_status status;
    do
        status = gpu_device_advance(t->device);
    while (status == BRINK_PENDING && core_now() < deadline);
    if (status != BRINK_OK)
        return status;
    if (t->hardware && t->device->software)
        return core_fail(base->context, BRINK_DEVICE_FAILED, "gpu %s: a software adapter",
                         t->device->name);
    base->context->gpu = t->device;
    base->context->gpu_close = gpu_device_destroy;
    t->device = NULL;
    return BRINK_OK;
}

static void gpu_destroy(brink_task *base)
{
    gpu_device_destroy(((gpu_task *)base)->device);
}

brink_status brink_gpu_begin(brink_context *context, const brink_gpu_desc *desc, brink_task **out)
{
    *out = NULL;
    if (context->gpu != NULL)
        return core_fail(context, BRINK_INVALID_ARGUMENT, "the context has a GPU already");
    gpu_task *t = task_create(context, sizeof *t, TASK_GPU, gpu_advance, gpu_destroy);
    if (t == NULL)
        return BRINK_OUT_OF_MEMORY;
    t->hardware = desc != NULL && desc->hardware;
    brink_status status = gpu_device_create(context, desc != NULL && desc->plain, &t->device);
    if (status != BRINK_OK) {
        brink_task_destroy(&t->base);
        return status;
    }
    *out = &t->base;
    return BRINK_OK;
}

bool brink_context_gpu(const brink_context *context, brink_gpu_info *out)
{
    const gpu_device *d = context->gpu;
    *out = (brink_gpu_info){.name = ""};
    if (d != NULL)
        *out = (brink_gpu_info){d->name, d->software, d->f16, d->subgroups, d->timestamps};
    return d != NULL;
}

brink_status model_executor_open(brink_model *m)
{
    if (!m->desc.gpu || m->executor != NULL)
        return BRINK_OK;
    if (m->context->gpu == NULL)
        return core_fail(m->context, BRINK_INVALID_ARGUMENT, "%s: the context has no GPU",
                         m->onnx.file);
    return gpu_executor_create(m->context->gpu, &m->executor);
}

void model_executor_close(brink_model *m)
{
    gpu_executor_free(m->executor);
}

#else

brink_status brink_gpu_begin(brink_context *context, const brink_gpu_desc *desc, brink_task **out)
{
    (void)desc;
    *out = NULL;
    return core_fail(context, BRINK_UNSUPPORTED, "this build has no GPU backend");
}

bool brink_context_gpu(const brink_context *context, brink_gpu_info *out)
{
    (void)context;
    *out = (brink_gpu_info){.name = ""};
    return false;
}

brink_status model_executor_open(brink_model *m)
{
    return !m->desc.gpu ? BRINK_OK
                        : core_fail(m->context, BRINK_UNSUPPORTED,
                                    "%s: this build has no GPU "
                                    "backend",
                                    m->onnx.file);
}

void model_executor_close(brink_model *m)
{
    (void)m;
}

#endif
