// SPDX-License-Identifier: ISC
// The plugin's run() at 64 frames and 48 kHz, in the rhythm of a sound card, beside its worker: it allocates
// nothing, locks nothing, makes no system call but the futex of its wake-up, and takes next to no time.
//
// Allocations and locks are caught by functions of the same names, system calls by a seccomp filter on the
// audio thread. Under a sanitizer, which replaces the allocator itself, only allocations are looked at, by its
// hooks.
//
// A machine, above all a virtual or a busy one, halts any thread now and then, and no clock tells. So a
// stand-in is measured beside the plugin, for longer in each period, that wakes a worker as often: what befalls
// it is the machine's. And the instructions of run() are counted one by one, which no halt can add to.
// FENBY_SECONDS=600 makes it ten minutes instead of some seconds, and has the worst judged too.
#include <errno.h>
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/system/lv2_host.h"

enum { RATE = 48000, BLOCK = 64, MUSIC_SECONDS = 8, N = RATE * MUSIC_SECONDS, BUCKETS = 100000 };
enum { PRIORITY = 70, LONG_SECONDS = 60, STEPPED_BLOCKS = 1000, STEP = 40 };
enum { STAND_IN_US = 50, STAND_IN_WAKES = 8, STAND_IN_WORK_US = 300 };

static const double period_us = 1e6 * BLOCK / RATE, most_us = 1e5 * BLOCK / RATE;

static float music[N];
static __thread volatile int guarded;  // inside run()
static atomic_long calls;              // that were made there
static const char *_Atomic first_call;
static atomic_long system_calls;  // of the audio thread
static atomic_int first_system_call;

static void take_note(const char *call)
{
    if (guarded && atomic_fetch_add(&calls, 1) == 0) atomic_store(&first_call, call);
}

#if HOST_SANITIZED

int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                              void (*)(const volatile void *));

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

static void watch_calls(void)
{
    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}

static void watch_system_calls(void)
{
}

#else

// Not hidden: the plugin's calls are to come here too.
#pragma GCC visibility push(default)

void *__libc_malloc(size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

void *malloc(size_t size)
{
    take_note("malloc");
    return __libc_malloc(size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    take_note("aligned_alloc");
    return __libc_memalign(alignment, size);
}

void *calloc(size_t n, size_t size)
{
    take_note("calloc");
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    take_note("realloc");
    return __libc_realloc(p, size);
}

void free(void *p)
{
    take_note("free");
    __libc_free(p);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*real)(pthread_mutex_t *);
    take_note("pthread_mutex_lock");
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    return real(mutex);
}

#pragma GCC visibility pop

static void watch_calls(void)
{
}

static void on_system_call(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    if (atomic_fetch_add(&system_calls, 1) == 0) atomic_store(&first_system_call, info->si_syscall);
}

// From here on this thread may wake others and sleep, nothing else. What else it tries is counted and fails.
static void watch_system_calls(void)
{
    static const int allowed[] = {SYS_clock_nanosleep, SYS_clock_gettime,  SYS_rt_sigreturn, SYS_exit,
                                  SYS_madvise,         SYS_rt_sigprocmask, SYS_munmap};
    enum { N_ALLOWED = sizeof allowed / sizeof *allowed, REFUSE = N_ALLOWED + 5, ALLOW };
    const struct sigaction action = {.sa_sigaction = on_system_call, .sa_flags = SA_SIGINFO};
    struct sock_filter program[ALLOW + 1];
    sigaction(SIGSYS, &action, NULL);
    program[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < N_ALLOWED; i++)
        program[1 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i],
                                                      (unsigned char)(ALLOW - i - 2), 0);
    program[N_ALLOWED + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 3);
    program[N_ALLOWED + 2] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]));
    program[N_ALLOWED + 3] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, FUTEX_CMD_MASK & 0xff);
    program[N_ALLOWED + 4] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAKE, 1, 0);
    program[REFUSE] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    program[ALLOW] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog filter = {ALLOW + 1, program};
    const int failed =
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
    CHECK(!failed, "no seccomp filter: %s", strerror(errno));
}

#endif

// --- the audio thread ----------------------------------------------------------------------------------------

static double read_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return 1e6 * (double)now.tv_sec + 1e-3 * (double)now.tv_nsec;
}

typedef struct {
    long wall[BUCKETS];  // how many took how many tenths of a microsecond
    long over;           // how many took more than most_us
    double worst_us, worst_cpu_us;
} times;

typedef struct {
    host *host;
    long n_blocks;
    times run, stand_in;
    bool bursts;  // views, parameters, bypass, models
} measurement;

static void count(long *histogram, double us)
{
    const long bucket = (long)(10 * us);
    histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static double quantile_us(const long *histogram, double part)
{
    long total = 0, below = 0, i = 0;
    for (int k = 0; k < BUCKETS; k++) total += histogram[k];
    while (i < BUCKETS - 1 && (double)(below += histogram[i]) < part * (double)total) i++;
    return 0.1 * (double)(i + 1);
}

// Calls work(user) and counts what it took beyond what was meant.
static void take_time(times *t, double meant_us, void (*work)(void *user), void *user)
{
    const double cpu_us = read_us(CLOCK_THREAD_CPUTIME_ID), start_us = read_us(CLOCK_MONOTONIC);
    work(user);
    const double took_us = read_us(CLOCK_MONOTONIC) - start_us - meant_us;
    const double took_cpu_us = read_us(CLOCK_THREAD_CPUTIME_ID) - cpu_us - meant_us;
    count(t->wall, fmax(took_us, 0));
    t->over += took_us > most_us;
    t->worst_us = fmax(t->worst_us, took_us);
    t->worst_cpu_us = fmax(t->worst_cpu_us, took_cpu_us);
}

static void disturb(host *h, long i, unsigned long long *state)
{
    const int parameter = (int)(test_random(state) * FENBY_N_PARAMETERS);
    const fenby_parameter_info *info = &fenby_parameter_table[parameter];
    h->control[FENBY_PORT_ENABLED] = i % 3000 < 2900;
    h->control[FENBY_PORT_THRU] = i % 2000 < 1000;
    if (i % 50 == 0)
        h->control[FENBY_PORT_PARAMETERS + parameter] =
            (float)(info->minimum + test_random(state) * (info->maximum - info->minimum));
    if (i % 50 == 3)
        for (int k = 0; k < FENBY_N_PARAMETERS; k++)
            h->control[FENBY_PORT_PARAMETERS + k] = fenby_parameter_table[k].default_value;
    if (i % 500 == 0) host_send_position(h, 10, i, 1);
    if (i % 1000 == 0) host_send(h, i % 2000 ? h->urids.watch : h->urids.unwatch);
    if (i % 1500 == 0) host_send_model(h, "");
    if (i % 1700 == 0) host_send_save(h, "/nowhere/saved.mid");
}

static void guarded_run(void *user)
{
    const host *h = user;
    guarded = 1;
    h->instance->lv2_descriptor->run(h->instance->lv2_handle, BLOCK);
    guarded = 0;
}

static sem_t wake;

static void spend_us(double us)
{
    const double end_us = read_us(CLOCK_MONOTONIC) + us;
    while (read_us(CLOCK_MONOTONIC) < end_us) continue;
}

static void *stand_in_work(void *user)
{
    (void)user;
    for (;;)
        if (!sem_wait(&wake)) spend_us(STAND_IN_WORK_US);
    return NULL;
}

static void stand_in(void *user)
{
    static int n;
    (void)user;
    if (++n % STAND_IN_WAKES == 0) sem_post(&wake);
    spend_us(STAND_IN_US);
}

static void start_stand_in(void)
{
    pthread_t thread;
    const int failed = sem_init(&wake, 0, 0) || pthread_create(&thread, NULL, stand_in_work, NULL);
    REQUIRE(!failed, "no thread");
    pthread_detach(thread);
}

static void begin_block(host *h, long i)
{
    memcpy(h->audio[0], music + i % (N / BLOCK) * BLOCK, BLOCK * sizeof *music);
    lv2_atom_forge_pop(&h->forge, &h->sequence_frame);
    h->midi_out.sequence.atom = (LV2_Atom){h->midi_room, 0};
    h->notify_out.sequence.atom = (LV2_Atom){sizeof h->notify_out - sizeof(LV2_Atom), 0};
}

static void end_block(host *h)
{
    host_read_sequence(h, &h->midi_out.sequence, BLOCK, true);
    host_read_sequence(h, &h->notify_out.sequence, BLOCK, false);
    h->frames += BLOCK;
    host_begin_messages(h);
}

// Whoever comes first after the sleep finds the caches cold: they take turns.
static void play_block(measurement *m, long i)
{
    begin_block(m->host, i);
    if (i % 2) take_time(&m->stand_in, STAND_IN_US, stand_in, m->host);
    take_time(&m->run, 0, guarded_run, m->host);
    if (i % 2 == 0) take_time(&m->stand_in, STAND_IN_US, stand_in, m->host);
    end_block(m->host);
}

static void *play(void *user)
{
    measurement *m = user;
    unsigned long long state = 1;
    watch_system_calls();
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (long i = 0; i < m->n_blocks; i++) {
        if (m->bursts) disturb(m->host, i, &state);
        play_block(m, i);
        if (i == 100) m->run = m->stand_in = (times){0};  // the first ones touched their memory
        next.tv_nsec += (long)(1e3 * period_us);
        if (next.tv_nsec >= 1000000000) {
            next.tv_nsec -= 1000000000;
            next.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    return NULL;
}

// At the priority that JACK gives its clients, where that is allowed.
static pthread_t start_audio_thread(measurement *m)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
    pthread_attr_setschedparam(&attributes, &(struct sched_param){PRIORITY});
    int failed = pthread_create(&thread, &attributes, play, m);
    printf(failed ? "not allowed to be a realtime thread\n" : "a realtime thread\n");
    if (failed) failed = pthread_create(&thread, NULL, play, m);
    REQUIRE(!failed, "no thread");
    pthread_attr_destroy(&attributes);
    return thread;
}

static void print_times(const char *what, const times *t)
{
    printf("    %s: median %.1f us (%.2f %%), 99.9 %% within %.1f us, worst %.1f us, by the thread's own clock "
           "%.1f us; %ld over %.0f us\n",
           what, quantile_us(t->wall, 0.5), 100 * quantile_us(t->wall, 0.5) / period_us,
           quantile_us(t->wall, 0.999), t->worst_us, t->worst_cpu_us, t->over, most_us);
}

// On a machine that is too busy the notes may still be to come, or be lost: some more music, out of the rhythm.
static void finish(host *h)
{
    h->control[FENBY_PORT_ENABLED] = 1;
    for (int i = 0; i < FENBY_N_PARAMETERS; i++)
        h->control[FENBY_PORT_PARAMETERS + i] = fenby_parameter_table[i].default_value;
    for (int i = 0; i < 2 * RATE; i += BLOCK) {
        host_play(h, music + i, BLOCK);
        host_rest(h);
    }
}

static void measure(double seconds, bool bursts)
{
    static measurement m;
    m = (measurement){.host = host_open((host_config){.no_worker = true, .block = BLOCK}),
                      .n_blocks = (long)(seconds * 1e6 / period_us),
                      .bursts = bursts};
    atomic_store(&calls, 0);
    atomic_store(&first_call, NULL);
    pthread_join(start_audio_thread(&m), NULL);
    const char *const first = atomic_load(&first_call);
    CHECK(atomic_load(&calls) == 0, "run() made %ld calls, the first to %s", atomic_load(&calls), first);
    CHECK(atomic_load(&system_calls) == 0, "the audio thread made %ld system calls, the first is number %d",
          atomic_load(&system_calls), atomic_load(&first_system_call));
    finish(m.host);
    CHECK(m.host->notes > 3 && m.host->broken == 0, "%d notes, %d broken", m.host->notes, m.host->broken);
    printf("%s, %ld periods of %.0f us:\n", bursts ? "disturbed" : "undisturbed", m.n_blocks, period_us);
    print_times("run()", &m.run);
    print_times("halts of the stand-in", &m.stand_in);
    const double median_us = quantile_us(m.run.wall, 0.5);
    if (!HOST_SANITIZED) CHECK(median_us < period_us / 100, "the median is %.1f us", median_us);
    if (seconds >= LONG_SECONDS)
        CHECK(m.run.over <= 2 * m.stand_in.over, "%ld of %ld over %.0f us, the stand-in was halted %ld times",
              m.run.over, m.n_blocks, most_us, m.stand_in.over);
    host_close(m.host);
}

// --- instruction by instruction ------------------------------------------------------------------------------

#if defined(__x86_64__) && !HOST_SANITIZED

static volatile long steps;

static void on_step(int signal)
{
    (void)signal;
    steps++;
}

// The processor's trap flag: a signal after each instruction of this thread.
static void step_on(void)
{
    __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::
                         : "cc", "memory");
}

static void step_off(void)
{
    __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::
                         : "cc", "memory");
}

// At one instruction a nanosecond, which is slow, the worst run() is within its tenth of the period. Each
// instruction takes its time to be told: one block of `step` is looked at.
static void test_instructions(bool bursts, int step)
{
    unsigned long long state = 1;
    const struct sigaction action = {.sa_handler = on_step};
    sigaction(SIGTRAP, &action, NULL);
    host *h = host_open((host_config){.no_worker = true, .block = BLOCK});
    long worst = 0, total = 0;
    for (long i = 0; i < STEPPED_BLOCKS; i++) {
        if (bursts) disturb(h, i, &state);
        begin_block(h, i);
        steps = 0;
        if (i % step == 0) step_on();
        h->instance->lv2_descriptor->run(h->instance->lv2_handle, BLOCK);
        step_off();
        end_block(h);
        total += steps;
        if (steps > worst) worst = steps;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    printf("%s: %ld instructions on the mean, %ld at worst\n", bursts ? "disturbed" : "undisturbed",
           total * step / STEPPED_BLOCKS, worst);
    CHECK(worst > 100 && (double)worst < 1000 * most_us, "%ld instructions", worst);
    host_close(h);
}

#else

static void test_instructions(bool bursts, int step)
{
    (void)bursts, (void)step;
}

#endif

// The guard itself: what the plugin allocates, frees and locks is seen, here when its engine is made anew.
static void test_guard(void)
{
    host *h = host_open((host_config){.no_worker = true, .block = BLOCK});
    const int32_t block = 2 * BLOCK;
    const LV2_Options_Option options[] = {
        {LV2_OPTIONS_INSTANCE, 0, h->urids.nominal_block, sizeof block, h->urids.atom_int, &block},
        {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, NULL},
    };
    guarded = 1;
    h->options_interface->set(h->instance->lv2_handle, options);
    guarded = 0;
    const char *const first = atomic_load(&first_call);
    CHECK(atomic_load(&calls) > 20, "%ld calls noted", atomic_load(&calls));
    CHECK(HOST_SANITIZED || (first && !strcmp(first, "pthread_mutex_lock")), "the first was to %s", first);
    host_close(h);
}

int main(void)
{
    const char *asked = getenv("FENBY_SECONDS");
    const double seconds = asked ? atof(asked) : 5;
    host_compose(music, N, RATE);
    watch_calls();
    start_stand_in();
    test_guard();
    measure(seconds, false);
    measure(seconds, true);
    test_instructions(false, seconds < LONG_SECONDS ? STEP : 1);
    test_instructions(true, seconds < LONG_SECONDS ? STEP : 1);
    return test_report();
}
