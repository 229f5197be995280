#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "CSimulatedDisk.h"

static _Thread_local uint64_t current_seed;
static bool is_installed;

static void print_seed(int signal_number) {
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
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

void simulated_run_begins(uint64_t seed) {
    current_seed = seed;
    if (is_installed) return;
    is_installed = true;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = print_seed;
    static const int signals[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) sigaction(signals[i], &action, NULL);
}
