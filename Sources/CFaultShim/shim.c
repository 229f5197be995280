#define _GNU_SOURCE
#include "CFaultControl.h"
#include "CFaultShim.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// Written once, before there are other threads, by the constructor.
static struct fct_control *control;
static char directory[PATH_MAX];
static size_t directory_length;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv(FCT_CONTROL), *place = getenv(FCT_DIRECTORY);
    if (!path || !place || strlen(place) >= sizeof directory) return;
    strcpy(directory, place);
    directory_length = strlen(directory);
    control = fct_open(path);
}

// The function behind ours, looked up with the first call: constructors of other libraries may call before ours ran.
#define NEXT(name)                                                                                                     \
    ({                                                                                                                 \
        static __typeof__(&name) next_##name;                                                                          \
        __typeof__(&name) next = __atomic_load_n(&next_##name, __ATOMIC_RELAXED);                                      \
        if (!next) {                                                                                                   \
            next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                                         \
            __atomic_store_n(&next_##name, next, __ATOMIC_RELAXED);                                                    \
        }                                                                                                              \
        next;                                                                                                          \
    })

static bool is_on(void) { return control && fct_get(control, fct_on) != 0; }

// Whether a descriptor is a file of the directory. A thread may have descriptors of its own, so it is asked for each
// time and not noted when files are opened.
static bool is_ours(int file) {
    char link[64], target[PATH_MAX];
    snprintf(link, sizeof link, "/proc/thread-self/fd/%d", file);
    ssize_t length = readlink(link, target, sizeof target);
    return length > (ssize_t)directory_length && target[directory_length] == '/' &&
           memcmp(target, directory, directory_length) == 0;
}

// The next choice: one in `rate` is yes.
static bool is_chosen(enum fct_kind kind, int file) {
    int64_t rate = fct_get(control, fct_first_rate + kind);
    if (rate <= 0) return false;
    uint64_t x = (uint64_t)fct_get(control, fct_seed) +
                 (uint64_t)(fct_add(control, fct_draws, 1) + 1) * 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    x ^= x >> 31;
    if (x % (uint64_t)rate != 0 || !is_ours(file)) return false;
    fct_add(control, fct_first_count + kind, 1);
    return true;
}

static int failed(int error) {
    errno = error;
    return -1;
}

// Syncs

int fsync(int file) {
    if (is_on() && is_chosen(fct_sync_error, file)) return failed(EIO);
    return NEXT(fsync)(file);
}

int fdatasync(int file) {
    if (is_on() && is_chosen(fct_sync_error, file)) return failed(EIO);
    return NEXT(fdatasync)(file);
}

// Writes

static int64_t size_of(int file) {
    struct stat status;
    return fstat(file, &status) == 0 ? status.st_size : 0;
}

// Whether there is room for what a write adds to a file; takes it if so.
static bool takes_room(int file, size_t count, off64_t offset) {
    if (fct_get(control, fct_has_room) == 0 || !is_ours(file)) return true;
    int64_t growth = (int64_t)offset + (int64_t)count - size_of(file);
    if (growth <= 0) return true;
    if (fct_add(control, fct_room, -growth) >= growth) return true;
    fct_add(control, fct_room, growth);
    fct_add(control, fct_first_count + fct_room_full, 1);
    return false;
}

static ssize_t write_at(int file, const void *bytes, size_t count, off64_t offset) {
    __typeof__(&pwrite64) next = NEXT(pwrite64);
    if (!is_on()) return next(file, bytes, count, offset);
    bool fails = is_chosen(fct_write_error, file), is_full = is_chosen(fct_write_full, file);
    if (fails || is_full) {
        if (count > 1) next(file, bytes, count / 2, offset);
        return failed(fails ? EIO : ENOSPC);
    }
    if (!takes_room(file, count, offset)) return failed(ENOSPC);
    if (count > 1 && is_chosen(fct_short_write, file)) count /= 2;
    return next(file, bytes, count, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    return write_at(file, bytes, count, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return write_at(file, bytes, count, offset);
}

static int truncate_to(int file, off64_t size) {
    if (is_on() && is_chosen(fct_truncate_error, file)) return failed(EIO);
    bool counts = is_on() && fct_get(control, fct_has_room) != 0 && is_ours(file);
    int64_t before = counts ? size_of(file) : 0;
    int result = NEXT(ftruncate64)(file, size);
    if (counts && result == 0) fct_add(control, fct_room, before - (int64_t)size);
    return result;
}

int ftruncate64(int file, off64_t size) { return truncate_to(file, size); }
int ftruncate(int file, off_t size) { return truncate_to(file, size); }

// What is said about the room

static bool is_below(const char *path) {
    return strncmp(path, directory, directory_length) == 0 &&
           (path[directory_length] == 0 || path[directory_length] == '/');
}

int statvfs(const char *restrict path, struct statvfs *restrict found) {
    int result = NEXT(statvfs)(path, found);
    if (result != 0 || !is_on() || fct_get(control, fct_has_room) == 0 || !is_below(path)) return result;
    int64_t room = fct_get(control, fct_room);
    found->f_bavail = found->f_bfree = room > 0 ? (fsblkcnt_t)room / found->f_frsize : 0;
    return result;
}

// Clocks

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = NEXT(clock_gettime)(clock, time);
    if (result != 0 || !control || clock != CLOCK_REALTIME) return result;
    int64_t offset = fct_get(control, fct_clock_offset);
    int64_t nanoseconds = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec + offset;
    time->tv_sec = nanoseconds / 1000000000;
    time->tv_nsec = nanoseconds % 1000000000;
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    int result = NEXT(gettimeofday)(time, zone);
    if (result != 0 || !control) return result;
    int64_t microseconds = (int64_t)time->tv_sec * 1000000 + time->tv_usec;
    microseconds += fct_get(control, fct_clock_offset) / 1000;
    time->tv_sec = microseconds / 1000000;
    time->tv_usec = microseconds % 1000000;
    return result;
}
