/* layout.c — greedy by size: the largest tensor first, each at the lowest offset that is free over
   its lifetime (Pisarchyk and Lee, "Efficient memory management for deep neural net inference",
   2020, section 5.2). */
#include "plan/layout.h"

#include <stdlib.h>

enum { ALIGN = 64, EXECUTOR_ALIGN = 256 }; /* WebGPU's, of a binding */

typedef struct item {
    uint64_t bytes;
    uint32_t tensor;
} item;

static int larger_first(const void *x, const void *y)
{
    const item *a = x, *b = y;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    return a->tensor < b->tensor ? -1 : 1;
}

static bool overlap(const plan_tensor *a, const plan_tensor *b)
{
    return a->first <= b->last && b->first <= a->last;
}

brink_status plan_layout(plan *p)
{
    arena work;
    arena_init(&work, p->ir.context);
    item *items = ARENA_ARRAY(&work, item, (uint64_t)p->tensor_count + 1);
    uint32_t *placed = ARENA_ARRAY(&work, uint32_t, (uint64_t)p->tensor_count + 1); /* by offset */
    if (items == NULL || placed == NULL) {
        arena_free(&work);
        return BRINK_OUT_OF_MEMORY;
    }
    uint32_t count = 0, placed_count = 0;
    const uint64_t align = p->executor != NULL ? EXECUTOR_ALIGN : ALIGN;
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        plan_tensor *t = &p->tensors[i];
        if (t->place == PLAN_ARENA && t->root == i)
            items[count++] = (item){(t->bytes + align - 1) / align * align, i};
    }
    qsort(items, count, sizeof *items, larger_first);
    brink_status status = BRINK_OK;
    for (uint32_t k = 0; k < count && status == BRINK_OK; k++) {
        plan_tensor *t = &p->tensors[items[k].tensor];
        uint64_t at = 0;
        for (uint32_t i = 0; i < placed_count; i++) {
            const plan_tensor *other = &p->tensors[placed[i]];
            uint64_t end = other->offset + (other->bytes + align - 1) / align * align;
            if (!overlap(t, other))
                continue;
            if (other->offset >= at && other->offset - at >= items[k].bytes)
                break;
            at = end > at ? end : at;
        }
        t->offset = at;
        uint64_t end;
        if (!core_add(at, items[k].bytes, &end))
            status = core_fail(p->ir.context, BRINK_OUT_OF_MEMORY,
                               "%s: the plan's memory overflows", p->ir.model->file);
        if (end > p->arena_bytes)
            p->arena_bytes = end;
        uint32_t i = placed_count++;
        for (; i > 0 && p->tensors[placed[i - 1]].offset > at; i--)
            placed[i] = placed[i - 1];
        placed[i] = items[k].tensor;
    }
    arena_free(&work);
    return status;
}
