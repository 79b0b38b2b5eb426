// SPDX-License-Identifier: ISC
// Logarithm and power to the base of two, of floats. Unlike the library's they have no branch, so that the compiler makes
// vectors of the loops around them.
//
// Thread: any. Allocation: none. Errors: none; see the ranges.
#ifndef FENBY_EXPONENT_H
#define FENBY_EXPONENT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

// Of a positive normal number, to 1e-7: exponent apart, then the series of artanh on sqrt(1/2) .. sqrt(2).
static inline float fenby_log2(float x)
{
    const int32_t root_half = 0x3f3504f3;
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int32_t exponent = (bits - root_half) >> 23;
    bits -= exponent * (1 << 23);
    float m;
    memcpy(&m, &bits, sizeof m);
    const float t = (m - 1) / (m + 1), t2 = t * t;
    const float series = t * (1 + t2 * (1 / 3.0f + t2 * (1 / 5.0f + t2 * (1 / 7.0f))));
    return (float)exponent + 2 * (float)M_LOG2E * series;
}

// Of -126 .. 127, to 2e-7 of it: the nearest whole power apart, then the series of exp.
static inline float fenby_exp2(float x)
{
    const int32_t biased = (int32_t)(x + 127.5f), bits = biased * (1 << 23);
    const float t = (x - (float)(biased - 127)) * (float)M_LN2;
    float whole;
    memcpy(&whole, &bits, sizeof whole);
    const float higher = 1 / 24.0f + t * (1 / 120.0f + t * (1 / 720.0f + t * (1 / 5040.0f)));
    return whole * (1 + t * (1 + t * (1 / 2.0f + t * (1 / 6.0f + t * higher))));
}

#endif
