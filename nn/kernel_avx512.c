// SPDX-License-Identifier: ISC
// AVX-512: 16 lanes, 22 of the 32 registers hold sums. 11 positions, for 88 keys are 8 times 11.
#include "kernel.h"

#ifdef __x86_64__
#include <immintrin.h>

#define VEC __m512
#define LANES 16
#define TARGET __attribute__((target("avx512f")))
#define POSITIONS 11
#define VECTORS 2
#define LOAD _mm512_loadu_ps
#define STORE _mm512_storeu_ps
#define SET1 _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define MIN _mm512_min_ps
#define MAX _mm512_max_ps

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
