#include <sqlite3.h>

// Swift can't call a function with a variable number of arguments.

/// Turns off SQLite's count of the memory it uses, which takes a lock for every allocation. Only before the first
/// connection of the process; later it does nothing and says SQLITE_MISUSE.
static inline int csqlite_disable_memory_status(void) {
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/// Lets the WAL stay when a connection is closed, as it is: SQLite would move its pages and delete the file.
static inline int csqlite_keep_log(sqlite3 *connection) {
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}
