// SPDX-License-Identifier: ISC
// Sixteen floats at once, in whatever vectors the machine has: what the CQT's sums are written in. A function whose body
// is written once is compiled for each width here and chosen when the program runs.
//
// Thread: any. Allocation: none but in fenby_lanes_new.
#ifndef FENBY_LANES_H
#define FENBY_LANES_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { FENBY_LANES = 16 };  // the widest vector of floats there is

// GCC and clang make of this whatever vectors the function they compile may use.
typedef float fenby_lanes __attribute__((vector_size(sizeof(float) * FENBY_LANES)));

static inline size_t fenby_lanes_round_up(size_t n)
{
    return (n + FENBY_LANES - 1) / FENBY_LANES * FENBY_LANES;
}

// Room for n floats, zeros, aligned for whole vectors; to be given to free. NULL when memory is short.
static inline float *fenby_lanes_new(size_t n)
{
    const size_t size = fenby_lanes_round_up(n) * sizeof(float);
    float *floats = aligned_alloc(sizeof(fenby_lanes), size);
    return floats ? memset(floats, 0, size) : NULL;
}

// FENBY_LANES_FUNCTION(name, (parameters), (arguments)) makes of `static inline void name_body(parameters)` the functions
// for each width, and name_best, which returns the best one that this machine can run.
#define FENBY_LANES_BODY static inline __attribute__((always_inline))
#ifdef __x86_64__
#define FENBY_LANES_FUNCTION(name, parameters, arguments)                                              \
    static void name##_any parameters { name##_body arguments; }                                       \
    __attribute__((target("avx2,fma"))) static void name##_avx2 parameters { name##_body arguments; }  \
    __attribute__((target("avx512f"))) static void name##_avx512 parameters { name##_body arguments; } \
    static void (*name##_best(void)) parameters                                                        \
    {                                                                                                  \
        if (__builtin_cpu_supports("avx512f")) return name##_avx512;                                   \
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return name##_avx2;       \
        return name##_any;                                                                             \
    }
#else
#define FENBY_LANES_FUNCTION(name, parameters, arguments)        \
    static void name##_any parameters { name##_body arguments; } \
    static void (*name##_best(void)) parameters { return name##_any; }
#endif

#endif
