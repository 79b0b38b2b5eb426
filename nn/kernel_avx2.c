// SPDX-License-Identifier: ISC
// AVX2 and FMA.
#include "kernel.h"

#ifdef __x86_64__
#include "kernel_avx2.h"

#define TARGET __attribute__((target("avx2,fma")))

#include "kernel_body.h"

const fenby_kernel *fenby_kernel_avx2(void)
{
    static const fenby_kernel kernel = KERNEL("avx2");
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernel : NULL;
}
#else
const fenby_kernel *fenby_kernel_avx2(void)
{
    return NULL;
}
#endif
