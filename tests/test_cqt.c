// SPDX-License-Identifier: ISC
// The CQT against its definition: a direct sum over each bin's window, pure tones at every key, attacks.
#include "dsp/cqt.h"

#include <string.h>

#include "test.h"

enum { LONGEST = 8192, HOPS = 40, SAMPLES = HOPS * FENBY_HOP };

static float frame[FENBY_N_FEATURES];

static double level_to_amplitude(double level)
{
    return pow(10, (100 * level - 100) / 20);
}

static void run(fenby_cqt *cqt, const float *samples, int hops)
{
    for (int i = 0; i < hops; i++) fenby_cqt_process(cqt, samples + i * FENBY_HOP, FENBY_HOP, frame);
}

static void sine(float *samples, int count, double f_hz, double amplitude)
{
    for (int i = 0; i < count; i++) {
        samples[i] = (float)(amplitude * sin(2 * M_PI * f_hz * i / FENBY_SAMPLE_RATE));
    }
}

// Signal to error in dB over all bins of the last frame.
static double snr_of_direct_sum(const float *samples)
{
    static float window[2 * LONGEST];
    double signal = 0, error = 0;
    for (int bin = 0; bin < FENBY_N_BINS; bin++) {
        for (int r = 0; r < FENBY_N_RESOLUTIONS; r++) {
            const int n = fenby_cqt_kernel(r, bin, window);
            double re = 0, im = 0;
            for (int i = 0; i < n; i++) {
                re += samples[SAMPLES - n + i] * window[2 * i];
                im += samples[SAMPLES - n + i] * window[2 * i + 1];
            }
            const double expected = 2 * sqrt(re * re + im * im);
            const double got = level_to_amplitude(frame[bin * FENBY_N_RESOLUTIONS + r]);
            signal += expected * expected;
            error += (got - expected) * (got - expected);
        }
    }
    return 10 * log10(signal / error);
}

static void test_direct_sum(void)
{
    static float samples[SAMPLES];
    unsigned long long seed = 1;
    fenby_cqt *cqt = fenby_cqt_new();
    REQUIRE(cqt, "no transform");
    for (int i = 0; i < SAMPLES; i++) samples[i] = (float)(0.2 * (test_random(&seed) - 0.5));
    run(cqt, samples, HOPS);
    const double noise_db = snr_of_direct_sum(samples);
    CHECK(noise_db > 60, "noise: %.1f dB", noise_db);
    sine(samples, SAMPLES, 55, 0.5);  // the bass bins reach across zero frequency
    fenby_cqt_reset(cqt);
    run(cqt, samples, HOPS);
    const double bass_db = snr_of_direct_sum(samples);
    CHECK(bass_db > 60, "55 Hz: %.1f dB", bass_db);
    fenby_cqt_free(cqt);
}

static void test_every_key(void)
{
    static float samples[SAMPLES];
    fenby_cqt *cqt = fenby_cqt_new();
    REQUIRE(cqt, "no transform");
    for (int key = 0; key < FENBY_N_KEYS; key++) {
        const int bin = FENBY_BINS_PER_KEY * key + 1;
        const double f_hz = 440 * exp2((FENBY_LOWEST_KEY + key - 69) / 12.0);
        CHECK(fabs(fenby_cqt_bin_hz(bin) / f_hz - 1) < 1e-9, "key %d: bin at %g Hz", key, fenby_cqt_bin_hz(bin));
        sine(samples, SAMPLES, f_hz, 0.5);
        fenby_cqt_reset(cqt);
        run(cqt, samples, HOPS);
        int loudest = 0;
        for (int b = 0; b < FENBY_N_BINS; b++) {
            if (frame[b * FENBY_N_RESOLUTIONS] > frame[loudest * FENBY_N_RESOLUTIONS]) loudest = b;
        }
        // Below 60 Hz the longest window holds too few periods to tell thirds of a semitone apart.
        CHECK(abs(loudest - bin) <= (f_hz < 60 ? 1 : 0), "key %d: loudest bin %d, expected %d", key, loudest, bin);
        const double db = 100 * (frame[bin * FENBY_N_RESOLUTIONS] - 1);
        CHECK(fabs(db + 6.02) < 0.5, "key %d: %.2f dB, expected -6.02", key, db);
    }
    fenby_cqt_free(cqt);
}

// Within a hop of an attack the short windows must show it: 20 dB above what was there.
static void test_attack(void)
{
    static float samples[SAMPLES];
    fenby_cqt *cqt = fenby_cqt_new();
    REQUIRE(cqt, "no transform");
    const int key_bin = FENBY_BINS_PER_KEY * (69 - FENBY_LOWEST_KEY) + 1;
    memset(samples, 0, sizeof samples);
    run(cqt, samples, 1);
    CHECK(frame[key_bin * 2] == 0 && frame[key_bin * 2 + 1] == 0, "silence reads %g", frame[key_bin * 2]);
    sine(samples, SAMPLES, 440, 0.1);
    run(cqt, samples, 1);
    const double first_db = 100 * frame[key_bin * 2 + 1] - 100;
    CHECK(first_db > -40, "11.6 ms after the attack: %.1f dB", first_db);
    run(cqt, samples + FENBY_HOP, 1);
    const double second_db = 100 * frame[key_bin * 2 + 1] - 100;
    CHECK(second_db > -27, "23 ms after the attack: %.1f dB of -20", second_db);
    fenby_cqt_free(cqt);
}

// Two transforms share kernels but no state, and a reset one is as new: bit for bit.
static void test_state(void)
{
    static float samples[SAMPLES], first[FENBY_N_FEATURES];
    unsigned long long seed = 3;
    for (int i = 0; i < SAMPLES; i++) samples[i] = (float)(test_random(&seed) - 0.5);
    fenby_cqt *a = fenby_cqt_new(), *b = fenby_cqt_new();
    REQUIRE(a && b, "no transform");
    run(a, samples, HOPS);
    memcpy(first, frame, sizeof first);
    run(b, samples, 7);
    fenby_cqt_reset(b);
    fenby_cqt_free(a);
    run(b, samples, HOPS);
    CHECK(memcmp(first, frame, sizeof first) == 0, "a reset transform differs from a new one");
    for (int i = 0; i < SAMPLES; i++) samples[i] = 8;
    run(b, samples, HOPS);
    for (int i = 0; i < FENBY_N_FEATURES; i++) {
        if (!(frame[i] >= 0 && frame[i] <= 1.2f)) CHECK(0, "value %d is %g", i, frame[i]);
    }
    // Weights in use were trained on these features: when this changes, they must be trained anew.
    CHECK(fenby_cqt_features_hash() == 0x5c0ae66d41b89114, "hash %llx", (unsigned long long)fenby_cqt_features_hash());
    fenby_cqt_free(b);
    fenby_cqt_free(NULL);
}

int main(void)
{
    test_direct_sum();
    test_every_key();
    test_attack();
    test_state();
    return test_report();
}
