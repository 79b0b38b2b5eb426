// SPDX-License-Identifier: ISC
// 64-bit ARM with the dot product of bytes (a Raspberry Pi from its fifth on, telephones since 2018, Apple's). Both sides of it are
// signed, so that inputs have 127 steps.
#include "kernel.h"

#ifdef __aarch64__
#include <sys/auxv.h>

#include "kernel_neon.h"

#ifdef __clang__
#define TARGET __attribute__((target("dotprod")))
#else
#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
#define NARROW 1
#define SUM int32x4_t
#define ZERO vdupq_n_s32(0)
#define LOAD_SLOTS(from) vreinterpretq_s32_f32(vld1q_f32(from))
#define SET1_SLOT(at) vdupq_n_s32(slot_at(at))
#define DOT(a, b, sum) vdotq_s32(sum, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b))
#define FLOATS vcvtq_f32_s32
#define LEAST_BYTE (-128)
#define MOST_BYTE 127
#define ALSO .largest = largest, .narrow = narrow, .input_steps = MOST_BYTE, .state_zero = 0, .wide = fenby_kernel_neon

#include "kernel_body.h"
#include "kernel_narrow.h"

enum { DOT_PRODUCT = 1 << 20 };  // HWCAP_ASIMDDP of Linux

const fenby_kernel *fenby_kernel_neon_dot(void)
{
    static const fenby_kernel kernel = KERNEL("neon_dot");
    return getauxval(AT_HWCAP) & DOT_PRODUCT ? &kernel : NULL;
}
#else
const fenby_kernel *fenby_kernel_neon_dot(void)
{
    return NULL;
}
#endif
