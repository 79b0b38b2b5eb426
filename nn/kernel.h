// SPDX-License-Identifier: ISC
// The arithmetic of net.c, once for each kind of vector unit. kernel_body.h is the one implementation;
// the other files compile it for their vectors.
//
// All but the scalar one and the narrow ones use fused multiply-adds in the same order and so give the same bits.
// A narrow kernel multiplies whole numbers of eight bits, four in each slot of 32 bits: a quarter of the instructions for a
// posterior that differs in the third digit. Inputs are counted in steps of a 255th (ARM: 127th) of the largest one in their frame,
// weights in steps of a 127th of the largest one of their output channel (after Jacob et al., "Quantization and training
// of neural networks for efficient integer-arithmetic-only inference", CVPR 2018, section 2.1, with steps that follow the
// sound, so that none need be calibrated); what they come to is exact until a frame's sum becomes a float.
// Thread: any. Allocation: none. Nothing here can fail.
#ifndef FENBY_KERNEL_H
#define FENBY_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    // No vector unit has more lanes: buffers whose tail is read or written as a vector have this much to spare.
    FENBY_MAX_LANES = 16,
    FENBY_SLOT = sizeof(float),  // bytes: one float, or four bytes of a narrow kernel
    FENBY_WEIGHT_STEPS = 127,    // of a narrow kernel: the largest weight, of either sign
};

// A stretch of inputs that lie side by side in memory and meet neighbouring rows of the weights.
typedef struct {
    const void *input;  // for the first output position of the call
    int stride;         // bytes from there to the same inputs of the next position
    int length;         // slots
    int row;            // the weights' row that meets the first
    float step;         // of a narrow kernel's inputs; runs with the same one stand together
} fenby_run;

// output[position][channel] = bias + the sum over all runs of input * weight + residual, then ReLU. The residual
// lies as the output does. Weights are packed as fenby_kernel_column says, so that the loop over the rows reads
// them straight through.
typedef struct {
    const fenby_run *runs;
    int n_runs, rows, channels;
    const float *weights, *bias;
    const float *steps;     // of a narrow kernel's weights, for each channel
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
    // share of the old state, the old state and the new one. The last vector is read whole.
    void (*gates)(const float *reset, const float *update, const float *candidate, const float *hidden,
                  const float *old, float *state, size_t n);

    // In place. The last vector is read and written whole.
    void (*sigmoid)(float *values, size_t n);

    // A narrow kernel's: the largest of n floats and 0; n floats in steps, so many to 1, rounded and added to zero, within
    // what its bytes hold; the steps of the largest input, and the byte that is a state's 0; and the kernel for layers that it
    // cannot take. NULL and 0 in the others.
    float (*largest)(const float *values, size_t n);
    void (*narrow)(const float *from, size_t n, float steps, int zero, uint8_t *to);
    int input_steps, state_zero;
    const struct fenby_kernel *(*wide)(void);
} fenby_kernel;

// Where the weights of an output channel lie: row r at weights[first + r * step]. Channels go in tiles of
// kernel->tile, the rest by single vectors; each tile is a block [rows][channels of the tile]. The bias of a
// channel is bias[channel], the step steps[channel]. All are filled up with zeros to whole vectors.
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
const fenby_kernel *fenby_kernel_avx2_vnni(void);
const fenby_kernel *fenby_kernel_avx512(void);
const fenby_kernel *fenby_kernel_avx512_vnni(void);
const fenby_kernel *fenby_kernel_neon(void);
const fenby_kernel *fenby_kernel_neon_dot(void);

#endif
