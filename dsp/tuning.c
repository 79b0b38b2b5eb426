// SPDX-License-Identifier: ISC
#include "tuning.h"

#include <math.h>
#include <string.h>

#include "features.h"
#include "pitch.h"

enum {
    LOWEST_BIN = 36,    // 55 Hz: below it the windows do not resolve a semitone
    HIGHEST_BIN = 220,  // 1.9 kHz: above it partials are stretched
    MEMORY_HOPS = 1723,  // 20 s
    FEWEST_HOPS = 86,    // 1 s of sound, before anything is believed
    MOST_BINS = 5,       // of a move: 415 Hz and half a semitone
    BEYOND = (MOST_BINS + 1) * FENBY_N_RESOLUTIONS,
};

static const float weakest_peak = 0.35f;    // -65 dB
static const float below_loudest = 0.25f;   // 25 dB
static const float agreement = 0.35f;       // length of the mean vote, 0 .. 1: below it there is no tuning to follow
static const float farthest_cents = 45;     // half a semitone is the next key
static const float step_cents = 0.2f;       // a hop: 17 cents a second
static const float cents_per_bin = 1200.0f / FENBY_BINS_PER_OCTAVE;
static const float pi = 3.14159265f;

void fenby_tuning_reset(fenby_tuning *tuning)
{
    *tuning = (fenby_tuning){0};
}

static float level(const float *frame, int bin)
{
    return frame[bin * FENBY_N_RESOLUTIONS + FENBY_LONG_WINDOWS];
}

static void listen(fenby_tuning *tuning, const float *frame)
{
    float loudest = 0, re = 0, im = 0, weights = 0;
    for (int bin = LOWEST_BIN; bin < HIGHEST_BIN; bin++) loudest = fmaxf(loudest, level(frame, bin));
    const float least = fmaxf(loudest - below_loudest, weakest_peak);
    for (int bin = LOWEST_BIN; bin < HIGHEST_BIN; bin++) {
        if (level(frame, bin) < least) continue;
        const fenby_peak peak = fenby_peak_at(frame, bin);
        const float angle = 2 * pi * (peak.bin - 1) / FENBY_BINS_PER_KEY;  // a key's middle bin is in tune
        re += peak.weight * cosf(angle);
        im += peak.weight * sinf(angle);
        weights += peak.weight;
    }
    if (!(weights > 0)) return;
    const float kept = 1 - 1.0f / MEMORY_HOPS;
    tuning->re = tuning->re * kept + re / weights;
    tuning->im = tuning->im * kept + im / weights;
    tuning->heard = tuning->heard * kept + 1;
}

// Cents above the tuning that was set, at which what was heard lies; 0 while that cannot be told.
static float heard_cents(const fenby_tuning *tuning, float set_cents)
{
    if (tuning->heard < FEWEST_HOPS || hypotf(tuning->re, tuning->im) < agreement * tuning->heard) return 0;
    const float cents = 50 / pi * atan2f(tuning->im, tuning->re) - set_cents;
    return fminf(fmaxf(remainderf(cents, 100), -farthest_cents), farthest_cents);
}

// Each bin is where the frame was so many cents above it, between two bins; beyond its ends it goes on as it ends.
static void move(float *frame, float cents)
{
    if (cents == 0) return;
    const float bins = fminf(fmaxf(cents / cents_per_bin, -MOST_BINS), MOST_BINS), whole = floorf(bins), share = bins - whole;
    float before[BEYOND + FENBY_N_FEATURES + BEYOND];
    memcpy(before + BEYOND, frame, FENBY_N_FEATURES * sizeof *frame);
    for (int i = BEYOND - 1; i >= 0; i--) before[i] = before[i + FENBY_N_RESOLUTIONS];
    for (int i = BEYOND + FENBY_N_FEATURES; i < 2 * BEYOND + FENBY_N_FEATURES; i++) before[i] = before[i - FENBY_N_RESOLUTIONS];
    const float *from = before + BEYOND + (int)whole * FENBY_N_RESOLUTIONS;
    for (int i = 0; i < FENBY_N_FEATURES; i++) frame[i] = from[i] + share * (from[i + FENBY_N_RESOLUTIONS] - from[i]);
}

static float set_cents_of(float a4_hz)
{
    return 1200 * log2f(a4_hz / 440);
}

void fenby_tuning_move(const fenby_tuning *tuning, float a4_hz, float *frame)
{
    move(frame, set_cents_of(a4_hz) + tuning->cents);
}

void fenby_tuning_process(fenby_tuning *tuning, float a4_hz, bool follow, float *frame)
{
    const float set_cents = set_cents_of(a4_hz);
    float wanted = 0;
    if (follow) {
        listen(tuning, frame);
        wanted = heard_cents(tuning, set_cents);
    } else {
        fenby_tuning_reset(tuning);
    }
    tuning->cents += fminf(fmaxf(wanted - tuning->cents, -step_cents), step_cents);
    fenby_tuning_move(tuning, a4_hz, frame);
}
