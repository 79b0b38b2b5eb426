// SPDX-License-Identifier: ISC
// AVX2 with its dot product of bytes (AVX-VNNI): what PCs without AVX-512 have had since 2021.
#include "kernel.h"

#ifdef __x86_64__
#include <cpuid.h>

#include "kernel_avx2.h"

#define TARGET __attribute__((target("avx2,fma,avxvnni")))
#define NARROW 1
#define SUM __m256i
#define ZERO _mm256_setzero_si256()
#define LOAD_SLOTS(from) _mm256_loadu_si256((const __m256i *)(const void *)(from))
#define SET1_SLOT(at) _mm256_set1_epi32(slot_at(at))
#define DOT(a, b, sum) _mm256_dpbusd_avx_epi32(sum, a, b)
#define FLOATS _mm256_cvtepi32_ps
#define LEAST_BYTE 0
#define MOST_BYTE 255
#define ALSO .largest = largest, .narrow = narrow, .input_steps = MOST_BYTE, .state_zero = 128, .wide = fenby_kernel_avx2

#include "kernel_body.h"
#include "kernel_narrow.h"

// __builtin_cpu_supports does not know it everywhere.
static bool has_avx_vnni(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1 << 4);
}

const fenby_kernel *fenby_kernel_avx2_vnni(void)
{
    static const fenby_kernel kernel = KERNEL("avx2_vnni");
    return fenby_kernel_avx2() && has_avx_vnni() ? &kernel : NULL;
}
#else
const fenby_kernel *fenby_kernel_avx2_vnni(void)
{
    return NULL;
}
#endif
