/* matmul_nbits_group.c — up to three MatMulNBits of one input at a time, with an adapter's changes to them:
   the planner's MatMulNBitsGroup.

   Source: graph/pass_projection.c. Inputs are x, three scales, three weights, three zero points, three
   biases, and of an adapter three `down` and three `up` (see graph/lora.h), those of a missing product left
   out; attribute `split` has the columns of each, and the output behind theirs is room for x · downᵀ. x is
   quantised once, and the threads meet once, or with an adapter twice: `down` goes with the weights. */
#include "cpu/cpu.h"
#include "cpu/lora.h"

enum { DOWN = 13, UP = 16, SLOTS = 4 /* of what is packed: three weights, and the changes */ };

static const char
    layout[2]; /* addresses that name the list of packed parts, and of packed changes */

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

/* A list of each product's change, NULL where there is none. */
static brink_status pack_changes(const kernel_args *a, uint32_t count, packing *store,
                                 const void **out)
{
    const packed_lora *made[NBITS_PARTS] = {NULL};
    packing_key key = {.layout = &layout[1]};
    bool any = false;
    for (uint32_t i = 0; i < count; i++) {
        if (kernel_in(a, DOWN + i) == NULL)
            continue;
        TRY(lora_pack(a, a->in[DOWN + i], a->in[UP + i], onnx_int(a->node, ATTR_block_size, 0),
                      store, &made[i]));
        key.sources[i] = a->in[DOWN + i]->data;
        any = true;
    }
    if (!any || (*out = packing_find(store, &key)) != NULL)
        return BRINK_OK;
    const void **list = packing_add(store, &key, sizeof made);
    if (list == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < NBITS_PARTS; i++)
        list[i] = made[i];
    *out = list;
    return BRINK_OK;
}

brink_status cpu_prepare_matmul_nbits_group(const kernel_args *a, packing *store, const void **out)
{
    uint32_t count;
    const int64_t *columns = columns_of(a, &count);
    packing_key key = {.layout = &layout[0]};
    *out = NULL;
    for (uint32_t i = 0; i < count; i++) {
        part p;
        set_part(a, i, &p);
        TRY(nbits_pack(&p.args, columns[i], store, &key.sources[i]));
        if (key.sources[i] == NULL)
            return BRINK_OK;
    }
    nbits whole = {.bits = onnx_int(a->node, ATTR_bits, 4)};
    if (!nbits_exact(a, &whole))
        TRY(pack_changes(a, count, store, &key.sources[NBITS_PARTS]));
    if ((*out = packing_find(store, &key)) != NULL)
        return BRINK_OK;
    const void **list = packing_add(store, &key, SLOTS * sizeof *list);
    if (list == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < SLOTS; i++)
        list[i] = key.sources[i];
    *out = list;
    return BRINK_OK;
}

/* The products and x · downᵀ together, that first, so that no thread ends with it alone; then the changes
   from it. */
static brink_status run_changed(const kernel_args *a, const packed_lora *const *changes,
                                const nbits *products, uint32_t count)
{
    nbits parts[NBITS_RUN], up[NBITS_PARTS];
    uint32_t found = 0;
    int64_t m = products[0].m;
    float *low = a->out[count]->data;
    for (uint32_t i = 0; i < count; i++) {
        if (changes[i] == NULL)
            continue;
        const tensor *down = a->in[DOWN + i];
        lora_parts(changes[i], down, a->in[UP + i], products[0].block, m, products[0].x, low,
                   products[i].y, &parts[found], &up[found]);
        low += m * down->dims[0];
        found++;
    }
    for (uint32_t i = 0; i < count; i++)
        parts[found + i] = products[i];
    TRY(nbits_packed_run(a, parts, count + found));
    return nbits_packed_run(a, up, found);
}

static brink_status add_change(const kernel_args *a, uint32_t i, uint32_t count, const nbits *p)
{
    const tensor *down = kernel_in(a, DOWN + i);
    return down == NULL
               ? BRINK_OK
               : lora_halves(a, down, a->in[UP + i], p->m, p->x, a->out[count]->data, p->y);
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
    const packed_lora *const *changes =
        a->packed != NULL ? ((const void *const *)a->packed)[NBITS_PARTS] : NULL;
    if (changes != NULL)
        return run_changed(a, changes, parts, count);
    if (a->packed != NULL)
        TRY(nbits_packed_run(a, parts, count));
    for (uint32_t i = 0; i < count; i++) {
        if (a->packed == NULL)
            TRY(nbits_run(&p[i].args, &parts[i]));
        TRY(add_change(a, i, count, &parts[i]));
    }
    return BRINK_OK;
}
