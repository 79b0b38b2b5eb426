// SPDX-License-Identifier: ISC
// The fused batch norm of training against a naive twin in double precision, forward and backward.
#include "nn/train/batch_norm.h"

#include "test.h"

#include <string.h>

enum { CLIPS = 3, ROWS = 157, PAST = 8, SKIP_PAST = 5, MOST = 64 };
static const float epsilon = 1e-5f;

static double value(bf16 v)
{
    union { uint32_t bits; float f; } u = {.bits = (uint32_t)v << 16};
    return u.f;
}

static bf16 nearest(double v)
{
    union { float f; uint32_t bits; } u = {.f = (float)v};
    return (bf16)((u.bits + 0x8000) >> 16);
}

static void fill(bf16 *at, int n, unsigned long long *seed)
{
    for (int i = 0; i < n; i++)
        at[i] = nearest(2 * test_random(seed) - 0.8);
}

static void check_channels(int channels, int with_skip)
{
    static bf16 y[CLIPS * ROWS * MOST], skip[CLIPS * (ROWS + SKIP_PAST) * MOST], x[CLIPS * (ROWS + PAST) * MOST];
    static bf16 gx[CLIPS * (ROWS + PAST) * MOST], gy[CLIPS * ROWS * MOST], gskip[CLIPS * (ROWS + SKIP_PAST) * MOST];
    float gamma[MOST], beta[MOST], mean[MOST], variance[MOST], dgamma[MOST], dbeta[MOST];
    unsigned long long seed = 1 + (unsigned)channels;
    const int skip_past = with_skip ? SKIP_PAST : 0;
    fill(y, CLIPS * ROWS * channels, &seed);
    fill(skip, CLIPS * (ROWS + skip_past) * channels, &seed);
    fill(gx, CLIPS * (ROWS + PAST) * channels, &seed);
    for (int c = 0; c < channels; c++) {
        gamma[c] = (float)(0.5 + test_random(&seed));
        beta[c] = (float)(test_random(&seed) - 0.5);
    }
    memset(x, 0xff, sizeof x);
    REQUIRE(!fenby_norm_forward(y, with_skip ? skip : NULL, skip_past, x, PAST, CLIPS, ROWS, channels, gamma, beta,
                                epsilon, mean, variance), "%d channels", channels);
    REQUIRE(!fenby_norm_backward(gx, x, PAST, y, gskip, skip_past, gy, CLIPS, ROWS, channels, gamma, epsilon, mean,
                                 variance, dgamma, dbeta), "%d channels", channels);

    double worst_x = 0, worst_gy = 0, worst_gskip = 0, past = 0;
    const double n = CLIPS * ROWS;
    for (int c = 0; c < channels; c++) {
        double m = 0, v = 0, sum = 0, products = 0;
        for (int i = 0; i < CLIPS * ROWS; i++)
            m += value(y[i * channels + c]) / n;
        for (int i = 0; i < CLIPS * ROWS; i++)
            v += pow(value(y[i * channels + c]) - m, 2) / n;
        for (int pass = 0; pass < 2; pass++)  // first the sums that the gradients need
            for (int b = 0; b < CLIPS; b++)
                for (int r = 0; r < ROWS; r++) {
                    int in = (b * ROWS + r) * channels + c, out = (b * (PAST + ROWS) + PAST + r) * channels + c;
                    int at_skip = (b * (skip_past + ROWS) + skip_past + r) * channels + c;
                    double normed = (value(y[in]) - m) / sqrt(v + epsilon);
                    double expected = gamma[c] * normed + beta[c] + (with_skip ? value(skip[at_skip]) : 0);
                    double g = value(x[out]) > 0 ? value(gx[out]) : 0;
                    if (pass == 0) {
                        worst_x = fmax(worst_x, fabs(value(x[out]) - fmax(0, expected)) / fmax(1, fabs(expected)));
                        sum += g;
                        products += g * normed;
                        continue;
                    }
                    double to_y = gamma[c] / sqrt(v + epsilon) * (g - sum / n - normed * products / n);
                    worst_gy = fmax(worst_gy, fabs(value(gy[in]) - to_y) / fmax(1, fabs(to_y)));
                    worst_gskip = fmax(worst_gskip, fabs(value(gskip[at_skip]) - g));
                }
        CHECK(fabs(mean[c] - m) < 1e-5 && fabs(variance[c] - v) < 1e-5, "channel %d: mean %g variance %g", c, mean[c],
              variance[c]);
        CHECK(fabs(dgamma[c] - products) < 1e-2 && fabs(dbeta[c] - sum) < 1e-2, "channel %d: %g for %g, %g for %g", c,
              dgamma[c], products, dbeta[c], sum);
    }
    for (int b = 0; b < CLIPS; b++)
        for (int i = 0; i < PAST * channels; i++)
            past += x[b * (PAST + ROWS) * channels + i];
    // bfloat16 keeps eight bits.
    CHECK(worst_x < 0.005, "%d channels: output off by %g", channels, worst_x);
    CHECK(worst_gy < 0.005, "%d channels: gradient off by %g", channels, worst_gy);
    CHECK(worst_gskip == 0, "%d channels: gradient of the skip off by %g", channels, worst_gskip);
    CHECK(past == 0, "%d channels: the past is not silent", channels);
}

int main(void)
{
    for (int with_skip = 0; with_skip < 2; with_skip++) {
        check_channels(32, with_skip);
        check_channels(64, with_skip);
    }
    bf16 nothing = 0;
    float one = 1;
    CHECK(fenby_norm_forward(&nothing, NULL, 0, &nothing, 0, 1, 1, 48, &one, &one, epsilon, &one, &one) == -1,
          "48 channels were taken");
    return test_report();
}
