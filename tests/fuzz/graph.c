/* graph.c — a ModelProto from bytes through the whole engine: loaded, planned, and run on small
   inputs made from its declarations. Work is bounded by the memory budget and the number of steps. */
#include "core/sanitize.h"
#include "mutate.h"

enum { MOST_INPUTS = 16, MOST_ELEMENTS = 512, MOST_ADVANCES = 100, ROOM = 16384 };

static const uint64_t BUDGET = 1u << 19;

/* A shape for an input: what is free is small. */
static bool shape_of(const brink_value_info *v, uint32_t index, brink_dim *out)
{
    uint64_t count = 1;
    *out = (brink_dim){.name = v->name, .rank = v->rank < 0 ? 1 : (uint32_t)v->rank};
    for (uint32_t i = 0; i < out->rank; i++) {
        int64_t n = v->rank < 0 ? -1 : v->shape[i];
        uint32_t mix = index * 7 + i * 3;
        if (v->rank >= 0)
            for (const char *c = v->dim_names[i]; *c; c++)
                mix = (uint8_t)*c; /* the same for the same name */
        out->shape[i] = n < 0 ? 1 + mix % 4 : n;
        if (!core_mul(count, (uint64_t)out->shape[i], &count) || count > MOST_ELEMENTS)
            return false;
    }
    return true;
}

/* Small numbers of either sign, readable as any type. */
static void fill(brink_type type, uint8_t *to, uint64_t bytes)
{
    uint32_t size = brink_type_bits(type) / 8;
    for (uint64_t i = 0; size != 0 && i < bytes / size; i++) {
        int64_t k = (int64_t)(i * 7 % 5) - (i % 3 == 0);
        float f = (float)k * 0.75f;
        double d = f;
        uint16_t h = (uint16_t)(0x3C00 + k * 64);
        const void *from = type == BRINK_F32   ? (const void *)&f
                           : type == BRINK_F64 ? (const void *)&d
                           : type == BRINK_F16 ? (const void *)&h
                                               : (const void *)&k;
        memcpy(to + i * size, from, size);
    }
    if (size == 0)
        memset(to, 0x21, (size_t)bytes);
    if (type == BRINK_BOOL)
        for (uint64_t i = 0; i < bytes; i++)
            to[i] &= 1;
}

static brink_status run(brink_model *model, brink_tensor *inputs, uint32_t count)
{
    brink_task *task;
    brink_run_desc desc = {.inputs = inputs, .input_count = count};
    brink_status status = brink_run_begin(model, &desc, &task);
    if (status != BRINK_OK)
        return status;
    for (uint32_t i = 0; i < MOST_ADVANCES; i++)
        if ((status = brink_task_advance(task, 0)) != BRINK_PENDING)
            break;
    uint64_t sum = 0;
    for (uint32_t k = 0; status == BRINK_OK && k < brink_model_output_count(model); k++) {
        brink_tensor out;
        status = brink_run_output(task, k, &out);
        for (uint64_t i = 0; i < out.bytes; i++)
            sum += ((const uint8_t *)out.data)[i];
    }
    if (sum == UINT64_MAX)
        abort();
    brink_task_destroy(task);
    return status == BRINK_PENDING ? BRINK_OK : status;
}

static brink_status use(brink_model *model, bool again)
{
    static uint64_t room[MOST_INPUTS][ROOM / 8];
    brink_tensor inputs[MOST_INPUTS];
    brink_dim dims[MOST_INPUTS];
    uint32_t count = brink_model_input_count(model);
    brink_model_facts facts;
    brink_plan_memory memory;
    brink_model_get_facts(model, &facts);
    if (count > MOST_INPUTS)
        return BRINK_OK;
    for (uint32_t i = 0; i < count; i++) {
        brink_value_info v;
        brink_model_input(model, i, &v);
        if (!shape_of(&v, i, &dims[i]))
            return BRINK_OK;
        inputs[i] = (brink_tensor){.type = v.type ? v.type : BRINK_F32, .rank = dims[i].rank};
        memcpy(inputs[i].shape, dims[i].shape, sizeof dims[i].shape);
        uint64_t elements = 1;
        for (uint32_t k = 0; k < dims[i].rank; k++)
            elements *= (uint64_t)dims[i].shape[k];
        inputs[i].bytes = (elements * brink_type_bits(inputs[i].type) + 7) / 8;
        if (inputs[i].bytes > ROOM)
            return BRINK_OK;
        /* at the end of its room, so that reading on is an error */
        uint8_t *to = (uint8_t *)room[i] + (ROOM - inputs[i].bytes) / 8 * 8;
        core_poison(room[i], sizeof room[i]);
        core_unpoison(to, inputs[i].bytes);
        inputs[i].data = to;
        fill(inputs[i].type, to, inputs[i].bytes);
    }
    brink_status planned = brink_model_plan(model, dims, count, 0, &memory);
    brink_status status = run(model, inputs, count);
    if (status == BRINK_OK && again) /* with the plan of the first time */
        status = run(model, inputs, count);
    return planned == BRINK_OK ? status : planned;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    brink_context *context = fuzz_context(BUDGET);
    brink_model_desc desc = {.graph = "fuzz.onnx", .graph_only = true};
    brink_task *task;
    brink_want want;
    brink_model *model = NULL;
    if (brink_model_load_begin(context, &desc, &task) != BRINK_OK)
        abort();
    brink_status status;
    while ((status = brink_task_advance(task, 0)) == BRINK_PENDING) {
        if (!brink_task_want(task, &want))
            abort();
        bool first = strcmp(want.file, "fuzz.onnx") == 0;
        uint64_t bytes = first ? size : want.least_bytes;
        void *copy = bytes <= 65536 ? brink_alloc(context, bytes) : NULL;
        if (copy == NULL) {
            status = brink_task_supply_missing(task);
            break;
        }
        memset(copy, 1, (size_t)bytes);
        if (first && size != 0)
            memcpy(copy, data, size);
        status = brink_task_supply(task, copy, bytes, NULL, NULL);
        if (status != BRINK_OK)
            break;
    }
    if (status == BRINK_OK && brink_model_take(task, &model) == BRINK_OK)
        status = use(model, size % 8 == 0);
    brink_task_destroy(task);
    brink_model_destroy(model);
    fuzz_end(context, status);
    return 0;
}
