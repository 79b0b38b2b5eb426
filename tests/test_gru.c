// SPDX-License-Identifier: ISC
// The gated recurrent unit of training: forward against a naive twin in double precision, backward against differences
// of that twin.
#include "nn/train/gru.h"

#include <string.h>

#include "test.h"

enum { CLIPS = 2, FRAMES = 9, KEYS = 5, MOST = 64, SEQUENCES = CLIPS * KEYS };

static double gates_in[CLIPS][FRAMES][KEYS][3][MOST], weight[3][MOST][MOST], bias[3][MOST], pull[CLIPS][FRAMES][KEYS][MOST];

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

// The states, and the sum of all of them, each pulled by a number of its own.
static double naive(int units, double states[CLIPS][FRAMES][KEYS][MOST])
{
    double sum = 0;
    for (int s = 0; s < SEQUENCES; s++) {
        const int clip = s / KEYS, key = s % KEYS;
        double before[MOST] = {0};
        for (int frame = 0; frame < FRAMES; frame++) {
            double after[MOST], own[3][MOST];
            for (int g = 0; g < 3; g++)
                for (int j = 0; j < units; j++) {
                    own[g][j] = bias[g][j];
                    for (int i = 0; i < units; i++) own[g][j] += weight[g][j][i] * before[i];
                }
            for (int j = 0; j < units; j++) {
                const double r = logistic(gates_in[clip][frame][key][0][j] + own[0][j]);
                const double z = logistic(gates_in[clip][frame][key][1][j] + own[1][j]);
                const double n = tanh(gates_in[clip][frame][key][2][j] + r * own[2][j]);
                after[j] = (1 - z) * n + z * before[j];
                states[clip][frame][key][j] = after[j];
                sum += pull[clip][frame][key][j] * after[j];
            }
            memcpy(before, after, sizeof before);
        }
    }
    return sum;
}

static void check_units(int units)
{
    static double expected[CLIPS][FRAMES][KEYS][MOST], ignored[CLIPS][FRAMES][KEYS][MOST];
    static float gates[CLIPS * FRAMES * KEYS * 3 * MOST], states[CLIPS * FRAMES * KEYS * MOST];
    static float hidden[CLIPS * FRAMES * KEYS * MOST], gradients[CLIPS * FRAMES * KEYS * MOST];
    float w[3 * MOST * MOST], b[3 * MOST];
    unsigned long long random = (unsigned)units;
    for (int g = 0; g < 3; g++)
        for (int j = 0; j < units; j++) {
            b[g * units + j] = (float)(bias[g][j] = test_random(&random) - 0.5);
            for (int i = 0; i < units; i++)
                w[(g * units + j) * units + i] = (float)(weight[g][j][i] = 0.6 * (test_random(&random) - 0.5));
        }
    float *gate = gates, *gradient = gradients;
    for (int s = 0; s < CLIPS * FRAMES * KEYS; s++) {
        const int clip = s / (FRAMES * KEYS), frame = s / KEYS % FRAMES, key = s % KEYS;
        for (int g = 0; g < 3; g++)
            for (int j = 0; j < units; j++)
                *gate++ = (float)(gates_in[clip][frame][key][g][j] = 4 * (test_random(&random) - 0.5));
        for (int j = 0; j < units; j++) *gradient++ = (float)(pull[clip][frame][key][j] = test_random(&random) - 0.5);
    }
    REQUIRE(!fenby_gru_forward(gates, w, b, states, hidden, CLIPS, FRAMES, KEYS, units), "%d units", units);
    naive(units, expected);
    double worst = 0;
    const float *state = states;
    for (int s = 0; s < CLIPS * FRAMES * KEYS; s++)
        for (int j = 0; j < units; j++)
            worst = fmax(worst, fabs(*state++ - expected[s / (FRAMES * KEYS)][s / KEYS % FRAMES][s % KEYS][j]));
    CHECK(worst < 1e-5, "%d units: states off by %g", units, worst);

    REQUIRE(!fenby_gru_backward(gates, w, states, hidden, gradients, CLIPS, FRAMES, KEYS, units), "%d units", units);
    worst = 0;
    for (int probe = 0; probe < 200; probe++) {
        const int s = (int)(test_random(&random) * CLIPS * FRAMES * KEYS), g = probe % 3;
        const int j = (int)(test_random(&random) * units);
        double *at = &gates_in[s / (FRAMES * KEYS)][s / KEYS % FRAMES][s % KEYS][g][j];
        const double kept = *at, step = 1e-5;
        *at = kept + step;
        const double above = naive(units, ignored);
        *at = kept - step;
        const double slope = (above - naive(units, ignored)) / (2 * step);
        *at = kept;
        worst = fmax(worst, fabs(slope - gates[(s * 3 + g) * units + j]));
    }
    CHECK(worst < 1e-4, "%d units: gradients off by %g", units, worst);
    // What the state adds to n: its bias shows the sum.
    for (int j = 0; j < units; j += 7) {
        double sum = 0;
        for (int s = 0; s < CLIPS * FRAMES * KEYS; s++) sum += hidden[s * units + j];
        const double kept = bias[2][j], step = 1e-5;
        bias[2][j] = kept + step;
        const double above = naive(units, ignored);
        bias[2][j] = kept - step;
        const double slope = (above - naive(units, ignored)) / (2 * step);
        bias[2][j] = kept;
        CHECK(fabs(slope - sum) < 1e-3, "%d units: bias %d: %g, expected %g", units, j, sum, slope);
    }
}

int main(void)
{
    check_units(32);
    check_units(64);
    float none[1] = {0};
    CHECK(fenby_gru_forward(none, none, none, none, none, 1, 1, 1, 48) == -1, "48 units");
    CHECK(fenby_gru_backward(none, none, none, none, none, 1, 1, 129, 32) == -1, "129 keys");
    return test_report();
}
