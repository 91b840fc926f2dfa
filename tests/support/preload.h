/* What all libraries here need that stand between a program and the system. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The system's own function of this name. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The number in the file that a variable of the environment names; 0 when there is none. Goes past all functions that a library
 * may replace, and leaves errno as it is. */
static inline long number_in(const char *variable) {
    const char *path = getenv(variable);
    char number[32] = {0};
    int kept = errno, file = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        if (syscall(SYS_read, file, number, sizeof number - 1) < 0) number[0] = 0;
        syscall(SYS_close, file);
    }
    errno = kept;
    return atol(number);
}

/* What kind of thing is open there, as in S_IFREG; 0 when nobody knows. */
static inline mode_t kind_of(int fd) {
    struct stat stat;
    int kept = errno, known = fstat(fd, &stat) == 0;
    errno = kept;
    return known ? stat.st_mode & S_IFMT : 0;
}
