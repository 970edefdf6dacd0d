/* graph.c — a ModelProto from bytes through the whole engine: loaded, planned, and run on small
   inputs made from its declarations. Work is bounded by the memory budget and the number of steps. */
#include "mutate.h"
#include "use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    brink_context *context = fuzz_context(1u << 19);
    brink_model *model;
    use_inputs inputs;
    brink_model_facts facts;
    brink_plan_memory memory;
    brink_status status = load_bytes(context, data, size, &model);
    fuzz_text(context, status);
    if (status == BRINK_OK) {
        brink_model_get_facts(model, &facts);
        if (make_inputs(model, &inputs)) {
            status = brink_model_plan(model, inputs.dims, inputs.count, 0, &memory);
            fuzz_text(context, status);
            status = run_steps(model, inputs.tensors, inputs.count);
            fuzz_text(context, status);
            if (status == BRINK_OK && size % 8 == 0) /* with the plan of the first time */
                fuzz_text(context, run_steps(model, inputs.tensors, inputs.count));
        }
    }
    brink_model_destroy(model);
    fuzz_end(context);
    return 0;
}
