// SPDX-License-Identifier: ISC
// Batch normalisation, skip connection and ReLU in one pass over memory, for training on a CPU (fused.py).
//
// PyTorch 1.13 runs them one after another, each a pass, and they take longer than the convolutions between them.
// Tensors are bfloat16, channels last: `clip_rows` rows of `channels` values for each of `clips`. The output, and the
// skip too, begins each clip with rows of zeros (`past`, `skip_past`): what a causal convolution sees before the start.
//
// No state, no allocation, any thread. Return 0, or -1 for other than 32 or 64 channels.
// Formulas: Ioffe and Szegedy, "Batch Normalization", ICML 2015, algorithm 1 and section 3.
#ifndef FENBY_BATCH_NORM_H
#define FENBY_BATCH_NORM_H

#include <stdint.h>

typedef uint16_t bf16;

// x = relu(gamma (y - mean) / sqrt(variance + epsilon) + beta + skip), skip may be NULL. Writes the batch's mean and
// variance.
int fenby_norm_forward(const bf16 *y, const bf16 *skip, long skip_past, bf16 *x, long past, int clips, long clip_rows,
                       int channels, const float *gamma, const float *beta, float epsilon, float *mean,
                       float *variance);

// From gx, the gradient of x: that of y in gy, of the skip in gskip (scratch when there was none), of gamma, of beta.
int fenby_norm_backward(const bf16 *gx, const bf16 *x, long past, const bf16 *y, bf16 *gskip, long skip_past, bf16 *gy,
                        int clips, long clip_rows, int channels, const float *gamma, float epsilon, const float *mean,
                        const float *variance, float *dgamma, float *dbeta);

#endif
