/* Kills the program in front of one of the calls by which it changes files or answers a client.
 *
 * Loaded before the program's own libraries. Counts those calls over all threads from the moment that the file $STEPS_FUSE is
 * there, and kills the program in front of the one whose number stands in that file. Its name is left in $STEPS_FUSE.at.
 *
 * Only calls that go through the C library are seen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long made;

static void leave_note(const char *fuse, const char *call) {
    char path[4096];
    snprintf(path, sizeof path, "%s.at", fuse);
    int note = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    syscall(SYS_write, note, call, strlen(call));
}

static void step(const char *call) {
    static atomic_long fatal;
    int kept = errno;
    long last = atomic_load(&fatal);
    const char *fuse = getenv("STEPS_FUSE");
    if (last == 0 && fuse) {
        char number[32] = {0};
        int file = syscall(SYS_openat, AT_FDCWD, fuse, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            syscall(SYS_read, file, number, sizeof number - 1);
            syscall(SYS_close, file);
            last = atol(number);
            atomic_store(&fatal, last);
        }
    }
    if (last > 0 && atomic_fetch_add(&made, 1) + 1 == last) {
        leave_note(fuse, call);
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    errno = kept;
}

/* Pipes and the runtime's own doorbells change nothing. */
static int changes(int fd) {
    struct stat stat;
    int kept = errno, known = fstat(fd, &stat) == 0;
    errno = kept;
    return known && (S_ISREG(stat.st_mode) || S_ISSOCK(stat.st_mode));
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ALWAYS(result, name, parameters, arguments) \
    result name parameters { step(#name); return REAL(name) arguments; }
#define ON_FILES(result, name, parameters, arguments) \
    result name parameters { if (changes(fd)) step(#name); return REAL(name) arguments; }
#define OPENING(name, parameters, arguments) \
    int name parameters { \
        mode_t mode = 0; \
        if (flags & O_CREAT) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
            step(#name); \
        } \
        return REAL(name) arguments; \
    }

OPENING(open, (const char *path, int flags, ...), (path, flags, mode))
OPENING(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENING(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPENING(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
ON_FILES(ssize_t, write, (int fd, const void *bytes, size_t count), (fd, bytes, count))
ON_FILES(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
ON_FILES(ssize_t, pwrite, (int fd, const void *bytes, size_t count, off_t at), (fd, bytes, count, at))
ON_FILES(ssize_t, pwrite64, (int fd, const void *bytes, size_t count, off64_t at), (fd, bytes, count, at))
ON_FILES(ssize_t, send, (int fd, const void *bytes, size_t count, int flags), (fd, bytes, count, flags))
ON_FILES(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
ALWAYS(int, fsync, (int fd), (fd))
ALWAYS(int, fdatasync, (int fd), (fd))
ALWAYS(int, ftruncate, (int fd, off_t size), (fd, size))
ALWAYS(int, ftruncate64, (int fd, off64_t size), (fd, size))
ALWAYS(int, rename, (const char *from, const char *to), (from, to))
ALWAYS(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
ALWAYS(int, link, (const char *from, const char *to), (from, to))
ALWAYS(int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
ALWAYS(int, unlink, (const char *path), (path))
ALWAYS(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
ALWAYS(int, rmdir, (const char *path), (path))
ALWAYS(int, mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode))
ALWAYS(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags))
ALWAYS(int, mkdir, (const char *path, mode_t mode), (path, mode))
