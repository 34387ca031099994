// Preloaded into the server: counts the calls that make a file durable, in a file that the test maps as well.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic uint64_t *count;

__attribute__((constructor)) static void map_count(void) {
  const char *path = getenv("COUNT_SYNCS_FILE");
  int fd = path ? open(path, O_RDWR) : -1;
  if (fd < 0) abort();
  count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (count == MAP_FAILED) abort();
  close(fd);
}

static int counted(const char *name, int fd) {
  int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  int result = next(fd);
  if (result == 0) atomic_fetch_add(count, 1);
  return result;
}

int fsync(int fd) { return counted("fsync", fd); }
int fdatasync(int fd) { return counted("fdatasync", fd); }
