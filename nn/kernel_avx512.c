// SPDX-License-Identifier: ISC
// AVX-512.
#include "kernel.h"

#ifdef __x86_64__
#include "kernel_avx512.h"

#define TARGET __attribute__((target("avx512f")))

#include "kernel_body.h"

const fenby_kernel *fenby_kernel_avx512(void)
{
    static const fenby_kernel kernel = KERNEL("avx512");
    return __builtin_cpu_supports("avx512f") ? &kernel : NULL;
}
#else
const fenby_kernel *fenby_kernel_avx512(void)
{
    return NULL;
}
#endif
