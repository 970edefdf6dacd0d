/* encoder.c — recognises a graph that turns tokens into vectors.

   Published exports agree on the inputs: input_ids, attention_mask, token_type_ids, position_ids. A
   graph with any other input (a key-value cache, another encoder's states) is something else.
   Optimum writes last_hidden_state, or token_embeddings beside sentence_embedding, which then holds
   what all of sentence-transformers' modules give. */
#include "pipelines/encoder.h"

#include <string.h>

static bool one_of(const char *name, const char *const *list)
{
    while (*list != NULL && strcmp(name, *list) != 0)
        list++;
    return *list != NULL;
}

static bool find_inputs(const brink_model *m, encoder *e)
{
    const onnx_graph *g = m->onnx.graph;
    for (uint32_t i = 0; i < g->input_count; i++) {
        const onnx_value *v = &m->onnx.values[g->inputs[i]];
        uint32_t *at = strcmp(v->name, "input_ids") == 0        ? &e->input_ids
                       : strcmp(v->name, "attention_mask") == 0 ? &e->attention_mask
                       : strcmp(v->name, "token_type_ids") == 0 ? &e->token_type_ids
                       : strcmp(v->name, "position_ids") == 0   ? &e->position_ids
                                                                : NULL;
        if (at == NULL || (v->type != BRINK_I64 && v->type != BRINK_I32) ||
            (v->rank != 2 && v->rank != -1))
            return false;
        *at = i;
    }
    return e->input_ids != ONNX_NONE;
}

/* By name, else the first of the right rank. Logits are no embedding, and the pooler of a BERT was
   trained for another purpose. */
static void find_outputs(const brink_model *m, encoder *e)
{
    static const char *const of_tokens[] = {"last_hidden_state", "token_embeddings", NULL};
    static const char *const of_text[] = {"sentence_embedding", "sentence_embeddings",
                                          "text_embeds", NULL};
    const onnx_graph *g = m->onnx.graph;
    uint32_t first_tokens = ONNX_NONE, first_pooled = ONNX_NONE;
    for (uint32_t i = g->output_count; i-- > 0;) {
        const onnx_value *v = &m->onnx.values[g->outputs[i]];
        if (v->type != BRINK_F32 && v->type != BRINK_F16)
            continue;
        if ((v->rank == 3 || v->rank == -1) && one_of(v->name, of_tokens))
            e->tokens = i;
        else if ((v->rank == 2 || v->rank == -1) && one_of(v->name, of_text))
            e->pooled = i;
        else if (strstr(v->name, "logits") != NULL || strcmp(v->name, "pooler_output") == 0)
            continue;
        else if (v->rank == 3)
            first_tokens = i;
        else if (v->rank == 2)
            first_pooled = i;
    }
    if (e->tokens == ONNX_NONE && e->pooled == ONNX_NONE) {
        e->tokens = first_tokens;
        e->pooled = first_tokens == ONNX_NONE ? first_pooled : ONNX_NONE;
    }
}

void encoder_find(brink_model *m)
{
    encoder *e = &m->encoder;
    *e = (encoder){false, ONNX_NONE, ONNX_NONE, ONNX_NONE, ONNX_NONE, ONNX_NONE, ONNX_NONE};
    m->pooling_file = "1_Pooling/config.json";
    if (!find_inputs(m, e))
        return;
    find_outputs(m, e);
    e->found = e->tokens != ONNX_NONE || e->pooled != ONNX_NONE;
}
