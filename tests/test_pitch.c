// SPDX-License-Identifier: ISC
// Pitches off their keys are measured to a few cents: steady, in chords, in vibrato, at the ends of the keyboard.
#include "dsp/pitch.h"

#include <string.h>

#include "dsp/cqt.h"
#include "dsp/features.h"
#include "tests/test.h"

enum { HOPS = 60, SAMPLES = HOPS * FENBY_HOP, LAG_HOPS = 2, PARTIALS = 5 };

static fenby_cqt *cqt;
static float samples[SAMPLES], frame[FENBY_N_FEATURES], cents[FENBY_N_KEYS];

// Adds a tone with partials; its pitch swings by `depth` cents six times a second.
static void add_tone(int midi, double off_cents, double depth, double amplitude)
{
    double phase = 0;
    for (int i = 0; i < SAMPLES; i++) {
        const double now = off_cents + depth * sin(2 * M_PI * 6 * i / FENBY_SAMPLE_RATE);
        const double hz = 440 * exp2((midi - 69 + now / 100) / 12);
        phase += 2 * M_PI * hz / FENBY_SAMPLE_RATE;
        for (int k = 1; k <= PARTIALS && k * hz < 10000; k++) samples[i] += (float)(amplitude * sin(k * phase) / k);
    }
}

static void listen(void)
{
    fenby_cqt_reset(cqt);
    for (int i = 0; i < HOPS; i++) fenby_cqt_process(cqt, samples + i * FENBY_HOP, FENBY_HOP, frame);
    fenby_pitch_of_keys(frame, cents);
}

static void test_every_key(void)
{
    double worst = 0, worst_low = 0, sum = 0;
    int n = 0;
    for (int midi = FENBY_LOWEST_KEY; midi <= FENBY_HIGHEST_KEY; midi++) {
        for (int off = -45; off <= 45; off += 30) {
            memset(samples, 0, sizeof samples);
            add_tone(midi, off, 0, 0.1);
            listen();
            const double error = fabs(cents[midi - FENBY_LOWEST_KEY] - off);
            CHECK(error <= 83, "key %d, %d cents: %g", midi, off, cents[midi - FENBY_LOWEST_KEY]);
            worst = fmax(worst, midi >= 28 ? error : 0);
            worst_low = fmax(worst_low, error);
            sum += error;
            n++;
        }
    }
    CHECK(sum / n < 1.5, "in the mean %.1f cents off", sum / n);
    CHECK(worst < 5, "from a bass's lowest string up: %.1f cents off", worst);
    CHECK(worst_low < 10, "from A0 up: %.1f cents off", worst_low);
}

static void test_chord(void)
{
    static const struct {
        int midi, off;
    } notes[] = {{43, -20}, {55, 10}, {59, -35}, {62, 30}, {69, 5}};
    memset(samples, 0, sizeof samples);
    for (int i = 0; i < 5; i++) add_tone(notes[i].midi, notes[i].off, 0, 0.05);
    listen();
    double sum = 0;
    for (int i = 0; i < 5; i++) sum += fabs(cents[notes[i].midi - FENBY_LOWEST_KEY] - notes[i].off) / 5;
    CHECK(sum < 10, "%.1f cents off in the mean of a chord", sum);
}

static void test_vibrato(void)
{
    memset(samples, 0, sizeof samples);
    add_tone(69, 0, 40, 0.1);
    fenby_cqt_reset(cqt);
    double sum = 0;
    int n = 0;
    for (int i = 0; i < HOPS; i++) {
        fenby_cqt_process(cqt, samples + i * FENBY_HOP, FENBY_HOP, frame);
        fenby_pitch_of_keys(frame, cents);
        if (i < 20) continue;
        const double then = (i + 1 - LAG_HOPS) * FENBY_HOP;
        sum += fabs(cents[69 - FENBY_LOWEST_KEY] - 40 * sin(2 * M_PI * 6 * then / FENBY_SAMPLE_RATE));
        n++;
    }
    CHECK(sum / n < 6, "%.1f cents from where the vibrato was", sum / n);
}

static void test_nothing(void)
{
    memset(frame, 0, sizeof frame);
    fenby_pitch_of_keys(frame, cents);
    for (int key = 0; key < FENBY_N_KEYS; key++) CHECK(isnan(cents[key]), "key %d in silence: %g", key, cents[key]);
    unsigned long long random = 1;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < FENBY_N_FEATURES; i++) frame[i] = (float)(1.2 * (test_random(&random) < 0.5 ? 0.5 : test_random(&random)));
        fenby_pitch_of_keys(frame, cents);
        int wrong = 0;
        for (int key = 0; key < FENBY_N_KEYS; key++) wrong += !isnan(cents[key]) && !(fabsf(cents[key]) < 86);
        CHECK(wrong == 0, "%d pitches out of reach", wrong);
    }
}

int main(void)
{
    cqt = fenby_cqt_new(FENBY_SAMPLE_RATE);
    REQUIRE(cqt, "no transform");
    test_every_key();
    test_chord();
    test_vibrato();
    test_nothing();
    fenby_cqt_free(cqt);
    return test_report();
}
