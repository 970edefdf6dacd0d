/* serve_http.h — the HTTP side of brink serve: libmicrohttpd's functions, and a request as it comes and is
   answered. */
#ifndef CLI_SERVE_HTTP_H
#define CLI_SERVE_HTTP_H

#include "serve.h"

#include <microhttpd.h>

/* ── serve_library.c: the library, loaded when it is needed ── */

#define MHD_FUNCTIONS(X)                                                                           \
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

#define MHD_MEMBER(name) __typeof__(&MHD_##name) name;
typedef struct http_library {
    MHD_FUNCTIONS(MHD_MEMBER)
} http_library;

extern http_library mhd;

bool http_load_library(void);

/* ── A request ── */

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

/* ── serve_routes.c ── */

/* What the client sent under this name, or NULL. */
const char *http_header(const exchange *x, const char *name);

/* Answers a request whose body has come, or makes its job; on a resumed connection what the job has to
   say. */
enum MHD_Result http_answer(exchange *x, server *s);

/* Answers with an error. */
enum MHD_Result http_refuse(exchange *x, unsigned status, const char *code, const char *message);

/* Lets a suspended connection go on. */
void http_resume(exchange *x);

/* ── serve_listen.c ── */

/* A listening socket, or −1 and the failure told. */
int http_listen(const server *s, const char *host, uint16_t port);

/* "http://127.0.0.1:8080"; the caller frees. */
char *http_socket_url(int fd);

#endif
