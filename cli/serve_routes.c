/* serve_routes.c — who may ask, what is there, and what goes back.

   A web page elsewhere must not reach the server. A page names itself in Origin, which must be one that
   the user allowed; and a page whose own name was made to lead here (DNS rebinding) has that name in
   Host, which must be a loopback name, or an address. */
#include "serve_http.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 16384 };

typedef struct MHD_Response response;

const char *http_header(const exchange *x, const char *name)
{
    return mhd.lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result send_response(exchange *x, unsigned status, response *r, const char *type)
{
    if (!r)
        return MHD_NO;
    if (type)
        mhd.add_response_header(r, "Content-Type", type);
    mhd.add_response_header(r, "Cache-Control", "no-store");
    if (x->origin) {
        mhd.add_response_header(r, "Access-Control-Allow-Origin", x->origin);
        mhd.add_response_header(r, "Vary", "Origin");
    }
    enum MHD_Result queued = mhd.queue_response(x->connection, status, r);
    mhd.destroy_response(r);
    x->status = status;
    return queued;
}

/* `text` is the library's from here on. */
static enum MHD_Result send_json(exchange *x, unsigned status, char *text, size_t bytes)
{
    response *r = mhd.create_response_from_buffer(bytes, text, MHD_RESPMEM_MUST_FREE);
    if (!r)
        free(text);
    if (r && status == 405)
        mhd.add_response_header(r, "Allow", "GET, POST, OPTIONS");
    if (r && status == 503)
        mhd.add_response_header(r, "Retry-After", "1");
    return send_response(x, status, r, "application/json");
}

static enum MHD_Result send_error(exchange *x, const api_error *error)
{
    size_t bytes;
    char *text = api_error_text(error, &bytes);
    return send_json(x, error->status, text, bytes);
}

enum MHD_Result http_refuse(exchange *x, unsigned status, const char *code, const char *message)
{
    api_error error = {0};
    api_fail(&error, status, code, NULL, "%s", message);
    return send_error(x, &error);
}

/* ── Who may ask ── */

/* Host without its port, in brackets where it is an IPv6 address. */
static void host_name(const char *host, char *out, size_t room)
{
    const char *end = *host == '[' ? strchr(host, ']') : strchr(host, ':');
    size_t length = !end ? strlen(host) : (size_t)(end - host) + (*host == '[');
    snprintf(out, room, "%.*s", (int)(length < room ? length : 0), host);
}

static bool is_loopback_name(const char *name)
{
    struct in_addr address;
    size_t length = strlen(name);
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 ||
           (length > 10 && strcasecmp(name + length - 10, ".localhost") == 0) ||
           (inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

static bool is_address(const char *name)
{
    struct in_addr address;
    return *name == '[' || inet_pton(AF_INET, name, &address) == 1;
}

static bool host_is_allowed(const exchange *x, const server *s)
{
    char name[256];
    const char *host = http_header(x, "Host");
    if (!host)
        return false;
    host_name(host, name, sizeof name);
    return is_loopback_name(name) || (s->open && is_address(name));
}

static bool origin_is_allowed(exchange *x, const server *s)
{
    const char *origin = http_header(x, "Origin");
    if (!origin)
        return true;
    for (uint32_t i = 0; i < s->origins.count && !x->origin; i++) {
        if (strcmp(s->origins.items[i], "*") == 0 || strcmp(s->origins.items[i], origin) == 0)
            x->origin = cli_copy(origin);
    }
    return x->origin != NULL;
}

/* CORS preflight (Fetch standard, 3.2.2). */
static enum MHD_Result send_preflight(exchange *x)
{
    static char none[1];
    response *r = mhd.create_response_from_buffer(0, none, MHD_RESPMEM_PERSISTENT);
    const char *wanted = http_header(x, "Access-Control-Request-Headers");
    if (!r)
        return MHD_NO;
    mhd.add_response_header(r, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    if (wanted)
        mhd.add_response_header(r, "Access-Control-Allow-Headers", wanted);
    if (http_header(x, "Access-Control-Request-Private-Network"))
        mhd.add_response_header(r, "Access-Control-Allow-Private-Network", "true");
    mhd.add_response_header(r, "Access-Control-Max-Age", "600");
    return send_response(x, 204, r, NULL);
}

/* ── Replies of jobs ── */

static void suspend(exchange *x)
{
    x->suspended = true;
    mhd.suspend_connection(x->connection);
}

void http_resume(exchange *x)
{
    if (x->suspended)
        mhd.resume_connection(x->connection);
    x->suspended = false;
}

static ssize_t next_piece(void *user, uint64_t at, char *into, size_t room)
{
    exchange *x = user;
    job *j = x->job;
    (void)at;
    size_t left = j->bytes - j->sent, count = left < room ? left : room;
    if (count) {
        memcpy(into, j->text + j->sent, count);
        j->sent += count;
        return (ssize_t)count;
    }
    if (j->done)
        return MHD_CONTENT_READER_END_OF_STREAM;
    j->bytes = j->sent = 0;
    suspend(x);
    return 0;
}

static enum MHD_Result send_job(exchange *x)
{
    job *j = x->job;
    if (x->gone)
        return MHD_NO;
    if (j->stream && j->bytes) {
        response *r =
            mhd.create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE_BYTES, next_piece, x, NULL);
        j->begun = true;
        return send_response(x, 200, r, "text/event-stream");
    }
    if (!j->done) {
        suspend(x);
        return MHD_YES;
    }
    char *text = j->text;
    j->text = NULL;
    return send_json(x, j->error.status ? j->error.status : 200, text, j->bytes);
}

/* ── Routes ── */

static void put_model(output *out, yyjson_mut_val *object, const server *s, const served *m)
{
    cli_put_text(out, object, "id", m->id);
    cli_put_text(out, object, "object", "model");
    cli_put_count(out, object, "created", (uint64_t)s->started);
    cli_put_text(out, object, "owned_by", "brink");
}

static enum MHD_Result send_models(exchange *x, const server *s)
{
    output out;
    size_t bytes;
    cli_output_begin(&out, true);
    cli_put_text(&out, out.root, "object", "list");
    yyjson_mut_val *data = cli_put_array(&out, out.root, "data");
    for (uint32_t i = 0; i < s->model_count; i++)
        put_model(&out, cli_add_object(&out, data), s, &s->models[i]);
    char *text = cli_output_take(&out, &bytes);
    return send_json(x, 200, text, bytes);
}

static enum MHD_Result send_model(exchange *x, server *s, const char *id)
{
    output out;
    size_t bytes;
    api_error error = {0};
    const served *m = api_need_model(s, id, &error);
    if (!m)
        return send_error(x, &error);
    cli_output_begin(&out, true);
    put_model(&out, out.root, s, m);
    char *text = cli_output_take(&out, &bytes);
    return send_json(x, 200, text, bytes);
}

static enum MHD_Result send_health(exchange *x, const server *s)
{
    output out;
    size_t bytes;
    uint32_t running = 0, waiting = 0;
    for (uint32_t i = 0; i < s->job_count; i++) {
        running += s->jobs[i]->slot != NULL;
        waiting += !s->jobs[i]->slot && !s->jobs[i]->done;
    }
    cli_output_begin(&out, true);
    cli_put_text(&out, out.root, "status", "ok");
    cli_put_count(&out, out.root, "running", running);
    cli_put_count(&out, out.root, "waiting", waiting);
    char *text = cli_output_take(&out, &bytes);
    return send_json(x, 200, text, bytes);
}

typedef job *make_job(server *s, const char *body, size_t bytes, api_error *error);

static make_job *job_maker(const char *path)
{
    return !strcmp(path, "/v1/chat/completions") ? api_chat
           : !strcmp(path, "/v1/completions")    ? api_completion
           : !strcmp(path, "/v1/embeddings")     ? api_embedding
                                                 : NULL;
}

static enum MHD_Result post(exchange *x, server *s, make_job *make)
{
    api_error error = {0};
    if (x->seen > s->most_bytes) {
        api_fail(&error, 413, NULL, NULL, "a body has at most %llu bytes, and this has %zu",
                 (unsigned long long)s->most_bytes, x->seen);
        return send_error(x, &error);
    }
    x->job = make(s, x->body ? x->body : "", x->bytes, &error);
    free(x->body);
    x->body = NULL;
    if (!x->job)
        return send_error(x, &error);
    x->job->user = x;
    return send_job(x);
}

static enum MHD_Result route(exchange *x, server *s)
{
    static const char model[] = "/v1/models/";
    bool get = !strcmp(x->method, "GET") || !strcmp(x->method, "HEAD");
    make_job *make = job_maker(x->path);
    if (!host_is_allowed(x, s))
        return http_refuse(x, 403, "host_not_allowed",
                           "the Host header must name this machine: localhost or 127.0.0.1");
    if (!origin_is_allowed(x, s))
        return http_refuse(x, 403, "origin_not_allowed",
                           "this page may not ask here; --allow-origin allows one");
    if (x->origin && !strcmp(x->method, "OPTIONS"))
        return send_preflight(x);
    if (make)
        return strcmp(x->method, "POST") ? http_refuse(x, 405, NULL, "this address takes POST")
                                         : post(x, s, make);
    bool models = !strcmp(x->path, "/v1/models"), health = !strcmp(x->path, "/health"),
         one = !strncmp(x->path, model, sizeof model - 1);
    if (!models && !health && !one)
        return http_refuse(x, 404, NULL,
                           "no such address; there are /v1/models, /v1/chat/completions, "
                           "/v1/completions, /v1/embeddings and /health");
    if (!get)
        return http_refuse(x, 405, NULL, "this address takes GET");
    return models   ? send_models(x, s)
           : health ? send_health(x, s)
                    : send_model(x, s, x->path + sizeof model - 1);
}

enum MHD_Result http_answer(exchange *x, server *s)
{
    return x->job ? send_job(x) : route(x, s);
}
