// SPDX-License-Identifier: ISC
// The reference: one float at a time, any machine.
#define VEC float
#define LANES 1
#define TARGET
#define POSITIONS 4
#define VECTORS 2
#define LOAD(from) (*(from))
#define STORE(to, value) (*(to) = (value))
#define SET1(x) (x)
#define FMA(a, b, c) ((a) * (b) + (c))
#define MIN(a, b) min(a, b)
#define MAX(a, b) max(a, b)

static inline float min(float a, float b)
{
    return a < b ? a : b;
}

static inline float max(float a, float b)
{
    return a > b ? a : b;
}

#include "kernel_body.h"

const fenby_kernel *fenby_kernel_scalar(void)
{
    static const fenby_kernel kernel = KERNEL("scalar");
    return &kernel;
}
