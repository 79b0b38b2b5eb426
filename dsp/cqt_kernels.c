// SPDX-License-Identifier: ISC
#include "cqt_kernels.h"

#include <complex.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sums.h"

enum {
    SHORT_SAMPLES = 2048,  // at FENBY_SAMPLE_RATE: what longer windows than this are for the LONG spectrum
    MOST_BAND = 2048,      // bins to each side of a kernel's middle
};

// The two resolutions: windows hold `q` periods of their bin, within limits, and fall over `tail` samples at
// FENBY_SAMPLE_RATE.
typedef struct {
    double q;
    int longest, shortest, tail;
} resolution_config;

static const resolution_config resolutions[FENBY_N_RESOLUTIONS] = {
    {40.0, 8192, 1024, 220},
    {12.0, 1400, 512, 160},
};

static const double energy_lost = 2e-7;  // of each kernel, by keeping only its band of the spectrum

// Shared by all who want the same rate: they are most of the memory and of the start-up time.
static fenby_cqt_kernels *all_kernels;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// --- windows -----------------------------------------------------------------------------------------------------

typedef struct {
    double turn;     // of the bin's oscillation from sample to sample, in radians
    int rise, fall;  // samples
} window;

double fenby_cqt_bin_hz(int bin)
{
    // A0 is four octaves below A4 and the middle one of the first three bins.
    return 440.0 / 16 * exp2((bin - 1) / (double)FENBY_BINS_PER_OCTAVE);
}

// At FENBY_SAMPLE_RATE.
static int window_length(int resolution, int bin)
{
    const resolution_config *r = &resolutions[resolution];
    const double n = r->q * FENBY_SAMPLE_RATE / fenby_cqt_bin_hz(bin);
    return n < r->shortest ? r->shortest : n > r->longest ? r->longest : (int)n;
}

static int at_rate(double rate_hz, int samples)
{
    return (int)lrint(samples * rate_hz / FENBY_SAMPLE_RATE);
}

static window window_of(double rate_hz, int resolution, int bin)
{
    const int fall = at_rate(rate_hz, resolutions[resolution].tail);
    return (window){
        .turn = 2 * M_PI * fenby_cqt_bin_hz(bin) / rate_hz,
        .rise = at_rate(rate_hz, window_length(resolution, bin)) - fall,
        .fall = fall,
    };
}

int fenby_cqt_window(double rate_hz, int resolution, int bin, float *values)
{
    const window w = window_of(rate_hz, resolution, bin);
    const int n = w.rise + w.fall;
    for (int i = 0; values && i < n; i++) {
        const double hann = i < w.rise ? 0.5 - 0.5 * cos(M_PI * (i + 0.5) / w.rise)
                                       : 0.5 + 0.5 * cos(M_PI * (i - w.rise + 0.5) / w.fall);
        const double complex value = hann / (0.5 * n) * cexp(I * w.turn * (i - n));
        values[2 * i] = (float)creal(value);
        values[2 * i + 1] = (float)cimag(value);
    }
    return n;
}

// --- their spectra -----------------------------------------------------------------------------------------------

// sin(n x) / sin(x), which is n where both vanish: what n steps of a circle add up to (Dirichlet's kernel).
static double steps_around(double x, int n)
{
    const double below = sin(x);
    return fabs(below) < 1e-12 ? n : sin(n * x) / below;
}

// The sum over i = 0 .. n - 1 of half a Hann window, 0.5 + sign * 0.5 cos(pi (i + 0.5) / n), times exp(j turn i).
static double complex half_hann(double turn, int n, double sign)
{
    const double half = M_PI / n / 2;
    const double sides = steps_around(turn / 2 + half, n) - steps_around(turn / 2 - half, n);
    return cexp(I * turn / 2 * (n - 1)) * (0.5 * steps_around(turn / 2, n) + sign * 0.25 * I * sides);
}

// Bin k of n of the window's spectrum, the window ending with the last of n samples.
static double complex spectrum_at(const window *w, int n, int k)
{
    const double turn = w->turn - 2 * M_PI * k / n;
    const int length = w->rise + w->fall;
    return (cexp(-I * turn * length) * half_hann(turn, w->rise, -1) +
            cexp(-I * turn * w->fall) * half_hann(turn, w->fall, 1)) / (0.5 * length);
}

static double energy_of(double complex value)
{
    return creal(value) * creal(value) + cimag(value) * cimag(value);
}

// Grows the band from its middle towards the stronger neighbour until it holds the kernel's energy. all: the spectrum's
// values, MOST_BAND to each side of the middle; fills in those of the band.
static void find_band(const window *w, int n, int middle, double complex *all, int *first, int *last)
{
    const double total = 1.5 * n / (w->rise + w->fall);  // Parseval
    int low = 0, high = 0;
    all[MOST_BAND] = spectrum_at(w, n, middle);
    double held = energy_of(all[MOST_BAND]);
    double complex below = spectrum_at(w, n, middle - 1), above = spectrum_at(w, n, middle + 1);
    while (total - held > energy_lost * total && low > 1 - MOST_BAND && high < MOST_BAND - 1 &&
           middle + low > -FENBY_NEGATIVE_BINS) {
        if (energy_of(below) > energy_of(above)) {
            all[MOST_BAND + --low] = below;
            held += energy_of(below);
            below = spectrum_at(w, n, middle + low - 1);
        } else {
            all[MOST_BAND + ++high] = above;
            held += energy_of(above);
            above = spectrum_at(w, n, middle + high + 1);
        }
    }
    *first = middle + low;
    *last = middle + high;
}

static int round_down(int i)
{
    return (i + FENBY_NEGATIVE_BINS) / FENBY_LANES * FENBY_LANES - FENBY_NEGATIVE_BINS;
}

static int samples_of(const fenby_cqt_kernels *kernels, int spectrum)
{
    return spectrum == FENBY_LONG_SPECTRUM ? (kernels->n_blocks + 1) * kernels->block : kernels->n_short;
}

// Writes one kernel into the pool, from *used on. all: room for 2 * MOST_BAND + 1.
static void make_kernel(fenby_cqt_kernels *kernels, int resolution, int bin, double complex *all, float *pool, size_t *used)
{
    fenby_kernel_band *band = &kernels->bands[bin][resolution];
    const double hz = fenby_cqt_bin_hz(bin);
    band->spectrum = window_length(resolution, bin) > SHORT_SAMPLES ? FENBY_LONG_SPECTRUM : FENBY_SHORT_SPECTRUM;
    if (hz >= kernels->rate_hz / 2) return;  // such a bin hears nothing
    const window w = window_of(kernels->rate_hz, resolution, bin);
    const int n = samples_of(kernels, band->spectrum), middle = (int)lrint(hz * n / kernels->rate_hz);
    int first, last;
    find_band(&w, n, middle, all, &first, &last);
    if (last > n / 2) last = n / 2;
    band->first = round_down(first);
    const int reached = last - band->first + 1;
    band->count = (int)fenby_sums_round_up((size_t)reached);
    band->offset = *used;
    *used += 2 * (size_t)band->count;
    for (int i = 0; i < band->count; i++) {
        const int k = band->first + i;
        // A real signal has half of its amplitude at negative frequencies: twice the sum is the level.
        const double complex value = k < first || k > last ? 0 : 2 * all[MOST_BAND + k - middle] / n;
        pool[band->offset + (size_t)i] = (float)creal(value);
        pool[band->offset + (size_t)(band->count + i)] = (float)cimag(value);
    }
    // Up to its end, and up to what mirrors its negative frequencies.
    int *wanted = &kernels->wanted[band->spectrum];
    if (*wanted < last + 1) *wanted = last + 1;
    if (*wanted < 1 - first) *wanted = 1 - first;
    if (*wanted > n / 2 + 1) *wanted = n / 2 + 1;
}

// The shortest transform of at least so many samples that FFTW is quick at: a power of two or five quarters of one.
static int quick_length(int samples)
{
    int n = 16;
    while (n < samples) n = n % 5 == 0 ? n / 5 * 8 : n / 4 * 5;
    return n;
}

static fenby_cqt_kernels *make_kernels(double rate_hz)
{
    fenby_cqt_kernels *kernels = calloc(1, sizeof *kernels);
    const size_t room = (size_t)FENBY_N_FEATURES * 2 * (2 * MOST_BAND);
    float *pool = malloc(room * sizeof *pool);
    double complex *all = malloc((2 * MOST_BAND + 1) * sizeof *all);
    if (kernels && pool && all) {
        kernels->rate_hz = rate_hz;
        const int longest = at_rate(rate_hz, resolutions[FENBY_LONG_WINDOWS].longest);
        kernels->block = at_rate(rate_hz, FENBY_HOP / 2);
        kernels->n_blocks = (longest + kernels->block - 1) / kernels->block;
        kernels->n_short = quick_length(at_rate(rate_hz, SHORT_SAMPLES));
        size_t used = 0;
        for (int bin = 0; bin < FENBY_N_BINS; bin++)
            for (int r = 0; r < FENBY_N_RESOLUTIONS; r++) make_kernel(kernels, r, bin, all, pool, &used);
        kernels->pool = fenby_sums_new_floats(used);
        if (kernels->pool) memcpy(kernels->pool, pool, used * sizeof *pool);
    }
    free(all);
    free(pool);
    if (kernels && kernels->pool) return kernels;
    free(kernels);
    return NULL;
}

const fenby_cqt_kernels *fenby_cqt_kernels_acquire(double rate_hz)
{
    pthread_mutex_lock(&lock);
    fenby_cqt_kernels *kernels = all_kernels;
    while (kernels && kernels->rate_hz != rate_hz) kernels = kernels->next;
    if (!kernels) {
        kernels = make_kernels(rate_hz);
        if (kernels) {
            kernels->next = all_kernels;
            all_kernels = kernels;
        }
    }
    if (kernels) kernels->users++;
    pthread_mutex_unlock(&lock);
    return kernels;
}

void fenby_cqt_kernels_release(const fenby_cqt_kernels *kernels)
{
    pthread_mutex_lock(&lock);
    fenby_cqt_kernels **at = &all_kernels;
    while (*at != kernels) at = &(*at)->next;
    fenby_cqt_kernels *found = *at;
    if (--found->users == 0) {
        *at = found->next;
        free(found->pool);
        free(found);
    }
    pthread_mutex_unlock(&lock);
}

uint64_t fenby_cqt_features_hash(void)
{
    char text[256];
    int length = snprintf(text, sizeof text, "cqt 1 %d %d %d %d %g", FENBY_SAMPLE_RATE, FENBY_HOP,
                          FENBY_BINS_PER_OCTAVE, FENBY_N_BINS, (double)FENBY_FLOOR_DB);
    for (int r = 0; r < FENBY_N_RESOLUTIONS; r++) {
        const resolution_config *c = &resolutions[r];
        length += snprintf(text + length, sizeof text - (size_t)length, " %g %d %d %d", c->q, c->longest,
                           c->shortest, c->tail);
    }
    uint64_t hash = 14695981039346656037u;
    for (int i = 0; i < length; i++) hash = (hash ^ (uint8_t)text[i]) * 1099511628211u;
    return hash;
}
