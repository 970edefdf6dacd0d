/* sampler.c — see sampler.h.

   What is left of the vocabulary is z, the logits as bias, penalties and temperature leave them, from a
   threshold up. It is found without sorting: three passes over the bits of z, each of which counts, or
   weighs, by a digit what lies at or above the digits found so far (a radix select from the top). The draw
   inverts the cumulative distribution in the order of ids. */
#include "text/sampler.h"

#include "text/buffer.h"

#include <math.h>
#include <string.h>

enum { DIGIT = 11, BUCKETS = 1 << DIGIT };

/* How often the reply holds a token; and whether the context, the reply included, does. */
typedef struct sighting {
    uint32_t replies;
    bool seen;
} sighting;

struct sampler {
    brink_context *context;
    brink_sampling desc;
    brink_logit_bias *bias; /* [desc.bias_count] */
    sighting *sightings;    /* [sighting_count], by token */
    uint32_t sighting_count;
    float *z,
        *mass; /* [capacity], by token: over the temperature, -INFINITY where not allowed; exp(z - top) */
    uint32_t capacity;
    double buckets[BUCKETS];
};

/* ── Making one ── */

static bool within(float x, float least, float most)
{
    return x >= least && x <= most; /* false for NaN */
}

static const char *fault(const brink_sampling *d)
{
    const float most = 3.402823466e38f;
    for (uint32_t i = 0; i < d->bias_count; i++)
        if (isnan(d->bias[i].bias) || d->bias[i].bias > most)
            return "a logit's bias must be a number";
    return !within(d->temperature, 0, most)             ? "temperature must be at least 0"
           : !within(d->top_p, 0, 1)                    ? "top_p must be from 0 to 1"
           : !within(d->min_p, 0, 1)                    ? "min_p must be from 0 to 1"
           : !within(d->repetition_penalty, 0, most)    ? "repetition_penalty must be at least 0"
           : !within(d->frequency_penalty, -most, most) ? "frequency_penalty must be finite"
           : !within(d->presence_penalty, -most, most)  ? "presence_penalty must be finite"
                                                        : NULL;
}

brink_status sampler_create(brink_context *context, const brink_sampling *desc, sampler **out)
{
    *out = NULL;
    const char *why = fault(desc);
    if (why != NULL)
        return core_fail(context, BRINK_INVALID_ARGUMENT, "sampling: %s", why);
    sampler *s = core_calloc(context, 1, sizeof *s);
    if (s == NULL)
        return BRINK_OUT_OF_MEMORY;
    s->context = context;
    s->desc = *desc;
    if (s->desc.repetition_penalty == 0)
        s->desc.repetition_penalty = 1;
    if (desc->bias_count != 0) {
        s->desc.bias = s->bias = core_alloc(context, (uint64_t)desc->bias_count * sizeof *s->bias);
        if (s->bias == NULL) {
            sampler_destroy(s);
            return BRINK_OUT_OF_MEMORY;
        }
        memcpy(s->bias, desc->bias, desc->bias_count * sizeof *s->bias);
    }
    *out = s;
    return BRINK_OK;
}

void sampler_destroy(sampler *s)
{
    if (s == NULL)
        return;
    core_free(s->context, s->bias);
    core_free(s->context, s->sightings);
    core_free(s->context, s->z);
    core_free(s->context, s->mass);
    core_free(s->context, s);
}

const brink_sampling *sampler_settings(const sampler *s)
{
    return &s->desc;
}

static bool has_penalties(const sampler *s)
{
    const brink_sampling *d = &s->desc;
    return d->repetition_penalty != 1 || d->frequency_penalty != 0 || d->presence_penalty != 0;
}

bool sampler_is_plain(const sampler *s)
{
    return s->desc.bias_count == 0 && !has_penalties(s);
}

brink_status sampler_see(sampler *s, uint32_t token, bool reply)
{
    if (!has_penalties(s))
        return BRINK_OK;
    uint32_t before = s->sighting_count;
    TRY(array_grow(s->context, (void **)&s->sightings, &s->sighting_count, (uint64_t)token + 1,
                   sizeof *s->sightings));
    if (s->sighting_count > before)
        memset(s->sightings + before, 0, (s->sighting_count - before) * sizeof *s->sightings);
    s->sightings[token].seen = true;
    s->sightings[token].replies += reply;
    return BRINK_OK;
}

/* ── What is left ── */

static brink_status reserve(sampler *s, uint32_t count)
{
    if (count <= s->capacity)
        return BRINK_OK;
    core_free(s->context, s->z);
    core_free(s->context, s->mass);
    s->z = core_alloc(s->context, (uint64_t)count * sizeof *s->z);
    s->mass = core_alloc(s->context, (uint64_t)count * sizeof *s->mass);
    s->capacity = s->z != NULL && s->mass != NULL ? count : 0;
    return s->capacity != 0 ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

static float penalised(const brink_sampling *d, const sighting *seen, float x)
{
    if (!seen->seen)
        return x;
    x = x > 0 ? x / d->repetition_penalty : x * d->repetition_penalty;
    return x - (float)seen->replies * d->frequency_penalty -
           (seen->replies != 0 ? d->presence_penalty : 0);
}

/* z, before the temperature. */
static void adjust(sampler *s, const float *logits, uint32_t count, const uint32_t *allowed)
{
    for (uint32_t i = 0; i < count; i++)
        s->z[i] = logits[i] > -INFINITY ? logits[i] : -INFINITY; /* also for NaN */
    for (uint32_t i = 0; i < s->desc.bias_count; i++)
        if (s->bias[i].token < count)
            s->z[s->bias[i].token] += s->bias[i].bias;
    for (uint32_t i = 0; i < count && i < s->sighting_count; i++)
        s->z[i] = penalised(&s->desc, &s->sightings[i], s->z[i]);
    for (uint32_t i = 0; allowed != NULL && i < count; i++)
        if (!(allowed[i / 32] >> i % 32 & 1))
            s->z[i] = -INFINITY;
}

static uint32_t highest(const float *z, uint32_t count)
{
    float top = -INFINITY;
    for (uint32_t i = 0; i < count; i++)
        top = z[i] > top ? z[i] : top;
    uint32_t at = 0;
    while (at < count - 1 && z[at] != top)
        at++;
    return at;
}

/* ── Filters ── */

/* Grows with x, and back. */
static uint32_t key_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 31 ? ~bits : bits | 1u << 31;
}

static float of_key(uint32_t key)
{
    uint32_t bits = key >> 31 ? key & ~(1u << 31) : ~key;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The highest z such that the tokens from it up are `wanted`, or weigh it; -INFINITY if all do not. */
static float find_threshold(sampler *s, uint32_t count, double wanted, bool weighed)
{
    uint32_t key = 0; /* its upper digits */
    double sum = 0;
    for (uint32_t bits = 32; bits != 0;) {
        uint32_t digit = bits < DIGIT ? bits : DIGIT, below = bits - digit;
        memset(s->buckets, 0, sizeof s->buckets);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t own = key_of(s->z[i]);
            if (bits == 32 || (own ^ key) >> bits == 0)
                s->buckets[own >> below & ((1u << digit) - 1)] += weighed ? (double)s->mass[i] : 1;
        }
        uint32_t at = 1u << digit;
        while (at != 0 && sum < wanted)
            sum += s->buckets[--at];
        if (sum < wanted)
            return -INFINITY;
        sum -= s->buckets[at];
        key |= at << below;
        bits = below;
    }
    return of_key(key);
}

/* exp(x) for x of at most 0, to a few units of the last place; a loop of it needs no calls. 2^f by Taylor's
   series for |f| <= 1/2. */
static inline float exp_of(float x)
{
    float t = (x > -87 ? x : -87) * 1.44269504f;
    float whole = t + 12582912.0f; /* 1.5 * 2^23: rounds to an integer, in the lowest bits */
    uint32_t bits;
    memcpy(&bits, &whole, sizeof bits);
    float f = (t - (whole - 12582912.0f)) * 0.693147181f;
    float y = 1 + f * (1 + f * (0.5f + f * (1.f / 6 + f * (1.f / 24 + f * (1.f / 120 + f / 720)))));
    uint32_t scale = (bits << 23) + 0x3f800000u;
    float power;
    memcpy(&power, &scale, sizeof power);
    return x > -87 ? y * power : 0;
}

static double weigh(sampler *s, uint32_t count, float top, float least)
{
    double total = 0;
    for (uint32_t i = 0; i < count; i++)
        s->mass[i] = s->z[i] >= least ? exp_of(s->z[i] - top) : 0;
    for (uint32_t i = 0; i < count; i++)
        total += (double)s->mass[i];
    return total;
}

/* ── The draw ── */

/* pcg3d of Jarzynski and Olano, "Hash Functions for GPU Rendering", 2020: 32-bit arithmetic, as a GPU has. */
float sampler_draw(uint64_t seed, uint64_t place)
{
    uint32_t x = (uint32_t)seed, y = (uint32_t)(seed >> 32), z = (uint32_t)place;
    x = x * 1664525u + 1013904223u;
    y = y * 1664525u + 1013904223u;
    z = z * 1664525u + 1013904223u;
    x += y * z;
    y += z * x;
    z += x * y;
    x ^= x >> 16;
    y ^= y >> 16;
    z ^= z >> 16;
    x += y * z;
    return (float)(x >> 8) * 0x1p-24f;
}

/* The token in whose share of the mass from `least` up the draw falls; `top` where rounding leaves none. */
static uint32_t draw(const sampler *s, uint32_t count, float least, float u, uint32_t top)
{
    double total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += s->z[i] >= least ? (double)s->mass[i] : 0;
    double at = (double)u * total;
    for (uint32_t i = 0; i < count; i++) {
        at -= s->z[i] >= least ? (double)s->mass[i] : 0;
        if (at < 0)
            return i;
    }
    return top;
}

brink_status sampler_pick(sampler *s, const float *logits, uint32_t count, const uint32_t *allowed,
                          uint64_t place, uint32_t *token)
{
    const brink_sampling *d = &s->desc;
    TRY(reserve(s, count));
    adjust(s, logits, count, allowed);
    *token = highest(s->z, count);
    if (!(s->z[*token] > -INFINITY))
        return core_fail(s->context, BRINK_INVALID_ARGUMENT,
                         "sampling: no token is left to choose from");
    float top = s->z[*token] / d->temperature, least = -INFINITY;
    if (d->temperature == 0 || !isfinite(top)) /* nothing weighs anything beside it */
        return BRINK_OK;
    for (uint32_t i = 0; i < count; i++)
        s->z[i] /= d->temperature;
    if (d->top_k != 0 && d->top_k < count)
        least = find_threshold(s, count, d->top_k, false);
    double total = weigh(s, count, top, least);
    if (d->top_p > 0 && d->top_p < 1)
        least = fmaxf(least, find_threshold(s, count, (double)d->top_p * total, true));
    if (d->min_p > 0)
        least = fmaxf(least, top + logf(d->min_p));
    *token = draw(s, count, least, sampler_draw(d->seed, place), *token);
    return BRINK_OK;
}
