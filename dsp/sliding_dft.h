// SPDX-License-Identifier: ISC
// The lowest bins of the spectrum of the last samples, kept up as they come: what the CQT's long windows read.
//
// In:  samples, any number at a time. Out: X[k], the sum over the past of x[p] exp(-2 pi i k p / N), where p counts samples
//      from the present, which is 0, backwards: the newest sample is at -1. The past is at least the last N - block
//      samples, N = (n_blocks + 1) * block, and never more than the last N: what a kernel of N - block samples
//      asks for.
// Thread: the worker. Allocation: in _new only. Nothing else can fail.
//
// Method: sliding DFT (Jacobsen and Lyons, "The sliding DFT", IEEE Signal Processing Magazine 20(2), 2003), a block of
// samples at a time: only the new samples are transformed, each block's bins enter a running sum, turned to where
// the block lies in a circle of N samples, and leave it n_blocks later. The sum is in double, so that what rounding leaves
// behind after a day of music is less than what one sum in float would.
#ifndef FENBY_SLIDING_DFT_H
#define FENBY_SLIDING_DFT_H

typedef struct fenby_sliding_dft fenby_sliding_dft;

// Bins 0 .. bins - 1. NULL when memory is short.
fenby_sliding_dft *fenby_sliding_dft_new(int block, int n_blocks, int bins);
void fenby_sliding_dft_free(fenby_sliding_dft *dft);

// Forgets the past: as after _new.
void fenby_sliding_dft_reset(fenby_sliding_dft *dft);

void fenby_sliding_dft_push(fenby_sliding_dft *dft, const float *samples, int n);

// Writes `bins` values to each, real and imaginary parts.
void fenby_sliding_dft_spectrum(const fenby_sliding_dft *dft, float *re, float *im);

#endif
