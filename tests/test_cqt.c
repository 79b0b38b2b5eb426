// SPDX-License-Identifier: ISC
// The CQT against its definition: a direct sum over each bin's window, at all rates; pure tones at every key, attacks.
#include "dsp/cqt.h"

#include <fftw3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "test.h"

enum { HIGHEST_RATE = 384000, HOPS = 40, SAMPLES = HOPS * FENBY_HOP };

static const double rates_hz[] = {8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000, HIGHEST_RATE};
enum { N_RATES = sizeof rates_hz / sizeof *rates_hz };

static float frame[FENBY_N_FEATURES];

static double level_to_amplitude(double level)
{
    return pow(10, (100 * level - 100) / 20);
}

static void run(fenby_cqt *cqt, const float *samples, int hops)
{
    for (int i = 0; i < hops; i++) fenby_cqt_process(cqt, samples + i * FENBY_HOP, FENBY_HOP, frame);
}

static void sine(float *samples, int count, double f_hz, double amplitude, double rate_hz)
{
    for (int i = 0; i < count; i++) {
        samples[i] = (float)(amplitude * sin(2 * M_PI * f_hz * i / rate_hz));
    }
}

// Signal to error in dB over the bins of the last frame, after n samples; fewer of them where windows are long.
static double snr_of_direct_sum(const float *samples, int n, double rate_hz)
{
    static float window[2 * HIGHEST_RATE];
    double signal = 0, error = 0;
    for (int bin = 0; bin < FENBY_N_BINS; bin += rate_hz > 50000 ? 7 : 1) {
        for (int r = 0; r < FENBY_N_RESOLUTIONS; r++) {
            const int length = fenby_cqt_window(rate_hz, r, bin, window);
            double re = 0, im = 0;
            for (int i = 0; i < length && fenby_cqt_bin_hz(bin) < rate_hz / 2; i++) {
                re += samples[n - length + i] * window[2 * i];
                im += samples[n - length + i] * window[2 * i + 1];
            }
            const double expected = 2 * sqrt(re * re + im * im);
            const double got = level_to_amplitude(frame[bin * FENBY_N_RESOLUTIONS + r]);
            signal += expected * expected;
            error += (got - expected) * (got - expected);
        }
    }
    return 10 * log10(signal / error);
}

// Every rate, the samples in pieces of uneven length.
static void test_direct_sum(double rate_hz)
{
    static float samples[HIGHEST_RATE / 2];
    const int n = (int)(rate_hz / 2);
    unsigned long long seed = 1;
    fenby_cqt *cqt = fenby_cqt_new(rate_hz);
    REQUIRE(cqt, "no transform");
    // Up to half the rate kernels lose what they would hear above it: noise that has little there.
    double last = 0;
    for (int i = 0; i < n; i++) {
        const double white = 0.2 * (test_random(&seed) - 0.5);
        samples[i] = (float)(white + last);
        last = white;
    }
    for (int at = 0, piece; at < n; at += piece) {
        piece = 1 + (int)(rate_hz / 30 * test_random(&seed));
        if (piece > n - at) piece = n - at;
        fenby_cqt_process(cqt, samples + at, piece, frame);
    }
    const double noise_db = snr_of_direct_sum(samples, n, rate_hz);
    CHECK(noise_db > 60, "%g Hz: noise: %.1f dB", rate_hz, noise_db);
    sine(samples, n, 55, 0.5, rate_hz);  // the bass bins reach across zero frequency
    fenby_cqt_reset(cqt);
    fenby_cqt_process(cqt, samples, n, frame);
    const double bass_db = snr_of_direct_sum(samples, n, rate_hz);
    CHECK(bass_db > 60, "%g Hz: a tone of 55 Hz: %.1f dB", rate_hz, bass_db);
    fenby_cqt_free(cqt);
}

// A network that was trained at one rate listens at any: the same sound makes the same frame.
static void test_rates(void)
{
    static float samples[HIGHEST_RATE / 2], same[FENBY_N_FEATURES];
    static const double tones_hz[] = {65.4, 130.8, 261.6, 523.3, 1046.5, 2093, 3500};
    for (int pass = 0; pass < N_RATES + 1; pass++) {
        const double rate_hz = pass ? rates_hz[pass - 1] : FENBY_SAMPLE_RATE;
        const int n = (int)(rate_hz / 2);
        memset(samples, 0, sizeof samples);
        for (size_t t = 0; t < sizeof tones_hz / sizeof *tones_hz; t++)
            for (int i = 0; i < n; i++)
                samples[i] += (float)(0.1 * sin(2 * M_PI * tones_hz[t] * (i + 1 - n) / rate_hz + (double)t));
        fenby_cqt *cqt = fenby_cqt_new(rate_hz);
        REQUIRE(cqt, "no transform");
        fenby_cqt_process(cqt, samples, n, frame);
        fenby_cqt_free(cqt);
        if (!pass) memcpy(same, frame, sizeof same);
        double worst_db = 0;
        for (int i = 0; i < FENBY_N_FEATURES; i++)
            if (same[i] > 0.6f) worst_db = fmax(worst_db, 100 * fabs(frame[i] - same[i]));
        CHECK(worst_db < 0.3, "%g Hz: %.2f dB from %d Hz", rate_hz, worst_db, FENBY_SAMPLE_RATE);
    }
}

static void test_every_key(void)
{
    static float samples[SAMPLES];
    fenby_cqt *cqt = fenby_cqt_new(FENBY_SAMPLE_RATE);
    REQUIRE(cqt, "no transform");
    for (int key = 0; key < FENBY_N_KEYS; key++) {
        const int bin = FENBY_BINS_PER_KEY * key + 1;
        const double f_hz = 440 * exp2((FENBY_LOWEST_KEY + key - 69) / 12.0);
        CHECK(fabs(fenby_cqt_bin_hz(bin) / f_hz - 1) < 1e-9, "key %d: bin at %g Hz", key, fenby_cqt_bin_hz(bin));
        sine(samples, SAMPLES, f_hz, 0.5, FENBY_SAMPLE_RATE);
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
    fenby_cqt *cqt = fenby_cqt_new(FENBY_SAMPLE_RATE);
    REQUIRE(cqt, "no transform");
    const int key_bin = FENBY_BINS_PER_KEY * (69 - FENBY_LOWEST_KEY) + 1;
    memset(samples, 0, sizeof samples);
    run(cqt, samples, 1);
    CHECK(frame[key_bin * 2] == 0 && frame[key_bin * 2 + 1] == 0, "silence reads %g", frame[key_bin * 2]);
    sine(samples, SAMPLES, 440, 0.1, FENBY_SAMPLE_RATE);
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
    fenby_cqt *a = fenby_cqt_new(FENBY_SAMPLE_RATE), *b = fenby_cqt_new(FENBY_SAMPLE_RATE);
    REQUIRE(a && b, "no transform");
    run(a, samples, HOPS);
    memcpy(first, frame, sizeof first);
    run(b, samples, 7);
    fenby_cqt_reset(b);
    fenby_cqt_free(a);
    run(b, samples, HOPS);
    CHECK(memcmp(first, frame, sizeof first) == 0, "a reset transform differs from a new one");
    // 26 dB above full scale: clipped at 20.
    for (int i = 0; i < SAMPLES; i++) samples[i] = (float)(20 * sin(2 * M_PI * 440 * i / FENBY_SAMPLE_RATE));
    run(b, samples, HOPS);
    float least = INFINITY, most = -INFINITY;
    for (int i = 0; i < FENBY_N_FEATURES; i++) least = fminf(least, frame[i]), most = fmaxf(most, frame[i]);
    CHECK(least >= 0 && most == 1.2f, "values from %g to %g", least, most);
    // Weights in use were trained on these features: when this changes, they must be trained anew.
    CHECK(fenby_cqt_features_hash() == 0x5c0ae66d41b89114, "hash %llx", (unsigned long long)fenby_cqt_features_hash());
    fenby_cqt_free(b);
    fenby_cqt_free(NULL);
}

// Those of one rate share kernels, those of another do not, in whatever order they come and go.
static void test_sharing(void)
{
    static float samples[SAMPLES], first[FENBY_N_FEATURES];
    unsigned long long seed = 5;
    for (int i = 0; i < SAMPLES; i++) samples[i] = (float)(test_random(&seed) - 0.5);
    fenby_cqt *a = fenby_cqt_new(48000), *b = fenby_cqt_new(44100), *c = fenby_cqt_new(48000);
    REQUIRE(a && b && c, "no transform");
    fenby_cqt_process(a, samples, SAMPLES, first);
    fenby_cqt_free(a);
    fenby_cqt_process(b, samples, SAMPLES, frame);
    CHECK(memcmp(first, frame, sizeof first) != 0, "another rate, the same frame");
    fenby_cqt_free(b);
    fenby_cqt_process(c, samples, SAMPLES, frame);
    CHECK(memcmp(first, frame, sizeof first) == 0, "the same rate, another frame");
    fenby_cqt_free(c);
    a = fenby_cqt_new(48000);
    REQUIRE(a, "no transform");
    fenby_cqt_process(a, samples, SAMPLES, frame);
    CHECK(memcmp(first, frame, sizeof first) == 0, "made anew, another frame");
    fenby_cqt_free(a);
}

static atomic_bool others_plan;

static void *plan_as_others_do(void *unused)
{
    for (int i = 0; atomic_load(&others_plan); i++) {
        const int n = 256 << i % 6;
        fftwf_complex *values = fftwf_alloc_complex((size_t)n);
        fftwf_destroy_plan(fftwf_plan_dft_1d(n, values, values, FFTW_FORWARD, FFTW_ESTIMATE));
        fftwf_free(values);
    }
    return unused;
}

// A host's own transforms are planned on its own threads meanwhile, under no lock of ours.
static void test_beside_other_planners(void)
{
    pthread_t others;
    int made = 0;
    fenby_cqt *kept = fenby_cqt_new(48000);  // and its kernels with it
    atomic_store(&others_plan, true);
    REQUIRE(kept && pthread_create(&others, NULL, plan_as_others_do, NULL) == 0, "no transform or no thread");
    for (int i = 0; i < 3000; i++) {
        fenby_cqt *cqt = fenby_cqt_new(48000);
        made += cqt != NULL;
        fenby_cqt_free(cqt);
    }
    atomic_store(&others_plan, false);
    pthread_join(others, NULL);
    CHECK(made == 3000, "%d of 3000 made", made);
    fenby_cqt_free(kept);
}

static void *come_and_go(void *unused)
{
    for (int i = 0; i < 6; i++) fenby_cqt_free(fenby_cqt_new(i % 2 ? 16000 : 32000));
    return unused;
}

// Hosts open and close plugins on threads of theirs.
static void test_threads(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) REQUIRE(!pthread_create(&threads[i], NULL, come_and_go, NULL), "no thread");
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    // Nobody is left of them: these are made anew, and hear.
    static float samples[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) samples[i] = (float)sin(2 * M_PI * 440 * i / 16000);
    fenby_cqt *cqt = fenby_cqt_new(16000);
    REQUIRE(cqt, "no transform");
    fenby_cqt_process(cqt, samples, SAMPLES, frame);
    const float level = frame[(1 + 4 * FENBY_BINS_PER_OCTAVE) * FENBY_N_RESOLUTIONS];
    CHECK(fabsf(level - 1) < 0.01f, "%g dB", 100 * (level - 1));
    fenby_cqt_free(cqt);
}

int main(void)
{
    for (int i = 0; i < N_RATES; i++) test_direct_sum(rates_hz[i]);
    test_rates();
    test_every_key();
    test_attack();
    test_state();
    test_sharing();
    test_beside_other_planners();
    test_threads();
    return test_report();
}
