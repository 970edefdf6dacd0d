/* conv_integer.c — ConvInteger: 8-bit images and kernels with zero points, summed in 32 bits.

   Source: ONNX ConvInteger. As MatMulInteger does, both sides are widened to 16 bits less their zero
   points, the kernels once and the image by unrolled panels, so that sums are exact whatever the
   signs; padding is the zero point and adds nothing. Bound by compute. */
#include "cpu/conv.h"
#include "cpu/cpu.h"
#include "cpu/integer.h"
#include "cpu/loops.h"
#include "cpu/rescale.h"
#include "cpu/simd.h"

#include <string.h>

typedef struct integer_conv {
    conv_sizes s;
    const void *x;
    bool x_signed;
    int32_t x_zero;
    int64_t depth, pairs, panels; /* depth: channels * taps; pairs of it */
    int16_t *wide;                /* [filters, 2 * pairs]                */
    char *memory;                 /* each thread's panel                 */
    uint64_t each;
    int32_t *y;
} integer_conv;

/* panel[pairs, width, 2] of results n to n + columns. */
static void pack(const integer_conv *c, int64_t channel, int64_t n, int64_t columns, int64_t width,
                 int16_t *panel)
{
    const window *w = &c->s.window;
    int8_t negative[64];
    uint8_t positive[64];
    memset(panel, 0, (size_t)(c->pairs * width * 2) * sizeof *panel);
    int64_t from[WINDOW_RANK], tap[WINDOW_RANK] = {0}, at = channel * w->image_size;
    window_coordinates(w->rank, w->result, n, from);
    for (int64_t k = 0; k < c->depth; k++) {
        int16_t *to = panel + k / 2 * width * 2 + k % 2;
        if (c->x_signed) {
            window_tap_int8_t(w, (const int8_t *)c->x + at, tap, from, columns, (int8_t)c->x_zero,
                              negative);
            for (int64_t i = 0; i < columns; i++)
                to[2 * i] = (int16_t)(negative[i] - c->x_zero);
        } else {
            window_tap_uint8_t(w, (const uint8_t *)c->x + at, tap, from, columns,
                               (uint8_t)c->x_zero, positive);
            for (int64_t i = 0; i < columns; i++)
                to[2 * i] = (int16_t)(positive[i] - c->x_zero);
        }
        if (!window_next(w->rank, w->kernel, tap))
            at += w->image_size;
    }
}

/* Units are panels of results, of each group of each batch. */
static void integer_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const integer_conv *c = arg;
    const simd_table *s = simd();
    int16_t *panel = (int16_t *)(void *)(c->memory + thread * c->each);
    int64_t outputs = c->s.outputs, size = c->s.window.result_size, row = 2 * c->pairs;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t n = unit % c->panels * s->pair_columns, image = unit / c->panels;
        int64_t group = image % c->s.groups;
        int64_t columns = size - n < s->pair_columns ? size - n : s->pair_columns;
        pack(c, image * c->s.channels, n, columns, s->pair_columns, panel);
        for (int64_t m = 0; m < outputs; m += s->pair_rows)
            s->tile_pairs(outputs - m < s->pair_rows ? outputs - m : s->pair_rows, columns,
                          c->pairs, c->wide + (group * outputs + m) * row, row, panel,
                          c->y + (image * outputs + m) * size + n, size);
    }
}

brink_status conv_integer(const kernel_args *a, const integer_operands *o, int32_t *y,
                          int32_t **made)
{
    const tensor *x = o->x, *w = o->w, *x_zero = o->x_zero, *w_zero = o->w_zero;
    const tensor *out = a->out[0];
    integer_conv c = {.x = x->data, .x_signed = x->type == BRINK_I8};
    if (!is_byte(x->type) || !is_byte(w->type))
        return kernel_bad_type(a, is_byte(x->type) ? w->type : x->type);
    TRY(conv_read(a, x, w, NULL, out, &c.s));
    int64_t filters = c.s.groups * c.s.outputs, zeros = w_zero != NULL ? tensor_count(w_zero) : 1;
    if ((zeros != 1 && zeros != filters) || (x_zero != NULL && tensor_count(x_zero) != 1) ||
        (x_zero != NULL && x_zero->type != x->type) || (w_zero != NULL && w_zero->type != w->type))
        return kernel_fail(a, BRINK_BAD_INPUT,
                           "%lld zero points for %lld filters, or one of another type",
                           (long long)zeros, (long long)filters);
    const simd_table *s = simd();
    thread_pool *pool = a->context->pool;
    c.x_zero = x_zero != NULL ? (int32_t)tensor_int(x_zero, 0) : 0;
    c.depth = c.s.channels * c.s.window.kernel_size;
    c.pairs = (c.depth + 1) / 2;
    c.panels = (c.s.window.result_size + s->pair_columns - 1) / s->pair_columns;
    c.each = whole_lines((uint64_t)(c.pairs * s->pair_columns * 2) * sizeof(int16_t));
    uint64_t panels = c.each * thread_pool_size(pool);
    uint64_t wide = whole_lines((uint64_t)(filters * 2 * c.pairs) * sizeof(int16_t));
    uint64_t sums = y == NULL ? (uint64_t)tensor_count(out) * sizeof(int32_t) : 0;
    if ((c.memory = kernel_scratch(a, panels + wide + sums)) == NULL)
        return BRINK_OUT_OF_MEMORY;
    c.wide = (int16_t *)(void *)(c.memory + panels);
    c.y = y != NULL ? y : (int32_t *)(void *)(c.memory + panels + wide);
    if (made != NULL)
        *made = c.y;
    for (int64_t m = 0; m < filters; m++) {
        int16_t *to = c.wide + m * 2 * c.pairs;
        int64_t zero = w_zero != NULL ? tensor_int(w_zero, zeros == 1 ? 0 : m) : 0;
        const uint8_t *from = (const uint8_t *)w->data + m * c.depth;
        for (int64_t k = 0; k < c.depth; k++)
            to[k] = (int16_t)((w->type == BRINK_I8 ? (int8_t)from[k] : from[k]) - zero);
        if (c.depth & 1)
            to[c.depth] = 0;
    }
    if (tensor_count(out) > 0)
        thread_for(pool, c.s.batches * c.s.groups * c.panels,
                   grain_for(c.s.outputs * c.depth * s->pair_columns / 32), integer_range, &c);
    return BRINK_OK;
}

brink_status cpu_conv_integer(const kernel_args *a)
{
    integer_operands o = {a->in[0], kernel_in(a, 2), a->in[1], kernel_in(a, 3), false, false};
    return conv_integer(a, &o, a->out[0]->data, NULL);
}
