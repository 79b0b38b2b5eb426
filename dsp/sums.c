// SPDX-License-Identifier: ISC
#include "sums.h"

#include <stdlib.h>
#include <string.h>

#define LANES 4  // any x86-64 has these, and any 64-bit ARM
#define VECTORS 4
#define TARGET
#define NAME(what) what##_of_4
#include "sums_body.h"

#ifdef __x86_64__
#define LANES 8
#define VECTORS 4
#define TARGET __attribute__((target("avx2,fma")))
#define NAME(what) what##_of_8
#include "sums_body.h"

#define LANES 16
#define VECTORS 4
#define TARGET __attribute__((target("avx512f")))
#define NAME(what) what##_of_16
#include "sums_body.h"
#endif

const fenby_sums *fenby_sums_best(void)
{
    static const fenby_sums narrowest = { power_of_4, transform_of_4 };
#ifdef __x86_64__
    static const fenby_sums avx2 = { power_of_8, transform_of_8 }, avx512 = { power_of_16, transform_of_16 };
    if (__builtin_cpu_supports("avx512f")) return &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &avx2;
#endif
    return &narrowest;
}

size_t fenby_sums_round_up(size_t n)
{
    return (n + FENBY_LANES - 1) / FENBY_LANES * FENBY_LANES;
}

float *fenby_sums_new_floats(size_t n)
{
    const size_t size = fenby_sums_round_up(n) * sizeof(float);
    float *floats = aligned_alloc(FENBY_LANES * sizeof(float), size);
    return floats ? memset(floats, 0, size) : NULL;
}
