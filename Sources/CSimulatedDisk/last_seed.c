#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "CSimulatedDisk.h"

static _Thread_local uint64_t current_seed;
static bool is_installed;

enum { signal_count = 6 };
static const int signals[signal_count] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE};
/// Who was told of them before, and is told after us.
static struct sigaction earlier[signal_count];

static void print_seed(void) {
    // Another thread may have died, in whose death no run has a part.
    if (!current_seed) return;
    static const char text[] = "\nthe run died; to reproduce: simulator replay ";
    char digits[21];
    size_t start = sizeof digits;
    digits[--start] = '\n';
    uint64_t rest = current_seed;
    do {
        digits[--start] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    // There is nobody left to tell if this fails.
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0
        || write(STDERR_FILENO, digits + start, sizeof digits - start) < 0) {
        _exit(1);
    }
}

static void tell_of_death(int signal_number) {
    print_seed();
    for (size_t i = 0; i < signal_count; i++) {
        if (signals[i] == signal_number) sigaction(signal_number, &earlier[i], NULL);
    }
    raise(signal_number);
}

void simulated_run_begins(uint64_t seed) {
    current_seed = seed;
    if (is_installed) return;
    is_installed = true;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = tell_of_death;
    for (size_t i = 0; i < signal_count; i++) sigaction(signals[i], &action, &earlier[i]);
}
