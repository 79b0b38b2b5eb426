// SPDX-License-Identifier: ISC
// AVX-512 with its dot product of bytes (VNNI).
#include "kernel.h"

#ifdef __x86_64__
#include "kernel_avx512.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vnni")))
#define NARROW 1
#define SUM __m512i
#define ZERO _mm512_setzero_si512()
#define LOAD_SLOTS _mm512_loadu_si512
#define SET1_SLOT(at) _mm512_set1_epi32(slot_at(at))
#define DOT(a, b, sum) _mm512_dpbusd_epi32(sum, a, b)
#define FLOATS _mm512_cvtepi32_ps
#define ALSO .largest = largest, .narrow = narrow, .input_steps = MOST_BYTE, .state_zero = 128, .wide = fenby_kernel_avx512

#include "kernel_body.h"

enum {
    AT_ONCE = 4,  // vectors: of bytes they make one
    MOST_BYTE = 255,
};

// The first of n values, zeros behind them.
INLINE __m512 load_some(const float *values, size_t n)
{
    return _mm512_maskz_loadu_ps(n < LANES ? (__mmask16)((1u << n) - 1) : 0xffff, values);
}

KERNEL_CODE float largest(const float *values, size_t n)
{
    __m512 most[AT_ONCE];
    UNROLL
    for (size_t v = 0; v < AT_ONCE; v++) most[v] = _mm512_setzero_ps();
    size_t i = 0;
    for (; i + AT_ONCE * LANES <= n; i += AT_ONCE * LANES) {
        UNROLL
        for (size_t v = 0; v < AT_ONCE; v++) most[v] = MAX(LOAD(values + i + v * LANES), most[v]);
    }
    for (; i < n; i += LANES) most[0] = MAX(load_some(values + i, n - i), most[0]);
    return _mm512_reduce_max_ps(MAX(MAX(most[0], most[1]), MAX(most[2], most[3])));
}

INLINE __m512i whole(__m512 value, float steps, int zero)
{
    const __m512 most = SET1(MOST_BYTE);  // of Inf, too
    const __m512i whole_steps = _mm512_cvtps_epi32(MIN(value * SET1(steps), most));
    return zero ? _mm512_add_epi32(whole_steps, _mm512_set1_epi32(zero)) : whole_steps;
}

// The first 64 of n values.
INLINE void narrow_some(const float *from, size_t n, float steps, int zero, uint8_t *to)
{
    // Packing goes by quarters of a vector: this puts them back.
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i values[AT_ONCE];
    UNROLL
    for (size_t v = 0; v < AT_ONCE; v++)
        values[v] = whole(load_some(from + v * LANES, n > v * LANES ? n - v * LANES : 0), steps, zero);
    const __m512i bytes = _mm512_permutexvar_epi32(
        order, _mm512_packus_epi16(_mm512_packs_epi32(values[0], values[1]), _mm512_packs_epi32(values[2], values[3])));
    _mm512_mask_storeu_epi8(to, n < 64 ? ((__mmask64)1 << n) - 1 : ~(__mmask64)0, bytes);
}

INLINE void narrow_all(const float *from, size_t n, float steps, const int zero, uint8_t *to)
{
    size_t i = 0;
    for (; i + AT_ONCE * LANES <= n; i += AT_ONCE * LANES) narrow_some(from + i, AT_ONCE * LANES, steps, zero, to + i);
    if (i < n) narrow_some(from + i, n - i, steps, zero, to + i);
}

KERNEL_CODE void narrow(const float *from, size_t n, float steps, int zero, uint8_t *to)
{
    if (zero)
        narrow_all(from, n, steps, zero, to);
    else  // most often
        narrow_all(from, n, steps, 0, to);
}

const fenby_kernel *fenby_kernel_avx512_vnni(void)
{
    static const fenby_kernel kernel = KERNEL("avx512_vnni");
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") ? &kernel : NULL;
}
#else
const fenby_kernel *fenby_kernel_avx512_vnni(void)
{
    return NULL;
}
#endif
