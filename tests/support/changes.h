/* Stands in front of the calls by which a program changes files.
 *
 * Whoever includes this says what comes first: CHANGING(name) in front of a call that makes or unmakes something, and
 * WRITING(name, fd) in front of one to something open. Each may return -1 in the call's stead. */
#include <stdarg.h>
#include <stdio.h>
#include <sys/uio.h>

#define ALWAYS(result, name, parameters, arguments) \
    result name parameters { CHANGING(name); return REAL(name) arguments; }
#define ON_FILES(result, name, parameters, arguments) \
    result name parameters { WRITING(name, fd); return REAL(name) arguments; }
#define OPENING(name, parameters, arguments) \
    int name parameters { \
        mode_t mode = 0; \
        if (flags & (O_CREAT | __O_TMPFILE)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
            CHANGING(name); \
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
ALWAYS(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags))
ALWAYS(int, link, (const char *from, const char *to), (from, to))
ALWAYS(int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
ALWAYS(int, unlink, (const char *path), (path))
ALWAYS(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
ALWAYS(int, rmdir, (const char *path), (path))
ALWAYS(int, mkdir, (const char *path, mode_t mode), (path, mode))
ALWAYS(int, mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode))
