// Preloaded in place of some CUDA calls, to see what sniff-qk does where a GPU fails (check_faults.py):
//   QK_SHIM_MEMORY  bytes that cudaMalloc hands out in all; beyond them it is out of memory
//   QK_SHIM_COPIES  copies that succeed; from the next one on every call fails as after a failed launch
//   QK_SHIM_LOG     a file that gets the most memory held and the number of copies, when the program ends
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { kSuccess = 0, kOutOfMemory = 2, kLaunchFailure = 719, kBlocks = 1 << 16 };
typedef int (*Malloc)(void **, size_t);
typedef int (*Free)(void *);
typedef int (*CopyAsync)(void *, const void *, size_t, int, void *);
typedef int (*OnHandle)(void *);
typedef int (*Plain)(void);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct { void *at; size_t bytes; } blocks[kBlocks];
static size_t held, most_held;
static long copies;
static int lost;

static long long setting(const char *name) {
  const char *text = getenv(name);
  return text ? atoll(text) : -1;
}

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

int cudaMalloc(void **at, size_t bytes) {
  if (lost) return kLaunchFailure;
  const long long limit = setting("QK_SHIM_MEMORY");
  pthread_mutex_lock(&mutex);
  int status = limit >= 0 && held + bytes > (size_t)limit ? kOutOfMemory : ((Malloc)next("cudaMalloc"))(at, bytes);
  for (int i = 0; status == kSuccess && i < kBlocks; ++i) {
    if (blocks[i].at) continue;
    blocks[i].at = *at, blocks[i].bytes = bytes;
    held += bytes;
    if (held > most_held) most_held = held;
    break;
  }
  pthread_mutex_unlock(&mutex);
  return status;
}

int cudaFree(void *at) {
  if (lost) return kLaunchFailure;
  pthread_mutex_lock(&mutex);
  for (int i = 0; at && i < kBlocks; ++i) {
    if (blocks[i].at != at) continue;
    held -= blocks[i].bytes;
    blocks[i].at = NULL;
    break;
  }
  pthread_mutex_unlock(&mutex);
  return ((Free)next("cudaFree"))(at);
}

int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) {
  const long long good = setting("QK_SHIM_COPIES");
  const long number = __atomic_add_fetch(&copies, 1, __ATOMIC_RELAXED);
  if (good >= 0 && number > good) lost = 1;
  if (lost) return kLaunchFailure;
  return ((CopyAsync)next("cudaMemcpyAsync"))(to, from, bytes, kind, stream);
}

int cudaEventSynchronize(void *event) { return lost ? kLaunchFailure : ((OnHandle)next("cudaEventSynchronize"))(event); }
int cudaEventQuery(void *event) { return lost ? kLaunchFailure : ((OnHandle)next("cudaEventQuery"))(event); }
int cudaStreamSynchronize(void *stream) {
  return lost ? kLaunchFailure : ((OnHandle)next("cudaStreamSynchronize"))(stream);
}
int cudaDeviceSynchronize(void) { return lost ? kLaunchFailure : ((Plain)next("cudaDeviceSynchronize"))(); }
int cudaGetLastError(void) { return lost ? kLaunchFailure : ((Plain)next("cudaGetLastError"))(); }
int cudaPeekAtLastError(void) { return lost ? kLaunchFailure : ((Plain)next("cudaPeekAtLastError"))(); }

__attribute__((destructor)) static void log_use(void) {
  const char *path = getenv("QK_SHIM_LOG");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  fprintf(file, "%zu %ld\n", most_held, copies);
  fclose(file);
}
