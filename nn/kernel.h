// SPDX-License-Identifier: ISC
// The arithmetic of net.c, once for each kind of vector unit. kernel_body.h is the one implementation;
// kernel_scalar.c, kernel_avx2.c, kernel_avx512.c and kernel_neon.c compile it for their vectors.
//
// All but the scalar one use fused multiply-adds in the same order and so give the same bits.
// Thread: any. Allocation: none. Nothing here can fail.
#ifndef FENBY_KERNEL_H
#define FENBY_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

// No vector unit has more lanes: buffers whose tail is read or written as a vector have this much to spare.
enum { FENBY_MAX_LANES = 16 };

// A stretch of inputs that lie side by side in memory and meet neighbouring rows of the weights.
typedef struct {
    const float *input;  // for the first output position of the call
    int stride;          // floats from there to the same inputs of the next position
    int length;          // inputs
    int row;             // the weights' row that meets the first
} fenby_run;

// output[position][channel] = bias + the sum over all runs of input * weight + residual, then ReLU. The residual
// lies as the output does. Weights are packed as fenby_kernel_column says, so that the loop over the rows reads
// them straight through.
typedef struct {
    const fenby_run *runs;
    int n_runs, rows, channels;
    const float *weights, *bias;
    const float *residual;  // NULL: none
    float *output;
    int stride;  // of the output: floats from a position to the next
    bool relu;
} fenby_linear;

typedef struct {
    const char *name;
    int lanes, tile;
    void (*linear)(const fenby_linear *linear, int first, int end);  // output positions first .. end - 1

    // One step of a GRU on n values: reset, update and candidate gates before their activation, the candidate's
    // share of the old state, and the state. The last vector is read and written whole.
    void (*gates)(const float *reset, const float *update, const float *candidate, const float *hidden,
                  float *state, size_t n);

    // In place. The last vector is read and written whole.
    void (*sigmoid)(float *values, size_t n);
} fenby_kernel;

// Where the weights of an output channel lie: row r at weights[first + r * step]. Channels go in tiles of
// kernel->tile, the rest by single vectors; each tile is a block [rows][channels of the tile]. The bias of a
// channel is bias[channel]. Both are filled up with zeros to whole vectors.
typedef struct {
    size_t first, step;
} fenby_column;

static inline fenby_column fenby_kernel_column(const fenby_kernel *kernel, int rows, int channels, int channel)
{
    int start = channel - channel % kernel->tile, step = kernel->tile;
    if (channels - start <= kernel->tile - kernel->lanes) {
        start = channel - channel % kernel->lanes;
        step = kernel->lanes;
    }
    return (fenby_column){ (size_t)start * (size_t)rows + (size_t)(channel - start), (size_t)step };
}

// NULL where this machine has no such unit.
const fenby_kernel *fenby_kernel_scalar(void);
const fenby_kernel *fenby_kernel_avx2(void);
const fenby_kernel *fenby_kernel_avx512(void);
const fenby_kernel *fenby_kernel_neon(void);

#endif
