/* passes_test.c — plans each graph as the file has it and rewritten, runs both on the same random
   inputs, with exact and with 8-bit activations, and prints for each file the operators of both plans
   and the largest relative difference.

   A driver for tests/passes/run. Shapes are the file's own, which must be fixed. */
#include "cpu/cpu.h"
#include "graph/packing.h"
#include "plan/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16 };

static brink_context *context;
static uint32_t random_state;

static uint32_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    return random_state ^= random_state << 5;
}

static void *random_data(brink_type type, int64_t count)
{
    uint32_t size = brink_type_bits(type) == 16 ? 4 : brink_type_bits(type) / 8; /* f16 as f32 */
    char *data = calloc((size_t)count + 1, size);
    for (int64_t i = 0; i < count; i++) {
        float f = (float)(random_bits() >> 8) / (1 << 23) - 1;
        int64_t whole = random_bits() % 4;
        if (type == BRINK_F32 || type == BRINK_F16 || type == BRINK_BF16)
            ((float *)(void *)data)[i] = f;
        else if (type == BRINK_BOOL)
            data[i] = (char)(whole != 0);
        else
            memcpy(data + (size_t)i * size, &whole, size);
    }
    return data;
}

static void check(const char *file, brink_status status)
{
    if (status == BRINK_OK)
        return;
    printf("%s: %s\n", file, brink_error(context));
    exit(1);
}

/* The plan's operators; its outputs as floats behind one another in *to. */
static int64_t run(const char *file, const onnx_model *m, bool plain, bool exact, double **to)
{
    plan p = {0};
    check(file, ir_init(context, m, m->graph, &cpu_kernels, &p.ir));
    ir_binding inputs[MOST] = {{0}};
    expr dims[MOST][BRINK_MAX_RANK];
    void *data[MOST];
    random_state = 12345;
    for (uint32_t i = 0; i < m->graph->input_count; i++) {
        const onnx_value *v = &m->values[m->graph->inputs[i]];
        int64_t count = 1;
        for (int32_t k = 0; k < v->rank; k++) {
            dims[i][k] = expr_const(&p.ir.exprs, v->dims[k]);
            count *= v->dims[k];
        }
        data[i] = random_data(v->type, count);
        inputs[i] = (ir_binding){(uint32_t)v->rank, dims[i], v->type, NULL};
    }
    check(file, plan_build(&p, &(plan_desc){.inputs = inputs,
                                            .last_row_output = IR_NONE,
                                            .exact = exact,
                                            .plain = plain}));
    for (uint32_t i = 0; i < m->graph->input_count; i++)
        plan_external(&p, p.inputs[i], data[i], 0);
    workspace w = {0};
    execution e;
    check(file, execution_start(&e, &p, &w, &(int64_t){0}));
    check(file, execution_advance(&e, UINT64_MAX));
    printf("%s", plain || !exact ? "" : "|");
    for (uint32_t i = 0; exact && i < p.step_count; i++)
        printf("%s%s", i ? " " : "", p.steps[i].args.node->type);
    int64_t count = 0;
    *to = NULL;
    for (uint32_t i = 0; i < p.ir.output_count; i++) {
        const tensor *t = &p.tensors[p.outputs[i]].t;
        int64_t n = tensor_count(t);
        *to = realloc(*to, (size_t)(count + n + 1) * sizeof **to);
        for (int64_t k = 0; k < n; k++)
            (*to)[count + k] = t->type == BRINK_F32    ? ((float *)t->data)[k]
                               : t->type == BRINK_BOOL ? ((uint8_t *)t->data)[k]
                                                       : (double)((int64_t *)t->data)[k];
        count += n;
    }
    workspace_free(context, &w);
    plan_free(&p);
    for (uint32_t i = 0; i < m->graph->input_count; i++)
        free(data[i]);
    return count;
}

static void *read_file(const char *path, uint64_t *size)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        exit(2);
    fseek(f, 0, SEEK_END);
    *size = (uint64_t)ftell(f);
    rewind(f);
    void *data = malloc((size_t)*size + 1);
    *size = fread(data, 1, (size_t)*size, f);
    fclose(f);
    return data;
}

/* The largest difference between the plans' outputs, relative to the largest output. */
static double difference(const char *file, const onnx_model *m, bool exact)
{
    double *want, *got, top = 0, worst = 0;
    int64_t count = run(file, m, true, exact, &want);
    bool same = run(file, m, false, exact, &got) == count;
    for (int64_t k = 0; k < count; k++)
        top = isfinite(want[k]) ? fmax(top, fabs(want[k])) : top;
    for (int64_t k = 0; k < count && same; k++)
        if (want[k] != got[k] && !(isnan(want[k]) && isnan(got[k])))
            worst = isfinite(want[k]) && isfinite(got[k])
                        ? fmax(worst, fabs(want[k] - got[k]) / top)
                        : 1e30;
    free(want);
    free(got);
    return same ? worst : 1e30;
}

int main(int argc, char **argv)
{
    if (brink_context_create(&(brink_context_desc){.threads = 2}, &context) != BRINK_OK)
        return 2;
    for (int i = 1; i < argc; i++) {
        uint64_t size;
        void *bytes = read_file(argv[i], &size);
        onnx_model m = {0};
        check(argv[i], onnx_read(context, argv[i], bytes, size, &m));
        check(argv[i], packing_create(context, &m.packing));
        double worst = difference(argv[i], &m, true);
        printf("|%g\n", fmax(worst, difference(argv[i], &m, false)));
        packing_free(m.packing);
        onnx_free(&m);
        free(bytes);
    }
    brink_context_destroy(context);
    return 0;
}
