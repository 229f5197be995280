#define _GNU_SOURCE
#include "CFaultControl.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

struct fct_control {
    int64_t numbers[fct_numbers];
};

struct fct_control *fct_open(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return NULL;
    void *memory = MAP_FAILED;
    if (ftruncate(file, sizeof(struct fct_control)) == 0)
        memory = mmap(NULL, sizeof(struct fct_control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? NULL : memory;
}

void fct_close(struct fct_control *control) { munmap(control, sizeof *control); }

int64_t fct_get(const struct fct_control *control, uint32_t number) {
    return __atomic_load_n(&control->numbers[number % fct_numbers], __ATOMIC_SEQ_CST);
}

void fct_set(struct fct_control *control, uint32_t number, int64_t value) {
    __atomic_store_n(&control->numbers[number % fct_numbers], value, __ATOMIC_SEQ_CST);
}

int64_t fct_add(struct fct_control *control, uint32_t number, int64_t value) {
    return __atomic_fetch_add(&control->numbers[number % fct_numbers], value, __ATOMIC_SEQ_CST);
}
