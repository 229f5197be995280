#define _GNU_SOURCE
#include "CEpoll.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage storage;
};

static int parse_address(const char *text, uint16_t port, union address *address, socklen_t *length) {
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
        *length = sizeof address->v4;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons(port);
        *length = sizeof address->v6;
        return 0;
    }
    return -EINVAL;
}

static int close_with(int descriptor, int error) {
    close(descriptor);
    return -error;
}

// Binds without SO_REUSEPORT, which fails where a listener with it is; returns 0 or -errno.
static int probe(const union address *address, socklen_t length) {
    int descriptor = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    int on = 1;
    int result = setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
                         bind(descriptor, &address->any, length) < 0
                     ? -errno
                     : 0;
    close(descriptor);
    return result;
}

int cep_listen(const char *text, uint16_t port, int backlog, int exclusive) {
    union address address;
    socklen_t length;
    int parsed = parse_address(text, port, &address, &length);
    if (parsed < 0) return parsed;
    int taken = exclusive && port != 0 ? probe(&address, length) : 0;
    if (taken < 0) return taken;
    int descriptor = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    int on = 1;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 ||
        bind(descriptor, &address.any, length) < 0 || listen(descriptor, backlog) < 0)
        return close_with(descriptor, errno);
    return descriptor;
}

int cep_accept(int listener) {
    int descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) return -errno;
    int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

int cep_connect(const char *text, uint16_t port, const char *source_text) {
    union address address, source;
    socklen_t length, source_length;
    int parsed = parse_address(text, port, &address, &length);
    if (parsed < 0) return parsed;
    int descriptor = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (source_text) {
        // Leaves the choice of the port to connect(), so that one address serves as many peers as it has ports.
        setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        parsed = parse_address(source_text, 0, &source, &source_length);
        if (parsed < 0) return close_with(descriptor, -parsed);
        if (bind(descriptor, &source.any, source_length) < 0) return close_with(descriptor, errno);
    }
    if (connect(descriptor, &address.any, length) < 0 && errno != EINPROGRESS) return close_with(descriptor, errno);
    return descriptor;
}

int cep_socket_error(int descriptor) {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
    return -error;
}

int cep_local_port(int descriptor) {
    union address address;
    socklen_t length = sizeof address;
    if (getsockname(descriptor, &address.any, &length) < 0) return -errno;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

int cep_is_loopback(const char *text) {
    union address address;
    socklen_t length;
    int parsed = parse_address(text, 0, &address, &length);
    if (parsed < 0) return parsed;
    if (address.any.sa_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr) ? 1 : 0;
    return (ntohl(address.v4.sin_addr.s_addr) >> 24) == 127;
}

int cep_peer_address(int descriptor, char *text, size_t capacity) {
    union address address;
    socklen_t length = sizeof address;
    if (getpeername(descriptor, &address.any, &length) < 0) return -errno;
    const void *number = address.any.sa_family == AF_INET6 ? (const void *)&address.v6.sin6_addr
                                                           : (const void *)&address.v4.sin_addr;
    if (!inet_ntop(address.any.sa_family, number, text, (socklen_t)capacity)) return -errno;
    return (int)strlen(text);
}

int64_t cep_receive(int descriptor, void *buffer, size_t capacity) {
    ssize_t count = recv(descriptor, buffer, capacity, 0);
    return count < 0 ? -errno : count;
}

int64_t cep_send(int descriptor, const void *bytes, size_t count) {
    ssize_t sent = send(descriptor, bytes, count, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

int cep_shutdown_write(int descriptor) {
    return shutdown(descriptor, SHUT_WR) < 0 ? -errno : 0;
}

int cep_untaken_bytes(int descriptor) {
    int count = 0;
    return ioctl(descriptor, SIOCOUTQ, &count) < 0 ? -errno : count;
}

int cep_close(int descriptor) {
    return close(descriptor) < 0 ? -errno : 0;
}
