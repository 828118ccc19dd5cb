/* Stands between the program and its libc: the disk hangs, the clock of the day jumps or a name moves, when the test says so.
 * What the test says stands in a file that both have mapped, see shim.rs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct said {
    volatile int64_t hangs;          /* 1: whoever touches a file below the directory waits */
    volatile int64_t ahead;          /* nanoseconds by which the clock of the day goes before the true one */
    volatile int64_t waiting;        /* how many wait now */
    volatile int64_t host;           /* the name moving.rig stands for 127.0.0.<host> */
    char below[4064];
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

static void wait_if(const char *path) {
    if (!said->hangs || !said->below[0] || strncmp(path, said->below, strlen(said->below)) != 0) return;
    __sync_fetch_and_add(&said->waiting, 1);
    while (said->hangs) usleep(10000);
    __sync_fetch_and_sub(&said->waiting, 1);
}

static void wait_if_fd(int fd) {
    char link[64], path[4096];
    if (!said->hangs) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return;
    path[n] = 0;
    wait_if(path);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define WITH_FD(result, name, parameters, arguments) \
    result name parameters { REAL(name); wait_if_fd(fd); return real arguments; }

WITH_FD(ssize_t, read, (int fd, void *to, size_t n), (fd, to, n))
WITH_FD(ssize_t, pread64, (int fd, void *to, size_t n, off64_t at), (fd, to, n, at))
WITH_FD(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, n))
WITH_FD(ssize_t, pwrite64, (int fd, const void *from, size_t n, off64_t at), (fd, from, n, at))
WITH_FD(ssize_t, writev, (int fd, const struct iovec *from, int n), (fd, from, n))
WITH_FD(int, fsync, (int fd), (fd))
WITH_FD(int, fdatasync, (int fd), (fd))
WITH_FD(int, ftruncate64, (int fd, off64_t n), (fd, n))

#define WITH_PATH(result, name, parameters, arguments) \
    result name parameters { REAL(name); wait_if(path); return real arguments; }

WITH_PATH(int, unlink, (const char *path), (path))
WITH_PATH(int, rename, (const char *path, const char *to), (path, to))
WITH_PATH(int, mkdir, (const char *path, mode_t mode), (path, mode))

int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list more;
    va_start(more, flags);
    mode_t mode = (mode_t)va_arg(more, int);
    va_end(more);
    wait_if(path);
    return real(path, flags, mode);
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
