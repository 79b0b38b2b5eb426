// SPDX-License-Identifier: ISC
#include "gru.h"

#include <math.h>
#include <string.h>

enum { MOST_UNITS = 64, MOST_KEYS = 128 };

#define INLINED __attribute__((always_inline)) static inline
// Compiled for each number of units: sums stay in registers.
#define FOR_UNITS(call) \
    if (units == 32) { call(32); } else { call(64); }

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
    for (int gate = 0; gate < 3; gate++) {
        float one[MOST_UNITS];
        memcpy(one, bias + gate * units, sizeof(float) * (size_t)units);
        for (int i = 0; i < units; i++) {
            const float *row = transposed + (gate * units + i) * units;
            #pragma omp simd
            for (int j = 0; j < units; j++) one[j] += before[i] * row[j];
        }
        memcpy(sum + gate * units, one, sizeof(float) * (size_t)units);
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

int fenby_gru_forward(float *gates, const float *weight, const float *bias, float *states, float *hidden, int clips,
                      int frames, int keys, int units)
{
    static const float zeros[MOST_UNITS];
    float transposed[3 * MOST_UNITS * MOST_UNITS];
    if ((units != 32 && units != 64) || keys > MOST_KEYS) return -1;
    for (int gate = 0; gate < 3; gate++)
        for (int j = 0; j < units; j++)
            for (int i = 0; i < units; i++)
                transposed[(gate * units + i) * units + j] = weight[(gate * units + j) * units + i];
    for (int clip = 0; clip < clips; clip++) {
        for (int frame = 0; frame < frames; frame++) {
            for (int key = 0; key < keys; key++) {
                const long at = ((long)clip * frames + frame) * keys + key;
                float *after = states + at * units;
                const float *before = frame ? after - (long)keys * units : zeros;
#define CALL(n) step_forward(gates + at * 3 * n, transposed, bias, before, after, hidden + at * n, n)
                FOR_UNITS(CALL)
#undef CALL
            }
        }
    }
    return 0;
}

int fenby_gru_backward(float *gates, const float *weight, const float *states, float *hidden, const float *gradients,
                       int clips, int frames, int keys, int units)
{
    static const float zeros[MOST_UNITS];
    float flowing[MOST_KEYS * MOST_UNITS];
    if ((units != 32 && units != 64) || keys > MOST_KEYS) return -1;
    for (int clip = 0; clip < clips; clip++) {
        memset(flowing, 0, sizeof flowing);
        for (int frame = frames - 1; frame >= 0; frame--) {
            for (int key = 0; key < keys; key++) {
                const long at = ((long)clip * frames + frame) * keys + key;
                const float *before = frame ? states + (at - keys) * units : zeros;
#define CALL(n) step_backward(gates + at * 3 * n, weight, before, hidden + at * n, gradients + at * n, flowing + key * n, n)
                FOR_UNITS(CALL)
#undef CALL
            }
        }
    }
    return 0;
}
