/* embed.c — texts to vectors: tokens, batches of similar length, the graph, pooling.

   Texts are taken from the longest down, so that those of one batch differ little in length, and
   the batch is padded to a multiple of 8 tokens, so that few shapes have to be planned. A shorter
   text joins a batch while its padding stays under a quarter, or 16 tokens, where one more plan
   would cost more. A graph without an attention mask would see the padding: its batches are of one
   length.

   Invariant: texts order[0, at) are done, their vectors in the caller's order in `vectors`; `run`
   computes order[at, at + rows). */
#include "pipelines/embed_text.h"
#include "pipelines/pooling.h"
#include "pipelines/task.h"

#include "core/half.h"

#include <stdlib.h>
#include <string.h>

enum { CPU_BATCH = 512, GPU_BATCH = 4096, ROUND = 8, MOST_PADDING = 16 };

typedef struct embed_order {
    uint32_t text, tokens;
} embed_order;

typedef struct embed_task {
    brink_task base;
    brink_model *model;
    brink_embed_desc desc;
    encoder_settings settings;
    text_tokens tokens;
    embed_order *order; /* [count], once all texts are tokens */
    uint32_t at, rows, length;
    brink_task *run;
    int64_t *inputs; /* int64 or int32 [4, rows, length]: ids, mask, types, positions */
    uint64_t input_room;
    float *pooled; /* [width]  */
    uint8_t *vectors;
    uint32_t width, dimensions;
    uint64_t row_bytes;
    brink_embed_stats stats;
} embed_task;

/* ── Batches ── */

static int longest_first(const void *x, const void *y)
{
    const embed_order *a = x, *b = y;
    if (a->tokens != b->tokens)
        return a->tokens > b->tokens ? -1 : 1;
    return a->text < b->text ? -1 : a->text > b->text;
}

static brink_status put_in_order(embed_task *t)
{
    uint32_t count = t->desc.count;
    t->order = core_calloc(t->base.context, (uint64_t)count + 1, sizeof *t->order);
    if (t->order == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        t->order[i] = (embed_order){i, text_tokens_count(&t->tokens, i)};
    qsort(t->order, count, sizeof *t->order, longest_first);
    t->stats.tokens = t->tokens.starts[count];
    t->stats.truncated = t->tokens.truncated;
    return BRINK_OK;
}

static void choose_batch(embed_task *t)
{
    const encoder_settings *s = &t->settings;
    const embed_order *o = t->order + t->at;
    uint32_t left = t->desc.count - t->at, longest = o->tokens, length = longest, rows;
    bool padded = t->model->encoder.attention_mask != ONNX_NONE;
    uint32_t most = t->desc.batch_tokens != 0 ? t->desc.batch_tokens
                    : t->model->desc.gpu      ? GPU_BATCH
                                              : CPU_BATCH;
    if (padded)
        length = (longest + ROUND - 1) / ROUND * ROUND;
    if (length > s->longest)
        length = longest;
    uint32_t slack = length / 4 > MOST_PADDING ? length / 4 : MOST_PADDING;
    uint32_t shortest = padded ? (length > slack ? length - slack : 1) : longest;
    if (s->fixed_tokens != 0) {
        length = s->fixed_tokens;
        shortest = 1;
    }
    rows = s->fixed_rows != 0 ? s->fixed_rows : most / length;
    t->rows = 1;
    while (t->rows < rows && t->rows < left && o[t->rows].tokens >= shortest)
        t->rows++;
    t->length = length;
}

/* One number of an input [rows, length] that is int64 or int32. */
static void put(void *input, brink_type type, uint64_t index, uint32_t value)
{
    if (type == BRINK_I64)
        ((int64_t *)input)[index] = value;
    else
        ((int32_t *)input)[index] = (int32_t)value;
}

/* Rows beyond the batch, where the graph fixes their number, repeat its first. */
static void fill(embed_task *t, void *input, brink_type type, uint32_t which, uint32_t rows)
{
    for (uint32_t r = 0; r < rows; r++) {
        embed_order o = t->order[t->at + (r < t->rows ? r : 0)];
        const uint32_t *ids = t->tokens.ids + t->tokens.starts[o.text];
        for (uint32_t k = 0; k < t->length; k++) {
            bool real = k < o.tokens;
            uint32_t value = which == 0   ? (real ? ids[k] : t->settings.pad)
                             : which == 1 ? real
                             : which == 2 ? 0
                                          : k;
            put(input, type, (uint64_t)r * t->length + k, value);
        }
    }
}

static brink_status begin_batch(embed_task *t)
{
    brink_model *m = t->model;
    const encoder *e = &m->encoder;
    const uint32_t inputs[4] = {e->input_ids, e->attention_mask, e->token_type_ids,
                                e->position_ids};
    brink_tensor list[4];
    uint32_t count = 0;
    choose_batch(t);
    uint32_t rows = t->settings.fixed_rows != 0 ? t->settings.fixed_rows : t->rows;
    uint64_t each, room;
    if (!core_mul((uint64_t)rows, t->length, &each) || !core_mul(each, 32, &room))
        room = UINT64_MAX;
    if (room > t->input_room) {
        core_free(m->context, t->inputs);
        t->input_room = 0;
        t->inputs = core_alloc(m->context, room);
        if (t->inputs == NULL)
            return BRINK_OUT_OF_MEMORY;
        t->input_room = room;
    }
    for (uint32_t i = 0; i < 4; i++) {
        if (inputs[i] == ONNX_NONE)
            continue;
        const onnx_value *v = &m->onnx.values[m->onnx.graph->inputs[inputs[i]]];
        int64_t *data = t->inputs + each * i;
        fill(t, data, v->type, i, rows);
        list[count++] = (brink_tensor){.name = v->name,
                                       .type = v->type,
                                       .rank = 2,
                                       .shape = {rows, t->length},
                                       .data = data,
                                       .bytes = each * (v->type == BRINK_I64 ? 8 : 4)};
    }
    t->stats.padding += each;
    for (uint32_t r = 0; r < t->rows; r++)
        t->stats.padding -= t->order[t->at + r].tokens;
    return brink_run_begin(m, &(brink_run_desc){.inputs = list, .input_count = count}, &t->run);
}

/* ── Vectors ── */

/* Sizes of the results, once the model's width is known. */
static brink_status take_width(embed_task *t, uint32_t width)
{
    brink_context *c = t->base.context;
    uint64_t bytes;
    t->width = width;
    t->dimensions = t->desc.dimensions != 0 ? t->desc.dimensions : width;
    if (t->dimensions > width)
        return core_fail(c, BRINK_INVALID_ARGUMENT,
                         "%s: its vectors have %u dimensions, %u were asked for",
                         t->model->onnx.file, width, t->dimensions);
    t->row_bytes = t->desc.precision == BRINK_EMBED_F32  ? (uint64_t)t->dimensions * 4
                   : t->desc.precision == BRINK_EMBED_I8 ? t->dimensions
                                                         : ((uint64_t)t->dimensions + 7) / 8;
    if (!core_mul(t->row_bytes, t->desc.count, &bytes))
        bytes = UINT64_MAX;
    t->vectors = core_calloc(c, bytes, 1);
    t->pooled = core_alloc(c, (uint64_t)width * 4);
    t->stats.dimensions = t->dimensions;
    return t->vectors != NULL && t->pooled != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

static void put_vector(embed_task *t, uint32_t text)
{
    uint8_t *out = t->vectors + t->row_bytes * text;
    uint32_t n = t->dimensions;
    if (t->settings.normalize)
        pooling_normalize(t->pooled, n);
    if (t->desc.precision == BRINK_EMBED_F32)
        memcpy(out, t->pooled, (size_t)t->row_bytes);
    else if (t->desc.precision == BRINK_EMBED_I8)
        pooling_int8(t->pooled, n, t->desc.ranges, (int8_t *)out);
    else
        pooling_bits(t->pooled, n, out);
}

static brink_status check_output(const embed_task *t, const brink_tensor *x)
{
    uint32_t rank = t->settings.pooled ? 2 : 3;
    int64_t rows = t->settings.fixed_rows != 0 ? t->settings.fixed_rows : t->rows;
    bool good = (x->type == BRINK_F32 || x->type == BRINK_F16) && x->rank == rank &&
                x->shape[0] == rows && (rank == 2 || x->shape[1] == t->length) &&
                x->shape[rank - 1] > 0 && x->shape[rank - 1] < INT32_MAX &&
                (t->width == 0 || t->width == (uint32_t)x->shape[rank - 1]);
    if (good)
        return BRINK_OK;
    return core_fail(t->base.context, BRINK_UNSUPPORTED,
                     "%s: output %s has rank %u or a shape that is not [batch%s, width] of floats",
                     t->model->onnx.file, x->name, x->rank, rank == 3 ? ", tokens" : "");
}

static brink_status take_batch(embed_task *t)
{
    brink_tensor x;
    TRY(brink_run_output(t->run, t->settings.output, &x));
    TRY(check_output(t, &x));
    if (t->vectors == NULL)
        TRY(take_width(t, (uint32_t)x.shape[x.rank - 1]));
    const float *values = x.data;
    float *wide = NULL;
    if (x.type == BRINK_F16) {
        wide = core_alloc(t->base.context, x.bytes * 2);
        if (wide == NULL)
            return BRINK_OUT_OF_MEMORY;
        half_widen(x.type, x.data, x.bytes / 2, wide);
        values = wide;
    }
    uint64_t each = (uint64_t)(t->settings.pooled ? 1 : t->length) * t->width;
    for (uint32_t r = 0; r < t->rows; r++) {
        embed_order o = t->order[t->at + r];
        const float *row = values + each * r; /* [tokens, width] or [width] */
        if (t->settings.pooled)
            memcpy(t->pooled, row, t->width * sizeof *row);
        else
            pooling_apply(t->settings.pooling, row, o.tokens, t->tokens.skip, t->width, t->pooled);
        put_vector(t, o.text);
    }
    core_free(t->base.context, wide);
    t->at += t->rows;
    t->stats.texts = t->at;
    t->stats.runs++;
    return BRINK_OK;
}

/* ── The task ── */

static brink_status run_on(embed_task *t, uint64_t deadline)
{
    uint64_t now = core_now();
    brink_status status = brink_task_advance(t->run, deadline > now ? (deadline - now) / 1000 : 0);
    if (status == BRINK_OK)
        status = take_batch(t);
    if (status != BRINK_PENDING) {
        brink_task_destroy(t->run);
        t->run = NULL;
    }
    return status;
}

static brink_status tokenize_next(embed_task *t)
{
    uint32_t i = t->tokens.texts;
    const char *text = t->desc.texts[i];
    return text_tokens_add(&t->tokens, text,
                           t->desc.bytes != NULL ? t->desc.bytes[i] : strlen(text));
}

/* Texts of no tokens come last, and are zeros. */
static bool all_done(embed_task *t)
{
    if (t->at < t->desc.count && t->order[t->at].tokens != 0)
        return false;
    t->stats.texts = t->at = t->desc.count;
    return true;
}

/* No text had a token: what the files say of the width is all that is known. */
static brink_status no_vectors(embed_task *t)
{
    return take_width(t, t->settings.width != 0 ? t->settings.width : t->desc.dimensions);
}

static brink_status embed_advance(brink_task *base, uint64_t deadline)
{
    embed_task *t = (embed_task *)base;
    do {
        if (t->tokens.texts < t->desc.count)
            TRY(tokenize_next(t));
        else if (t->order == NULL)
            TRY(put_in_order(t));
        else if (t->run != NULL)
            TRY(run_on(t, deadline));
        else if (!all_done(t))
            TRY(begin_batch(t));
        else
            return t->vectors != NULL ? BRINK_OK : no_vectors(t);
    } while (core_now() < deadline);
    return BRINK_PENDING;
}

static void embed_destroy(brink_task *base)
{
    embed_task *t = (embed_task *)base;
    brink_task_destroy(t->run);
    text_tokens_free(&t->tokens);
    core_free(base->context, t->order);
    core_free(base->context, t->inputs);
    core_free(base->context, t->pooled);
    core_free(base->context, t->vectors);
}

static brink_status begin(embed_task *t, brink_model *m)
{
    TRY(encoder_configure(m, &t->desc, &t->settings));
    TRY(model_need_tokenizer(m));
    if (t->settings.width != 0 && t->desc.dimensions > t->settings.width)
        return take_width(t, t->settings.width); /* which says so */
    return text_tokens_begin(&t->tokens, m, &t->settings, t->desc.count);
}

brink_status brink_embed_begin(brink_model *m, const brink_embed_desc *desc, brink_task **out)
{
    *out = NULL;
    embed_task *t = task_create(m->context, sizeof *t, TASK_EMBED, embed_advance, embed_destroy);
    if (t == NULL)
        return BRINK_OUT_OF_MEMORY;
    t->model = t->base.model = m;
    t->desc = *desc;
    brink_status status = begin(t, m);
    if (status != BRINK_OK)
        brink_task_destroy(&t->base);
    else
        *out = &t->base;
    return status;
}

brink_status brink_embed_vectors(const brink_task *base, brink_tensor *out)
{
    const embed_task *t = (const embed_task *)base;
    *out = (brink_tensor){0};
    if (base->kind != TASK_EMBED || !base->ended || base->result != BRINK_OK)
        return core_fail(base->context, BRINK_INVALID_ARGUMENT, "there are no vectors");
    bool bits = t->desc.precision == BRINK_EMBED_UBINARY,
         f32 = t->desc.precision == BRINK_EMBED_F32;
    *out = (brink_tensor){.type = f32    ? BRINK_F32
                                  : bits ? BRINK_U8
                                         : BRINK_I8,
                          .rank = 2,
                          .shape = {t->desc.count, bits ? (int64_t)t->row_bytes : t->dimensions},
                          .data = t->vectors,
                          .bytes = t->row_bytes * t->desc.count};
    return BRINK_OK;
}

void brink_embed_get_stats(const brink_task *base, brink_embed_stats *out)
{
    *out = base->kind == TASK_EMBED ? ((const embed_task *)base)->stats : (brink_embed_stats){0};
}
