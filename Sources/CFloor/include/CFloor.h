// The floor: what the kernel alone costs for the work of a router, and what the load generator needs of Linux that
// Swift can't call by itself. Every function returns a value ≥ 0, or -errno, unless it says otherwise.
#ifndef CFLOOR_H
#define CFLOOR_H

#include <stdint.h>
#include <sys/types.h>

// The number of all connections together.
#define CFL_EVERYONE UINT32_MAX

// Forwards bytes between connections on 127.0.0.1:port until the process is told to end. A connection first sends two
// little-endian 32-bit numbers, its own and that of the connection that gets what it sends (itself: an echo), or
// CFL_EVERYONE, and is answered with one byte. Numbers lie below capacity. Returns only on failure.
int cfl_forward(uint16_t port, uint32_t capacity);

// A port of 127.0.0.1 that is free now.
int cfl_free_port(void);

// Starts a program; its output goes to the file log_path. core < 0 leaves it unpinned. The child is killed when the
// calling thread ends, so that no measurement leaves a server behind.
pid_t cfl_spawn(
    const char *path, char *const *arguments, char *const *environment, int core, const char *log_path);

// Whether the child has ended: 0 if not, else 1 and its wait status.
int cfl_has_ended(pid_t child, int *status);

#endif
