// SPDX-License-Identifier: ISC
// AVX-512 with its dot product of bfloat16 pairs: a slot holds two inputs.
#include "kernel.h"

#ifdef __x86_64__
#include "kernel_avx512.h"

#define TARGET __attribute__((target("avx512f,avx512bf16")))
#define DOT(a, b, sum) _mm512_dpbf16_ps(sum, (__m512bh)(a), (__m512bh)(b))
#define ALSO .narrow = narrow, .wide = fenby_kernel_avx512

#include "kernel_body.h"

INLINE __mmask16 first_lanes(size_t n)
{
    return n < LANES ? (__mmask16)((1u << n) - 1) : 0xffff;
}

KERNEL_CODE void narrow(const float *from, float *slots, size_t n)
{
    for (size_t i = 0; i < n; i += FENBY_NARROW * LANES) {
        const size_t rest = n - i;
        const __m512 low = _mm512_maskz_loadu_ps(first_lanes(rest), from + i);
        const __m512 high = _mm512_maskz_loadu_ps(first_lanes(rest > LANES ? rest - LANES : 0), from + i + LANES);
        _mm512_mask_storeu_ps(slots + i / FENBY_NARROW, first_lanes(rest / FENBY_NARROW),
                              (__m512)_mm512_cvtne2ps_pbh(high, low));
    }
}

const fenby_kernel *fenby_kernel_avx512_bf16(void)
{
    static const fenby_kernel kernel = KERNEL("avx512_bf16");
    return __builtin_cpu_supports("avx512bf16") ? &kernel : NULL;
}
#else
const fenby_kernel *fenby_kernel_avx512_bf16(void)
{
    return NULL;
}
#endif
