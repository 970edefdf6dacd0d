/* einsum.c — reads Einsum equations: "ij,jk->ik", "...ii->...i", "bhqd,bhkd" (ONNX Einsum). */
#include "graph/einsum.h"

#include <string.h>

/* The label of a letter, EINSUM_LABELS for anything else. */
static uint32_t letter(char c)
{
    return c >= 'A' && c <= 'Z'   ? (uint32_t)(c - 'A')
           : c >= 'a' && c <= 'z' ? (uint32_t)(c - 'a') + 26
                                  : EINSUM_LABELS;
}

/* One term up to a comma, an arrow or the end. *ellipsis is where its "..." stands, −1 for none. */
static const char *read_letters(const char **at, einsum_term *t, int *ellipsis)
{
    const char *s = *at;
    *t = (einsum_term){0};
    *ellipsis = -1;
    for (; *s != 0 && *s != ',' && *s != '-'; s++) {
        if (*s == ' ')
            continue;
        if (strncmp(s, "...", 3) == 0) {
            if (*ellipsis >= 0)
                return "a term has two ellipses";
            *ellipsis = (int)t->rank;
            s += 2;
        } else if (letter(*s) == EINSUM_LABELS) {
            return "a term holds something other than letters and an ellipsis";
        } else if (t->rank == BRINK_MAX_RANK) {
            return "a term has more than 8 letters";
        } else {
            t->labels[t->rank++] = (uint8_t)letter(*s);
        }
    }
    *at = s;
    return NULL;
}

/* Puts `n` ellipsis labels, the last of `all`, at `place`; the caller has seen that they fit. */
static void insert_ellipsis(einsum_term *t, uint32_t place, uint32_t n, uint32_t all)
{
    if (t->rank + n > BRINK_MAX_RANK)
        return;
    memmove(t->labels + place + n, t->labels + place, t->rank - place);
    for (uint32_t i = 0; i < n && place + i < BRINK_MAX_RANK; i++)
        t->labels[place + i] = (uint8_t)(EINSUM_LETTERS + all - n + i);
    t->rank += n;
}

const char *einsum_parse(const char *equation, const uint32_t *ranks, uint32_t count, einsum *out)
{
    const char *at = equation, *error;
    uint32_t hidden[EINSUM_OPERANDS] = {0}, all = 0, seen[EINSUM_LETTERS] = {0};
    int place[EINSUM_OPERANDS], out_place;
    *out = (einsum){.count = count};
    if (count == 0 || count > EINSUM_OPERANDS)
        return "it should have 1 to 16 operands";
    for (uint32_t i = 0; i < count; i++) {
        einsum_term *t = &out->operands[i];
        if ((error = read_letters(&at, t, &place[i])) != NULL)
            return error;
        if (i + 1 < count && *at++ != ',')
            return "it has fewer terms than there are inputs";
        if (t->rank > ranks[i] || (place[i] < 0 && t->rank != ranks[i]))
            return "a term does not fit its input's rank";
        for (uint32_t k = 0; k < t->rank; k++)
            seen[t->labels[k]]++;
        hidden[i] = ranks[i] - t->rank;
        all = hidden[i] > all ? hidden[i] : all;
    }
    for (uint32_t i = 0; i < count; i++)
        if (place[i] >= 0)
            insert_ellipsis(&out->operands[i], (uint32_t)place[i], hidden[i], all);
    einsum_term *o = &out->out;
    if (*at == 0) { /* implicit: the ellipsis, then letters that appear once, in order */
        for (uint32_t l = 0; l < EINSUM_LETTERS; l++) {
            if (seen[l] == 1 && o->rank + all >= BRINK_MAX_RANK)
                return "the output has more than 8 dimensions";
            if (seen[l] == 1)
                o->labels[o->rank++] = (uint8_t)l;
        }
        insert_ellipsis(o, 0, all, all);
        return NULL;
    }
    if (strncmp(at, "->", 2) != 0)
        return "it has more terms than there are inputs, or no ->";
    at += 2;
    if ((error = read_letters(&at, o, &out_place)) != NULL)
        return error;
    if (*at != 0)
        return "its output should be one term";
    for (uint32_t i = 0; i < o->rank; i++) {
        if (seen[o->labels[i]] == 0)
            return "an output letter is in no input";
        if (memchr(o->labels, o->labels[i], i) != NULL)
            return "an output letter appears twice";
    }
    if (out_place >= 0 && o->rank + all > BRINK_MAX_RANK)
        return "the output has more than 8 dimensions";
    if (out_place >= 0)
        insert_ellipsis(o, (uint32_t)out_place, all, all);
    return NULL;
}
