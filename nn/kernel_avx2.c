// SPDX-License-Identifier: ISC
// AVX2 and FMA: 8 lanes, 12 of the 16 registers hold sums.
#include "kernel.h"

#ifdef __x86_64__
#include <immintrin.h>

#define VEC __m256
#define LANES 8
#define TARGET __attribute__((target("avx2,fma")))
#define POSITIONS 6
#define VECTORS 2
#define LOAD _mm256_loadu_ps
#define STORE _mm256_storeu_ps
#define SET1 _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define MIN _mm256_min_ps
#define MAX _mm256_max_ps

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
