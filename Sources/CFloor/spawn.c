#define _GNU_SOURCE
#include "CFloor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// Between fork and exec only async-signal-safe calls: other threads of the parent may have held any lock.
static void become(const char *path, char *const *arguments, char *const *environment, int core, const char *log_path) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (core >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(core, &set);
        if (sched_setaffinity(0, sizeof set, &set) < 0) _exit(126);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) _exit(126);
    execve(path, arguments, environment);
    _exit(127);
}

pid_t cfl_spawn(
    const char *path, char *const *arguments, char *const *environment, int core, const char *log_path) {
    pid_t child = fork();
    if (child < 0) return -errno;
    if (child == 0) become(path, arguments, environment, core, log_path);
    return child;
}

int cfl_has_ended(pid_t child, int *status) {
    pid_t result = waitpid(child, status, WNOHANG);
    if (result < 0) return -errno;
    return result == child ? 1 : 0;
}
