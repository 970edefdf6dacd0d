/* gpu.c — opens the context's GPU, and lets models run there. */
#include "pipelines/model.h"
#include "pipelines/task.h"

#ifdef BRINK_GPU

#include "gpu/gpu.h"

typedef struct gpu_task {
    brink_task base;
    gpu_device *device;
} gpu_task;

static brink_status gpu_advance(brink_task *base, uint64_t deadline)
{
    gpu_task *t = (gpu_task *)base;
    TRY(gpu_device_open(t->device, deadline));
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
    brink_status status = gpu_device_create(context, desc, &t->device);
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
        *out = (brink_gpu_info){d->name,      d->software,   d->f16,
                                d->subgroups, d->timestamps, d->bandwidth};
    return d != NULL;
}

void brink_gpu_set_submit_ms(brink_context *context, uint32_t ms)
{
    if (context->gpu != NULL)
        context->gpu->submit_time = (uint64_t)(ms != 0 ? ms : GPU_SUBMIT_MS) * 1000000;
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

void brink_gpu_set_submit_ms(brink_context *context, uint32_t ms)
{
    (void)context, (void)ms;
}

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
