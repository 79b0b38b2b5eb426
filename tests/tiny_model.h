// SPDX-License-Identifier: ISC
// A hand-made model for tests of the chain: weights in memory that need no training, small enough to be fast,
// good enough to hear plucked sines. A test that uses it does not change when the default model does.
//
// A key sounds while its middle bin stands out from the bins a semitone away, and begins when it starts to.
// Outputs and arrays are those of a full model: two heads (the second three frames later), velocity, onset_age,
// contour.
#ifndef FENBY_TINY_MODEL_H
#define FENBY_TINY_MODEL_H

#include <stdint.h>
#include <string.h>

#include "dsp/cqt.h"
#include "nn/weights.h"
#include "tests/make_fnw.h"
#include "tests/test.h"

enum { FNW_FEATURES_AT = 16 };
enum { TINY_KT = 8, TINY_KF = 9, TINY_CHANNELS = 3, TINY_OUTPUTS = 2 + 1 + 1 + 1 + 3 };

static inline void tiny_output(fnw *file, const char *name, int channels, int sigmoid)
{
    fnw_text(file, name);
    fnw_int(file, channels);
    fnw_int(file, sigmoid);
}

// How far the key stands out in frame t, times sign.
static inline void tiny_contrast(float weight[FENBY_N_RESOLUTIONS][TINY_KT][TINY_KF], int t, float sign)
{
    enum { LONG, MIDDLE = TINY_KF / 2, SEMITONE = FENBY_BINS_PER_KEY };
    weight[LONG][t][MIDDLE] = sign;
    weight[LONG][t][MIDDLE - SEMITONE] = weight[LONG][t][MIDDLE + SEMITONE] = -0.5f * sign;
}

// Channels: 0 = how far the key stands out, 1 = how much more than four frames ago, 2 = the same three frames
// ago.
static inline void tiny_conv(float weight[TINY_CHANNELS][FENBY_N_RESOLUTIONS][TINY_KT][TINY_KF])
{
    enum { NOW = TINY_KT - 1 };
    memset(weight, 0, sizeof(float) * TINY_CHANNELS * FENBY_N_RESOLUTIONS * TINY_KT * TINY_KF);
    tiny_contrast(weight[0], NOW, 1);
    tiny_contrast(weight[1], NOW, 1);
    tiny_contrast(weight[1], NOW - 4, -1);
    tiny_contrast(weight[2], NOW - 3, 1);
    tiny_contrast(weight[2], NOW - 7, -1);
}

// Of networks side by side one hears; the others are silent.
static inline fenby_weights *tiny_parts(int parts, int hearing, float velocity_logit, char *error, size_t error_size)
{
    enum { MOST_PARTS = 2, MOST_CHANNELS = MOST_PARTS * TINY_CHANNELS };
    static const float lookahead[] = {1, 4}, onset_threshold[] = {0.5f, 0.5f}, sounding_threshold = 0.5f;
    static const float mode_lookahead[] = {1, 1, 4};
    static const int32_t stack[] = {0, FENBY_N_CONTOUR, 1, 0};
    static fnw file;
    const uint64_t features = fenby_cqt_features_hash();
    const int channels = parts * TINY_CHANNELS, first = hearing * TINY_CHANNELS, head = parts > 1 ? 3 : 2;
    REQUIRE(parts <= MOST_PARTS && hearing < parts, "part %d of %d", hearing, parts);
    fnw_begin(&file, FENBY_N_BINS, FENBY_N_RESOLUTIONS, head + 1);
    memcpy(file.bytes + FNW_FEATURES_AT, &features, sizeof features);
    fnw_ints(&file, stack, sizeof stack / sizeof *stack);
    fnw_ints(&file, (int32_t[]){1, channels, TINY_KT, TINY_KF, 1, 1, FENBY_BINS_PER_KEY, 0, 1, 1}, 10);
    if (parts > 1) fnw_ints(&file, (int32_t[]){1, channels, 1, 1, 1, 1, 1, 0, 1, parts}, 10);  // hands its inputs on
    fnw_int(&file, 3);
    fnw_int(&file, 5);
    tiny_output(&file, "onset", 2, 1);
    tiny_output(&file, "sounding", 1, 1);
    tiny_output(&file, "velocity", 1, 1);
    tiny_output(&file, "onset_age", 1, 0);
    tiny_output(&file, "contour", 3, 1);

    float weight[MOST_CHANNELS][FENBY_N_RESOLUTIONS][TINY_KT][TINY_KF] = {0}, identity[MOST_CHANNELS][TINY_CHANNELS] = {0};
    const float bias[MOST_CHANNELS] = {0};
    static const float hears[TINY_OUTPUTS][TINY_CHANNELS] = {
        {0, 60, 0}, {0, 0, 60}, {60, 0, 0}, {0, 0, 0}, {0, -2, 2}, {0, 5, 0}, {5, 0, 0}, {0, 0, 5},
    };
    float head_weight[TINY_OUTPUTS * MOST_CHANNELS] = {0};
    for (int o = 0; o < TINY_OUTPUTS; o++) memcpy(head_weight + o * channels + first, hears[o], sizeof hears[o]);
    for (int c = 0; c < channels; c++) identity[c][c % TINY_CHANNELS] = 1;
    const float head_bias[TINY_OUTPUTS] = {-12, -12, -7, velocity_logit, 2, 0, 0, 0};
    tiny_conv(weight + first);
    fnw_int(&file, parts > 1 ? 10 : 8);
    fnw_array(&file, "1.weight", &weight[0][0][0][0], (size_t)channels * sizeof weight[0] / sizeof(float));
    fnw_array(&file, "1.bias", bias, (size_t)channels);
    if (parts > 1) fnw_array(&file, "2.weight", &identity[0][0], (size_t)(channels * TINY_CHANNELS));
    if (parts > 1) fnw_array(&file, "2.bias", bias, (size_t)channels);
    fnw_array(&file, head == 3 ? "3.weight" : "2.weight", head_weight, (size_t)(TINY_OUTPUTS * channels));
    fnw_array(&file, head == 3 ? "3.bias" : "2.bias", head_bias, TINY_OUTPUTS);
    fnw_array(&file, "onset.lookahead", lookahead, 2);
    fnw_array(&file, "onset.threshold", onset_threshold, 2);
    fnw_array(&file, "sounding.threshold", &sounding_threshold, 1);
    fnw_array(&file, "mode.lookahead", mode_lookahead, 3);
    fnw_end(&file);
    return fenby_weights_parse(file.bytes, file.size, "tiny model", features, error, error_size);
}

static inline fenby_weights *tiny_model(float velocity_logit, char *error, size_t error_size)
{
    return tiny_parts(1, 0, velocity_logit, error, error_size);
}

// Music for it: one plucked sine after the other, overlapping, over a little noise, at random keys between F3
// and E6. Writes where each begins (seconds) and its key; returns how many.
static inline int tiny_music(float *samples, int n, double rate_hz, unsigned long long seed, double *onset_s,
                             int *key)
{
    unsigned long long state = seed;
    int count = 0;
    for (int i = 0; i < n; i++) samples[i] = (float)(2e-5 * (test_random(&state) - 0.5));
    for (double at_s = 0.1; at_s < n / rate_hz - 0.8; at_s += 0.15 + 0.25 * test_random(&state)) {
        onset_s[count] = at_s;
        key[count] = 53 + (int)(35 * test_random(&state));
        const double hz = 440 * exp2((key[count] - 69) / 12.0), level = 0.05 + 0.2 * test_random(&state);
        const int first = (int)(at_s * rate_hz);
        for (int i = first; i < n && i < first + (int)(0.7 * rate_hz); i++) {
            const double t = (i - first) / rate_hz;
            const double envelope = fmin(t / 0.002, 1) * exp(-5 * t) * fmin((0.7 - t) / 0.02, 1);
            samples[i] += (float)(level * envelope * sin(2 * M_PI * hz * t));
        }
        count++;
    }
    return count;
}

#endif
