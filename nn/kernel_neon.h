// SPDX-License-Identifier: ISC
// The vectors of both kernels for 64-bit ARM, as kernel_body.h wants them: 4 lanes, 24 of the 32 registers hold sums.
#include <arm_neon.h>

#define VEC float32x4_t
#define LANES 4
#define POSITIONS 12
#define VECTORS 2
#define LOAD vld1q_f32
#define STORE vst1q_f32
#define SET1 vdupq_n_f32
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#define MIN vminnmq_f32
#define MAX vmaxnmq_f32
