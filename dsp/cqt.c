// SPDX-License-Identifier: ISC
#include "cqt.h"

#include <complex.h>
#include <fftw3.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LONG_FFT = 8192,
    SHORT_FFT = 2048,
    LANES = 16,      // kernel bands are whole multiples of this: the widest vector of floats there is
    NEGATIVE = 512,  // bins of negative frequency kept: the bass kernels' bands reach across zero
};

// The two resolutions: windows hold `q` periods of their bin, within limits, and fall over `tail` samples.
typedef struct {
    double q;
    int longest, shortest, tail;
} resolution_config;

static const resolution_config resolutions[FENBY_N_RESOLUTIONS] = {
    {40.0, 8192, 1024, 220},
    {12.0, 1400, 512, 160},
};

static const float floor_db = -100.0f;          // what silence reads as
static const double kernel_energy_lost = 2e-7;  // of each kernel, by keeping only its band of the spectrum

// The spectrum of the last n samples, real and imaginary parts apart so that vectors load whole. Pairs of samples are
// transformed as complex numbers, and what the kernels need of that is taken apart: half the work of all of it (Sorensen et
// al., "Real-valued fast Fourier transform algorithms", IEEE Transactions on Acoustics, Speech, and Signal Processing 35,
// 1987, section II).
typedef struct {
    int n, wanted;            // bins 0 .. wanted - 1
    fftwf_plan plan;          // of n / 2 pairs
    fftwf_complex *of_pairs;
    float *storage;
    float *re, *im;  // [-NEGATIVE .. n / 2], then zeros for LANES more
    float *cosine, *sine;     // of bin * 2 pi / n
} spectrum;

// One bin's kernel: a band of one of the spectra. Its values lie in the pool: count real parts from `offset`
// on, then count imaginary parts.
typedef struct {
    int spectrum;  // 0: LONG_FFT, 1: SHORT_FFT
    int first, count;
    size_t offset;
} kernel;

// The kernels, shared by every transform of the process: they are most of the memory and of the start-up time.
static struct {
    int users;
    int wanted[2];  // of each spectrum: up to where the kernels reach
    kernel kernels[FENBY_N_BINS][FENBY_N_RESOLUTIONS];
    float *pool;
} shared;

typedef float (*band_power)(const float *xr, const float *xi, const float *kr, const float *ki, int count);

struct fenby_cqt {
    float *past;  // the last LONG_FFT samples, oldest first
    spectrum spectra[2];
    bool uses_shared;
    band_power power;
};

// FFTW's planner is the one part of it that is not thread safe, and other code in the process may plan too:
// each of our plans is made under this lock. (Hosts that use FFTW do the same or call
// fftwf_make_planner_thread_safe, which is not ours to call in somebody else's process.)
static pthread_mutex_t planner_lock = PTHREAD_MUTEX_INITIALIZER;

// Guards the making and freeing of the shared kernels.
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;

// |sum of x * conj(k)|^2 over a band. Written once; compiled for each vector width below.
static inline __attribute__((always_inline)) float band_power_body(const float *restrict xr,
                                                                   const float *restrict xi,
                                                                   const float *restrict kr,
                                                                   const float *restrict ki, int count)
{
    float re[LANES] = {0}, im[LANES] = {0};
    for (int i = 0; i < count; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            re[j] += xr[i + j] * kr[i + j] + xi[i + j] * ki[i + j];
            im[j] += xi[i + j] * kr[i + j] - xr[i + j] * ki[i + j];
        }
    }
    // Half onto half, so that no sum waits for the one beside it; written out so that they stay in registers.
    enum { HALF = LANES / 2, QUARTER = LANES / 4, EIGHTH = LANES / 8 };
    for (int j = 0; j < HALF; j++) re[j] += re[j + HALF], im[j] += im[j + HALF];
    for (int j = 0; j < QUARTER; j++) re[j] += re[j + QUARTER], im[j] += im[j + QUARTER];
    for (int j = 0; j < EIGHTH; j++) re[j] += re[j + EIGHTH], im[j] += im[j + EIGHTH];
    re[0] += re[1], im[0] += im[1];
    return re[0] * re[0] + im[0] * im[0];
}

static float band_power_plain(const float *xr, const float *xi, const float *kr, const float *ki, int count)
{
    return band_power_body(xr, xi, kr, ki, count);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static float band_power_avx2(const float *xr, const float *xi,
                                                                 const float *kr, const float *ki, int count)
{
    return band_power_body(xr, xi, kr, ki, count);
}

// Without the second word gcc keeps to 256 bits; clang does not know it.
#ifdef __clang__
#define WHOLE_AVX512 "avx512f"
#else
#define WHOLE_AVX512 "avx512f,prefer-vector-width=512"
#endif
__attribute__((target(WHOLE_AVX512))) static float band_power_avx512(const float *xr, const float *xi,
                                                                     const float *kr, const float *ki, int count)
{
    return band_power_body(xr, xi, kr, ki, count);
}
#endif

static band_power choose_band_power(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return band_power_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return band_power_avx2;
#endif
    return band_power_plain;
}

static int window_length(int resolution, double f_hz)
{
    const resolution_config *r = &resolutions[resolution];
    const double n = r->q * FENBY_SAMPLE_RATE / f_hz;
    return n < r->shortest ? r->shortest : n > r->longest ? r->longest : (int)n;
}

static double bin_hz(int bin)
{
    // A0 is four octaves below A4 and the middle one of the first three bins.
    return 440.0 / 16 * exp2((bin - 1) / (double)FENBY_BINS_PER_OCTAVE);
}

// The window times the oscillation, oldest sample first, the window's sum being 1. Sines and cosines by
// rotation: exact to 1e-11 over the longest window, and a tenth of the start-up time.
static void make_window(const resolution_config *r, double f_hz, int n, double complex *window)
{
    const int rise = n - r->tail;
    const double complex step = cexp(2 * M_PI * I * f_hz / FENBY_SAMPLE_RATE);
    const double complex rise_step = cexp(M_PI * I / rise), fall_step = cexp(M_PI * I / r->tail);
    double complex carrier = cexp(-2 * M_PI * I * f_hz * n / FENBY_SAMPLE_RATE);
    double complex hann = -cexp(0.5 * M_PI * I / rise);
    double sum = 0;
    for (int i = 0; i < n; i++) {
        if (i == rise) hann = cexp(0.5 * M_PI * I / r->tail);
        const double w = 0.5 + 0.5 * creal(hann);
        sum += w;
        window[i] = w * carrier;
        carrier *= step;
        hann *= i < rise ? rise_step : fall_step;
    }
    for (int i = 0; i < n; i++) window[i] /= sum;
}

static int round_up(int count)
{
    return (count + LANES - 1) / LANES * LANES;
}

// Bin i of n, counted from zero frequency: negative ones lie at the end of the transform.
static double complex at(const fftw_complex *k, int n, int i)
{
    return k[i < 0 ? i + n : i];
}

static double energy(const fftw_complex *k, int n, int i)
{
    const double complex value = at(k, n, i);
    return creal(value) * creal(value) + cimag(value) * cimag(value);
}

// Grows the band from its peak towards the stronger neighbour until it holds the kernel's energy.
static void find_band(const fftw_complex *k, int n, int *first, int *count)
{
    double total = 0;
    int peak = 0;
    for (int i = 0; i < n; i++) total += energy(k, n, i);
    for (int i = 0; i <= n / 2; i++) {
        if (energy(k, n, i) > energy(k, n, peak)) peak = i;
    }
    int low = peak, high = peak;
    double held = energy(k, n, peak);
    while (total - held > kernel_energy_lost * total && (low > -NEGATIVE || high < n / 2)) {
        const double below = low > -NEGATIVE ? energy(k, n, low - 1) : -1;
        const double above = high < n / 2 ? energy(k, n, high + 1) : -1;
        if (below > above) {
            held += below;
            low--;
        } else {
            held += above;
            high++;
        }
    }
    *first = low;
    *count = round_up(high - low + 1);
}

static bool spectrum_init(spectrum *s, int n, float *last_samples)
{
    const size_t bins = (size_t)n / 2 + 1, length = NEGATIVE + bins + LANES;
    s->n = n;
    s->of_pairs = fftwf_alloc_complex(bins);
    s->storage = fftwf_alloc_real(2 * length + 2 * bins);
    if (!s->of_pairs || !s->storage) return false;
    memset(s->storage, 0, 2 * length * sizeof *s->storage);
    s->re = s->storage + NEGATIVE;
    s->im = s->re + length;
    s->cosine = s->storage + 2 * length;
    s->sine = s->cosine + bins;
    for (size_t i = 0; i < bins; i++) {
        s->cosine[i] = (float)cos(2 * M_PI * (double)i / n);
        s->sine[i] = (float)sin(2 * M_PI * (double)i / n);
    }
    // FFTW_ESTIMATE: the same plan each time, hence the same bits, and no start-up cost.
    s->plan = fftwf_plan_dft_1d(n / 2, (fftwf_complex *)last_samples, s->of_pairs, FFTW_FORWARD,
                                FFTW_ESTIMATE | FFTW_PRESERVE_INPUT);
    return s->plan != NULL;
}

static void spectrum_compute(spectrum *s)
{
    fftwf_execute(s->plan);
    const float(*pairs)[2] = (const float(*)[2])s->of_pairs;
    const int half = s->n / 2;
    s->of_pairs[half] = s->of_pairs[0];
    for (int i = 0; i < s->wanted; i++) {
        const float *at = pairs[i], *mirror = pairs[half - i];
        const float even_re = at[0] + mirror[0], even_im = at[1] - mirror[1];
        const float odd_re = at[1] + mirror[1], odd_im = mirror[0] - at[0];
        s->re[i] = 0.5f * (even_re + s->cosine[i] * odd_re + s->sine[i] * odd_im);
        s->im[i] = 0.5f * (even_im + s->cosine[i] * odd_im - s->sine[i] * odd_re);
    }
    const int negative = s->wanted <= NEGATIVE ? s->wanted - 1 : NEGATIVE;
    for (int i = 1; i <= negative; i++) {
        s->re[-i] = s->re[i];
        s->im[-i] = -s->im[i];
    }
}

// Extends the bins 0 .. *wanted - 1 by a band, and by what mirrors its negative frequencies.
static void want(int *wanted, int most, int first, int count)
{
    const int end = first + count > 1 - first ? first + count : 1 - first;
    if (*wanted < end) *wanted = end < most ? end : most;
}

// Transforms every window and keeps the band that matters of it.
static bool make_kernels(void)
{
    static const int sizes[2] = {LONG_FFT, SHORT_FFT};
    const size_t room = (size_t)FENBY_N_FEATURES * (SHORT_FFT + 4 * LANES);  // before the bands are known
    float *values = malloc(room * sizeof *values);
    double complex *window = malloc(LONG_FFT * sizeof *window);
    fftw_complex *buffer = fftw_alloc_complex(LONG_FFT);
    fftw_plan plans[2] = {0};
    bool ok = values && window && buffer;
    pthread_mutex_lock(&planner_lock);
    for (int s = 0; s < 2 && ok; s++) {
        plans[s] = fftw_plan_dft_1d(sizes[s], buffer, buffer, FFTW_FORWARD, FFTW_ESTIMATE);
        ok = plans[s] != NULL;
    }
    pthread_mutex_unlock(&planner_lock);

    size_t used = 0;
    for (int i = 0; i < FENBY_N_FEATURES && ok; i++) {
        const int bin = i / FENBY_N_RESOLUTIONS, resolution = i % FENBY_N_RESOLUTIONS;
        const double f_hz = bin_hz(bin);
        const int length = window_length(resolution, f_hz);
        kernel *k = &shared.kernels[bin][resolution];
        k->spectrum = length <= SHORT_FFT;
        const int n = sizes[k->spectrum];
        make_window(&resolutions[resolution], f_hz, length, window);
        memset(buffer, 0, sizeof *buffer * (size_t)n);
        memcpy(buffer + n - length, window, sizeof *window * (size_t)length);
        fftw_execute(plans[k->spectrum]);
        find_band(buffer, n, &k->first, &k->count);
        want(&shared.wanted[k->spectrum], n / 2 + 1, k->first, k->count);
        k->offset = used;
        used += 2 * (size_t)k->count;
        ok = used <= room;
        for (int j = 0; j < k->count && ok; j++) {
            // A real signal has half of its amplitude at negative frequencies: twice the sum is the level.
            const double complex value = k->first + j <= n / 2 ? 2 * at(buffer, n, k->first + j) / n : 0;
            values[k->offset + (size_t)j] = (float)creal(value);
            values[k->offset + (size_t)(k->count + j)] = (float)cimag(value);
        }
    }
    shared.pool = ok ? fftwf_alloc_real(used) : NULL;
    if (shared.pool) memcpy(shared.pool, values, used * sizeof *values);

    pthread_mutex_lock(&planner_lock);
    for (int s = 0; s < 2; s++) {
        if (plans[s]) fftw_destroy_plan(plans[s]);
    }
    pthread_mutex_unlock(&planner_lock);
    fftw_free(buffer);
    free(window);
    free(values);
    return shared.pool != NULL;
}

static bool shared_acquire(void)
{
    pthread_mutex_lock(&shared_lock);
    const bool ok = shared.users > 0 || make_kernels();
    shared.users += ok;
    pthread_mutex_unlock(&shared_lock);
    return ok;
}

static void shared_release(void)
{
    pthread_mutex_lock(&shared_lock);
    if (--shared.users == 0) fftwf_free(shared.pool);
    pthread_mutex_unlock(&shared_lock);
}

fenby_cqt *fenby_cqt_new(void)
{
    fenby_cqt *cqt = calloc(1, sizeof *cqt);
    if (!cqt) return NULL;
    cqt->power = choose_band_power();
    cqt->past = fftwf_alloc_real(LONG_FFT);
    bool ok = cqt->past != NULL;
    if (ok) {
        pthread_mutex_lock(&planner_lock);
        ok = spectrum_init(&cqt->spectra[0], LONG_FFT, cqt->past) &&
             spectrum_init(&cqt->spectra[1], SHORT_FFT, cqt->past + LONG_FFT - SHORT_FFT);
        pthread_mutex_unlock(&planner_lock);
    }
    cqt->uses_shared = ok && shared_acquire();
    for (int s = 0; s < 2; s++) cqt->spectra[s].wanted = shared.wanted[s];
    if (!cqt->uses_shared) {
        fenby_cqt_free(cqt);
        return NULL;
    }
    fenby_cqt_reset(cqt);
    return cqt;
}

void fenby_cqt_free(fenby_cqt *cqt)
{
    if (!cqt) return;
    if (cqt->uses_shared) shared_release();
    pthread_mutex_lock(&planner_lock);
    for (int s = 0; s < 2; s++) {
        if (cqt->spectra[s].plan) fftwf_destroy_plan(cqt->spectra[s].plan);
    }
    pthread_mutex_unlock(&planner_lock);
    for (int s = 0; s < 2; s++) {
        fftwf_free(cqt->spectra[s].of_pairs);
        fftwf_free(cqt->spectra[s].storage);
    }
    fftwf_free(cqt->past);
    free(cqt);
}

void fenby_cqt_reset(fenby_cqt *cqt)
{
    memset(cqt->past, 0, LONG_FFT * sizeof *cqt->past);
}

// log2 of a positive normal number, to 1e-7: exponent apart, then the series of artanh on sqrt(1/2) .. sqrt(2).
// Unlike the library's it has no branch, so that the compiler makes vectors of the loop around it.
static inline float log2_fast(float x)
{
    const int32_t root_half = 0x3f3504f3;
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int32_t exponent = (bits - root_half) >> 23;
    bits -= exponent * (1 << 23);
    float m;
    memcpy(&m, &bits, sizeof m);
    const float t = (m - 1) / (m + 1), t2 = t * t;
    const float series = t * (1 + t2 * (1 / 3.0f + t2 * (1 / 5.0f + t2 * (1 / 7.0f))));
    return (float)exponent + 2 * (float)M_LOG2E * series;
}

// Power to level, in place: (dB + 100) / 100, clipped.
static void to_levels(float *values, int count)
{
    const float db_per_octave = 3.01029996f;  // 10 log10(2)
    for (int i = 0; i < count; i++) {
        const float db = db_per_octave * log2_fast(values[i] + 1e-10f);
        const float level = (db - floor_db) / -floor_db;
        const float not_below = level > 0 ? level : 0;
        values[i] = not_below < 1.2f ? not_below : 1.2f;
    }
}

void fenby_cqt_process(fenby_cqt *cqt, const float *samples, int n, float *frame)
{
    memmove(cqt->past, cqt->past + n, (size_t)(LONG_FFT - n) * sizeof *cqt->past);
    memcpy(cqt->past + LONG_FFT - n, samples, (size_t)n * sizeof *cqt->past);
    for (int s = 0; s < 2; s++) spectrum_compute(&cqt->spectra[s]);

    const kernel *k = &shared.kernels[0][0];
    for (int i = 0; i < FENBY_N_FEATURES; i++, k++) {
        const spectrum *s = &cqt->spectra[k->spectrum];
        const float *re = shared.pool + k->offset;
        frame[i] = cqt->power(s->re + k->first, s->im + k->first, re, re + k->count, k->count);
    }
    to_levels(frame, FENBY_N_FEATURES);
}

int fenby_cqt_kernel(int resolution, int bin, float *window)
{
    const double f_hz = bin_hz(bin);
    const int n = window_length(resolution, f_hz);
    if (window) {
        double complex *w = malloc((size_t)n * sizeof *w);
        if (!w) return 0;
        make_window(&resolutions[resolution], f_hz, n, w);
        for (int i = 0; i < n; i++) {
            window[2 * i] = (float)creal(w[i]);
            window[2 * i + 1] = (float)cimag(w[i]);
        }
        free(w);
    }
    return n;
}

double fenby_cqt_bin_hz(int bin)
{
    return bin_hz(bin);
}

uint64_t fenby_cqt_features_hash(void)
{
    char text[256];
    int length = snprintf(text, sizeof text, "cqt 1 %d %d %d %d %g", FENBY_SAMPLE_RATE, FENBY_HOP,
                          FENBY_BINS_PER_OCTAVE, FENBY_N_BINS, floor_db);
    for (int r = 0; r < FENBY_N_RESOLUTIONS; r++) {
        const resolution_config *c = &resolutions[r];
        length += snprintf(text + length, sizeof text - (size_t)length, " %g %d %d %d", c->q, c->longest,
                           c->shortest, c->tail);
    }
    uint64_t hash = 14695981039346656037u;
    for (int i = 0; i < length; i++) hash = (hash ^ (uint8_t)text[i]) * 1099511628211u;
    return hash;
}
