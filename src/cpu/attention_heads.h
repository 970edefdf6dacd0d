/* attention_heads.h — attention of all heads of a batch, whatever the layout of its operands.

   What GroupQueryAttention, MultiHeadAttention and the Attention operators share once queries, keys
   and values are there. Query head h uses key-value head h / (heads / kv_heads). */
#ifndef CPU_ATTENTION_HEADS_H
#define CPU_ATTENTION_HEADS_H

#include "cpu/attention.h"

/* Elements between neighbours; 0 where an operand repeats. The last dimension is dense. */
typedef struct attention_strides {
    int64_t batch, head, row;
} attention_strides;

/* What `scores` receives. */
typedef enum attention_stage {
    ATTENTION_RAW,     /* scaled products                      */
    ATTENTION_SOFTCAP, /* … after the softcap                  */
    ATTENTION_MASKED,  /* … with biases, −∞ for keys not seen  */
    ATTENTION_SOFTMAX  /* weights                              */
} attention_stage;

typedef struct attention_heads {
    int64_t batch, heads, kv_heads, rows, keys, d, dv;
    const float *q, *k, *v;
    float *y;
    attention_strides q_at, k_at, v_at, y_at;
    const int64_t *total;  /* [batch] keys there are; NULL: all `keys`                   */
    const int64_t *offset; /* [batch] the key that row 0 stands at; NULL: 0              */
    int64_t left, right;   /* keys a row sees before and behind its own; negative: all   */
    bool open_end;         /* but the last row sees all behind                           */
    const float *bias[2];  /* added to the scores, NULL: none                            */
    const uint8_t *mask;   /* booleans, 0: not seen; NULL: none                          */
    attention_strides bias_at[2], mask_at;
    int64_t bias_keys; /* keys from here on, which a shorter mask leaves out, are not seen */
    const float *sink; /* [heads] one more score without a value; NULL: none           */
    bool smooth;       /* such a score of 0                                            */
    float scale, softcap;
    float *scores; /* [batch, heads, rows, keys]; NULL: nobody asks                      */
    attention_stage stage;
    bool zeros; /* in ATTENTION_MASKED, keys not seen have 0 */

    /* Set by attention_heads_scratch. */
    bool apart; /* row by row, as if each came alone: see kernel_args */
    int64_t tiles, stretches;
    uint64_t each, partial_each;
    char *memory, *partial;
} attention_heads;

/* Bytes that attention_heads_run needs; call it once everything above is set but for pointers to
   memory that is not there yet. `scores` must be. */
uint64_t attention_heads_scratch(const kernel_args *a, attention_heads *h);
void attention_heads_run(const kernel_args *a, attention_heads *h, void *memory);

/* Both, with the kernel's scratch. */
brink_status attention_heads_simple(const kernel_args *a, attention_heads *h);

/* Keys or values of one kind: to[batch, heads, capacity, d] gets `past` rows of `from_past`
   [batch, heads, past_rows, d] and behind them `rows` rows of x, plus bias[heads * d] if any. */
typedef struct attention_append {
    int64_t batch, heads, d, capacity, past, past_rows, rows;
    float *to;
    const float *from_past, *x, *bias; /* from_past and bias may be NULL */
    attention_strides x_at;
} attention_append;

void attention_append_run(const kernel_args *a, const attention_append *p);

/* Padding masks of com.microsoft's operators, integers of one of the shapes [batch] (lengths),
   [2 * batch] (ends, then beginnings), [3 * batch + 2] (lengths first), [batch, keys],
   [batch, rows, keys] and [batch, 1, most, most], as a bias of 0 and `filter`: writes
   to[batch, rows or 1, keys] and its strides. `count` is what it needs. */
brink_status attention_mask_count(const kernel_args *a, const tensor *mask,
                                  const attention_heads *h, int64_t past, int64_t *count);
void attention_mask_write(const tensor *mask, attention_heads *h, int64_t past, float filter,
                          float *to);

#endif
