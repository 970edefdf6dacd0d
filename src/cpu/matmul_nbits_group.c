/* matmul_nbits_group.c — up to three MatMulNBits of one input at a time, the planner's
   MatMulNBitsGroup.

   Source: graph/pass_projection.c. Inputs are x, three scales, three weights, three zero points and
   three biases, those of a missing product left out; attribute `split` has the columns of each. x is
   quantised once, and the threads meet once. */
#include "cpu/cpu.h"
#include "cpu/nbits.h"

static const char layout; /* its address names the list of packed parts */

/* One product as a call of MatMulNBits. */
typedef struct part {
    kernel_args args;
    const tensor *in[6];
    tensor *out[1];
} part;

static void set_part(const kernel_args *a, uint32_t i, part *p)
{
    const tensor *in[6] = {a->in[0], kernel_in(a, 4 + i), kernel_in(a, 1 + i), kernel_in(a, 7 + i),
                           NULL,     kernel_in(a, 10 + i)};
    for (uint32_t k = 0; k < 6; k++)
        p->in[k] = in[k];
    p->out[0] = a->out[i];
    p->args = *a;
    p->args.in = p->in;
    p->args.in_count = 6;
    p->args.out = p->out;
    p->args.out_count = 1;
    p->args.packed = a->packed == NULL ? NULL : ((const void *const *)a->packed)[i];
}

static const int64_t *columns_of(const kernel_args *a, uint32_t *count)
{
    return onnx_ints(a->node, ATTR_split, count);
}

brink_status cpu_prepare_matmul_nbits_group(const kernel_args *a, packing *store, const void **out)
{
    uint32_t count;
    const int64_t *columns = columns_of(a, &count);
    packing_key key = {.layout = &layout};
    for (uint32_t i = 0; i < count; i++) {
        part p;
        set_part(a, i, &p);
        TRY(nbits_pack(&p.args, columns[i], store, &key.sources[i]));
        if (key.sources[i] == NULL)
            return BRINK_OK;
    }
    if ((*out = packing_find(store, &key)) != NULL)
        return BRINK_OK;
    const void **list = packing_add(store, &key, NBITS_PARTS * sizeof *list);
    if (list == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < NBITS_PARTS; i++)
        list[i] = key.sources[i];
    *out = list;
    return BRINK_OK;
}

brink_status cpu_matmul_nbits_group(const kernel_args *a)
{
    uint32_t count;
    const int64_t *columns = columns_of(a, &count);
    part p[NBITS_PARTS];
    nbits parts[NBITS_PARTS];
    for (uint32_t i = 0; i < count; i++) {
        set_part(a, i, &p[i]);
        TRY(nbits_read(&p[i].args, columns[i], &parts[i]));
    }
    if (parts[0].m == 0)
        return BRINK_OK;
    if (a->packed != NULL)
        return nbits_packed_run(a, parts, count);
    for (uint32_t i = 0; i < count; i++)
        TRY(nbits_run(&p[i].args, &parts[i]));
    return BRINK_OK;
}
