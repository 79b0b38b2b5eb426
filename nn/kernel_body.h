// SPDX-License-Identifier: ISC
// The kernels' one body. The including file defines the vector: VEC its type, LANES, TARGET (the functions'
// target attribute), POSITIONS and VECTORS (the block of sums held in registers), and LOAD, STORE, SET1, FMA,
// MIN and MAX (of a NaN and a number: the second argument). + - * / work on vectors in GCC and clang. A narrow kernel also
// defines NARROW as 1, SUM the type of a vector of slots and of what they add up to, ZERO, LOAD_SLOTS, SET1_SLOT,
// DOT, which multiplies and adds whole slots, FLOATS of a sum, and ALSO, its further fields.
#include "kernel.h"

#include <string.h>

#ifndef NARROW
#define NARROW 0
#define SUM VEC
#define ZERO SET1(0.0f)
#define LOAD_SLOTS LOAD
#define SET1_SLOT(at) SET1(*(const float *)(const void *)(at))
#define DOT FMA
#define FLOATS(sum) sum
#define ALSO
#endif

// Unrolled wholly, an array of sums becomes registers.
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
// What they read and write is one net's, of one thread. The thread sanitizer watches those who hand it to them; watching
// each load as well, it would be slower than the music.
#define KERNEL_CODE static TARGET __attribute__((no_sanitize("thread")))
#define INLINE KERNEL_CODE inline __attribute__((always_inline))

// Slots begin at any byte.
INLINE int32_t slot_at(const char *at)
{
    int32_t slot;
    memcpy(&slot, at, sizeof slot);
    return slot;
}

INLINE void store_some(float *to, VEC value, int n)
{
    if (n >= LANES) {
        STORE(to, value);
        return;
    }
    float lanes[LANES];
    STORE(lanes, value);
    memcpy(to, lanes, (size_t)n * sizeof *to);
}

// What a block's sums have come to goes to the output: onto the bias and the residual, or onto what went there before. What is
// asked of all of them is asked once.
INLINE void put(const fenby_linear *l, SUM sum[POSITIONS][VECTORS], float step, int position, int channel, bool first, bool last,
                const int n_positions, const int n_vectors)
{
    float *const output = l->output + (size_t)position * (size_t)l->stride + (size_t)channel;
    const float *before = first ? l->bias + channel : output;
    const ptrdiff_t stride = l->stride, before_stride = first ? 0 : stride;
    VEC value[POSITIONS][VECTORS], scale[VECTORS];
    UNROLL
    for (int v = 0; v < n_vectors; v++) scale[v] = LOAD(l->steps + channel + v * LANES) * SET1(step);
    UNROLL
    for (int p = 0; p < n_positions; p++, before += before_stride) {
        UNROLL
        for (int v = 0; v < n_vectors; v++) {
            const VEC had = LOAD(before + v * LANES);
            if (NARROW)
                value[p][v] = FMA(FLOATS(sum[p][v]), scale[v], had);
            else
                value[p][v] = FLOATS(sum[p][v]) + had;
            sum[p][v] = ZERO;
        }
    }
    if (first && l->residual) {
        const float *residual = l->residual + (output - l->output);
        UNROLL
        for (int p = 0; p < n_positions; p++, residual += stride) {
            UNROLL
            for (int v = 0; v < n_vectors; v++) value[p][v] += LOAD(residual + v * LANES);
        }
    }
    if (last && l->relu) {
        UNROLL
        for (int p = 0; p < n_positions; p++) {
            UNROLL
            for (int v = 0; v < n_vectors; v++) value[p][v] = MAX(value[p][v], SET1(0.0f));
        }
    }
    const int n = l->channels - channel;
    float *to = output;
    if (n >= n_vectors * LANES) {
        UNROLL
        for (int p = 0; p < n_positions; p++, to += stride) {
            UNROLL
            for (int v = 0; v < n_vectors; v++) STORE(to + v * LANES, value[p][v]);
        }
    } else {
        UNROLL
        for (int p = 0; p < n_positions; p++, to += stride) {
            UNROLL
            for (int v = 0; v < n_vectors; v++) store_some(to + v * LANES, value[p][v], n - v * LANES);
        }
    }
}

// A block of n_positions x n_vectors sums. Both are constants where this is inlined, so that the sums stay in
// registers: for each input one vector of weights and one broadcast serve a whole row or column of the block. A narrow
// kernel puts its sums to the output where the inputs' step changes.
INLINE void block(const fenby_linear *l, int first, int position, int channel, const int n_positions,
                  const int n_vectors)
{
    SUM sum[POSITIONS][VECTORS];
    UNROLL
    for (int p = 0; p < n_positions; p++) {
        UNROLL
        for (int v = 0; v < n_vectors; v++) sum[p][v] = ZERO;
    }
    const float *weights = l->weights + (size_t)channel * (size_t)l->rows;
    const fenby_run *const last = l->runs + l->n_runs - 1;
    bool is_first = true;
    for (const fenby_run *run = l->runs; run <= last; run++) {
        const float *w = weights + (size_t)run->row * (size_t)(n_vectors * LANES);
        const float *end = w + (size_t)run->length * (size_t)(n_vectors * LANES);
        const ptrdiff_t stride = run->stride;
        const char *x = (const char *)run->input + (position - first) * stride;
        for (; w < end; w += n_vectors * LANES, x += FENBY_SLOT) {
            SUM weight[VECTORS];
            UNROLL
            for (int v = 0; v < n_vectors; v++) weight[v] = LOAD_SLOTS(w + v * LANES);
            UNROLL
            for (int p = 0; p < n_positions; p++) {
                SUM input = SET1_SLOT(x + p * stride);
                UNROLL
                for (int v = 0; v < n_vectors; v++) sum[p][v] = DOT(input, weight[v], sum[p][v]);
            }
        }
        if (run == last || (NARROW && run[1].step != run->step)) {
            put(l, sum, run->step, position, channel, is_first, run == last, n_positions, n_vectors);
            is_first = false;
        }
    }
}

// Whole blocks, the last one moved back to end where it must: what two blocks share comes out the same twice.
INLINE void columns(const fenby_linear *l, int first, int end, int channel, const int n_vectors)
{
    if (end - first < POSITIONS) {
        for (int p = first; p < end; p++) block(l, first, p, channel, 1, n_vectors);
        return;
    }
    for (int p = first; p < end; p += POSITIONS)
        block(l, first, p + POSITIONS <= end ? p : end - POSITIONS, channel, POSITIONS, n_vectors);
}

KERNEL_CODE void linear(const fenby_linear *wanted, int first, int end)
{
    // A copy, which no output can overwrite: it need not be read again after each.
    const fenby_linear copy = *wanted, *const l = &copy;
    int channel = 0;
    for (; l->channels - channel > (VECTORS - 1) * LANES; channel += VECTORS * LANES)
        columns(l, first, end, channel, VECTORS);
    for (; channel < l->channels; channel += LANES) columns(l, first, end, channel, 1);
}

// tanh(4 y) for |y| <= 9/4; tanh(9) rounds to 1. Lambert's continued fraction cut at y^2/7 (Abramowitz and
// Stegun 4.5.70) gives tanh(y), then tanh(2y) = 2 tanh(y) / (1 + tanh(y)^2) twice the rest; a quotient
// throughout, so that one division does. Within 2e-7 of the truth. NaN comes out as -1.
INLINE VEC tanh_of_4(VEC y)
{
    y = MIN(MAX(y, SET1(-2.25f)), SET1(2.25f));
    VEC s = y * y;
    VEC above = y * FMA(SET1(10.0f), s, SET1(105.0f));
    VEC below = FMA(s + SET1(45.0f), s, SET1(105.0f));
    for (int i = 0; i < 2; i++) {
        VEC product = above * below;
        below = FMA(above, above, below * below);
        above = product + product;
    }
    return above / below;
}

INLINE VEC sigmoid_of(VEC x)
{
    return FMA(SET1(0.5f), tanh_of_4(x * SET1(0.125f)), SET1(0.5f));
}

KERNEL_CODE void sigmoid(float *values, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) STORE(values + i, sigmoid_of(LOAD(values + i)));
}

KERNEL_CODE void gates(const float *reset, const float *update, const float *candidate, const float *hidden,
                       const float *old, float *state, size_t n)
{
    // Added and taken off again: no state is then finer than 2^-83, so none decays into slow denormals.
    const VEC tiny = SET1(0x1p-60f);
    for (size_t i = 0; i < n; i += LANES) {
        VEC r = sigmoid_of(LOAD(reset + i)), z = sigmoid_of(LOAD(update + i)), h = LOAD(old + i);
        VEC fresh = tanh_of_4(FMA(r, LOAD(hidden + i), LOAD(candidate + i)) * SET1(0.25f));
        store_some(state + i, FMA(z, h - fresh, fresh) + tiny - tiny, (int)(n - i));
    }
}

#define KERNEL(kernel_name) \
    { .name = kernel_name, .lanes = LANES, .tile = VECTORS * LANES, .linear = linear, .gates = gates, \
      .sigmoid = sigmoid, ALSO }
