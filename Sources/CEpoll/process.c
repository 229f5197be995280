#define _GNU_SOURCE
#include "CEpoll.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

int64_t cep_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    }
    return (int64_t)limit.rlim_cur;
}

int64_t cep_descriptor_limit(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : (int64_t)limit.rlim_cur;
}

// Reads the file's beginning as text; returns its length.
static int64_t read_text(const char *path, char *text, size_t capacity) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -errno;
    ssize_t count = read(file, text, capacity - 1);
    int64_t result = count < 0 ? -errno : count;
    close(file);
    text[count < 0 ? 0 : count] = 0;
    return result;
}

int64_t cep_resident_bytes(void) {
    char text[128];
    unsigned long long total, resident;
    int64_t count = read_text("/proc/self/statm", text, sizeof text);
    if (count < 0) return count;
    if (sscanf(text, "%llu %llu", &total, &resident) != 2) return -EINVAL;
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

int64_t cep_memory_bytes(void) {
    int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    // Inside a container its group is the root; "max", or a number as large as can be, stands for no limit.
    const char *const paths[] = {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    for (size_t index = 0; index < sizeof paths / sizeof *paths; index++) {
        char text[64];
        if (read_text(paths[index], text, sizeof text) <= 0) continue;
        int64_t limit = strtoll(text, NULL, 10);
        if (limit > 0 && limit < bytes) bytes = limit;
    }
    return bytes;
}

int cep_core_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) < 0 ? -errno : CPU_COUNT(&set);
}

int cep_pin_thread(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0;
}

int cep_name_thread(const char *name) {
    return -pthread_setname_np(pthread_self(), name);
}

int cep_sharpen_timers(void) {
    return prctl(PR_SET_TIMERSLACK, 1ul) < 0 ? -errno : 0;
}

uint64_t cep_monotonic_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t cep_thread_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t cep_realtime_milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000u + (uint64_t)time.tv_nsec / 1000000u;
}

int cep_keep_freed_memory(size_t bytes) {
    // Setting one of them also ends their adjustment while the process runs.
    mallopt(M_TRIM_THRESHOLD, (int)bytes);
    mallopt(M_MMAP_THRESHOLD, (int)bytes / 4);
    return 0;
}

int cep_return_freed_memory(void) { return malloc_trim(0); }
