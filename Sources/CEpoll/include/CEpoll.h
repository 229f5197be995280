// What Swift can't call by itself of Linux's epoll and socket interfaces: macros, unions, variadic and GNU functions.
// No logic and no state. Every function returns a value ≥ 0, or -errno.
#ifndef CEPOLL_H
#define CEPOLL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

// Mirrors struct epoll_event, which is packed on x86-64 and has a union that Swift imports badly.
struct cep_event {
    uint32_t events;
    uint64_t data;
} __attribute__((packed));

extern const uint32_t CEP_IN, CEP_OUT, CEP_RDHUP, CEP_HUP, CEP_ERR;

int cep_epoll_create(void);
int cep_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t data);
int cep_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t data);
int cep_epoll_remove(int epoll, int descriptor);
int cep_epoll_wait(int epoll, struct cep_event *events, int capacity, int timeout_milliseconds);
// The same with a timeout below a second, to the nanosecond, as far as the thread's timer slack lets it.
int cep_epoll_wait_nanoseconds(int epoll, struct cep_event *events, int capacity, uint64_t timeout_nanoseconds);

int cep_eventfd(void);
int cep_eventfd_signal(int descriptor);
int cep_eventfd_drain(int descriptor);

// Addresses are numeric: IPv4, or IPv6 in its plain form.
// Listens with SO_REUSEPORT, so that several loops can share a port; exclusive fails if anyone listens there already.
int cep_listen(const char *address, uint16_t port, int backlog, int exclusive);
int cep_accept(int listener);
int cep_connect(const char *address, uint16_t port, const char *source_address);
int cep_socket_error(int descriptor);
int cep_local_port(int descriptor);
int cep_is_loopback(const char *address);
// Writes the peer's numeric address into text; returns its length.
int cep_peer_address(int descriptor, char *text, size_t capacity);

int64_t cep_receive(int descriptor, void *buffer, size_t capacity);
int64_t cep_send(int descriptor, const void *bytes, size_t count);
int cep_shutdown_write(int descriptor);
// Bytes that were sent and that the peer's kernel hasn't acknowledged.
int cep_untaken_bytes(int descriptor);
int cep_close(int descriptor);

// Gives the calling thread a descriptor table of its own, with copies of the kept descriptors only; they must be open
// and in ascending order. Those of other threads stay as they are.
int cep_own_descriptor_table(const int *kept, int count);
// 1 if the descriptor is open in the calling thread's table.
int cep_is_open(int descriptor);
// A pair of sockets that keep messages apart.
int cep_socket_pair(int *first, int *second);
// Sends a copy of a descriptor to whoever reads the other end of the pair, perhaps in another descriptor table.
int cep_send_descriptor(int socket, uint64_t ticket, int descriptor);
// Returns the next descriptor and its ticket; -EMFILE with a ticket: that one found no place in this table and is gone.
int cep_receive_descriptor(int socket, uint64_t *ticket);

// Raises the soft limit of open descriptors to the hard one; returns the limit then in force.
int64_t cep_raise_descriptor_limit(void);
// The limit in force.
int64_t cep_descriptor_limit(void);
// Cores that the process may run on.
int cep_core_count(void);
int cep_pin_thread(int core);
int cep_name_thread(const char *name);
// Lets the allocator keep more of what is freed than it does by default, which asks the kernel for the same pages
// over and over.
int cep_keep_freed_memory(size_t bytes);
// Memory that the process has in pages, without what is only swapped out or mapped.
int64_t cep_resident_bytes(void);
// Memory that the process may take: the machine's, or what its control group allows.
int64_t cep_memory_bytes(void);
// Gives the pages of freed memory back to the kernel.
int cep_return_freed_memory(void);
// Lets timeouts of the calling thread end when they are due instead of up to 50 µs later.
int cep_sharpen_timers(void);
// Nanoseconds of the monotonic clock.
uint64_t cep_monotonic_nanoseconds(void);
// CPU time of the calling thread.
uint64_t cep_thread_nanoseconds(void);
// Milliseconds since the Unix epoch.
uint64_t cep_realtime_milliseconds(void);

#endif
