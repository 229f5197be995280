#define _GNU_SOURCE
#include "CFloor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, READ_BYTES = 64 << 10, GREETING_BYTES = 8 };

struct connection {
    int descriptor;
    uint32_t peer;
    int is_dirty;
    char *output;
    size_t filled, capacity;
};

struct forwarder {
    int epoll, listener;
    uint32_t capacity;
    struct connection *connections;
    uint32_t *dirty;
    uint32_t dirty_count;
    // One above the highest number that was greeted.
    uint32_t end;
    char input[READ_BYTES];
};

// Numbers of connections are their epoll data; these two aren't numbers.
static const uint64_t LISTENER = UINT64_MAX;
static const uint64_t UNGREETED = (uint64_t)1 << 32;

static int watch(int epoll, int operation, int descriptor, uint64_t data) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};
    return epoll_ctl(epoll, operation, descriptor, &event) < 0 ? -errno : 0;
}

static int listen_on(uint16_t port) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) < 0 || listen(descriptor, 4096) < 0) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    return descriptor;
}

static void accept_all(struct forwarder *forwarder) {
    int descriptor;
    while ((descriptor = accept4(forwarder->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int on = 1;
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (watch(forwarder->epoll, EPOLL_CTL_ADD, descriptor, UNGREETED | (uint32_t)descriptor) < 0) close(descriptor);
    }
}

// The greeting is eight bytes in one segment of the loopback; one that came in pieces is refused.
static void greet(struct forwarder *forwarder, int descriptor) {
    uint32_t numbers[2];
    ssize_t count = recv(descriptor, numbers, GREETING_BYTES, 0);
    if (count != GREETING_BYTES || numbers[0] >= forwarder->capacity ||
        (numbers[1] >= forwarder->capacity && numbers[1] != CFL_EVERYONE) ||
        forwarder->connections[numbers[0]].descriptor >= 0 ||
        watch(forwarder->epoll, EPOLL_CTL_MOD, descriptor, numbers[0]) < 0 ||
        send(descriptor, "k", 1, MSG_NOSIGNAL) < 0) {
        close(descriptor);
        return;
    }
    struct connection *connection = &forwarder->connections[numbers[0]];
    connection->descriptor = descriptor;
    connection->peer = numbers[1];
    if (numbers[0] >= forwarder->end) forwarder->end = numbers[0] + 1;
}

static int append(struct connection *connection, const char *bytes, size_t count) {
    if (connection->filled + count > connection->capacity) {
        size_t capacity = (connection->filled + count) * 2;
        char *output = realloc(connection->output, capacity);
        if (!output) return -ENOMEM;
        connection->output = output;
        connection->capacity = capacity;
    }
    memcpy(connection->output + connection->filled, bytes, count);
    connection->filled += count;
    return 0;
}

static void end(struct connection *connection) {
    close(connection->descriptor);
    connection->descriptor = -1;
    connection->filled = 0;
}

static int keep(struct forwarder *forwarder, uint32_t number, const char *bytes, size_t count) {
    struct connection *connection = &forwarder->connections[number];
    if (!connection->is_dirty) {
        connection->is_dirty = 1;
        forwarder->dirty[forwarder->dirty_count++] = number;
    }
    return append(connection, bytes, count);
}

// One send a socket for all that was read together; only what a full socket doesn't take is copied.
static int fan_out(struct forwarder *forwarder, size_t count) {
    for (uint32_t number = 0; number < forwarder->end; number++) {
        struct connection *connection = &forwarder->connections[number];
        if (connection->descriptor < 0) continue;
        ssize_t sent = 0;
        if (connection->filled == 0) {
            sent = send(connection->descriptor, forwarder->input, count, MSG_NOSIGNAL);
            if (sent < 0 && errno != EAGAIN) {
                end(connection);
                continue;
            }
            if (sent < 0) sent = 0;
        }
        if ((size_t)sent == count) continue;
        int result = keep(forwarder, number, forwarder->input + sent, count - (size_t)sent);
        if (result < 0) return result;
    }
    return 0;
}

static int forward(struct forwarder *forwarder, uint32_t number) {
    struct connection *connection = &forwarder->connections[number];
    if (connection->descriptor < 0) return 0;
    ssize_t count = recv(connection->descriptor, forwarder->input, sizeof forwarder->input, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (count <= 0) {
        end(connection);
        return 0;
    }
    if (connection->peer == CFL_EVERYONE) return fan_out(forwarder, (size_t)count);
    if (forwarder->connections[connection->peer].descriptor < 0) return 0;
    return keep(forwarder, connection->peer, forwarder->input, (size_t)count);
}

// What a full socket doesn't take stays for the next tick: the windows of the clients bound it.
static void flush(struct forwarder *forwarder) {
    uint32_t waiting = 0;
    for (uint32_t index = 0; index < forwarder->dirty_count; index++) {
        struct connection *connection = &forwarder->connections[forwarder->dirty[index]];
        if (connection->descriptor >= 0 && connection->filled > 0) {
            ssize_t sent = send(connection->descriptor, connection->output, connection->filled, MSG_NOSIGNAL);
            if (sent < 0 && errno != EAGAIN) {
                end(connection);
            } else if (sent > 0) {
                connection->filled -= (size_t)sent;
                memmove(connection->output, connection->output + sent, connection->filled);
            }
        }
        if (connection->descriptor >= 0 && connection->filled > 0)
            forwarder->dirty[waiting++] = forwarder->dirty[index];
        else
            connection->is_dirty = 0;
    }
    forwarder->dirty_count = waiting;
}

static int run(struct forwarder *forwarder) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(forwarder->epoll, events, EVENTS, forwarder->dirty_count ? 1 : -1);
        if (count < 0 && errno != EINTR) return -errno;
        for (int index = 0; index < count; index++) {
            uint64_t data = events[index].data.u64;
            if (data == LISTENER) {
                accept_all(forwarder);
            } else if (data & UNGREETED) {
                greet(forwarder, (int)(uint32_t)data);
            } else {
                int result = forward(forwarder, (uint32_t)data);
                if (result < 0) return result;
            }
        }
        flush(forwarder);
    }
}

int cfl_forward(uint16_t port, uint32_t capacity) {
    prctl(PR_SET_NAME, "forwarder");
    struct forwarder *forwarder = calloc(1, sizeof *forwarder);
    if (!forwarder) return -ENOMEM;
    forwarder->capacity = capacity;
    forwarder->connections = calloc(capacity, sizeof *forwarder->connections);
    forwarder->dirty = calloc(capacity, sizeof *forwarder->dirty);
    if (!forwarder->connections || !forwarder->dirty) return -ENOMEM;
    for (uint32_t index = 0; index < capacity; index++) forwarder->connections[index].descriptor = -1;
    forwarder->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (forwarder->epoll < 0) return -errno;
    forwarder->listener = listen_on(port);
    if (forwarder->listener < 0) return forwarder->listener;
    int watched = watch(forwarder->epoll, EPOLL_CTL_ADD, forwarder->listener, LISTENER);
    return watched < 0 ? watched : run(forwarder);
}

// Below the ports that the kernel gives to those who connect: one of those may be in use before a server takes it.
enum { PORT_MIN = 10000, PORT_COUNT = 20000, PORT_ATTEMPTS = 200 };

int cfl_free_port(void) {
    for (int attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
        uint16_t number;
        if (getrandom(&number, sizeof number, 0) != sizeof number) return -errno;
        uint16_t port = (uint16_t)(PORT_MIN + number % PORT_COUNT);
        int descriptor = listen_on(port);
        if (descriptor < 0) continue;
        close(descriptor);
        return port;
    }
    return -EADDRINUSE;
}
