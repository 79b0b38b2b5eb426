// SPDX-License-Identifier: ISC
// Streaming constant-Q transform at two time resolutions, step 2 of the chain.
//
// In:  mono samples at the host's rate, full scale 1.0: bins and windows are laid out for that rate, so that nothing need
//      be resampled and no filter looks ahead.
// Out: one frame a call, float[FENBY_N_BINS][FENBY_N_RESOLUTIONS] (resolution varies fastest:
//      0 = long windows, 1 = short windows), log magnitude: (dB + 100) / 100 clipped to 0 .. 1.2, where 0 dB is
//      the level of a full-scale sine on the bin. Bins above half the rate read 0. A frame covers the past up to and
//      including the last sample of its call: nothing of the future enters.
// Thread: the worker. Allocation: in _new only. _process and _reset cannot fail.
//
// Method: sparse spectral kernels (Brown and Puckette, "An efficient algorithm for the calculation of a
// constant Q transform", JASA 92(5), 1992, section II), variable-Q towards the bass so that no window is longer
// than 372 ms (Schoerkhuber et al., "A Matlab toolbox for efficient perfect reconstruction
// time-frequency transforms with log-frequency resolution", AES 53, 2014, section 2). The windows are
// asymmetric and right-aligned: a long Hann rise in the past and a short Hann fall at the present, so that a
// new note shows within milliseconds while its pitch is still resolved by the long past. Of the two spectra that the kernels
// lie in, the long one is needed in the bass alone and kept up by a sliding DFT; the other is an FFT.
#ifndef FENBY_CQT_H
#define FENBY_CQT_H

#include "cqt_kernels.h"
#include "features.h"

typedef struct fenby_cqt fenby_cqt;

// A transform whose A4 bin lies at 440 Hz; tuning.h moves its frames. rate_hz: FENBY_SLOWEST_RATE ..
// FENBY_FASTEST_RATE. NULL when memory is short or FFTW gives no plan.
fenby_cqt *fenby_cqt_new(double rate_hz);
void fenby_cqt_free(fenby_cqt *cqt);

// Forgets the past: as after _new.
void fenby_cqt_reset(fenby_cqt *cqt);

// Takes n samples, any number, and writes one frame of FENBY_N_FEATURES floats.
void fenby_cqt_process(fenby_cqt *cqt, const float *samples, int n, float *frame);

#endif
