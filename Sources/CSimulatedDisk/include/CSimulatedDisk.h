/* A disk in memory behind an SQLite VFS, with the power cuts, full disks and I/O errors of real ones.
 *
 * What a power cut may do. Every file has what is durable and a list of changes that no sync has confirmed yet. A sync
 * of a file makes all of its changes durable. The first sync of a new file syncs the directory too, as SQLite's own VFS
 * does, and so does a deletion that asks for it: then all names are durable. A power cut decides about each unconfirmed
 * change by itself, in order, from the seed: a write is kept, dropped, or torn (each 512-byte sector kept or dropped by
 * itself); a change of length is kept or dropped; a file that was created or deleted since the directory was synced
 * exists or doesn't. So any combination of unconfirmed changes may survive, which is the worst a disk may do short of
 * damaging what it had confirmed. Bytes next to a torn write stay as they were (SQLITE_IOCAP_POWERSAFE_OVERWRITE, which
 * SQLite assumes of every disk).
 *
 * A failed sync decides in the same way, at once and for good: what it dropped is still read back, as from the page
 * cache of a kernel that gave the pages up, and no later sync writes it.
 *
 * A disk belongs to one thread, which may open any number of connections: they lock each other out and share the index
 * of a WAL as those of one machine do. Nothing depends on a clock, and on no randomness but the seed.
 */
#ifndef CSIMULATEDDISK_H
#define CSIMULATEDDISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct simulated_disk simulated_disk;
typedef struct simulated_image simulated_image;

enum simulated_fault {
    SIMULATED_WRITE_ERROR = 1,
    SIMULATED_DISK_FULL = 2,
    SIMULATED_SYNC_ERROR = 3,
};

/* An empty disk, registered as the VFS `name`; NULL if there is no memory or the name can't be registered. */
simulated_disk *simulated_disk_create(const char *name, uint64_t seed);
/* Unregisters and frees the disk. Every connection must be closed. */
void simulated_disk_destroy(simulated_disk *disk);

/* What the files hold now, to be put onto disks later; any thread may use it from then on. */
simulated_image *simulated_disk_capture(const simulated_disk *disk);
void simulated_image_destroy(simulated_image *image);
/* Forgets everything and begins anew with the image's files (NULL: none), durable. Connections must be closed. */
void simulated_disk_reset(simulated_disk *disk, const simulated_image *image, uint64_t seed);

/* From now on every call fails and changes nothing: the process is dead, or the power is gone. */
void simulated_disk_halt(simulated_disk *disk);
/* Halts at the `changes`-th write, truncation, sync or deletion from now (1: the next one), before it has happened; 0:
 * doesn't. */
void simulated_disk_halt_at(simulated_disk *disk, uint64_t changes);
bool simulated_disk_is_halted(const simulated_disk *disk);
/* Ends a halt. The connections must be closed. */
void simulated_disk_restart(simulated_disk *disk);
/* Loses what isn't durable, as the head of this file says, and ends a halt. The connections must be closed. */
void simulated_disk_cut_power(simulated_disk *disk);

/* Fails `count` operations of the fault's kind, from the `first`-th on (1: the next one). */
void simulated_disk_fail(simulated_disk *disk, enum simulated_fault fault, uint64_t first, uint64_t count);
/* Ends all faults that are on or planned. */
void simulated_disk_heal(simulated_disk *disk);
/* How many operations were made to fail. */
uint64_t simulated_disk_failures(const simulated_disk *disk);

/* While on, a sync answers that all is well and does nothing: a disk that must be found out. */
void simulated_disk_set_lying(simulated_disk *disk, bool is_lying);

/* Makes everything durable: what syncs that lied should have done. */
void simulated_disk_sync_all(simulated_disk *disk);

/* Writes, truncations, syncs and deletions so far. */
uint64_t simulated_disk_changes(const simulated_disk *disk);
uint64_t simulated_disk_syncs(const simulated_disk *disk);
/* The length of a file; -1 if there is none. */
int64_t simulated_disk_file_size(const simulated_disk *disk, const char *name);

/* Turns off SQLite's accounting of memory, a lock around each allocation. To be called before SQLite is used. */
void simulated_disk_prepare_sqlite(void);

/* The seed of the run that this thread is about to do. If the process then dies of a trap or a signal, the seed is
 * printed before it goes. */
void simulated_run_begins(uint64_t seed);

#endif
