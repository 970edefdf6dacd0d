/* serve_http.c — connections, on libmicrohttpd.

   It has no thread here: it works inside http_run. A connection whose job has nothing to say yet is
   suspended, and http_notify resumes it. A suspended connection is not read from, so http_watch asks its
   socket whether the client has closed it; then the job ends. */
#include "serve_http.h"

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
};

struct http {
    server *server;
    struct MHD_Daemon *daemon;
    char *url;
};

/* ── A request comes, and goes ── */

static enum MHD_Result begin_request(exchange *x)
{
    const char *length = http_header(x, "Content-Length");
    if (length && strtoull(length, NULL, 10) > DRAIN_BYTES)
        return http_refuse(x, 413, NULL, "the body is too large by far");
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
    return http_answer(x, h->server);
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
        http_resume(x);
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
            http_resume(x);
        }
    }
}

/* ── Opening and closing ── */

int http_open(server *s, const char *host, uint16_t port, http **out)
{
    *out = NULL;
    if (!http_load_library())
        return cli_fail(EXIT_INPUT, "brink: serve: libmicrohttpd.so.12 cannot be loaded");
    int fd = http_listen(s, host, port);
    if (fd < 0)
        return EXIT_USAGE;
    http *h = cli_alloc(1, sizeof *h);
    *h = (http){.server = s, .url = http_socket_url(fd)};
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
        http_resume(x);
    }
    if (h->daemon)
        mhd.stop_daemon(h->daemon);
    free(h->url);
    free(h);
}
