#include <stdlib.h>
#include <string.h>

#include "disk.h"

struct image_file {
    char name[NAME_BYTES_MAX];
    uint8_t *data;
    size_t size;
};

struct simulated_image {
    size_t count;
    struct image_file files[];
};

/* SplitMix64. */
uint64_t disk_random(struct simulated_disk *disk) {
    uint64_t mixed = disk->random += 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

bool disk_may_change(struct simulated_disk *disk) {
    if (disk->is_halted) return false;
    disk->changes++;
    if (disk->halt_at && --disk->halt_at == 0) {
        disk->is_halted = true;
        return false;
    }
    return true;
}

bool disk_fails(struct simulated_disk *disk, enum simulated_fault fault) {
    if (disk->fail_count[fault] == 0) return false;
    if (disk->fail_first[fault] > 1) {
        disk->fail_first[fault]--;
        return false;
    }
    disk->fail_count[fault]--;
    disk->failures++;
    return true;
}

// MARK: Files

struct file *disk_find(const struct simulated_disk *disk, const char *name) {
    for (struct file *file = disk->files; file; file = file->next) {
        if (file->is_linked && strcmp(file->name, name) == 0) return file;
    }
    return NULL;
}

struct file *disk_create_file(struct simulated_disk *disk, const char *name) {
    if (strlen(name) >= NAME_BYTES_MAX) return NULL;
    struct file *file = calloc(1, sizeof *file);
    if (!file) return NULL;
    strcpy(file->name, name);
    file->is_linked = true;
    file->next = disk->files;
    disk->files = file;
    return file;
}

static void file_destroy(struct file *file) {
    file_forget_processes(file);
    free(file->live.data);
    free(file->durable.data);
    free(file->log.data);
    free(file->changes);
    free(file);
}

void disk_remove_unreachable(struct simulated_disk *disk) {
    struct file **link = &disk->files;
    while (*link) {
        struct file *file = *link;
        if (file->is_linked || file->is_durably_linked || file->open_count > 0) {
            link = &file->next;
        } else {
            *link = file->next;
            file_destroy(file);
        }
    }
}

// MARK: The disk as a whole

simulated_disk *simulated_disk_create(const char *name, uint64_t seed) {
    if (strlen(name) >= NAME_BYTES_MAX) return NULL;
    struct simulated_disk *disk = calloc(1, sizeof *disk);
    if (!disk) return NULL;
    strcpy(disk->name, name);
    disk->random = seed;
    disk_fill_vfs(disk);
    if (sqlite3_vfs_register(&disk->vfs, 0) != SQLITE_OK) {
        free(disk);
        return NULL;
    }
    return disk;
}

static void remove_all(struct simulated_disk *disk) {
    for (struct file *file = disk->files; file; file = file->next) {
        file->is_linked = false;
        file->is_durably_linked = false;
    }
    disk_remove_unreachable(disk);
}

void simulated_disk_destroy(simulated_disk *disk) {
    remove_all(disk);
    sqlite3_vfs_unregister(&disk->vfs);
    free(disk);
}

simulated_image *simulated_disk_capture(const simulated_disk *disk) {
    size_t count = 0;
    for (struct file *file = disk->files; file; file = file->next) count += file->is_linked;
    simulated_image *image = calloc(1, sizeof *image + count * sizeof image->files[0]);
    if (!image) return NULL;
    for (struct file *file = disk->files; file; file = file->next) {
        if (!file->is_linked) continue;
        struct image_file *copy = &image->files[image->count];
        strcpy(copy->name, file->name);
        copy->size = file->live.size;
        copy->data = malloc(copy->size ? copy->size : 1);
        if (!copy->data) abort();
        if (copy->size) memcpy(copy->data, file->live.data, copy->size);
        image->count++;
    }
    return image;
}

void simulated_image_destroy(simulated_image *image) {
    for (size_t i = 0; i < image->count; i++) free(image->files[i].data);
    free(image);
}

/* Begins anew, with memory that the file had before if there is one of that name. */
static struct file *file_again(struct simulated_disk *disk, const char *name) {
    for (struct file *file = disk->files; file; file = file->next) {
        if (strcmp(file->name, name) != 0 || file->is_linked) continue;
        file->live.size = file->durable.size = file->log.size = 0;
        file->change_count = 0;
        file->is_linked = true;
        return file;
    }
    return disk_create_file(disk, name);
}

void simulated_disk_reset(simulated_disk *disk, const simulated_image *image, uint64_t seed) {
    for (struct file *file = disk->files; file; file = file->next) {
        file->is_linked = false;
        file->is_durably_linked = false;
        file_forget_processes(file);
    }
    for (size_t i = 0; image && i < image->count; i++) {
        struct file *file = file_again(disk, image->files[i].name);
        if (!file || !bytes_write(&file->live, image->files[i].data, image->files[i].size, 0)
            || !bytes_write(&file->durable, image->files[i].data, image->files[i].size, 0)) {
            abort();
        }
        file->is_durably_linked = true;
    }
    disk_remove_unreachable(disk);
    disk->random = seed;
    disk->changes = disk->syncs = disk->failures = 0;
    disk->halt_at = 0;
    disk->is_halted = disk->is_lying = false;
    simulated_disk_heal(disk);
}

// MARK: Ends

void simulated_disk_halt(simulated_disk *disk) { disk->is_halted = true; }

void simulated_disk_halt_at(simulated_disk *disk, uint64_t changes) { disk->halt_at = changes; }

bool simulated_disk_is_halted(const simulated_disk *disk) { return disk->is_halted; }

void simulated_disk_restart(simulated_disk *disk) {
    disk->is_halted = false;
    disk->halt_at = 0;
    for (struct file *file = disk->files; file; file = file->next) file_forget_processes(file);
    disk_remove_unreachable(disk);
}

/* Which file a name leads to after a power cut: the one that was durable, the one that was there last, or none. */
static void choose_link(struct simulated_disk *disk, struct file *file) {
    if (file->is_linked == file->is_durably_linked) return;
    struct file *other = NULL;
    for (struct file *each = disk->files; each; each = each->next) {
        bool has_name = strcmp(each->name, file->name) == 0;
        if (each != file && has_name && (each->is_linked || each->is_durably_linked)) other = each;
    }
    uint64_t choice = disk_random(disk) % (other ? 3 : 2);
    file->is_linked = file->is_durably_linked = choice == 1;
    if (other) other->is_linked = other->is_durably_linked = choice == 2;
}

void simulated_disk_cut_power(simulated_disk *disk) {
    for (struct file *file = disk->files; file; file = file->next) {
        file_resolve(disk, file);
        choose_link(disk, file);
    }
    for (struct file *file = disk->files; file; file = file->next) {
        file->live.size = 0;
        if (!bytes_write(&file->live, file->durable.data, file->durable.size, 0)) abort();
    }
    simulated_disk_restart(disk);
    simulated_disk_heal(disk);
}

// MARK: Faults

void simulated_disk_fail(simulated_disk *disk, enum simulated_fault fault, uint64_t first, uint64_t count) {
    disk->fail_first[fault] = first;
    disk->fail_count[fault] = count;
}

void simulated_disk_heal(simulated_disk *disk) {
    memset(disk->fail_first, 0, sizeof disk->fail_first);
    memset(disk->fail_count, 0, sizeof disk->fail_count);
}

uint64_t simulated_disk_failures(const simulated_disk *disk) { return disk->failures; }

void simulated_disk_set_lying(simulated_disk *disk, bool is_lying) { disk->is_lying = is_lying; }

void simulated_disk_sync_all(simulated_disk *disk) {
    for (struct file *file = disk->files; file; file = file->next) file_sync(disk, file);
}

uint64_t simulated_disk_changes(const simulated_disk *disk) { return disk->changes; }

uint64_t simulated_disk_syncs(const simulated_disk *disk) { return disk->syncs; }

int64_t simulated_disk_file_size(const simulated_disk *disk, const char *name) {
    const struct file *file = disk_find(disk, name);
    return file ? (int64_t)file->live.size : -1;
}

void simulated_disk_prepare_sqlite(void) { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }
