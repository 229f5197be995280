// What a test and the program whose system calls it disturbs share: a file of 64-bit numbers, mapped by both, so that
// the numbers outlive the program when it is killed.
#ifndef CFAULTCONTROL_H
#define CFAULTCONTROL_H

#include <stdint.h>

// The environment variables by which a program is told of the file, and which directory's files are disturbed.
#define FCT_CONTROL "FAULTS_CONTROL"
#define FCT_DIRECTORY "FAULTS_DIRECTORY"

// The kinds of faults. Of each there is a rate (one call in so many fails, 0: none) and a count of what happened.
enum fct_kind {
    fct_sync_error,     // fsync, fdatasync: EIO, and nothing was synced
    fct_write_error,    // pwrite: half of it is written, then EIO
    fct_write_full,     // pwrite: half of it is written, then ENOSPC
    fct_short_write,    // pwrite: half of it is written, which it says
    fct_truncate_error, // ftruncate: EIO
    fct_room_full,      // pwrite: ENOSPC since the room that was given is used up
    fct_kinds
};

enum fct_number {
    fct_seed,
    fct_draws,        // how many choices were made
    fct_on,           // 0: every call does what it should
    fct_clock_offset, // nanoseconds that CLOCK_REALTIME is ahead, signed
    fct_has_room,     // 1: files may only grow by what fct_room has left
    fct_room,
    fct_first_rate = 16,
    fct_first_count = 32,
    fct_numbers = 64
};

struct fct_control;

// Maps the file, which is made if need be. NULL if that can't be done.
struct fct_control *fct_open(const char *path);
void fct_close(struct fct_control *control);

int64_t fct_get(const struct fct_control *control, uint32_t number);
void fct_set(struct fct_control *control, uint32_t number, int64_t value);
// Adds to a number and returns what it was.
int64_t fct_add(struct fct_control *control, uint32_t number, int64_t value);

#endif
