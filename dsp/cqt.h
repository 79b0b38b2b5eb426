// SPDX-License-Identifier: ISC
// Streaming constant-Q transform at two time resolutions, step 3 of the chain.
//
// In:  mono samples at FENBY_SAMPLE_RATE, full scale 1.0.
// Out: one frame a call, float[FENBY_N_BINS][FENBY_N_RESOLUTIONS] (resolution varies fastest:
//      0 = long windows, 1 = short windows), log magnitude: (dB + 100) / 100 clipped to 0 .. 1.2, where 0 dB is
//      the level of a full-scale sine on the bin. A frame covers the past up to and including the
//      last sample of its call: nothing of the future enters.
// Thread: the worker. Allocation: in _new only; all transforms share their kernels (3 MB).
// _process and _reset cannot fail.
//
// Method: sparse spectral kernels (Brown and Puckette, "An efficient algorithm for the calculation of a
// constant Q transform", JASA 92(5), 1992, section II), variable-Q towards the bass so that no window is longer
// than 8192 samples (Schoerkhuber et al., "A Matlab toolbox for efficient perfect reconstruction
// time-frequency transforms with log-frequency resolution", AES 53, 2014, section 2). The windows are
// asymmetric and right-aligned: a long Hann rise in the past and a short Hann fall at the present, so that a
// new note shows within milliseconds while its pitch is still resolved by the long past.
#ifndef FENBY_CQT_H
#define FENBY_CQT_H

#include <stdint.h>

#include "features.h"

typedef struct fenby_cqt fenby_cqt;

// A transform whose A4 bin lies at 440 Hz; tuning.h moves its frames. NULL when memory is short or FFTW gives no plan.
fenby_cqt *fenby_cqt_new(void);
void fenby_cqt_free(fenby_cqt *cqt);

// Forgets the past: as after _new.
void fenby_cqt_reset(fenby_cqt *cqt);

// Takes n samples, at most FENBY_HOP, and writes one frame of FENBY_N_FEATURES floats.
void fenby_cqt_process(fenby_cqt *cqt, const float *samples, int n, float *frame);

// The window of one bin, for tests and plots: its length in samples, and if window is not NULL its complex
// kernel, oldest sample first, as (re, im) pairs; window holds 2 * length floats. resolution 0 or 1.
int fenby_cqt_kernel(int resolution, int bin, float *window);

// Centre frequency of a bin in Hz.
double fenby_cqt_bin_hz(int bin);

// Identifies the features a network was trained on: a hash (FNV-1a, 64 bit) of every constant that shapes a
// frame. Weights trained on other features are refused.
uint64_t fenby_cqt_features_hash(void);

#endif
