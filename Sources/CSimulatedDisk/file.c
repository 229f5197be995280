#include <stdlib.h>
#include <string.h>

#include "disk.h"

static bool bytes_reserve(struct bytes *bytes, size_t capacity) {
    if (capacity <= bytes->capacity) return true;
    size_t grown = bytes->capacity ? bytes->capacity : 4096;
    while (grown < capacity) grown *= 2;
    uint8_t *data = realloc(bytes->data, grown);
    if (!data) return false;
    bytes->data = data;
    bytes->capacity = grown;
    return true;
}

void bytes_resize(struct bytes *bytes, size_t size) {
    if (size > bytes->size) {
        if (!bytes_reserve(bytes, size)) abort();
        memset(bytes->data + bytes->size, 0, size - bytes->size);
    }
    bytes->size = size;
}

bool bytes_write(struct bytes *bytes, const void *data, size_t size, size_t offset) {
    if (size == 0) return true;
    if (!bytes_reserve(bytes, offset + size)) return false;
    if (offset > bytes->size) memset(bytes->data + bytes->size, 0, offset - bytes->size);
    memcpy(bytes->data + offset, data, size);
    if (offset + size > bytes->size) bytes->size = offset + size;
    return true;
}

static bool file_note(struct file *file, struct change change) {
    if (file->change_count == file->change_capacity) {
        size_t capacity = file->change_capacity ? file->change_capacity * 2 : 32;
        struct change *changes = realloc(file->changes, capacity * sizeof *changes);
        if (!changes) return false;
        file->changes = changes;
        file->change_capacity = capacity;
    }
    file->changes[file->change_count++] = change;
    return true;
}

bool file_write(struct file *file, const void *data, size_t size, size_t offset) {
    if (size == 0) return true;
    struct change change = {.offset = offset, .size = size, .log_offset = file->log.size};
    return bytes_write(&file->log, data, size, file->log.size) && file_note(file, change)
        && bytes_write(&file->live, data, size, offset);
}

bool file_truncate(struct file *file, size_t size) {
    struct change change = {.offset = size, .is_truncation = true};
    if (!file_note(file, change)) return false;
    bytes_resize(&file->live, size);
    return true;
}

static void file_forget_changes(struct file *file) {
    file->change_count = 0;
    file->log.size = 0;
}

static void apply(struct file *file, const struct change *change) {
    if (change->is_truncation) {
        bytes_resize(&file->durable, change->offset);
    } else if (!bytes_write(&file->durable, file->log.data + change->log_offset, change->size, change->offset)) {
        abort();
    }
}

static void sync_directory(struct simulated_disk *disk) {
    for (struct file *file = disk->files; file; file = file->next) file->is_durably_linked = file->is_linked;
}

bool file_sync(struct simulated_disk *disk, struct file *file) {
    for (size_t i = 0; i < file->change_count; i++) apply(file, &file->changes[i]);
    file_forget_changes(file);
    if (file->is_linked && !file->is_durably_linked) sync_directory(disk);
    return true;
}

void file_unlink(struct simulated_disk *disk, struct file *file, bool is_durable) {
    file->is_linked = false;
    if (is_durable) sync_directory(disk);
}

/* Each sector by itself, and the bytes around the write left alone. */
static void tear(struct simulated_disk *disk, struct file *file, const struct change *change) {
    size_t done = 0;
    while (done < change->size) {
        size_t offset = change->offset + done;
        size_t size = SECTOR_BYTES - offset % SECTOR_BYTES;
        if (size > change->size - done) size = change->size - done;
        if (disk_random(disk) & 1) {
            if (!bytes_write(&file->durable, file->log.data + change->log_offset + done, size, offset)) abort();
        }
        done += size;
    }
}

void file_resolve(struct simulated_disk *disk, struct file *file) {
    for (size_t i = 0; i < file->change_count; i++) {
        const struct change *change = &file->changes[i];
        uint64_t choice = disk_random(disk) % 8;
        if (choice < 3) {
            apply(file, change);
        } else if (choice < 5 && !change->is_truncation) {
            tear(disk, file, change);
        }
    }
    file_forget_changes(file);
}

void file_forget_regions(struct file *file) {
    for (size_t i = 0; i < REGIONS_MAX; i++) {
        free(file->regions[i]);
        file->regions[i] = NULL;
    }
}

void file_forget_processes(struct file *file) {
    file->shared_count = 0;
    file->reserved = file->exclusive = NULL;
    file_forget_regions(file);
    memset(file->shared_slots, 0, sizeof file->shared_slots);
    memset(file->exclusive_slots, 0, sizeof file->exclusive_slots);
}
