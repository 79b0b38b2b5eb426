// SPDX-License-Identifier: ISC
// Frames are moved to the tuning that was set, and to that of the playing where there is one.
#include "dsp/tuning.h"

#include <string.h>

#include "dsp/cqt.h"
#include "dsp/features.h"
#include "tests/test.h"

enum { SECONDS = 8, HOPS = SECONDS * FENBY_SAMPLE_RATE / FENBY_HOP, SAMPLES = HOPS * FENBY_HOP, PARTIALS = 6 };

static float samples[SAMPLES];

// Chords of tones with partials, a new one each half second, all off by some cents.
static void play(double cents)
{
    static const int chords[4][3] = {{48, 55, 64}, {50, 57, 65}, {43, 59, 62}, {45, 60, 69}};
    for (int i = 0; i < SAMPLES; i++) {
        const double t = (double)i / FENBY_SAMPLE_RATE, phase = fmod(t, 0.5);
        const int *chord = chords[(int)(2 * t) % 4];
        double sum = 0;
        for (int voice = 0; voice < 3; voice++) {
            const double f_hz = 440 * exp2((chord[voice] - 69 + cents / 100) / 12);
            for (int k = 1; k <= PARTIALS; k++) sum += sin(2 * M_PI * k * f_hz * t) / k;
        }
        samples[i] = (float)(0.1 * sum * fmin(phase / 0.005, 1) * exp(-2 * phase));
    }
}

// So many hops of the samples; the last frame stays in `frame`. Returns the largest step that was made.
static double run_hops(fenby_tuning *tuning, double a4_hz, bool follow, float *frame, int hops)
{
    double largest = 0;
    fenby_cqt *cqt = fenby_cqt_new(FENBY_SAMPLE_RATE);
    REQUIRE(cqt, "no transform");
    for (int i = 0; i < hops; i++) {
        const float before = tuning->cents;
        fenby_cqt_process(cqt, samples + i * FENBY_HOP, FENBY_HOP, frame);
        fenby_tuning_process(tuning, (float)a4_hz, follow, frame);
        largest = fmax(largest, fabsf(tuning->cents - before));
    }
    fenby_cqt_free(cqt);
    return largest;
}

static double run(fenby_tuning *tuning, double a4_hz, bool follow, float *frame)
{
    return run_hops(tuning, a4_hz, follow, frame, HOPS);
}

// How far two frames are apart where there is something to hear: mean, in decibels.
static double distance_db(const float *a, const float *b)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < FENBY_N_FEATURES; i++) {
        if (a[i] < 0.5f && b[i] < 0.5f) continue;
        sum += 100 * fabsf(a[i] - b[i]);
        n++;
    }
    return n ? sum / n : 0;
}

static void test_follows(void)
{
    static float right[FENBY_N_FEATURES], off[FENBY_N_FEATURES], moved[FENBY_N_FEATURES];
    fenby_tuning tuning = {0};
    play(0);
    run(&tuning, 440, true, right);
    CHECK(fabsf(tuning.cents) < 3, "in tune: %.1f", tuning.cents);
    for (int cents = -40; cents <= 40; cents += 10) {
        play(cents);
        fenby_tuning_reset(&tuning);
        run(&tuning, 440, false, off);
        CHECK(tuning.cents == 0, "only when asked to");
        const double step = run(&tuning, 440, true, moved);
        CHECK(fabsf(tuning.cents - (float)cents) < 4, "%d cents: found %.1f", cents, tuning.cents);
        CHECK(step <= 0.2001, "%g cents at once", step);
        if (abs(cents) > 15)
            CHECK(distance_db(right, moved) < 0.6 * distance_db(right, off), "%d cents: %.1f dB off, %.1f when moved", cents,
                  distance_db(right, off), distance_db(right, moved));
    }
}

static void test_from_the_set_tuning(void)
{
    static float frame[FENBY_N_FEATURES];
    fenby_tuning tuning = {0};
    play(1200 * log2(442.0 / 440));
    run(&tuning, 442, true, frame);
    CHECK(fabsf(tuning.cents) < 3, "442 as set: %.1f", tuning.cents);
    fenby_tuning_reset(&tuning);
    play(0);
    run(&tuning, 442, true, frame);
    CHECK(fabs(tuning.cents - 1200 * log2(440 / 442.0)) < 3, "440 where 442 is set: %.1f", tuning.cents);

    // Set alone: a tone of the set A4 is the key A4, for baroque pitch too.
    for (int a4_hz = 415; a4_hz <= 466; a4_hz += 17) {
        for (int i = 0; i < SAMPLES; i++) samples[i] = (float)(0.2 * sin(2 * M_PI * a4_hz * i / FENBY_SAMPLE_RATE));
        run(&tuning, a4_hz, false, frame);
        const float *key = frame + FENBY_N_RESOLUTIONS * (FENBY_BINS_PER_KEY * (69 - FENBY_LOWEST_KEY) + 1);
        for (int away = -6; away <= 6; away++)
            CHECK(!away || key[0] > key[away * FENBY_N_RESOLUTIONS], "%d Hz: loudest %d bins away", a4_hz, away);
        CHECK(fabs(100 * (key[0] - 1) + 13.98) < 1, "%d Hz: %.1f dB, expected -13.98", a4_hz, 100 * (key[0] - 1));
    }
}

// Neither noise nor a voice that glides on and on has a tuning; what was found stays through silence.
static void test_nothing_to_follow(void)
{
    static float frame[FENBY_N_FEATURES];
    unsigned long long random = 1;
    fenby_tuning tuning = {0};
    for (int i = 0; i < SAMPLES; i++) samples[i] = (float)(0.5 * (test_random(&random) - 0.5));
    run(&tuning, 440, true, frame);
    CHECK(fabsf(tuning.cents) < 2, "noise: %.1f", tuning.cents);
    fenby_tuning_reset(&tuning);
    double phase = 0;
    for (int i = 0; i < SAMPLES; i++) {
        phase += 2 * M_PI * 200 * exp2(0.5 * sin(2 * M_PI * 0.7 * i / FENBY_SAMPLE_RATE)) / FENBY_SAMPLE_RATE;
        samples[i] = (float)(0.2 * sin(phase) + 0.1 * sin(2 * phase));
    }
    run(&tuning, 440, true, frame);
    CHECK(fabsf(tuning.cents) < 8, "a siren: %.1f", tuning.cents);
    fenby_tuning_reset(&tuning);
    play(25);
    run(&tuning, 440, true, frame);
    const float found = tuning.cents;
    memset(samples, 0, sizeof samples);
    run(&tuning, 440, true, frame);
    CHECK(found > 20 && fabsf(tuning.cents - found) < 3, "%.1f before silence, %.1f after", found, tuning.cents);
    for (int i = 0; i < FENBY_N_FEATURES; i++) CHECK(frame[i] == 0, "silence stays silence: value %d is %g", i, frame[i]);
}

// Nothing is believed within the first second, of what is next to silence, or farther off than 45 cents; what was believed
// lasts for some 20 seconds of other music and is forgotten where nobody wants to be followed.
static void test_belief(void)
{
    static float frame[FENBY_N_FEATURES];
    fenby_tuning tuning = {0};
    play(30);
    run_hops(&tuning, 440, true, frame, 80);
    CHECK(tuning.cents == 0, "%g cents within a second", tuning.cents);
    run_hops(&tuning, 440, true, frame, HOPS);
    const float found = tuning.cents;
    run(&tuning, 440, true, frame);
    play(10);
    run(&tuning, 440, true, frame);
    CHECK(found > 27 && tuning.cents > 17 && tuning.cents < 27, "%.1f cents, and %.1f after 8 s of 10", found, tuning.cents);

    run_hops(&tuning, 440, false, frame, 500);
    CHECK(tuning.cents == 0, "%g cents while not followed", tuning.cents);
    memset(samples, 0, sizeof samples);
    run(&tuning, 440, true, frame);
    CHECK(tuning.cents == 0, "%g cents of what was forgotten", tuning.cents);

    play(30);
    for (int i = 0; i < SAMPLES; i++) samples[i] *= 1e-3f;
    run(&tuning, 440, true, frame);
    CHECK(tuning.cents == 0, "%g cents at -80 dB", tuning.cents);
    play(48);
    run(&tuning, 440, true, frame);
    CHECK(fabsf(tuning.cents) == 45, "48 cents: followed by %g", tuning.cents);
}

// Beyond its ends a frame goes on as it ends.
static void test_ends_of_a_frame(void)
{
    static float frame[FENBY_N_FEATURES];
    const fenby_tuning tuning = {0};
    for (int a4_hz = 415; a4_hz <= 466; a4_hz += 51) {
        for (int i = 0; i < FENBY_N_FEATURES; i++) frame[i] = i % FENBY_N_RESOLUTIONS ? 0.25f : 0.75f;
        fenby_tuning_move(&tuning, (float)a4_hz, frame);
        int changed = 0;
        for (int i = 0; i < FENBY_N_FEATURES; i++) changed += frame[i] != (i % FENBY_N_RESOLUTIONS ? 0.25f : 0.75f);
        CHECK(changed == 0, "%d Hz: %d values of a level frame are others", a4_hz, changed);
    }
}

int main(void)
{
    test_belief();
    test_ends_of_a_frame();
    test_follows();
    test_from_the_set_tuning();
    test_nothing_to_follow();
    return test_report();
}
