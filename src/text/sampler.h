/* sampler.h — the next token from a row of logits.

   In this order: bias; repetition, frequency and presence penalties; what is not allowed; temperature;
   top-k; top-p of what is left; min-p; a draw among what is left then. Each of the three filters keeps the
   tokens from some logit up, equals included, so what is kept is known by one threshold.

   A draw is a function of the seed and of the token's place in the reply alone, so a reply that is taken up
   again, or computed elsewhere, goes on with the same tokens.

   Sources: Keskar et al. 2019 (repetition), Fan et al. 2018 (top-k), Holtzman et al. 2020 (top-p), Nguyen et
   al. 2024 (min-p). */
#ifndef TEXT_SAMPLER_H
#define TEXT_SAMPLER_H

#include "core/context.h"

typedef struct sampler sampler;

/* BRINK_INVALID_ARGUMENT names the member that is out of range. */
brink_status sampler_create(brink_context *context, const brink_sampling *desc, sampler **out);
void sampler_destroy(sampler *s);

/* What was asked for; its bias is the sampler's own copy. */
const brink_sampling *sampler_settings(const sampler *s);

/* Neither bias nor penalties: the logits are all that counts. */
bool sampler_is_plain(const sampler *s);

/* A token of the context, or of the reply: penalties count them. */
brink_status sampler_see(sampler *s, uint32_t token, bool reply);

/* The token at `place` in the reply. logits: [count], as the model gave them. allowed: a bit for each token,
   the first in the lowest bit; NULL: all. BRINK_INVALID_ARGUMENT where none is left. */
brink_status sampler_pick(sampler *s, const float *logits, uint32_t count, const uint32_t *allowed,
                          uint64_t place, uint32_t *token);

/* Uniform in [0, 1): 24 bits of the seed's draw at `place`. */
float sampler_draw(uint64_t seed, uint64_t place);

#endif
