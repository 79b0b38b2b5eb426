// SPDX-License-Identifier: ISC
#include "cqt.h"

#include <fftw3.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "exponent.h"
#include "sliding_dft.h"
#include "sums.h"

// A spectrum of the last samples, real and imaginary parts apart so that vectors load whole.
typedef struct {
    float *re, *im;  // [-FENBY_NEGATIVE_BINS .. wanted - 1], then zeros to the end of the kernels' last vector
    float *storage;
    int wanted;
} spectrum;

struct fenby_cqt {
    const fenby_cqt_kernels *kernels;
    spectrum spectra[FENBY_N_SPECTRA];
    fenby_sliding_dft *sliding;  // of the LONG spectrum

    // Of the SHORT spectrum: the last n_short samples, oldest first, transformed as complex numbers, pair by pair, and
    // exp(-2 pi i bin / n_short).
    float *past;
    fftwf_plan plan;
    fftwf_complex *of_pairs;
    float *cosine, *sine;

    const fenby_sums *sums;
};

// --- spectra -----------------------------------------------------------------------------------------------------

static bool spectrum_init(spectrum *s, int wanted)
{
    const size_t length = FENBY_NEGATIVE_BINS + fenby_sums_round_up((size_t)wanted);
    s->wanted = wanted;
    s->storage = fenby_sums_new_floats(2 * length);
    if (!s->storage) return false;
    s->re = s->storage + FENBY_NEGATIVE_BINS;
    s->im = s->re + length;
    return true;
}

static void mirror(spectrum *s)
{
    const int end = s->wanted <= FENBY_NEGATIVE_BINS ? s->wanted : FENBY_NEGATIVE_BINS;
    for (int i = 1; i < end; i++) {
        s->re[-i] = s->re[i];
        s->im[-i] = -s->im[i];
    }
}

// Pairs of samples are transformed as complex numbers, and what the kernels need of that is taken apart: half the work of
// all of it (Sorensen et al., "Real-valued fast Fourier transform algorithms", IEEE Transactions on Acoustics, Speech, and
// Signal Processing 35, 1987, section II).
static void transform_short(fenby_cqt *cqt)
{
    fftwf_execute(cqt->plan);
    fftwf_complex *pairs = cqt->of_pairs;
    const spectrum *s = &cqt->spectra[FENBY_SHORT_SPECTRUM];
    const int half = cqt->kernels->n_short / 2;
    memcpy(pairs[half], pairs[0], sizeof *pairs);
    for (int i = 0; i < s->wanted; i++) {
        const float *at = pairs[i], *mirrored = pairs[half - i];
        const float even_re = at[0] + mirrored[0], even_im = at[1] - mirrored[1];
        const float odd_re = at[1] + mirrored[1], odd_im = mirrored[0] - at[0];
        s->re[i] = 0.5f * (even_re + cqt->cosine[i] * odd_re + cqt->sine[i] * odd_im);
        s->im[i] = 0.5f * (even_im + cqt->cosine[i] * odd_im - cqt->sine[i] * odd_re);
    }
}

static bool short_init(fenby_cqt *cqt)
{
    const int n = cqt->kernels->n_short;
    const size_t bins = (size_t)n / 2 + 1;
    cqt->past = fftwf_alloc_real((size_t)n);
    cqt->of_pairs = fftwf_alloc_complex(bins);
    cqt->cosine = malloc(bins * sizeof *cqt->cosine);
    cqt->sine = malloc(bins * sizeof *cqt->sine);
    if (!cqt->past || !cqt->of_pairs || !cqt->cosine || !cqt->sine) return false;
    for (size_t i = 0; i < bins; i++) {
        cqt->cosine[i] = (float)cos(2 * M_PI * (double)i / n);
        cqt->sine[i] = (float)sin(2 * M_PI * (double)i / n);
    }
    // A host plans, too, and so do its other plugins, on threads of theirs: the planner is shared by the whole process.
    fftwf_make_planner_thread_safe();
    // FFTW_ESTIMATE: no start-up cost, and the same plan each time, hence the same bits, where nobody else in the process has
    // measured transforms of this length.
    cqt->plan = fftwf_plan_dft_1d(n / 2, (fftwf_complex *)cqt->past, cqt->of_pairs, FFTW_FORWARD,
                                  FFTW_ESTIMATE | FFTW_PRESERVE_INPUT);
    return cqt->plan != NULL;
}

static void remember(fenby_cqt *cqt, const float *samples, int n)
{
    const int room = cqt->kernels->n_short, kept = n < room ? room - n : 0, taken = room - kept;
    memmove(cqt->past, cqt->past + taken, (size_t)kept * sizeof *cqt->past);
    memcpy(cqt->past + kept, samples + n - taken, (size_t)taken * sizeof *cqt->past);
}

// --- the transform -----------------------------------------------------------------------------------------------

fenby_cqt *fenby_cqt_new(double rate_hz)
{
    fenby_cqt *cqt = calloc(1, sizeof *cqt);
    if (!cqt) return NULL;
    cqt->sums = fenby_sums_best();
    const fenby_cqt_kernels *kernels = cqt->kernels = fenby_cqt_kernels_acquire(rate_hz);
    bool ok = kernels && short_init(cqt);
    for (int s = 0; ok && s < FENBY_N_SPECTRA; s++) ok = spectrum_init(&cqt->spectra[s], kernels->wanted[s]);
    if (ok) cqt->sliding = fenby_sliding_dft_new(kernels->block, kernels->n_blocks, kernels->wanted[FENBY_LONG_SPECTRUM]);
    if (!ok || !cqt->sliding) {
        fenby_cqt_free(cqt);
        return NULL;
    }
    fenby_cqt_reset(cqt);
    return cqt;
}

void fenby_cqt_free(fenby_cqt *cqt)
{
    if (!cqt) return;
    if (cqt->kernels) fenby_cqt_kernels_release(cqt->kernels);
    fftwf_destroy_plan(cqt->plan);
    fenby_sliding_dft_free(cqt->sliding);
    for (int s = 0; s < FENBY_N_SPECTRA; s++) free(cqt->spectra[s].storage);
    fftwf_free(cqt->past);
    fftwf_free(cqt->of_pairs);
    free(cqt->cosine);
    free(cqt->sine);
    free(cqt);
}

void fenby_cqt_reset(fenby_cqt *cqt)
{
    memset(cqt->past, 0, (size_t)cqt->kernels->n_short * sizeof *cqt->past);
    fenby_sliding_dft_reset(cqt->sliding);
}

// A hair less than -100 dB, so that silence reads 0 however sums are rounded.
static const float least_power = 0.99999e-10f;

// Power to level, in place: (dB + 100) / 100, clipped.
static void to_levels(float *values, int count)
{
    const float db_per_octave = 3.01029996f;  // 10 log10(2)
    for (int i = 0; i < count; i++) {
        const float db = db_per_octave * fenby_log2(values[i] + least_power);
        const float level = (db - FENBY_FLOOR_DB) / -FENBY_FLOOR_DB;
        const float not_below = level > 0 ? level : 0;
        values[i] = not_below < 1.2f ? not_below : 1.2f;
    }
}

void fenby_cqt_process(fenby_cqt *cqt, const float *samples, int n, float *frame)
{
    spectrum *of_long = &cqt->spectra[FENBY_LONG_SPECTRUM];
    fenby_sliding_dft_push(cqt->sliding, samples, n);
    fenby_sliding_dft_spectrum(cqt->sliding, of_long->re, of_long->im);
    remember(cqt, samples, n);
    transform_short(cqt);
    for (int s = 0; s < FENBY_N_SPECTRA; s++) mirror(&cqt->spectra[s]);
    const fenby_kernel_band *band = &cqt->kernels->bands[0][0];
    for (int i = 0; i < FENBY_N_FEATURES; i++, band++) {
        const spectrum *x = &cqt->spectra[band->spectrum];
        frame[i] = cqt->sums->power(x->re + band->first, x->im + band->first, cqt->kernels->pool + band->offset, band->count);
    }
    to_levels(frame, FENBY_N_FEATURES);
}
