// SPDX-License-Identifier: ISC
// The arithmetic of net.c, once for each kind of vector unit. kernel_body.h is the one implementation;
// kernel_scalar.c, kernel_avx2.c, kernel_avx512.c, kernel_avx512_bf16.c and kernel_neon.c compile it for their vectors.
//
// All but the scalar one and the narrow one use fused multiply-adds in the same order and so give the same bits.
// A narrow kernel reads inputs and weights as bfloat16 (eight bits of mantissa), two in each slot of 32 bits, and adds
// up floats: half as many instructions for a posterior that differs in the third digit.
// Thread: any. Allocation: none. Nothing here can fail.
#ifndef FENBY_KERNEL_H
#define FENBY_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    // No vector unit has more lanes: buffers whose tail is read or written as a vector have this much to spare.
    FENBY_MAX_LANES = 16,
    FENBY_NARROW = 2,  // inputs in a slot of a narrow kernel; others have one, a float
};

// A stretch of inputs that lie side by side in memory and meet neighbouring rows of the weights. In slots.
typedef struct {
    const float *input;  // for the first output position of the call
    int stride;          // from there to the same inputs of the next position
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

typedef struct fenby_kernel {
    const char *name;
    int lanes, tile;
    void (*linear)(const fenby_linear *linear, int first, int end);  // output positions first .. end - 1

    // One step of a GRU on n values: reset, update and candidate gates before their activation, the candidate's
    // share of the old state, and the state. The last vector is read and written whole.
    void (*gates)(const float *reset, const float *update, const float *candidate, const float *hidden,
                  float *state, size_t n);

    // In place. The last vector is read and written whole.
    void (*sigmoid)(float *values, size_t n);

    // A narrow kernel's: puts n floats, a multiple of FENBY_NARROW, into slots; and the kernel for layers whose
    // inputs do not fill slots. NULL in the others.
    void (*narrow)(const float *from, float *slots, size_t n);
    const struct fenby_kernel *(*wide)(void);
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

// The bfloat16 nearest to a number.
static inline uint16_t fenby_bfloat16(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// NULL where this machine has no such unit.
const fenby_kernel *fenby_kernel_scalar(void);
const fenby_kernel *fenby_kernel_avx2(void);
const fenby_kernel *fenby_kernel_avx512(void);
const fenby_kernel *fenby_kernel_avx512_bf16(void);
const fenby_kernel *fenby_kernel_neon(void);

#endif
