/* adapter.h — a LoRA adapter in PEFT's layout, made for the nodes of one model's graph.

   The graph says which node computes which module of the original in brink_modules.json, written by the
   converter. Plans read the adapter's matrices where they lie: one is used only while the adapter lives,
   and knows it by `id`. */
#ifndef PIPELINES_ADAPTER_H
#define PIPELINES_ADAPTER_H

#include "graph/lora.h"
#include "pipelines/model.h"

struct brink_adapter {
    brink_model *model;
    arena memory;
    lora changes;
    uint64_t id;    /* no other adapter of this model had or has it */
    uint64_t key;   /* of its content: the same in every process */
    uint64_t bytes; /* of its matrices                           */
};

/* Whether a plan made for one runs with the matrices of the other. */
bool adapter_same_structure(const lora *a, const lora *b);

#endif
