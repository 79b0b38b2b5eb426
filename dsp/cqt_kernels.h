// SPDX-License-Identifier: ISC
// What each bin of the CQT listens with: its window, and the band of a spectrum that the window comes down to.
//
// Units: Hz, samples at the given rate. Thread: any. Allocation: in _acquire; all who want one rate share its
// kernels (1 MB). Errors: NULL when memory is short.
//
// A kernel is the spectrum of a window times its bin's oscillation, in closed form: a Hann window is three oscillations,
// and the spectrum of each is a geometric series.
#ifndef FENBY_CQT_KERNELS_H
#define FENBY_CQT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "features.h"

// Two spectra of the last samples serve all kernels: only the bass listens for longer than the SHORT one lasts, and
// the LONG one is needed no farther up than that.
enum { FENBY_LONG_SPECTRUM, FENBY_SHORT_SPECTRUM, FENBY_N_SPECTRA };

// Bins of negative frequency that a spectrum must have: the bass kernels' bands reach across zero.
enum { FENBY_NEGATIVE_BINS = 512 };

// Where a kernel's values lie: `count` real parts from pool + offset on, then as many imaginary ones, for the bins of its
// spectrum from `first` on. Whole vectors (sums.h), aligned in the pool as in the spectrum.
typedef struct {
    int spectrum, first, count;
    size_t offset;
} fenby_kernel_band;

typedef struct fenby_cqt_kernels {
    double rate_hz;
    int block;  // LONG spectrum: (n_blocks + 1) * block samples (sliding_dft.h)
    int n_blocks;
    int n_short;                  // SHORT spectrum: samples
    int wanted[FENBY_N_SPECTRA];  // up to where kernels reach: bins 0 .. wanted - 1
    fenby_kernel_band bands[FENBY_N_BINS][FENBY_N_RESOLUTIONS];
    float *pool;
    int users;
    struct fenby_cqt_kernels *next;
} fenby_cqt_kernels;

const fenby_cqt_kernels *fenby_cqt_kernels_acquire(double rate_hz);
void fenby_cqt_kernels_release(const fenby_cqt_kernels *kernels);

// The window of one bin: its length, and if window is not NULL the window times the oscillation, oldest
// sample first, as (re, im) pairs; window holds 2 * length floats. Its sum without the oscillation is 1.
int fenby_cqt_window(double rate_hz, int resolution, int bin, float *window);

// Centre frequency of a bin in Hz.
double fenby_cqt_bin_hz(int bin);

// Identifies the features a network was trained on: a hash (FNV-1a, 64 bit) of every constant that shapes a
// frame. Weights trained on other features are refused.
uint64_t fenby_cqt_features_hash(void);

#endif
