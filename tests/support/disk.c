/* Has the disk of the program that it is loaded into fail.
 *
 * As long as there is a number in the file $DISK_FAULT, the calls by which the program changes files fail with that errno, such
 * as that of a disk that is full or that the system has made read-only. Loaded before the program's own libraries. */
#include "preload.h"

#define FAIL_IF(condition) \
    do { \
        int number = (condition) ? number_in("DISK_FAULT") : 0; \
        if (number) { errno = number; return -1; } \
    } while (0)
#define CHANGING(name) FAIL_IF(1)
/* Sockets and pipes are not on the disk. */
#define WRITING(name, fd) FAIL_IF(kind_of(fd) == S_IFREG)
#include "changes.h"
