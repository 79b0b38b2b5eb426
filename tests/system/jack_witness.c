// SPDX-License-Identifier: ISC
// Preloaded into fenby-jack (LD_PRELOAD): takes note of what its process callback does and how long it takes.
//
// The callback that the program gives to JACK is wrapped. While it runs, allocations, locks, waits, files and
// sleeps are counted: the C library's functions for them are replaced here by ones that count and go on. At the
// end the file named by JACK_WITNESS gets one line:
//     calls N first NAME waits N faults N periods N
// and for each clock below
//     NAME_median N NAME_p99 N NAME_p999 N NAME_worst N
// in microseconds. Waits and faults are the kernel's own counts: how often the callback gave the processor away, and
// how often it touched memory that was not there. The clocks:
//     wall  what the machine did meanwhile counts
//     cpu   the thread's own: other threads do not count, but interrupts do, and a machine that is itself a
//           guest on another one and is put aside
//     post  the wall's part that went to the semaphore's post, so to the system
//     own   the rest of the wall, of periods in which no other thread took the processor away
// and, to tell how quiet the machine is, on the wall, in the same thread right after the callback:
//     loop  a loop that does nothing for about as long
//     bare  the post of a semaphore that wakes a thread that does nothing
//
// With JACK_WITNESS_SYSCALLS set the kernel itself tells of each system call during the callback (Linux 5.11,
// x86-64; "Syscall User Dispatch" in its documentation), which takes time; then the line begins with
// "futexes N others N other N", other being the first one's number, 0 where there was none, -1 where they
// cannot be watched.
#include <dlfcn.h>
#include <jack/jack.h>
#include <jack/thread.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    BUCKETS = 100000,  // of 0.1 us
    FIRST = 100,       // periods that touch their memory for the first time
    LOOP = 2000,       // rounds, about 2 us
    A_HOP = 9,         // periods
};

static __thread int inside;
static JackProcessCallback callback;
static atomic_long calls;
static const char *_Atomic first_call;
static long periods, waits, faults;

typedef struct {
    const char *name;
    long histogram[BUCKETS], count;
    double worst_us;
} times;

static times wall = {.name = "wall"}, cpu = {.name = "cpu"}, post = {.name = "post"}, own = {.name = "own"},
             loop = {.name = "loop"}, bare = {.name = "bare"};
static times *const all_times[] = {&wall, &cpu, &post, &own, &loop, &bare, NULL};
static double posting_us;  // in this period
static sem_t bare_wake;

static void note(const char *call)
{
    if (!inside) return;
    if (atomic_fetch_add(&calls, 1) == 0) atomic_store(&first_call, call);
}

// --- system calls --------------------------------------------------------------------------------------------

static bool watches_syscalls;
static long futexes, others, first_other;

#if defined(__x86_64__) && defined(PR_SET_SYSCALL_USER_DISPATCH)

static volatile char selector;  // what the kernel does with this thread's system calls: allow or tell

// Does the call for the one who was stopped at it.
static void on_syscall(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    selector = SYSCALL_DISPATCH_FILTER_ALLOW;
    const int error = errno;
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (info->si_syscall == SYS_futex) futexes++;
    else if (others++ == 0) first_other = info->si_syscall;
    const long result = syscall(info->si_syscall, r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8],
                                r[REG_R9]);
    r[REG_RAX] = result < 0 ? -errno : result;
    errno = error;
    selector = SYSCALL_DISPATCH_FILTER_BLOCK;
}

// The one call that is always allowed is a handler's own return.
static bool begin_watching(void)
{
    struct {
        void *handler;
        unsigned long flags;
        unsigned long restorer, mask;
    } kernels;
    struct sigaction action = {.sa_sigaction = on_syscall, .sa_flags = SA_SIGINFO};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGSYS);
    if (pthread_sigmask(SIG_UNBLOCK, &signals, NULL) || sigaction(SIGSYS, &action, NULL)) return false;
    if (syscall(SYS_rt_sigaction, SIGSYS, NULL, &kernels, 8)) return false;
    return !prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, kernels.restorer, 16, &selector);
}

static void watch_syscalls(bool on)
{
    static bool has_begun;
    if (!watches_syscalls) return;
    if (!has_begun && !begin_watching()) {
        first_other = -1;
        watches_syscalls = false;
        return;
    }
    has_begun = true;
    selector = on ? SYSCALL_DISPATCH_FILTER_BLOCK : SYSCALL_DISPATCH_FILTER_ALLOW;
}

#else

static void watch_syscalls(bool on)
{
    (void)on;
    first_other = -1;
}

#endif

// --- the wrapped callback ------------------------------------------------------------------------------------

static double now_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return 1e6 * (double)now.tv_sec + 1e-3 * (double)now.tv_nsec;
}

static void add(times *t, double took_us)
{
    const long bucket = (long)(10 * took_us);
    if (periods < FIRST) return;
    t->histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    t->count++;
    if (took_us > t->worst_us) t->worst_us = took_us;
}

static struct rusage used_by_thread(void)
{
    struct rusage used = {0};
    getrusage(RUSAGE_THREAD, &used);
    return used;
}

static void run_loop(void)
{
    const double start_us = now_us(CLOCK_MONOTONIC);
    for (volatile int i = 0; i < LOOP; i++) continue;
    add(&loop, now_us(CLOCK_MONOTONIC) - start_us);
}

static void *do_nothing(void *user)
{
    while (true) sem_wait(&bare_wake);
    return user;
}

static void post_bare(void)
{
    const double start_us = now_us(CLOCK_MONOTONIC);
    sem_post(&bare_wake);
    add(&bare, now_us(CLOCK_MONOTONIC) - start_us);
}

static int watched(jack_nframes_t n_frames, void *user)
{
    posting_us = 0;
    const struct rusage before = used_by_thread();
    const double cpu_start_us = now_us(CLOCK_THREAD_CPUTIME_ID), start_us = now_us(CLOCK_MONOTONIC);
    watch_syscalls(true);
    inside = 1;
    const int result = callback(n_frames, user);
    inside = 0;
    watch_syscalls(false);
    const double end_us = now_us(CLOCK_MONOTONIC), cpu_end_us = now_us(CLOCK_THREAD_CPUTIME_ID);
    add(&wall, end_us - start_us);
    add(&cpu, cpu_end_us - cpu_start_us);
    const struct rusage after = used_by_thread();
    if (after.ru_nvcsw + after.ru_nivcsw == before.ru_nvcsw + before.ru_nivcsw)
        add(&own, end_us - start_us - posting_us);
    if (periods >= FIRST) {
        waits += after.ru_nvcsw - before.ru_nvcsw;
        faults += after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt;
    }
    if (posting_us > 0) add(&post, posting_us);
    run_loop();
    if (periods++ % A_HOP == 0) post_bare();
    return result;
}

int jack_set_process_callback(jack_client_t *client, JackProcessCallback process, void *user)
{
    int (*set)(jack_client_t *, JackProcessCallback, void *);
    *(void **)&set = dlsym(RTLD_NEXT, "jack_set_process_callback");
    callback = process;
    watches_syscalls = getenv("JACK_WITNESS_SYSCALLS");
    jack_native_thread_t thread;
    sem_init(&bare_wake, 0, 0);
    jack_client_create_thread(client, &thread, jack_client_real_time_priority(client) - 1,
                              jack_is_realtime(client), do_nothing, NULL);
    return set(client, watched, user);
}

static double quantile_us(const times *t, double part)
{
    long below = 0, i = 0;
    while (i < BUCKETS - 1 && (double)(below += t->histogram[i]) < part * (double)t->count) i++;
    return 0.1 * (double)(i + 1);
}

// All pages are there from the start: a soak looks at how the program's memory grows, not at how this does.
static void __attribute__((constructor)) touch(void)
{
    for (times *const *t = all_times; *t; t++)
        for (volatile long *bucket = (*t)->histogram; bucket < (*t)->histogram + BUCKETS; bucket++) *bucket = 0;
}

static void __attribute__((destructor)) report(void)
{
    const char *const path = getenv("JACK_WITNESS");
    FILE *file = path && periods > FIRST ? fopen(path, "w") : NULL;
    if (!file) return;
    if (getenv("JACK_WITNESS_SYSCALLS"))
        fprintf(file, "futexes %ld others %ld other %ld ", futexes, others, first_other);
    const char *const first = atomic_load(&first_call);
    fprintf(file, "calls %ld first %s waits %ld faults %ld periods %ld", atomic_load(&calls), first ? first : "none",
            waits, faults, periods);
    for (times *const *t = all_times; *t; t++)
        fprintf(file, " %s_median %.1f %s_p99 %.1f %s_p999 %.1f %s_worst %.1f", (*t)->name, quantile_us(*t, 0.5),
                (*t)->name, quantile_us(*t, 0.99), (*t)->name, quantile_us(*t, 0.999), (*t)->name, (*t)->worst_us);
    fputs("\n", file);
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

// The one that it may call.
int sem_post(sem_t *semaphore)
{
    static int (*real)(sem_t *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "sem_post");
    const double start_us = inside ? now_us(CLOCK_MONOTONIC) : 0;
    const int result = real(semaphore);
    if (inside) posting_us += now_us(CLOCK_MONOTONIC) - start_us;
    return result;
}
