#include <stdlib.h>
#include <string.h>

#include "disk.h"

/* An open file, as SQLite allocates it. */
struct handle {
    sqlite3_file base;
    struct simulated_disk *disk;
    struct file *file;
    bool deletes_on_close;
    /* The lock that it holds, and how often each slot of the WAL's index. */
    int level;
    int shared_slots[SQLITE_SHM_NLOCK];
};

static struct handle *handle_of(sqlite3_file *base) { return (struct handle *)base; }

// MARK: Methods of a file

static int handle_read(sqlite3_file *base, void *target, int size, sqlite3_int64 offset) {
    struct handle *handle = handle_of(base);
    if (handle->disk->is_halted) return SQLITE_IOERR_READ;
    const struct bytes *live = &handle->file->live;
    size_t there = (size_t)offset < live->size ? live->size - (size_t)offset : 0;
    if (there >= (size_t)size) {
        memcpy(target, live->data + offset, (size_t)size);
        return SQLITE_OK;
    }
    if (there) memcpy(target, live->data + offset, there);
    memset((uint8_t *)target + there, 0, (size_t)size - there);
    return SQLITE_IOERR_SHORT_READ;
}

static int handle_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 offset) {
    struct handle *handle = handle_of(base);
    struct simulated_disk *disk = handle->disk;
    bool was_halted = disk->is_halted;
    if (!disk_may_change(disk)) {
        // Some part of the write that it stopped in may have been done.
        size_t part = was_halted ? 0 : disk_random(disk) % ((size_t)size + 1);
        file_write(handle->file, data, part, (size_t)offset);
        return SQLITE_IOERR_WRITE;
    }
    if (disk_fails(disk, SIMULATED_DISK_FULL)) return SQLITE_FULL;
    if (disk_fails(disk, SIMULATED_WRITE_ERROR)) {
        // Some part of it may be there all the same.
        size_t part = disk_random(disk) % ((size_t)size + 1);
        file_write(handle->file, data, part, (size_t)offset);
        return SQLITE_IOERR_WRITE;
    }
    return file_write(handle->file, data, (size_t)size, (size_t)offset) ? SQLITE_OK : SQLITE_IOERR_NOMEM;
}

static int handle_truncate(sqlite3_file *base, sqlite3_int64 size) {
    struct handle *handle = handle_of(base);
    if (!disk_may_change(handle->disk)) return SQLITE_IOERR_TRUNCATE;
    return file_truncate(handle->file, (size_t)size) ? SQLITE_OK : SQLITE_IOERR_NOMEM;
}

static int handle_sync(sqlite3_file *base, int flags) {
    (void)flags;
    struct handle *handle = handle_of(base);
    struct simulated_disk *disk = handle->disk;
    if (!disk_may_change(disk)) return SQLITE_IOERR_FSYNC;
    disk->syncs++;
    if (disk->is_lying) return SQLITE_OK;
    if (disk_fails(disk, SIMULATED_SYNC_ERROR)) {
        file_resolve(disk, handle->file);
        return SQLITE_IOERR_FSYNC;
    }
    return file_sync(disk, handle->file) ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int handle_size(sqlite3_file *base, sqlite3_int64 *size) {
    struct handle *handle = handle_of(base);
    if (handle->disk->is_halted) return SQLITE_IOERR_FSTAT;
    *size = (sqlite3_int64)handle->file->live.size;
    return SQLITE_OK;
}

static int handle_lock(sqlite3_file *base, int level) {
    struct handle *handle = handle_of(base);
    struct file *file = handle->file;
    if (handle->disk->is_halted) return SQLITE_IOERR_LOCK;
    if (level <= handle->level) return SQLITE_OK;
    if (file->exclusive && file->exclusive != handle) return SQLITE_BUSY;
    if (handle->level == SQLITE_LOCK_NONE) {
        file->shared_count++;
        handle->level = SQLITE_LOCK_SHARED;
    }
    if (level >= SQLITE_LOCK_RESERVED) {
        if (file->reserved && file->reserved != handle) return SQLITE_BUSY;
        file->reserved = handle;
    }
    if (level == SQLITE_LOCK_EXCLUSIVE) {
        if (file->shared_count > 1) return SQLITE_BUSY;
        file->exclusive = handle;
    }
    handle->level = level;
    return SQLITE_OK;
}

static int handle_unlock(sqlite3_file *base, int level) {
    struct handle *handle = handle_of(base);
    struct file *file = handle->file;
    if (level >= handle->level) return SQLITE_OK;
    if (file->exclusive == handle) file->exclusive = NULL;
    if (file->reserved == handle) file->reserved = NULL;
    if (level == SQLITE_LOCK_NONE) file->shared_count--;
    handle->level = level;
    return SQLITE_OK;
}

static int handle_is_reserved(sqlite3_file *base, int *result) {
    *result = handle_of(base)->file->reserved != NULL;
    return SQLITE_OK;
}

// MARK: The shared index of a WAL

static int handle_map(sqlite3_file *base, int region, int size, int extends, void volatile **memory) {
    struct file *file = handle_of(base)->file;
    *memory = NULL;
    if (handle_of(base)->disk->is_halted || region >= REGIONS_MAX) return SQLITE_IOERR_SHMMAP;
    if (!file->regions[region]) {
        if (!extends) return SQLITE_OK;
        file->regions[region] = calloc(1, (size_t)size);
        if (!file->regions[region]) return SQLITE_NOMEM;
    }
    *memory = file->regions[region];
    return SQLITE_OK;
}

static int handle_lock_slots(sqlite3_file *base, int first, int count, int flags) {
    struct handle *handle = handle_of(base);
    struct file *file = handle->file;
    for (int slot = first; slot < first + count && flags & SQLITE_SHM_LOCK; slot++) {
        if (file->exclusive_slots[slot] && file->exclusive_slots[slot] != handle) return SQLITE_BUSY;
        int others = file->shared_slots[slot] - handle->shared_slots[slot];
        if (flags & SQLITE_SHM_EXCLUSIVE && others > 0) return SQLITE_BUSY;
    }
    for (int slot = first; slot < first + count; slot++) {
        if (flags & SQLITE_SHM_EXCLUSIVE) {
            file->exclusive_slots[slot] = flags & SQLITE_SHM_LOCK ? handle : NULL;
        } else {
            int change = flags & SQLITE_SHM_LOCK ? 1 : -1;
            file->shared_slots[slot] += change;
            handle->shared_slots[slot] += change;
        }
    }
    return SQLITE_OK;
}

static void handle_barrier(sqlite3_file *base) { (void)base; }

static int handle_unmap(sqlite3_file *base, int deletes) {
    (void)deletes;
    struct handle *handle = handle_of(base);
    struct file *file = handle->file;
    for (int slot = 0; slot < SQLITE_SHM_NLOCK; slot++) {
        file->shared_slots[slot] -= handle->shared_slots[slot];
        handle->shared_slots[slot] = 0;
        if (file->exclusive_slots[slot] == handle) file->exclusive_slots[slot] = NULL;
    }
    // With its last connection gone, the next one recovers the index from the WAL.
    if (file->open_count == 1) file_forget_regions(file);
    return SQLITE_OK;
}

static int handle_close(sqlite3_file *base) {
    struct handle *handle = handle_of(base);
    handle_unlock(base, SQLITE_LOCK_NONE);
    handle->file->open_count--;
    if (handle->deletes_on_close) handle->file->is_linked = handle->file->is_durably_linked = false;
    disk_remove_unreachable(handle->disk);
    return SQLITE_OK;
}

static int handle_control(sqlite3_file *base, int operation, void *argument) {
    (void)base;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int handle_sector_size(sqlite3_file *base) {
    (void)base;
    return SECTOR_BYTES;
}

static int handle_characteristics(sqlite3_file *base) {
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* Version 2: with shared memory, without memory-mapped files. */
static const sqlite3_io_methods handle_methods = {
    .iVersion = 2,
    .xClose = handle_close,
    .xRead = handle_read,
    .xWrite = handle_write,
    .xTruncate = handle_truncate,
    .xSync = handle_sync,
    .xFileSize = handle_size,
    .xLock = handle_lock,
    .xUnlock = handle_unlock,
    .xCheckReservedLock = handle_is_reserved,
    .xFileControl = handle_control,
    .xSectorSize = handle_sector_size,
    .xDeviceCharacteristics = handle_characteristics,
    .xShmMap = handle_map,
    .xShmLock = handle_lock_slots,
    .xShmBarrier = handle_barrier,
    .xShmUnmap = handle_unmap,
};

// MARK: Methods of the VFS

static struct simulated_disk *disk_of(sqlite3_vfs *vfs) { return vfs->pAppData; }

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *base, int flags, int *flags_out) {
    struct simulated_disk *disk = disk_of(vfs);
    struct handle *handle = handle_of(base);
    memset(handle, 0, sizeof *handle);
    if (disk->is_halted) return SQLITE_CANTOPEN;
    struct file *file = name ? disk_find(disk, name) : NULL;
    if (!file) {
        if (name && !(flags & SQLITE_OPEN_CREATE)) return SQLITE_CANTOPEN;
        file = disk_create_file(disk, name ? name : "");
        if (!file) return SQLITE_NOMEM;
    }
    file->open_count++;
    handle->disk = disk;
    handle->file = file;
    handle->deletes_on_close = !name || (flags & SQLITE_OPEN_DELETEONCLOSE);
    handle->base.pMethods = &handle_methods;
    if (flags_out) *flags_out = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int syncs_directory) {
    struct simulated_disk *disk = disk_of(vfs);
    if (!disk_may_change(disk)) return SQLITE_IOERR_DELETE;
    struct file *file = disk_find(disk, name);
    if (!file) return SQLITE_IOERR_DELETE_NOENT;
    file_unlink(disk, file, syncs_directory && !disk->is_lying);
    disk_remove_unreachable(disk);
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result) {
    (void)flags;
    struct simulated_disk *disk = disk_of(vfs);
    if (disk->is_halted) return SQLITE_IOERR_ACCESS;
    const struct file *file = disk_find(disk, name);
    // As SQLite's own VFS: an empty file counts as none.
    *result = file && (flags != SQLITE_ACCESS_EXISTS || file->live.size > 0);
    return SQLITE_OK;
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *target) {
    (void)vfs;
    sqlite3_snprintf(size, target, "%s", name);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int size, char *target) {
    for (int i = 0; i < size; i++) target[i] = (char)disk_random(disk_of(vfs));
    return size;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds) {
    (void)vfs;
    return microseconds;
}

/* Always the first second of 2026: nothing here may depend on a clock. */
static int vfs_current_time(sqlite3_vfs *vfs, double *days) {
    (void)vfs;
    *days = 2461041.5;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *target) {
    (void)vfs;
    if (size > 0) target[0] = 0;
    return 0;
}

void disk_fill_vfs(struct simulated_disk *disk) {
    disk->vfs = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = sizeof(struct handle),
        .mxPathname = NAME_BYTES_MAX - 1,
        .zName = disk->name,
        .pAppData = disk,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_pathname,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_current_time,
        .xGetLastError = vfs_last_error,
    };
}
