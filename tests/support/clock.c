/* Shifts the wall clock of the program that it is loaded into.
 *
 * Adds the number of seconds in the file $CLOCK_SHIFT, which may be negative, to what the system says of the time of day. The file
 * is read at every question, so that a clock can be set while the program runs. Clocks that only go on are left as they are. */
#include "preload.h"
#include <sys/time.h>
#include <time.h>

static long shift(void) { return number_in("CLOCK_SHIFT"); }

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
