// SPDX-License-Identifier: ISC
// What the audio thread calls allocates nothing, locks nothing and makes no system call; the worker allocates
// nothing after the start; and a start that runs out of memory fails cleanly wherever it does.
//
// The allocator and the locks are replaced by ones that take note. Under a sanitizer, which replaces them
// itself, its hooks take note of the allocations alone.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dsp/engine.h"
#include "tests/test.h"
#include "tests/tiny_model.h"
#include "tests/witness.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

// Volatile, because the compiler believes that the allocator does not call back into this file.
static volatile bool guarded;             // between begin() and end()
static volatile long calls;               // that were made there
static const char *volatile first_call;   // the first of them

static void take_note(const char *call)
{
    if (!guarded) return;
    if (calls++ == 0) first_call = call;
}

static void begin(void)
{
    guarded = true;
}

static void end(void)
{
    guarded = false;
}

#ifdef SANITIZED

// From sanitizer/allocator_interface.h, which gcc does not install.
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));

static void on_malloc(const volatile void *p, size_t size)
{
    (void)p, (void)size;
    take_note("malloc");
}

static void on_free(const volatile void *p)
{
    (void)p;
    take_note("free");
}

#else

static long fail_at = -1;  // which allocation from now on gives NULL
static long live;          // allocations not yet freed

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

static bool fails(const char *call)
{
    take_note(call);
    if (fail_at < 0 || fail_at-- > 0) return false;
    errno = ENOMEM;
    return true;
}

static void *counted(void *p)
{
    live += p != NULL;
    return p;
}

void *malloc(size_t size)
{
    return fails("malloc") ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return fails("calloc") ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
    if (fails("realloc")) return NULL;
    return p ? __libc_realloc(p, size) : counted(__libc_realloc(p, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails("aligned_alloc") ? NULL : counted(__libc_memalign(alignment, size));
}

// FFTW's allocator: it aborts without memory, so these never fail.
void *memalign(size_t alignment, size_t size)
{
    take_note("memalign");
    return counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **p, size_t alignment, size_t size)
{
    take_note("posix_memalign");
    *p = counted(__libc_memalign(alignment, size));
    return *p ? 0 : ENOMEM;
}

void free(void *p)
{
    take_note("free");
    live -= p != NULL;
    __libc_free(p);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*real)(pthread_mutex_t *);
    take_note("pthread_mutex_lock");
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    return real(mutex);
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    static int (*real)(pthread_cond_t *, pthread_mutex_t *);
    take_note("pthread_cond_wait");
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_cond_wait");
    return real(condition, mutex);
}

ssize_t write(int file, const void *bytes, size_t size)
{
    take_note("write");
    return syscall(SYS_write, file, bytes, size);
}

ssize_t read(int file, void *bytes, size_t size)
{
    take_note("read");
    return syscall(SYS_read, file, bytes, size);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
    va_end(arguments);
    take_note("open");
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    take_note("nanosleep");
    return (int)syscall(SYS_nanosleep, wanted, left);
}

#endif

enum { RATE = 48000, MUSIC = 10 * RATE, SECONDS = 40 };

static fenby_weights *weights;
static float music[MUSIC];

static fenby_engine *open_engine(void)
{
    char error[256] = "";
    const fenby_engine_config config = {RATE, 256, fenby_parameters_default()};
    fenby_engine *engine = fenby_engine_new(&config, weights, error, sizeof error);
    REQUIRE(engine, "%s", error);
    return engine;
}

static void test_guard(void)
{
    begin();
    void *volatile p = malloc(10);
    free(p);
    end();
    CHECK(calls == 2, "the guard itself: %ld calls noted", calls);
    calls = 0;
}

// One cycle of the audio thread, with what any other thread may do at the same time.
static void cycle(fenby_engine *engine, unsigned long long *random, int at, uint32_t n, witness *w)
{
    const double luck = test_random(random);
    const fenby_parameter parameter = (fenby_parameter)(test_random(random) * FENBY_N_PARAMETERS);
    const float value = (float)(300 * (test_random(random) - 0.5));
    fenby_engine_status status;
    fenby_event event;
    begin();
    fenby_engine_push(engine, music + at, n);
    (void)fenby_engine_has_work(engine);
    while (fenby_engine_pop(engine, fenby_engine_frames(engine), &event)) watch(w, &event);
    if (luck < 0.05) fenby_engine_set_parameter(engine, parameter, value);
    if (luck > 0.05 && luck < 0.1) (void)fenby_engine_parameter(engine, parameter);
    if (luck > 0.1 && luck < 0.11) fenby_engine_end_notes(engine);
    fenby_engine_status_get(engine, &status);
    (void)fenby_engine_room(engine);
    end();
}

static void test_long_random_run(void)
{
    fenby_engine *engine = open_engine();
    unsigned long long random = 1;
    witness w = {0};
    long audio_calls = 0, worker_calls = 0;
    int stalled = 0;
    while (fenby_engine_frames(engine) < (int64_t)SECONDS * RATE) {
        const uint32_t n = (uint32_t)(test_random(&random) * test_random(&random) * 4096);
        calls = 0;
        cycle(engine, &random, (int)(test_random(&random) * (MUSIC - 4096)), n, &w);
        audio_calls += calls;
        // Now and then the worker stalls until samples are lost.
        if (stalled == 0 && test_random(&random) < 0.001) stalled = 100;
        if (stalled > 0 && --stalled > 0) continue;
        calls = 0;
        begin();
        fenby_engine_work(engine);
        end();
        worker_calls += calls;
    }
    fenby_engine_status status;
    fenby_engine_status_get(engine, &status);
    CHECK(status.overruns > 0 && w.notes > 20, "%llu gaps, %ld notes are too few to tell",
          (unsigned long long)status.overruns, w.notes);
    CHECK(audio_calls == 0, "the audio thread made %ld calls, the first to %s", audio_calls, first_call);
    CHECK(worker_calls == 0, "the worker made %ld calls, the first to %s", worker_calls, first_call);
    CHECK(w.broken == 0, "%ld of %ld events break a promise", w.broken, w.events);
    fenby_engine_free(engine);
}

#ifndef SANITIZED
static void test_out_of_memory(void)
{
    const fenby_engine_config config = {RATE, 256, fenby_parameters_default()};
    const long before = live;
    int failures = 0;
    for (long n = 0;; n++) {
        char error[256] = "";
        fail_at = n;
        fenby_engine *engine = fenby_engine_new(&config, weights, error, sizeof error);
        const bool reached = fail_at < 0;
        fail_at = -1;
        if (!reached) {
            CHECK(engine != NULL, "with memory it starts: %s", error);
            fenby_engine_free(engine);
            break;
        }
        failures++;
        CHECK(!engine, "allocation %ld failed, and nobody saw it", n);
        CHECK(strstr(error, "memory"), "allocation %ld: '%s'", n, error);
        fenby_engine_free(engine);
        CHECK(live == before, "allocation %ld: %ld left over", n, live - before);
    }
    CHECK(failures > 20, "only %d allocations", failures);
}
#endif

int main(void)
{
    char error[256] = "";
    double onset_s[64];
    int key[64];
#ifdef SANITIZED
    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
#endif
    weights = tiny_model(0, error, sizeof error);
    REQUIRE(weights, "%s", error);
    tiny_music(music, MUSIC, RATE, 1, onset_s, key);
    test_guard();
    test_long_random_run();
#ifndef SANITIZED
    test_out_of_memory();
#endif
    fenby_weights_free(weights);
    return test_report();
}
