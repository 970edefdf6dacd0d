/* attention_onnx.c — ONNX's own Attention, from opset 23 on.

   Source: ONNX Attention-23 to 25. Inputs are [batch, heads, rows, d] or [batch, rows, heads * d];
   present is past and then the new rows. A causal or windowed row stands at past + its index, or,
   with nonpad_kv_seqlen (the whole cache comes as K and V), so that the last row is the last key. A
   mask shorter than the keys hides the others. */
#include "cpu/attention_heads.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>

/* Heads, rows, width and strides of one operand. */
static bool layout(const tensor *t, int64_t heads, int64_t *count, int64_t *rows, int64_t *width,
                   attention_strides *at)
{
    if (t->rank == 4) {
        *count = t->dims[1];
        *rows = t->dims[2];
        *width = t->dims[3];
        int64_t apart = t->capacity != 0 ? t->capacity : *rows; /* rows reserved a head */
        *at = (attention_strides){*count * apart * *width, apart * *width, *width};
        return true;
    }
    if (t->rank != 3 || heads < 1 || t->dims[2] % heads != 0)
        return false;
    *count = heads;
    *rows = t->dims[1];
    *width = t->dims[2] / heads;
    *at = (attention_strides){*rows * t->dims[2], *width, t->dims[2]};
    return true;
}

/* The mask's strides, its dimensions aligned with [batch, heads, rows, keys] from the right. */
static brink_status mask_of(const kernel_args *a, attention_heads *h)
{
    const tensor *mask = kernel_in(a, 3);
    int64_t want[4] = {h->batch, h->heads, h->rows, h->keys}, dims[4] = {1, 1, 1, 1};
    h->bias_keys = h->keys;
    if (mask == NULL)
        return BRINK_OK;
    if (mask->type != BRINK_F32 && mask->type != BRINK_BOOL)
        return kernel_bad_type(a, mask->type);
    bool fits = mask->rank >= 1 && mask->rank <= 4;
    for (uint32_t i = 0; fits && i < mask->rank; i++) {
        uint32_t to = i + 4 - mask->rank;
        dims[to] = mask->dims[i];
        fits = dims[to] == want[to] || (to == 3 ? dims[to] < want[to] : dims[to] == 1);
    }
    if (!fits)
        return kernel_fail(a, BRINK_BAD_INPUT,
                           "attn_mask of rank %u does not broadcast to [%lld, %lld, %lld, %lld]",
                           mask->rank, (long long)want[0], (long long)want[1], (long long)want[2],
                           (long long)want[3]);
    attention_strides at = {dims[0] == 1 ? 0 : dims[1] * dims[2] * dims[3],
                            dims[1] == 1 ? 0 : dims[2] * dims[3], dims[2] == 1 ? 0 : dims[3]};
    h->bias_keys = dims[3];
    if (mask->type == BRINK_BOOL) {
        h->mask = mask->data;
        h->mask_at = at;
    } else {
        h->bias[0] = mask->data;
        h->bias_at[0] = at;
    }
    return BRINK_OK;
}

static brink_status check(const kernel_args *a, const attention_heads *h, int64_t v_heads,
                          int64_t v_rows, int64_t k_rows, int64_t k_width)
{
    const tensor *past_k = kernel_in(a, 4), *past_v = kernel_in(a, 5), *nonpad = kernel_in(a, 6);
    if (a->in[1]->dims[0] != h->batch || a->in[2]->dims[0] != h->batch || k_width != h->d ||
        v_rows != k_rows || v_heads != h->kv_heads || h->kv_heads < 1 ||
        h->heads % h->kv_heads != 0)
        return kernel_fail(a, BRINK_BAD_INPUT,
                           "Q has %lld heads of %lld, K %lld of %lld in %lld rows, V %lld in %lld "
                           "rows",
                           (long long)h->heads, (long long)h->d, (long long)h->kv_heads,
                           (long long)k_width, (long long)k_rows, (long long)v_heads,
                           (long long)v_rows);
    if ((past_k == NULL) != (past_v == NULL))
        return kernel_fail(a, BRINK_BAD_INPUT, "one of past_key and past_value is missing");
    for (uint32_t i = 4; past_k != NULL && i <= 5; i++) {
        const int64_t *dims = a->in[i]->dims;
        if (a->in[i]->rank != 4 || dims[0] != h->batch || dims[1] != h->kv_heads ||
            dims[2] != past_k->dims[2] || dims[3] != (i == 4 ? h->d : h->dv))
            return kernel_fail(a, BRINK_BAD_INPUT, "%s does not fit %lld heads in a batch of %lld",
                               i == 4 ? "past_key" : "past_value", (long long)h->kv_heads,
                               (long long)h->batch);
    }
    if (nonpad != NULL && (past_k != NULL || tensor_count(nonpad) != h->batch))
        return kernel_fail(a, BRINK_BAD_INPUT,
                           "nonpad_kv_seqlen comes with a past or has %lld entries for a batch of "
                           "%lld",
                           (long long)tensor_count(nonpad), (long long)h->batch);
    return BRINK_OK;
}

static int64_t window(const kernel_args *a, attr_name name)
{
    int64_t size = onnx_int(a->node, name, -1);
    return size < 0 ? -1 : size < INT32_MAX ? size : INT32_MAX;
}

/* total and offset of each sequence. */
static void lines(const kernel_args *a, attention_heads *h, int64_t past, int64_t *memory)
{
    const tensor *nonpad = kernel_in(a, 6);
    for (int64_t b = 0; b < h->batch; b++) {
        int64_t total = nonpad != NULL ? tensor_int(nonpad, b) : h->keys;
        total = total < 0 ? 0 : total < h->keys ? total : h->keys;
        memory[b] = total;
        memory[h->batch + b] = nonpad != NULL ? total - h->rows : past;
    }
    h->total = memory;
    h->offset = memory + h->batch;
}

brink_status cpu_attention(const kernel_args *a)
{
    attention_heads h = {0};
    int64_t q_heads = onnx_int(a->node, ATTR_q_num_heads, 0);
    int64_t kv_heads = onnx_int(a->node, ATTR_kv_num_heads, 0);
    int64_t k_rows, k_width, v_heads, v_rows;
    for (uint32_t i = 0; i < 6; i++)
        if (i != 3 && kernel_in(a, i) != NULL && a->in[i]->type != BRINK_F32)
            return kernel_bad_type(a, a->in[i]->type);
    h.batch = a->in[0]->dims[0];
    if (!layout(a->in[0], q_heads, &h.heads, &h.rows, &h.d, &h.q_at) ||
        !layout(a->in[1], kv_heads, &h.kv_heads, &k_rows, &k_width, &h.k_at) ||
        !layout(a->in[2], kv_heads, &v_heads, &v_rows, &h.dv, &h.v_at))
        return kernel_fail(a, BRINK_BAD_INPUT, "Q, K or V does not divide into heads");
    TRY(check(a, &h, v_heads, v_rows, k_rows, k_width));
    const tensor *past = kernel_in(a, 4);
    tensor *y = kernel_out(a, 0), *scores = kernel_out(a, 3);
    int64_t before = past != NULL ? past->dims[2] : 0;
    h.keys = before + k_rows;
    TRY(mask_of(a, &h));
    h.left = window(a, ATTR_left_window_size);
    h.right = onnx_int(a->node, ATTR_is_causal, 0) != 0 ? 0 : window(a, ATTR_right_window_size);
    h.softcap = onnx_float(a->node, ATTR_softcap, 0);
    h.scale = onnx_float(a->node, ATTR_scale, h.d > 0 ? 1 / sqrtf((float)h.d) : 1);
    h.q = a->in[0]->data;
    h.k = a->in[1]->data;
    h.v = a->in[2]->data;
    if (y != NULL) {
        h.y = y->data;
        h.y_at = (attention_strides){h.heads * h.rows * h.dv, h.rows * h.dv, h.dv};
        if (y->rank == 3)
            h.y_at = (attention_strides){h.rows * h.heads * h.dv, h.dv, h.heads * h.dv};
    }
    int64_t stage = onnx_int(a->node, ATTR_qk_matmul_output_mode, 0);
    if (stage < ATTENTION_RAW || stage > ATTENTION_SOFTMAX)
        return kernel_fail(a, BRINK_BAD_INPUT, "qk_matmul_output_mode is %lld", (long long)stage);
    h.stage = (attention_stage)stage;
    h.scores = scores != NULL ? scores->data : NULL;

    uint64_t core = attention_heads_scratch(a, &h);
    uint64_t sizes = whole_lines((uint64_t)(2 * h.batch) * sizeof(int64_t)), copy[2] = {0};
    for (int i = 0; i < 2; i++) {
        int64_t count = h.batch * h.kv_heads * h.keys * (i == 0 ? h.d : h.dv);
        if (past != NULL && kernel_out(a, 1 + (uint32_t)i) == NULL)
            copy[i] = whole_lines((uint64_t)count * sizeof(float));
    }
    char *memory = kernel_scratch(a, core + sizes + copy[0] + copy[1]);
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    lines(a, &h, before, (int64_t *)(void *)(memory + core));
    char *rest = memory + core + sizes;
    for (uint32_t i = 0; i < 2; i++) {
        tensor *present = kernel_out(a, 1 + i);
        if (past == NULL && present == NULL)
            continue;
        attention_strides *at = i == 0 ? &h.k_at : &h.v_at;
        attention_append job = {.batch = h.batch,
                                .heads = h.kv_heads,
                                .d = i == 0 ? h.d : h.dv,
                                .capacity = h.keys,
                                .past = before,
                                .past_rows = before,
                                .rows = k_rows,
                                .to = present != NULL ? present->data : (void *)rest,
                                .from_past = past != NULL ? a->in[4 + i]->data : NULL,
                                .x = a->in[1 + i]->data,
                                .x_at = *at};
        attention_append_run(a, &job);
        rest += copy[i];
        *at = (attention_strides){h.kv_heads * h.keys * job.d, h.keys * job.d, job.d};
        *(i == 0 ? &h.k : &h.v) = job.to;
    }
    attention_heads_run(a, &h, memory);
    return BRINK_OK;
}
