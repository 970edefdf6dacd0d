/* serve_listen.c — the socket that is listened on: a loopback address, unless the user said that other
   machines may ask. */
#include "serve_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum { MOST_PENDING = 128 };

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 ==
               127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

int http_listen(const server *s, const char *host, uint16_t port)
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
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, MOST_PENDING)) {
        cli_fail(0, "brink: serve: %s port %u: %s", host, port, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

char *http_socket_url(int fd)
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
