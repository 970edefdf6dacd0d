/* serve_jobs.c — jobs that wait and run, and the sessions they run in.

   A model has so many slots, each with a session that keeps the tokens of its last conversation. The
   oldest waiting job of a model starts as soon as a slot is free; those that run are advanced in turn.
   A generation takes the free slot whose tokens its prompt shares the longest beginning with, if at
   least half of what is there stays; else the one that was not used for longest, so that one
   conversation does not wipe out another's. Where memory runs out, sessions that no job uses are
   destroyed, and the job is begun once more. */
#include "serve.h"

#include <stdlib.h>
#include <string.h>

void job_write(job *j, const char *text, size_t bytes)
{
    if (j->bytes + bytes > j->capacity) {
        j->capacity = (j->bytes + bytes) * 2;
        j->text = cli_grow(j->text, j->capacity, 1);
    }
    memcpy(j->text + j->bytes, text, bytes);
    j->bytes += bytes;
}

void job_fail(job *j)
{
    size_t bytes;
    char *text = api_error_text(&j->error, &bytes);
    if (j->begun) {
        job_write(j, "data: ", 6);
        job_write(j, text, bytes);
        job_write(j, "\n\n", 2);
    } else {
        j->bytes = 0;
        j->stream = false;
        job_write(j, text, bytes);
    }
    free(text);
    job_leave_slot(j);
    j->done = true;
}

static bool waits(const job *j)
{
    return !j->slot && !j->done;
}

static slot *free_slot(served *model)
{
    for (uint32_t i = 0; i < model->slot_count; i++) {
        if (!model->slots[i].taken)
            return &model->slots[i];
    }
    return NULL;
}

static void take_slot(job *j, slot *place)
{
    place->taken = true;
    place->used = ++j->server->taken;
    j->slot = place;
}

void job_leave_slot(job *j)
{
    if (j->slot)
        j->slot->taken = false;
    j->slot = NULL;
}

bool job_enqueue(job *j)
{
    server *s = j->server;
    uint32_t waiting = 0, room = s->most_waiting;
    for (uint32_t i = 0; i < s->job_count; i++)
        waiting += waits(s->jobs[i]) && s->jobs[i]->model == j->model;
    for (uint32_t i = 0; i < j->model->slot_count; i++)
        room += !j->model->slots[i].taken; /* these start at once */
    if (waiting >= room)
        return api_fail(&j->error, 503, "server_busy", NULL,
                        "%u requests wait already for %s; try again later", waiting, j->model->id);
    s->jobs = cli_grow(s->jobs, s->job_count + 1u, sizeof *s->jobs);
    s->jobs[s->job_count++] = j;
    return true;
}

void job_destroy(job *j)
{
    server *s = j->server;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->job_count; i++) {
        if (s->jobs[i] != j)
            s->jobs[kept++] = s->jobs[i];
    }
    s->job_count = kept;
    slot *place = j->slot;
    free(j->text);
    j->kind->destroy(j);
    if (place)
        place->taken = false;
}

brink_status job_session(job *j, const token_list *prompt, token_cache **out)
{
    slot *best = NULL, *oldest = NULL;
    uint32_t most = 0;
    job_leave_slot(j);
    for (uint32_t i = 0; i < j->model->slot_count; i++) {
        slot *place = &j->model->slots[i];
        if (place->taken)
            continue;
        if (!oldest || place->used < oldest->used)
            oldest = place;
        uint32_t common = place->cache.session ? cli_cache_common(&place->cache, prompt) : 0;
        if (common > most && common >= place->cache.held.count / 2) {
            most = common;
            best = place;
        }
    }
    take_slot(j, best ? best : oldest);
    *out = &j->slot->cache;
    return (*out)->session
               ? BRINK_OK
               : brink_session_create(j->model->model,
                                      &(brink_session_desc){.context = j->model->context},
                                      &(*out)->session);
}

bool jobs_free_sessions(server *s)
{
    bool any = false;
    for (uint32_t i = 0; i < s->model_count; i++) {
        for (uint32_t k = 0; k < s->models[i].slot_count; k++) {
            slot *place = &s->models[i].slots[k];
            if (place->taken || !place->cache.session)
                continue;
            cli_cache_free(&place->cache);
            any = true;
        }
    }
    return any;
}

job *jobs_step(server *s)
{
    for (uint32_t i = 0; i < s->job_count; i++) {
        job *j = s->jobs[i];
        slot *place = waits(j) ? free_slot(j->model) : NULL;
        if (place) {
            take_slot(j, place);
            j->kind->start(j);
            return j;
        }
    }
    for (uint32_t i = 0; i < s->job_count; i++) {
        job *j = s->jobs[(s->turn + i) % s->job_count];
        if (!j->done && j->slot) {
            s->turn = (s->turn + i + 1) % s->job_count;
            j->kind->advance(j);
            return j;
        }
    }
    return NULL;
}
