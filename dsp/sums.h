// SPDX-License-Identifier: ISC
// The CQT's two inner loops, in whatever vectors the machine has. sums_body.h is their one implementation; sums.c
// compiles it for each width and chooses when the program runs.
//
// Arrays of floats are whole vectors of the widest unit, and aligned to them: fenby_sums_new_floats. Complex values are
// real parts, then as many imaginary ones.
// Thread: any. Allocation: in _new_floats only, to be given to free; NULL when memory is short. Nothing else can fail.
#ifndef FENBY_SUMS_H
#define FENBY_SUMS_H

#include <stddef.h>

enum {
    FENBY_LANES = 16,                 // of the widest vector of floats there is
    FENBY_TRANSFORM_PAIRS = 8,        // of samples, around the middle of a row
    FENBY_TRANSFORM_ROW = 2 * FENBY_TRANSFORM_PAIRS,
    FENBY_TRANSFORM_BINS = 4 * FENBY_LANES,  // n_bins is a multiple of this
};

typedef struct {
    // |sum of x * conj(k)|^2 over n values, a multiple of FENBY_LANES; k: real parts, then imaginary ones.
    float (*power)(const float *x_re, const float *x_im, const float *k, int n);

    // Adds to the bins what rows first .. end - 1 of the samples come to, each sample times what turns it from its row's
    // middle, times of_row[row][bin]. Two that lie as far behind and before the middle turn as far, to either side: of_pair
    // [from the middle outwards][bin] is the turn of the one behind, and half of the products are saved.
    void (*transform)(const float *samples, const float *of_pair, const float *of_row, size_t n_bins, int first, int end,
                      float *bins);
} fenby_sums;

const fenby_sums *fenby_sums_best(void);

size_t fenby_sums_round_up(size_t n);
float *fenby_sums_new_floats(size_t n);  // zeros

#endif
