// SPDX-License-Identifier: ISC
// NEON on 64-bit ARM, which always has it: 4 lanes, 24 of the 32 registers hold sums.
#include "kernel.h"

#ifdef __aarch64__
#include <arm_neon.h>

#define VEC float32x4_t
#define LANES 4
#define TARGET
#define POSITIONS 12
#define VECTORS 2
#define LOAD vld1q_f32
#define STORE vst1q_f32
#define SET1 vdupq_n_f32
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#define MIN vminnmq_f32
#define MAX vmaxnmq_f32

#include "kernel_body.h"

const fenby_kernel *fenby_kernel_neon(void)
{
    static const fenby_kernel kernel = KERNEL("neon");
    return &kernel;
}
#else
const fenby_kernel *fenby_kernel_neon(void)
{
    return NULL;
}
#endif
