/* The disk's insides, shared by the files of this target. */
#ifndef SIMULATED_DISK_INSIDES_H
#define SIMULATED_DISK_INSIDES_H

#include <sqlite3.h>

#include "CSimulatedDisk.h"

#define SECTOR_BYTES 512
#define NAME_BYTES_MAX 128
#define REGIONS_MAX 64

struct bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

/* A change that no sync has confirmed: a write of `size` bytes that lie in the file's log, or a new length. */
struct change {
    size_t offset;
    size_t size;
    size_t log_offset;
    bool is_truncation;
};

struct file {
    struct file *next;
    char name[NAME_BYTES_MAX];
    struct bytes live;
    struct bytes durable;
    struct change *changes;
    size_t change_count;
    size_t change_capacity;
    struct bytes log;
    /* Whether the name leads here, now and after a power cut. */
    bool is_linked;
    bool is_durably_linked;
    int open_count;
    /* Locks on the file: handles that read, and the ones that want to write or do. */
    int shared_count;
    void *reserved;
    void *exclusive;
    /* The index of the WAL, which connections share. */
    void *regions[REGIONS_MAX];
    int shared_slots[SQLITE_SHM_NLOCK];
    void *exclusive_slots[SQLITE_SHM_NLOCK];
};

struct simulated_disk {
    sqlite3_vfs vfs;
    char name[NAME_BYTES_MAX];
    struct file *files;
    uint64_t random;
    uint64_t changes;
    uint64_t syncs;
    uint64_t failures;
    uint64_t halt_at;
    uint64_t fail_first[4];
    uint64_t fail_count[4];
    bool is_halted;
    bool is_lying;
};

uint64_t disk_random(struct simulated_disk *disk);
/* Counts a change; false if the disk is halted, or halts at this one. */
bool disk_may_change(struct simulated_disk *disk);
/* Whether this operation of the fault's kind is one to fail. */
bool disk_fails(struct simulated_disk *disk, enum simulated_fault fault);

struct file *disk_find(const struct simulated_disk *disk, const char *name);
struct file *disk_create_file(struct simulated_disk *disk, const char *name);
void disk_remove_unreachable(struct simulated_disk *disk);

bool file_write(struct file *file, const void *data, size_t size, size_t offset);
bool file_truncate(struct file *file, size_t size);
bool file_sync(struct simulated_disk *disk, struct file *file);
void file_unlink(struct simulated_disk *disk, struct file *file, bool is_durable);
/* Forgets the shared index of a WAL. */
void file_forget_regions(struct file *file);
/* Forgets locks and shared memory, which no process outlives. */
void file_forget_processes(struct file *file);
/* Decides about each unconfirmed change of the file from the seed. */
void file_resolve(struct simulated_disk *disk, struct file *file);
bool bytes_write(struct bytes *bytes, const void *data, size_t size, size_t offset);
void bytes_resize(struct bytes *bytes, size_t size);

void disk_fill_vfs(struct simulated_disk *disk);

#endif
