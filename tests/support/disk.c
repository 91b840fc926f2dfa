/* Has the disk of the program that it is loaded into fail.
 *
 * As long as there is a number in the file $DISK_FAULT, every call that would change a file fails with that errno, such as that of
 * a disk that is full or that the system has made read-only. Loaded before the program's own libraries. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int fault(void) {
    const char *path = getenv("DISK_FAULT");
    char number[16] = {0};
    int kept = errno, file = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        if (syscall(SYS_read, file, number, sizeof number - 1) < 0) number[0] = 0;
        syscall(SYS_close, file);
    }
    errno = kept;
    return atoi(number);
}

/* Sockets and pipes are not on the disk. */
static int on_disk(int fd) {
    struct stat stat;
    int kept = errno, known = fstat(fd, &stat) == 0;
    errno = kept;
    return known && S_ISREG(stat.st_mode);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_IF(condition) \
    do { \
        int number = (condition) ? fault() : 0; \
        if (number) { errno = number; return -1; } \
    } while (0)
#define ALWAYS(result, name, parameters, arguments) \
    result name parameters { FAIL_IF(1); return REAL(name) arguments; }
#define ON_FILES(result, name, parameters, arguments) \
    result name parameters { FAIL_IF(on_disk(fd)); return REAL(name) arguments; }
#define OPENING(name, parameters, arguments) \
    int name parameters { \
        mode_t mode = 0; \
        if (flags & (O_CREAT | __O_TMPFILE)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
            FAIL_IF(1); \
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
ON_FILES(int, ftruncate, (int fd, off_t size), (fd, size))
ON_FILES(int, ftruncate64, (int fd, off64_t size), (fd, size))
ALWAYS(int, rename, (const char *from, const char *to), (from, to))
ALWAYS(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
ALWAYS(int, link, (const char *from, const char *to), (from, to))
ALWAYS(int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
ALWAYS(int, unlink, (const char *path), (path))
ALWAYS(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
ALWAYS(int, rmdir, (const char *path), (path))
ALWAYS(int, mkdir, (const char *path, mode_t mode), (path, mode))
