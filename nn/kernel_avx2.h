// SPDX-License-Identifier: ISC
// The vectors of both AVX2 kernels, as kernel_body.h wants them: 8 lanes, 12 of the 16 registers hold sums.
#include <immintrin.h>

#define VEC __m256
#define LANES 8
#define POSITIONS 6
#define VECTORS 2
#define LOAD _mm256_loadu_ps
#define STORE _mm256_storeu_ps
#define SET1 _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define MIN _mm256_min_ps
#define MAX _mm256_max_ps
