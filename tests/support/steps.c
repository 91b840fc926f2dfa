/* Kills the program in front of one of the calls by which it changes files or answers a client.
 *
 * Loaded before the program's own libraries. Counts those calls over all threads from the moment that the file $STEPS_FUSE is
 * there, and kills the program in front of the one whose number stands in that file. Its name is left in $STEPS_FUSE.at.
 *
 * Only calls that go through the C library are seen. */
#include "preload.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static atomic_long made;

static void leave_note(const char *call) {
    char path[4096];
    snprintf(path, sizeof path, "%s.at", getenv("STEPS_FUSE"));
    int note = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    syscall(SYS_write, note, call, strlen(call));
}

static void step(const char *call) {
    static atomic_long fatal;
    long last = atomic_load(&fatal);
    if (last == 0) {
        last = number_in("STEPS_FUSE");
        atomic_store(&fatal, last);
    }
    if (last > 0 && atomic_fetch_add(&made, 1) + 1 == last) {
        leave_note(call);
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
}

/* Pipes and the runtime's own doorbells change nothing. */
static int counts(int fd) {
    mode_t kind = kind_of(fd);
    return kind == S_IFREG || kind == S_IFSOCK;
}

#define CHANGING(name) step(#name)
#define WRITING(name, fd) do { if (counts(fd)) step(#name); } while (0)
#include "changes.h"

ON_FILES(ssize_t, send, (int fd, const void *bytes, size_t count, int flags), (fd, bytes, count, flags))
ON_FILES(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
ALWAYS(int, fsync, (int fd), (fd))
ALWAYS(int, fdatasync, (int fd), (fd))
