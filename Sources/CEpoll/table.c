#define _GNU_SOURCE
#include "CEpoll.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int cep_own_descriptor_table(const int *kept, int count) {
    // The first call leaves behind what lies above all that is kept, with the kernel's copy of the rest; where
    // unshare() is forbidden, as containers often have it, this one isn't.
    unsigned first = count > 0 ? (unsigned)kept[count - 1] + 1 : 0;
    if (close_range(first, UINT_MAX, CLOSE_RANGE_UNSHARE) < 0) return -errno;
    unsigned next = 0;
    for (int index = 0; index < count; index++) {
        unsigned descriptor = (unsigned)kept[index];
        if (descriptor > next && close_range(next, descriptor - 1, 0) < 0) return -errno;
        next = descriptor + 1;
    }
    return 0;
}

int cep_is_open(int descriptor) { return fcntl(descriptor, F_GETFD) >= 0; }

int cep_socket_pair(int *first, int *second) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
    *first = ends[0];
    *second = ends[1];
    return 0;
}

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

int cep_send_descriptor(int socket, uint64_t ticket, int descriptor) {
    union control control = {0};
    struct iovec bytes = {.iov_base = &ticket, .iov_len = sizeof ticket};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int cep_receive_descriptor(int socket, uint64_t *ticket) {
    union control control = {0};
    *ticket = 0;
    struct iovec bytes = {.iov_base = ticket, .iov_len = sizeof *ticket};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (count < 0) return -errno;
    if (count != sizeof *ticket) return -EPIPE;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    // The kernel lets go of a descriptor that it finds no place for, and delivers the rest.
    if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int))) return -EMFILE;
    int descriptor;
    memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    return descriptor;
}
