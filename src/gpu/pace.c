/* pace.c — cuts what a plan encodes into submits of about equal time.

   A queue is first come, first served: a submit of a second keeps everything else of the page waiting,
   its drawing included. So a step's work is estimated (bytes, and products at a quarter of a byte), what
   a unit of it takes is learned from how long submits took, and a submit is closed where the next step
   would make it too long. GPU_FLIGHTS of a program are on their way at most; between them its task is
   pending, and another one's submit goes in.

   A submit's end is known between two looks only: it bounds the time from below and from above, and the
   estimate is moved to the nearer bound. */
#include "gpu/program.h"

enum {
    OVERHEAD = 1000000 /* ns: of hearing an answer */,
    STEP = 4096 /* units a dispatch costs */
};

static double products(const plan_step *s)
{
    const kernel_args *a = &s->args;
    double outputs = a->out_count != 0 && a->out[0] != NULL ? (double)tensor_count(a->out[0]) : 0;
    const tensor *x = a->in_count > 0 ? a->in[0] : NULL, *w = a->in_count > 1 ? a->in[1] : NULL;
    switch (s->op) {
    case OP_onnx_MatMul_1:
    case OP_onnx_Gemm_1:
    case OP_onnx_MatMulInteger_10:
    case OP_ms_MatMulNBits_1:
    case OP_ms_MatMulBnb4_1:
    case OP_brink_MatMulWeights_1:
        return x != NULL && x->rank != 0 ? outputs * (double)x->dims[x->rank - 1] : 0;
    case OP_brink_MatMulNBitsGroup_1:
        for (uint32_t i = 1; i < a->out_count; i++)
            outputs += a->out[i] != NULL ? (double)tensor_count(a->out[i]) : 0;
        return x != NULL && x->rank != 0 ? outputs * (double)x->dims[x->rank - 1] : 0;
    case OP_onnx_Conv_1:
    case OP_onnx_ConvTranspose_1:
    case OP_ms_FusedConv_1:
        return w != NULL && w->rank != 0 && w->dims[0] != 0
                   ? outputs * (double)tensor_count(w) / (double)w->dims[0]
                   : 0;
    case OP_ms_GroupQueryAttention_1: {
        const tensor *past = a->in_count > 3 ? a->in[3] : NULL;
        double keys = x != NULL && x->rank > 1 ? (double)x->dims[1] : 0;
        keys += past != NULL && past->rank > 2 ? (double)past->dims[2] : 0;
        return 2 * outputs * keys;
    }
    case OP_onnx_Attention_23:
    case OP_ms_MultiHeadAttention_1:
        return w != NULL && w->rank > 2 ? 2 * outputs * (double)w->dims[w->rank - 2] : 0;
    default:
        return 0;
    }
}

static double work_of(const plan_step *s)
{
    const kernel_args *a = &s->args;
    double bytes = 0;
    for (uint32_t i = 0; i < a->out_count; i++)
        bytes += a->out[i] != NULL ? 4 * (double)tensor_count(a->out[i]) : 0;
    for (uint32_t i = 0; i < a->in_count; i++) /* of a table, what is gathered */
        if (a->in[i] != NULL &&
            (a->out_count == 0 || a->out[0] == NULL || a->in[i]->rank < 2 || products(s) != 0))
            bytes += (double)tensor_count(a->in[i]);
    return STEP + bytes + products(s) / 4;
}

void gpu_pace_learn(gpu_device *d, const gpu_ticket *t, double work)
{
    uint64_t start = t->begun > d->last_done ? t->begun : d->last_done;
    double least = t->seen > start + OVERHEAD ? (double)(t->seen - start - OVERHEAD) : 0;
    double most = t->done > start ? (double)(t->done - start) : 0;
    d->last_done = t->done > d->last_done ? t->done : d->last_done;
    if (work <= 0 || most <= 0)
        return;
    if (d->pace * work > most)
        d->pace = most / work;
    else if (d->pace * work < least)
        d->pace = (d->pace + least / work) / 2; /* it may have waited for others */
}

void gpu_pace_settle(gpu_program *g)
{
    for (; g->landed != g->flown; g->landed++) {
        const gpu_flight *f = &g->flights[g->landed % GPU_FLIGHTS];
        if (f->ticket->state == 0)
            return;
        gpu_pace_learn(g->d, f->ticket, f->work);
        gpu_ticket_drop(f->ticket);
    }
}

/* BRINK_OK when fewer than GPU_FLIGHTS are on their way. */
static brink_status land(gpu_program *g, uint64_t deadline)
{
    gpu_pace_settle(g);
    if (g->flown - g->landed == GPU_FLIGHTS)
        TRY(gpu_wait(g->d, g->flights[g->landed % GPU_FLIGHTS].ticket, deadline));
    gpu_pace_settle(g);
    return BRINK_OK;
}

brink_status gpu_pace(gpu_program *g, const plan_step *s, uint64_t deadline)
{
    double next = work_of(s);
    if (g->next != g->submitted && (g->work + next) * g->d->pace > (double)g->d->submit_time) {
        TRY(land(g, deadline));
        gpu_flight *f = &g->flights[g->flown % GPU_FLIGHTS];
        f->work = g->work;
        TRY(gpu_program_submit(g, NULL, 0));
        f->ticket = gpu_work_done(g->d);
        if (f->ticket == NULL)
            return BRINK_OUT_OF_MEMORY;
        g->flown++;
    }
    g->work += next;
    return BRINK_OK;
}

void gpu_pace_end(gpu_program *g)
{
    for (; g->landed != g->flown; g->landed++)
        gpu_ticket_drop(g->flights[g->landed % GPU_FLIGHTS].ticket);
}
