/* Stands between the program and its libc: the disk hangs or fails, the clock of the day jumps or a name moves, when the test says so.
 * What the test says stands in a file that both have mapped, see shim.rs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct said {
    volatile int64_t hangs;          /* 1: whoever touches a file below the directory waits */
    volatile int64_t ahead;          /* nanoseconds by which the clock of the day goes before the true one */
    volatile int64_t waiting;        /* how many wait now */
    volatile int64_t host;           /* the name moving.rig stands for 127.0.0.<host> */
    volatile int64_t fails;          /* the error with which whatever touches such a file fails: EROFS if it would change it, EIO in any case */
    char below[4056];
};

static struct said nothing;
static struct said *said = &nothing;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DBSONDE_RIG_SHIM");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *mapped = mmap(NULL, sizeof *said, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED) said = mapped;
    close(fd);
}

/* Waits while the disk hangs, and tells whether it fails then. */
static int is_bad(const char *path, int changes) {
    if (!said->hangs && !said->fails) return 0;
    if (!said->below[0] || strncmp(path, said->below, strlen(said->below)) != 0) return 0;
    if (said->hangs) {
        __sync_fetch_and_add(&said->waiting, 1);
        while (said->hangs) usleep(10000);
        __sync_fetch_and_sub(&said->waiting, 1);
    }
    int64_t fails = said->fails;
    if (!fails || (fails == EROFS && !changes)) return 0;
    errno = (int)fails;
    return 1;
}

static int is_bad_fd(int fd, int changes) {
    char link[64], path[4096];
    if (!said->hangs && !said->fails) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return is_bad(path, changes);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define WITH_FD(result, name, changes, parameters, arguments) \
    result name parameters { REAL(name); return is_bad_fd(fd, changes) ? -1 : real arguments; }

WITH_FD(ssize_t, read, 0, (int fd, void *to, size_t n), (fd, to, n))
WITH_FD(ssize_t, pread64, 0, (int fd, void *to, size_t n, off64_t at), (fd, to, n, at))
WITH_FD(ssize_t, write, 1, (int fd, const void *from, size_t n), (fd, from, n))
WITH_FD(ssize_t, pwrite64, 1, (int fd, const void *from, size_t n, off64_t at), (fd, from, n, at))
WITH_FD(ssize_t, writev, 1, (int fd, const struct iovec *from, int n), (fd, from, n))
WITH_FD(int, fsync, 1, (int fd), (fd))
WITH_FD(int, fdatasync, 1, (int fd), (fd))
WITH_FD(int, ftruncate64, 1, (int fd, off64_t n), (fd, n))

#define WITH_PATH(result, name, changes, parameters, arguments) \
    result name parameters { REAL(name); return is_bad(path, changes) ? -1 : real arguments; }

WITH_PATH(int, unlink, 1, (const char *path), (path))
WITH_PATH(int, rename, 1, (const char *path, const char *to), (path, to))
WITH_PATH(int, mkdir, 1, (const char *path, mode_t mode), (path, mode))
WITH_PATH(int, statx, 0, (int at, const char *restrict path, int flags, unsigned mask, struct statx *restrict about),
          (at, path, flags, mask, about))

int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list more;
    va_start(more, flags);
    mode_t mode = (mode_t)va_arg(more, int);
    va_end(more);
    int changes = (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0;
    return is_bad(path, changes) ? -1 : real(path, flags, mode);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int done = real(clock, now);
    int64_t ahead = said->ahead;
    if (done == 0 && clock == CLOCK_REALTIME && ahead) {
        int64_t all = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + ahead;
        now->tv_sec = all / 1000000000;
        now->tv_nsec = all % 1000000000;
    }
    return done;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    REAL(getaddrinfo);
    char address[32];
    if (node && said->host && strcmp(node, "moving.rig") == 0) {
        snprintf(address, sizeof address, "127.0.0.%d", (int)said->host);
        node = address;
    }
    return real(node, service, hints, found);
}
