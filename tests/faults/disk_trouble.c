/* A disk in trouble, for one process: preloaded, it stands before the system's calls that write to regular files. The
 * first byte of the file that DISK_TROUBLE names says how, and takes effect at once:
 * 'w' writes and syncs fail with EIO; 's' syncs alone fail, after what was written may be on disk or not;
 * 'd' each write takes 1 ms, and each sync 20 ms; anything else: as usual. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const volatile char *trouble = "-";

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_TROUBLE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    /* Mapped, it can be read when no descriptor is free. */
    void *mapped = mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) trouble = mapped;
    close(file);
}

/* Whether a call on this file fails. A slow one only waits. */
static int fails(int file, int sync) {
    char how = *trouble;
    struct stat status;
    if ((how != 'w' && how != 's' && how != 'd') || fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
    if (how == 'd') usleep(sync ? 20000 : 1000);
    if (how == 'w' || (how == 's' && sync)) {
        errno = EIO;
        return 1;
    }
    return 0;
}

#define BEFORE(result, name, parameters, arguments, sync)                      \
    result name parameters {                                                   \
        static result(*next) parameters;                                       \
        if (!next) next = (result(*) parameters)dlsym(RTLD_NEXT, #name);       \
        return fails(file, sync) ? -1 : next arguments;                        \
    }

BEFORE(ssize_t, write, (int file, const void *bytes, size_t length), (file, bytes, length), 0)
BEFORE(ssize_t, writev, (int file, const struct iovec *parts, int count), (file, parts, count), 0)
BEFORE(ssize_t, pwrite64, (int file, const void *bytes, size_t length, off64_t at), (file, bytes, length, at), 0)
BEFORE(int, ftruncate64, (int file, off64_t length), (file, length), 0)
BEFORE(int, fsync, (int file), (file), 1)
BEFORE(int, fdatasync, (int file), (file), 1)
