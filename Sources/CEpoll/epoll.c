#define _GNU_SOURCE
#include "CEpoll.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct cep_event) == sizeof(struct epoll_event), "cep_event mirrors epoll_event");
_Static_assert(offsetof(struct cep_event, data) == offsetof(struct epoll_event, data), "cep_event mirrors epoll_event");

const uint32_t CEP_IN = EPOLLIN, CEP_OUT = EPOLLOUT, CEP_RDHUP = EPOLLRDHUP, CEP_HUP = EPOLLHUP, CEP_ERR = EPOLLERR;

int cep_epoll_create(void) {
    int descriptor = epoll_create1(EPOLL_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

static int control(int epoll, int operation, int descriptor, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(epoll, operation, descriptor, &event) < 0 ? -errno : 0;
}

int cep_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_ADD, descriptor, events, data);
}

int cep_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_MOD, descriptor, events, data);
}

int cep_epoll_remove(int epoll, int descriptor) {
    return control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0);
}

int cep_epoll_wait(int epoll, struct cep_event *events, int capacity, int timeout_milliseconds) {
    int count = epoll_wait(epoll, (struct epoll_event *)events, capacity, timeout_milliseconds);
    return count < 0 ? -errno : count;
}

int cep_epoll_wait_nanoseconds(int epoll, struct cep_event *events, int capacity, uint64_t timeout_nanoseconds) {
    struct timespec timeout = {.tv_nsec = (long)(timeout_nanoseconds < 1000000000 ? timeout_nanoseconds : 999999999)};
    int count = epoll_pwait2(epoll, (struct epoll_event *)events, capacity, &timeout, NULL);
    return count < 0 ? -errno : count;
}

int cep_eventfd(void) {
    int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

int cep_eventfd_signal(int descriptor) {
    uint64_t one = 1;
    return write(descriptor, &one, sizeof one) < 0 ? -errno : 0;
}

int cep_eventfd_drain(int descriptor) {
    uint64_t count;
    return read(descriptor, &count, sizeof count) < 0 ? -errno : 0;
}
