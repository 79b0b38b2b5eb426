// SPDX-License-Identifier: ISC
// The vectors of both AVX-512 kernels, as kernel_body.h wants them: 16 lanes, 22 of the 32 registers hold sums. 11
// positions, for 88 keys are 8 times 11.
#include <immintrin.h>

#define VEC __m512
#define LANES 16
#define POSITIONS 11
#define VECTORS 2
#define LOAD _mm512_loadu_ps
#define STORE _mm512_storeu_ps
#define SET1 _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define MIN _mm512_min_ps
#define MAX _mm512_max_ps
