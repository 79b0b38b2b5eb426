// SPDX-License-Identifier: ISC
// bench [SECONDS]: what each stage costs for each hop on one core, the whole chain's real-time factor, start-up
// time and memory; then the factor at other sample rates, for thinner and thicker music, in every mode and for
// many instances. Times are of this machine; the shares and the real-time factor are what to compare.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "dsp/attack.h"
#include "dsp/cqt.h"
#include "dsp/engine.h"
#include "dsp/features.h"
#include "dsp/looks.h"
#include "dsp/ring.h"
#include "dsp/tuning.h"
#include "nn/net.h"

enum { RATE = 48000, BLOCK = 64 };

static double clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

static double now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

// Times of single calls.
typedef struct {
    double *us;
    size_t count, room;
} timings;

static timings timings_new(size_t room)
{
    timings t = {malloc(room * sizeof(double)), 0, room};
    if (!t.us) exit(1);
    return t;
}

static void record(timings *t, double us)
{
    if (t->count < t->room) t->us[t->count++] = us;
}

static int ascending(const void *a, const void *b)
{
    const double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

// Prints one line and returns the mean.
static double report(const char *stage, timings *t)
{
    double sum = 0;
    for (size_t i = 0; i < t->count; i++) sum += t->us[i];
    qsort(t->us, t->count, sizeof *t->us, ascending);
    const double mean = sum / (double)t->count;
    printf("%-22s %9.2f %9.2f %9.2f %9.2f\n", stage, mean, t->us[t->count / 2],
           t->us[(size_t)((double)t->count * 0.999)], t->us[t->count - 1]);
    free(t->us);
    return mean;
}

// Chords of n_voices decaying harmonic tones, four a second.
static float *make_music(size_t frames, int rate_hz, int n_voices)
{
    float *x = calloc(frames, sizeof *x);
    if (!x) exit(1);
    unsigned seed = 1;
    const size_t length = (size_t)rate_hz;
    for (size_t start = 0; start + length < frames; start += length / 4) {
        for (int n = 0; n < n_voices; n++) {
            seed = seed * 1664525u + 1013904223u;
            const double f_hz = 440 * exp2(((int)(seed >> 16) % 48 - 29) / 12.0);
            for (int h = 1; h <= 6 && f_hz * h < 9000; h++) {
                for (size_t i = 0; i < length; i++) {
                    const double t = (double)i / rate_hz;
                    x[start + i] += (float)(0.05 / h * exp(-4.0 * t) * sin(2 * M_PI * f_hz * h * t));
                }
            }
        }
    }
    return x;
}

// --- the whole chain under other conditions ------------------------------------------------------------------

enum { MOST_ENGINES = 64 };

typedef struct {
    int rate_hz, n_voices, n_engines, mode;
} condition;

// All engines in turn, block by block, as a host with many tracks runs them. Returns the factor of one.
static double factor_of(const fenby_weights *weights, const condition *c, double seconds)
{
    const size_t frames = (size_t)(seconds * c->rate_hz);
    float *music = make_music(frames, c->rate_hz, c->n_voices);
    fenby_engine *engines[MOST_ENGINES];
    char error[256];
    fenby_engine_config config = {c->rate_hz, BLOCK, fenby_parameters_default()};
    config.parameters.value[FENBY_MODE] = (float)c->mode;
    for (int e = 0; e < c->n_engines; e++)
        if (!(engines[e] = fenby_engine_new(&config, weights, error, sizeof error))) exit(1);
    const double began = clock_us(CLOCK_THREAD_CPUTIME_ID);  // whatever else the machine does
    for (size_t i = 0; i + BLOCK <= frames; i += BLOCK) {
        for (int e = 0; e < c->n_engines; e++) {
            fenby_event event;
            fenby_engine_push(engines[e], music + i, BLOCK);
            while (fenby_engine_pop(engines[e], (int64_t)(i + BLOCK), &event)) continue;
            if (fenby_engine_has_work(engines[e])) fenby_engine_work(engines[e]);
        }
    }
    const double whole_us = clock_us(CLOCK_THREAD_CPUTIME_ID) - began;
    for (int e = 0; e < c->n_engines; e++) fenby_engine_free(engines[e]);
    free(music);
    return whole_us / (seconds * 1e6) / c->n_engines;
}

static void report_conditions(const fenby_weights *weights)
{
    static const condition conditions[] = {
        {44100, 3, 1, FENBY_MODE_LIVE},   {48000, 3, 1, FENBY_MODE_LIVE},  {96000, 3, 1, FENBY_MODE_LIVE},
        {48000, 0, 1, FENBY_MODE_LIVE},   {48000, 1, 1, FENBY_MODE_LIVE},  {48000, 12, 1, FENBY_MODE_LIVE},
        {48000, 3, 1, FENBY_MODE_TIGHT},  {48000, 3, 1, FENBY_MODE_STUDIO}, {48000, 3, 4, FENBY_MODE_LIVE},
        {48000, 3, 16, FENBY_MODE_LIVE},  {48000, 3, 64, FENBY_MODE_LIVE},
    };
    const char *const *modes = fenby_parameter_table[FENBY_MODE].labels;
    printf("\n%8s %7s %7s %10s   CPU time of each over the music's\n", "rate, Hz", "voices", "mode",
           "instances");
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        const condition *c = &conditions[i];
        const double seconds = c->n_engines > 4 ? 3 : 10;
        printf("%8d %7d %7s %10d   %.4f\n", c->rate_hz, c->n_voices, modes[c->mode], c->n_engines,
               factor_of(weights, c, seconds));
    }
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 30;
    if (!(seconds >= 2 && seconds <= 3600)) {
        fprintf(stderr, "bench: '%s' seconds: 2 to 3600 expected\n", argv[1]);
        return 1;
    }
    const size_t frames = (size_t)(seconds * RATE);
    float *music = make_music(frames, RATE, 3);
    char error[256];

    double began = now_us();
    fenby_weights *weights = fenby_weights_default(fenby_cqt_features_hash(), error, sizeof error);
    const fenby_engine_config config = {RATE, BLOCK, fenby_parameters_default()};
    fenby_engine *engine = weights ? fenby_engine_new(&config, weights, error, sizeof error) : NULL;
    if (!engine) {
        fprintf(stderr, "bench: %s\n", error);
        return 1;
    }
    const double start_ms = (now_us() - began) / 1000;

    const double hop_us = 1e6 * FENBY_HOP / FENBY_SAMPLE_RATE;
    const size_t hops = (size_t)(seconds * FENBY_SAMPLE_RATE / FENBY_HOP);
    const int looks = fenby_looks_in_hop();
    printf("%s, %.0f s of music at %d Hz in blocks of %d; microseconds a call.\n"
           "A hop is %.0f; in each the CQT, the network and the worker are called %s.\n\n",
           fenby_weights_name(weights), seconds, RATE, BLOCK, hop_us, looks == 2 ? "twice, once for half of the network" : "once");
    printf("%-22s %9s %9s %9s %9s\n", "stage", "mean", "median", "p99.9", "worst");

    // 1 ring
    fenby_ring *ring = fenby_ring_new(sizeof(float), 1 << 14);
    if (!ring) return 1;
    timings t = timings_new(hops);
    float block[1024];
    for (size_t i = 0; i < hops && (i + 1) * 557 < frames; i++) {
        const double at = now_us();
        for (int j = 0; j < 557 / BLOCK; j++) fenby_ring_write(ring, music + i * 557 + j * BLOCK, BLOCK);
        fenby_ring_read(ring, block, 1024);
        record(&t, now_us() - at);
    }
    report("1 ring", &t);
    fenby_ring_free(ring);

    // 2 cqt
    const int look_frames = RATE * FENBY_HOP / looks / FENBY_SAMPLE_RATE;
    fenby_cqt *cqt = fenby_cqt_new(RATE);
    float *features = calloc(hops * FENBY_N_FEATURES, sizeof *features);
    if (!cqt || !features) return 1;
    t = timings_new(hops);
    for (size_t i = 0; i < hops; i++) {
        const double at = now_us();
        fenby_cqt_process(cqt, music + i * (size_t)look_frames, look_frames, features + i * FENBY_N_FEATURES);
        record(&t, now_us() - at);
    }
    report("2 cqt", &t);
    fenby_cqt_free(cqt);
    fenby_tuning tuning = {0};
    t = timings_new(hops);
    for (size_t i = 0; i < hops; i++) {
        const double at = now_us();
        fenby_tuning_process(&tuning, 440, true, features + i * FENBY_N_FEATURES);
        record(&t, now_us() - at);
    }
    report("2 tuning", &t);

    // 3 net, in each arithmetic that this machine has
    const struct {
        fenby_simd simd;
        const char *name;
        int parts;
    } kinds[] = {{FENBY_SIMD_AVX512_VNNI, "3 net, avx512_vnni", FENBY_ALL_PARTS},
                 {FENBY_SIMD_AVX512_VNNI, "  between hops", 1},
                 {FENBY_SIMD_AVX512, "3 net, avx512", FENBY_ALL_PARTS},
                 {FENBY_SIMD_AVX2_VNNI, "3 net, avx2_vnni", FENBY_ALL_PARTS},
                 {FENBY_SIMD_AVX2, "3 net, avx2", FENBY_ALL_PARTS},
                 {FENBY_SIMD_NEON_DOT, "3 net, neon_dot", FENBY_ALL_PARTS},
                 {FENBY_SIMD_NEON, "3 net, neon", FENBY_ALL_PARTS},
                 {FENBY_SIMD_SCALAR, "3 net, scalar", FENBY_ALL_PARTS}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        fenby_net *net = fenby_net_new(weights, 1, kinds[k].simd);
        if (!net) continue;
        t = timings_new(hops);
        for (size_t i = 0; i < hops; i++) {
            const double at = now_us();
            fenby_net_process_parts(net, features + i * FENBY_N_FEATURES, kinds[k].parts);
            record(&t, now_us() - at);
        }
        const double mean = report(kinds[k].name, &t);
        if (kinds[k].parts == FENBY_ALL_PARTS)
            printf("%-22s %9.1f billion multiply-adds a second\n", "", (double)fenby_weights_macs(weights) / mean / 1e3);
        fenby_net_free(net);
    }

    // 4 attacks: what each hop costs, and one look at every key
    fenby_attack *attack = fenby_attack_new(1);
    if (!attack) return 1;
    t = timings_new(hops);
    for (size_t i = 0; i < hops; i++) {
        const double at = now_us();
        fenby_attack_push(attack, features + i * FENBY_N_FEATURES);
        record(&t, now_us() - at);
    }
    report("4 attack", &t);
    fenby_attack_free(attack);

    // 1-5 the engine, and what the audio thread pays for each block
    t = timings_new((hops + 1) * (size_t)looks);
    timings audio = timings_new(frames / BLOCK + 1);
    int64_t position = 0;
    size_t n_events = 0;
    const double cpu_began = now_us();
    for (size_t i = 0; i + BLOCK <= frames; i += BLOCK) {
        fenby_event event;
        const double at = now_us();
        fenby_engine_push(engine, music + i, BLOCK);
        position += BLOCK;
        while (fenby_engine_pop(engine, position, &event)) n_events++;
        record(&audio, now_us() - at);
        if (fenby_engine_has_work(engine)) {
            const double work_at = now_us();
            if (fenby_engine_work(engine)) record(&t, now_us() - work_at);
        }
    }
    const double whole = now_us() - cpu_began;
    report("2-5 worker", &t);
    printf("\nmicroseconds for each block of %d (%.0f): the audio thread\n", BLOCK, 1e6 * BLOCK / RATE);
    report("1, 5 push and pop", &audio);

    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const double own_mib = (double)usage.ru_maxrss / 1024 -
                           ((double)frames + (double)hops * FENBY_N_FEATURES) * 4 / 1048576;
    printf("\nreal-time factor %.4f (%.0f times faster than it plays), %zu events\n", whole / (seconds * 1e6),
           seconds * 1e6 / whole, n_events);
    printf("start-up %.1f ms, memory without the music %.1f MiB, weights of %zu multiply-adds a look\n", start_ms,
           own_mib, fenby_weights_macs(weights));
    fenby_engine_free(engine);
    report_conditions(weights);
    fenby_weights_free(weights);
    free(features);
    free(music);
    return 0;
}
