/* identity.h — a number that tells models apart, to say whose a saved session is.

   It is of the graph (operators, attributes, the shapes and types of weights) and of 128 bytes of each weight:
   cheap, the same on every backend, and another one where weights were trained further, since that moves
   scales everywhere. It is no seal: who wants to can make two models that share it. */
#ifndef PIPELINES_IDENTITY_H
#define PIPELINES_IDENTITY_H

#include "pipelines/model.h"

uint64_t model_identity(const brink_model *m);

/* The share in it of bytes [at, at + size) of a weight; shares are added up, in any order. */
uint64_t identity_of_bytes(const brink_model *m, uint32_t tensor, uint64_t at, const void *data,
                           uint64_t size);

#endif
