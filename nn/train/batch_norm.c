// SPDX-License-Identifier: ISC
#include "batch_norm.h"

#include <math.h>
#include <string.h>

enum { MOST_CHANNELS = 64, BLOCK_ROWS = 64 };  // a block's sums are short enough for float

static inline float load(bf16 v)
{
    union { uint32_t bits; float value; } u = {.bits = (uint32_t)v << 16};
    return u.value;
}

static inline bf16 store(float v)
{  // rounds to the nearest
    union { float value; uint32_t bits; } u = {.value = v};
    return (bf16)((u.bits + 0x7fff + ((u.bits >> 16) & 1)) >> 16);
}

// The loops below are compiled for each number of channels: sums stay in registers.
#define INLINED __attribute__((always_inline)) static inline
#define FOR_CHANNELS(call) \
    switch (channels) { case 32: call(32); break; case 64: call(64); break; default: return -1; }

INLINED void add_up(const bf16 *restrict y, long rows, int channels, double *sum, double *squares)
{
    for (long first = 0; first < rows; first += BLOCK_ROWS) {
        float s[MOST_CHANNELS] = {0}, q[MOST_CHANNELS] = {0};
        long last = first + BLOCK_ROWS < rows ? first + BLOCK_ROWS : rows;
        for (long r = first; r < last; r++) {
            #pragma omp simd
            for (int c = 0; c < channels; c++) {
                float v = load(y[r * channels + c]);
                s[c] += v;
                q[c] += v * v;
            }
        }
        for (int c = 0; c < channels; c++) {
            sum[c] += s[c];
            squares[c] += q[c];
        }
    }
}

INLINED void normalise(const bf16 *restrict y, const bf16 *restrict skip, bf16 *restrict x, long rows, int channels,
                       const float *restrict scale, const float *restrict shift)
{
    for (long r = 0; r < rows; r++) {
        #pragma omp simd
        for (int c = 0; c < channels; c++) {
            long i = r * channels + c;
            float v = load(y[i]) * scale[c] + shift[c] + (skip ? load(skip[i]) : 0);
            x[i] = store(v > 0 ? v : 0);
        }
    }
}

int fenby_norm_forward(const bf16 *y, const bf16 *skip, long skip_past, bf16 *x, long past, int clips, long clip_rows,
                       int channels, const float *gamma, const float *beta, float epsilon, float *mean,
                       float *variance)
{
    double sum[MOST_CHANNELS] = {0}, squares[MOST_CHANNELS] = {0}, n = (double)clips * (double)clip_rows;
    float scale[MOST_CHANNELS], shift[MOST_CHANNELS];
#define ADD_UP(C) add_up(y, clips * clip_rows, C, sum, squares)
    FOR_CHANNELS(ADD_UP)
    for (int c = 0; c < channels; c++) {
        double m = sum[c] / n;
        mean[c] = (float)m;
        variance[c] = (float)fmax(0, squares[c] / n - m * m);
        scale[c] = gamma[c] / sqrtf(variance[c] + epsilon);
        shift[c] = beta[c] - mean[c] * scale[c];
    }
    for (int i = 0; i < clips; i++) {
        const bf16 *from = y + i * clip_rows * channels;
        bf16 *to = x + i * (past + clip_rows) * channels;
        memset(to, 0, (size_t)(past * channels) * sizeof *to);
        to += past * channels;
        if (skip) {
            const bf16 *added = skip + (i * (skip_past + clip_rows) + skip_past) * channels;
#define WITH_SKIP(C) normalise(from, added, to, clip_rows, C, scale, shift)
            FOR_CHANNELS(WITH_SKIP)
        } else {
#define WITHOUT_SKIP(C) normalise(from, NULL, to, clip_rows, C, scale, shift)
            FOR_CHANNELS(WITHOUT_SKIP)
        }
    }
    return 0;
}

// Back through the ReLU, g = gx where x > 0, with the sums of g and of g y.
INLINED void back_to_sum(const bf16 *restrict gx, const bf16 *restrict x, const bf16 *restrict y, bf16 *restrict g,
                         long rows, int channels, double *sum, double *products)
{
    for (long first = 0; first < rows; first += BLOCK_ROWS) {
        float s[MOST_CHANNELS] = {0}, p[MOST_CHANNELS] = {0};
        long last = first + BLOCK_ROWS < rows ? first + BLOCK_ROWS : rows;
        for (long r = first; r < last; r++) {
            #pragma omp simd
            for (int c = 0; c < channels; c++) {
                long i = r * channels + c;
                bf16 passed = gx[i] & (bf16)-(x[i] != 0);  // without a branch: it must run in vectors
                g[i] = passed;
                s[c] += load(passed);
                p[c] += load(passed) * load(y[i]);
            }
        }
        for (int c = 0; c < channels; c++) {
            sum[c] += s[c];
            products[c] += p[c];
        }
    }
}

INLINED void back_to_input(const bf16 *restrict g, const bf16 *restrict y, bf16 *restrict gy, long rows, int channels,
                           const float *restrict by_g, const float *restrict by_y, const float *restrict constant)
{
    for (long r = 0; r < rows; r++) {
        #pragma omp simd
        for (int c = 0; c < channels; c++) {
            long i = r * channels + c;
            gy[i] = store(by_g[c] * load(g[i]) + by_y[c] * load(y[i]) + constant[c]);
        }
    }
}

int fenby_norm_backward(const bf16 *gx, const bf16 *x, long past, const bf16 *y, bf16 *gskip, long skip_past, bf16 *gy,
                        int clips, long clip_rows, int channels, const float *gamma, float epsilon, const float *mean,
                        const float *variance, float *dgamma, float *dbeta)
{
    double sum[MOST_CHANNELS] = {0}, products[MOST_CHANNELS] = {0}, n = (double)clips * (double)clip_rows;
    float by_g[MOST_CHANNELS], by_y[MOST_CHANNELS], constant[MOST_CHANNELS];
    for (int i = 0; i < clips; i++) {
        bf16 *g = gskip + i * (skip_past + clip_rows) * channels;
        memset(g, 0, (size_t)(skip_past * channels) * sizeof *g);
        g += skip_past * channels;
        long out = (i * (past + clip_rows) + past) * channels, in = i * clip_rows * channels;
#define BACK_TO_SUM(C) back_to_sum(gx + out, x + out, y + in, g, clip_rows, C, sum, products)
        FOR_CHANNELS(BACK_TO_SUM)
    }
    for (int c = 0; c < channels; c++) {
        double deviation = 1 / sqrt((double)variance[c] + epsilon);
        double by_normed = (products[c] - mean[c] * sum[c]) * deviation;
        dgamma[c] = (float)by_normed;
        dbeta[c] = (float)sum[c];
        by_g[c] = (float)(gamma[c] * deviation);
        by_y[c] = (float)(-gamma[c] * deviation * deviation * by_normed / n);
        constant[c] = (float)(-gamma[c] * deviation * sum[c] / n) - by_y[c] * mean[c];
    }
    for (int i = 0; i < clips; i++) {
        const bf16 *g = gskip + (i * (skip_past + clip_rows) + skip_past) * channels;
        long in = i * clip_rows * channels;
#define BACK_TO_INPUT(C) back_to_input(g, y + in, gy + in, clip_rows, C, by_g, by_y, constant)
        FOR_CHANNELS(BACK_TO_INPUT)
    }
    return 0;
}
