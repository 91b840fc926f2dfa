/* Shifts the wall clock of the program that it is loaded into.
 *
 * Adds the number of seconds in the file $CLOCK_SHIFT, which may be negative, to what the system says of the time of day. The file
 * is read at every question, so that a clock can be set while the program runs. Clocks that only go on are left as they are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long shift(void) {
    const char *path = getenv("CLOCK_SHIFT");
    char number[32] = {0};
    int kept = errno, file = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        if (syscall(SYS_read, file, number, sizeof number - 1) < 0) number[0] = 0;
        syscall(SYS_close, file);
    }
    errno = kept;
    return atol(number);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t clock, struct timespec *at) {
    int outcome = REAL(clock_gettime)(clock, at);
    if (outcome == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += shift();
    return outcome;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    int outcome = REAL(gettimeofday)(at, zone);
    if (outcome == 0) at->tv_sec += shift();
    return outcome;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
