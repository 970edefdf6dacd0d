/* serve_http.c — connections, on libmicrohttpd (https://www.gnu.org/software/libmicrohttpd/).

   libmicrohttpd is loaded when it is needed, as it brings a TLS library with it. It has no thread here:
   it works inside http_run. A connection whose job has nothing to say yet is suspended, and http_notify
   resumes it. A suspended connection is not read from, so http_watch asks its socket whether the client
   has closed it; then the job ends.

   A web page elsewhere must not reach the server. A page names itself in Origin, which must be one that
   the user allowed; and a page whose own name was made to lead here (DNS rebinding) has that name in
   Host, which must be a loopback name, or an address. */
#include "serve.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MOST_CONNECTIONS = 128,
    HEADER_BYTES = 32768,    /* of a connection: its request's headers and what is being sent */
    IDLE_SECONDS = 60,       /* without a byte in either direction */
    BODY_MS = 120000,        /* for the whole of a body */
    DRAIN_BYTES = 256 << 20, /* of a body that is too large, so that its client hears why */
    PIECE_BYTES = 16384
};

/* ── The library ── */

#define FUNCTIONS(X)                                                                               \
    X(start_daemon)                                                                                \
    X(stop_daemon)                                                                                 \
    X(run_wait)                                                                                    \
    X(suspend_connection)                                                                          \
    X(resume_connection)                                                                           \
    X(lookup_connection_value)                                                                     \
    X(get_connection_info)                                                                         \
    X(create_response_from_buffer)                                                                 \
    X(create_response_from_callback)                                                               \
    X(add_response_header)                                                                         \
    X(queue_response)                                                                              \
    X(destroy_response)

#define DECLARE(name) __typeof__(&MHD_##name) name;
static struct {
    FUNCTIONS(DECLARE)
} mhd;

static bool load_library(void)
{
    static const char *const names[] = {"libmicrohttpd.so.12", "libmicrohttpd.so",
                                        "libmicrohttpd.dylib"};
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
#define FIND(name)                                                                                 \
    {                                                                                              \
        void *found = dlsym(library, "MHD_" #name);                                                \
        memcpy(&mhd.name, &found, sizeof found);                                                   \
        if (!found)                                                                                \
            return false;                                                                          \
    }
    FUNCTIONS(FIND)
    return true;
}

/* ── A request ── */

struct http {
    server *server;
    struct MHD_Daemon *daemon;
    char *url;
};

typedef struct exchange {
    struct MHD_Connection *connection;
    const char *method;
    char *path;
    char *body;
    size_t bytes, capacity, seen; /* seen: also what was thrown away */
    char *origin;                 /* of an allowed page; NULL: none asks */
    job *job;
    bool suspended, gone;
    unsigned status; /* 0 until a response is queued */
    double begun;
} exchange;

typedef struct MHD_Response response;

static const char *header(const exchange *x, const char *name)
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

static enum MHD_Result refuse(exchange *x, unsigned status, const char *code, const char *message)
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
    const char *host = header(x, "Host");
    if (!host)
        return false;
    host_name(host, name, sizeof name);
    return is_loopback_name(name) || (s->open && is_address(name));
}

static bool origin_is_allowed(exchange *x, const server *s)
{
    const char *origin = header(x, "Origin");
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
    const char *wanted = header(x, "Access-Control-Request-Headers");
    if (!r)
        return MHD_NO;
    mhd.add_response_header(r, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    if (wanted)
        mhd.add_response_header(r, "Access-Control-Allow-Headers", wanted);
    if (header(x, "Access-Control-Request-Private-Network"))
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

static void resume(exchange *x)
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
        return refuse(x, 403, "host_not_allowed",
                      "the Host header must name this machine: localhost or 127.0.0.1");
    if (!origin_is_allowed(x, s))
        return refuse(x, 403, "origin_not_allowed",
                      "this page may not ask here; --allow-origin allows one");
    if (x->origin && !strcmp(x->method, "OPTIONS"))
        return send_preflight(x);
    if (make)
        return strcmp(x->method, "POST") ? refuse(x, 405, NULL, "this address takes POST")
                                         : post(x, s, make);
    bool models = !strcmp(x->path, "/v1/models"), health = !strcmp(x->path, "/health"),
         one = !strncmp(x->path, model, sizeof model - 1);
    if (!models && !health && !one)
        return refuse(x, 404, NULL,
                      "no such address; there are /v1/models, /v1/chat/completions, "
                      "/v1/completions, /v1/embeddings and /health");
    if (!get)
        return refuse(x, 405, NULL, "this address takes GET");
    return models   ? send_models(x, s)
           : health ? send_health(x, s)
                    : send_model(x, s, x->path + sizeof model - 1);
}

/* ── libmicrohttpd's side ── */

static enum MHD_Result begin_request(exchange *x)
{
    const char *length = header(x, "Content-Length");
    if (length && strtoull(length, NULL, 10) > DRAIN_BYTES)
        return refuse(x, 413, NULL, "the body is too large by far");
    return MHD_YES;
}

static enum MHD_Result take_body(exchange *x, const server *s, const char *data, size_t size)
{
    x->seen += size;
    if (x->seen > DRAIN_BYTES || cli_now_ms() - x->begun > BODY_MS)
        return MHD_NO;
    if (x->seen > s->most_bytes) {
        free(x->body);
        x->body = NULL;
        x->bytes = x->capacity = 0;
        return MHD_YES;
    }
    if (x->bytes + size > x->capacity) {
        x->capacity = (x->bytes + size) * 2;
        x->body = cli_grow(x->body, x->capacity, 1);
    }
    memcpy(x->body + x->bytes, data, size);
    x->bytes += size;
    return MHD_YES;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    http *h = user;
    exchange *x = *state;
    (void)version;
    if (!x) {
        *state = x = cli_alloc(1, sizeof *x);
        *x = (exchange){.connection = connection,
                        .method = method,
                        .path = cli_copy(url),
                        .begun = cli_now_ms()};
        return begin_request(x);
    }
    if (*size) {
        enum MHD_Result taken = take_body(x, h->server, data, *size);
        *size = 0;
        return taken;
    }
    return x->job ? send_job(x) : route(x, h->server);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    http *h = user;
    exchange *x = *state;
    (void)connection, (void)code;
    if (!x)
        return;
    if (x->job)
        job_destroy(x->job);
    if (!h->server->quiet)
        cli_fail(0, "%s %.200s %u, %.0f ms%s", x->method, x->path, x->status,
                 cli_now_ms() - x->begun, x->gone ? ", the client has gone" : "");
    free(x->path);
    free(x->body);
    free(x->origin);
    free(x);
    *state = NULL;
}

static void on_log(void *user, const char *format, va_list arguments)
{
    char line[512];
    const http *h = user;
    vsnprintf(line, sizeof line, format, arguments);
    if (!h->server->quiet)
        cli_fail(0, "http: %s", line);
}

void http_run(http *h, int32_t wait_ms)
{
    mhd.run_wait(h->daemon, wait_ms);
}

void http_notify(http *h, job *j)
{
    exchange *x = j->user;
    (void)h;
    if (x && (j->done || (j->stream && j->bytes)))
        resume(x);
}

void http_watch(http *h)
{
    server *s = h->server;
    for (uint32_t i = 0; i < s->job_count; i++) {
        exchange *x = s->jobs[i]->user;
        if (!x || !x->suspended)
            continue;
        const union MHD_ConnectionInfo *info =
            mhd.get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct pollfd one = {.fd = info ? info->connect_fd : -1, .events = POLLRDHUP};
        if (poll(&one, 1, 0) == 1 && one.revents & (POLLRDHUP | POLLHUP | POLLERR)) {
            x->gone = true;
            s->jobs[i]->done = true;
            resume(x);
        }
    }
}

/* ── Opening ── */

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 ==
               127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* A listening socket, or −1 and the failure told. */
static int listen_on(const server *s, const char *host, uint16_t port)
{
    char name[8];
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    snprintf(name, sizeof name, "%u", port);
    int failure = getaddrinfo(host, name, &hints, &found), yes = 1, fd;
    if (failure) {
        cli_fail(0, "brink: serve: --host %s: %s", host, gai_strerror(failure));
        return -1;
    }
    if (!s->open && !is_loopback(found->ai_addr)) {
        cli_fail(
            0, "brink: serve: --host %s: other machines could reach it; --open says that they may",
            host);
        freeaddrinfo(found);
        return -1;
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, MOST_CONNECTIONS)) {
        cli_fail(0, "brink: serve: %s port %u: %s", host, port, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static char *url_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char host[128] = "", port[16] = "";
    getsockname(fd, (struct sockaddr *)&address, &size);
    getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    bool six = address.ss_family == AF_INET6;
    return cli_format("http://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", port);
}

int http_open(server *s, const char *host, uint16_t port, http **out)
{
    *out = NULL;
    if (!load_library())
        return cli_fail(EXIT_INPUT, "brink: serve: libmicrohttpd.so.12 cannot be loaded");
    int fd = listen_on(s, host, port);
    if (fd < 0)
        return EXIT_USAGE;
    http *h = cli_alloc(1, sizeof *h);
    *h = (http){.server = s, .url = url_of(fd)};
    h->daemon = mhd.start_daemon(
        MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, h,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, h, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)MOST_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
    *out = h;
    if (h->daemon)
        return EXIT_DONE;
    close(fd);
    http_close(h);
    *out = NULL;
    return cli_fail(EXIT_DEVICE, "brink: serve: libmicrohttpd does not start");
}

const char *http_url(const http *h)
{
    return h->url;
}

void http_close(http *h)
{
    if (!h)
        return;
    for (uint32_t i = 0; i < h->server->job_count; i++) {
        exchange *x = h->server->jobs[i]->user;
        x->gone = h->server->jobs[i]->done = true;
        resume(x);
    }
    if (h->daemon)
        mhd.stop_daemon(h->daemon);
    free(h->url);
    free(h);
}
