// SPDX-License-Identifier: ISC
// Preloaded into fenby-jack (LD_PRELOAD): takes note of what its process callback does and how long it takes.
//
// The callback that the program gives to JACK is wrapped. While it runs, allocations, locks, waits, files and
// sleeps are counted: the C library's functions for them are replaced here by ones that count and go on. At the
// end the file named by JACK_WITNESS gets one line:
//     calls N FIRST periods N median_us X p999_us X worst_us X
// This is time on the wall: the worst holds what the machine did meanwhile.
#include <dlfcn.h>
#include <jack/jack.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { BUCKETS = 100000 };  // of 0.1 us

static __thread int inside;
static JackProcessCallback callback;
static atomic_long calls;
static const char *_Atomic first_call;
static long periods, histogram[BUCKETS];
static double worst_us;

static void note(const char *call)
{
    if (!inside) return;
    if (atomic_fetch_add(&calls, 1) == 0) atomic_store(&first_call, call);
}

// --- the wrapped callback ------------------------------------------------------------------------------------

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e6 * (double)now.tv_sec + 1e-3 * (double)now.tv_nsec;
}

static int watched(jack_nframes_t n_frames, void *user)
{
    const double start_us = now_us();
    inside = 1;
    const int result = callback(n_frames, user);
    inside = 0;
    const double took_us = now_us() - start_us;
    const long bucket = (long)(10 * took_us);
    histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    // The first periods touch their memory for the first time.
    if (periods++ >= 100 && took_us > worst_us) worst_us = took_us;
    return result;
}

int jack_set_process_callback(jack_client_t *client, JackProcessCallback process, void *user)
{
    int (*set)(jack_client_t *, JackProcessCallback, void *);
    *(void **)&set = dlsym(RTLD_NEXT, "jack_set_process_callback");
    callback = process;
    return set(client, watched, user);
}

static double quantile_us(double part)
{
    long below = 0, i = 0;
    while (i < BUCKETS - 1 && (double)(below += histogram[i]) < part * (double)periods) i++;
    return 0.1 * (double)(i + 1);
}

static void __attribute__((destructor)) report(void)
{
    const char *const path = getenv("JACK_WITNESS");
    FILE *file = path && periods > 0 ? fopen(path, "w") : NULL;
    if (!file) return;
    const char *const first = atomic_load(&first_call);
    fprintf(file, "calls %ld %s periods %ld median_us %.1f p999_us %.1f worst_us %.1f\n", atomic_load(&calls),
            first ? first : "none", periods, quantile_us(0.5), quantile_us(0.999), worst_us);
    fclose(file);
}

// --- what it must not call -----------------------------------------------------------------------------------

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

void *malloc(size_t size)
{
    note("malloc");
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    note("calloc");
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    note("realloc");
    return __libc_realloc(p, size);
}

void free(void *p)
{
    note("free");
    __libc_free(p);
}

// The real function of this name is looked up once, before any thread of JACK's runs.
#define WRAP(result, name, parameters, arguments)                                             \
    static result(*real_##name) parameters;                                                   \
    static void __attribute__((constructor)) find_##name(void)                                \
    {                                                                                         \
        *(void **)&real_##name = dlsym(RTLD_NEXT, #name);                                     \
    }                                                                                         \
    result name parameters                                                                    \
    {                                                                                         \
        if (!real_##name) find_##name();                                                      \
        note(#name);                                                                          \
        return real_##name arguments;                                                         \
    }

WRAP(int, pthread_mutex_lock, (pthread_mutex_t *mutex), (mutex))
WRAP(int, sem_wait, (sem_t *semaphore), (semaphore))
WRAP(int, nanosleep, (const struct timespec *wanted, struct timespec *left), (wanted, left))
WRAP(int, usleep, (useconds_t us), (us))
WRAP(ssize_t, read, (int descriptor, void *bytes, size_t size), (descriptor, bytes, size))
WRAP(ssize_t, write, (int descriptor, const void *bytes, size_t size), (descriptor, bytes, size))
WRAP(size_t, fwrite, (const void *bytes, size_t size, size_t n, FILE *file), (bytes, size, n, file))
WRAP(int, puts, (const char *text), (text))
