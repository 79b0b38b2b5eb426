// SPDX-License-Identifier: ISC
#include "gru.h"

#include <math.h>
#include <string.h>

enum { MOST_UNITS = 64, MOST_KEYS = 128 };

#define INLINED __attribute__((always_inline)) static inline

// exp to 1e-7, in a form that compilers vectorise: 2^whole by its bits, 2^part by a polynomial (Taylor, 7 terms).
INLINED float exponential(float x)
{
    const float low = x < -80 ? -80 : x, clamped = (low > 80 ? 80 : low) * 1.44269504f, shifter = 12582912.f;
    const float rounded = clamped + shifter, part = (clamped - (rounded - shifter)) * 0.69314718f;
    const float value = 1 + part * (1 + part * (1 / 2.f + part * (1 / 6.f + part * (1 / 24.f + part * (1 / 120.f +
                        part * (1 / 720.f))))));
    union { float f; unsigned bits; } whole = {.f = rounded}, power;
    power.bits = ((whole.bits & 0x1ff) + 127 - (0x4b400000 & 0x1ff)) << 23;
    return value * power.f;
}

INLINED float logistic(float x)
{
    return 1 / (1 + exponential(-x));
}

INLINED void step_forward(float *restrict gates, const float *restrict transposed, const float *restrict bias,
                          const float *restrict before, float *restrict after, float *restrict hidden, int units)
{
    float sum[3 * MOST_UNITS];
    memcpy(sum, bias, sizeof(float) * 3 * (size_t)units);
    for (int i = 0; i < units; i++) {
        const float *row = transposed + i * 3 * units;
        #pragma omp simd
        for (int j = 0; j < 3 * units; j++) sum[j] += before[i] * row[j];
    }
    #pragma omp simd
    for (int j = 0; j < units; j++) {
        const float r = logistic(gates[j] + sum[j]), z = logistic(gates[units + j] + sum[units + j]);
        const float n = 2 * logistic(2 * (gates[2 * units + j] + r * sum[2 * units + j])) - 1;
        hidden[j] = sum[2 * units + j];
        gates[j] = r;
        gates[units + j] = z;
        gates[2 * units + j] = n;
        after[j] = n + z * (before[j] - n);
    }
}

// flowing: in, the gradient of the state that comes from later frames; out, from this one.
INLINED void step_backward(float *restrict gates, const float *restrict weight, const float *restrict before,
                           float *restrict hidden, const float *restrict gradient, float *restrict flowing, int units)
{
    float into[3 * MOST_UNITS], out[MOST_UNITS];
    #pragma omp simd
    for (int j = 0; j < units; j++) {
        const float r = gates[j], z = gates[units + j], n = gates[2 * units + j], d = gradient[j] + flowing[j];
        const float dn = d * (1 - z) * (1 - n * n), dr = dn * hidden[j] * r * (1 - r);
        const float dz = d * (before[j] - n) * z * (1 - z);
        gates[j] = into[j] = dr;
        gates[units + j] = into[units + j] = dz;
        gates[2 * units + j] = dn;
        hidden[j] = into[2 * units + j] = dn * r;
        out[j] = d * z;
    }
    for (int i = 0; i < 3 * units; i++) {
        const float *row = weight + i * units;
        #pragma omp simd
        for (int j = 0; j < units; j++) out[j] += into[i] * row[j];
    }
    memcpy(flowing, out, sizeof(float) * (size_t)units);
}

INLINED int forward(float *gates, const float *weight, const float *bias, float *states, float *hidden, int clips,
                    int frames, int keys, int units)
{
    static const float zeros[MOST_UNITS];
    float transposed[3 * MOST_UNITS * MOST_UNITS];
    for (int j = 0; j < 3 * units; j++)
        for (int i = 0; i < units; i++) transposed[i * 3 * units + j] = weight[j * units + i];
    for (long at = 0; at < (long)clips * frames * keys; at++) {
        float *after = states + at * units;
        const float *before = at / keys % frames ? after - (long)keys * units : zeros;
        step_forward(gates + at * 3 * units, transposed, bias, before, after, hidden + at * units, units);
    }
    return 0;
}

INLINED int backward(float *gates, const float *weight, const float *states, float *hidden, const float *gradients,
                     int clips, int frames, int keys, int units)
{
    static const float zeros[MOST_UNITS];
    float flowing[MOST_KEYS * MOST_UNITS];
    for (int clip = 0; clip < clips; clip++) {
        memset(flowing, 0, sizeof flowing);
        for (int frame = frames - 1; frame >= 0; frame--) {
            for (int key = 0; key < keys; key++) {
                const long at = ((long)clip * frames + frame) * keys + key;
                const float *before = frame ? states + (at - keys) * units : zeros;
                step_backward(gates + at * 3 * units, weight, before, hidden + at * units, gradients + at * units,
                              flowing + key * units, units);
            }
        }
    }
    return 0;
}

// The loops are compiled for each number of units: sums stay in registers.
int fenby_gru_forward(float *gates, const float *weight, const float *bias, float *states, float *hidden, int clips,
                      int frames, int keys, int units)
{
    if (keys > MOST_KEYS) return -1;
    return units == 32   ? forward(gates, weight, bias, states, hidden, clips, frames, keys, 32)
           : units == 64 ? forward(gates, weight, bias, states, hidden, clips, frames, keys, 64)
                         : -1;
}

int fenby_gru_backward(float *gates, const float *weight, const float *states, float *hidden, const float *gradients,
                       int clips, int frames, int keys, int units)
{
    if (keys > MOST_KEYS) return -1;
    return units == 32   ? backward(gates, weight, states, hidden, gradients, clips, frames, keys, 32)
           : units == 64 ? backward(gates, weight, states, hidden, gradients, clips, frames, keys, 64)
                         : -1;
}
