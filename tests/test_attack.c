// SPDX-License-Identifier: ISC
// How hard a note was struck: against a naive twin, and what must and what must not move the figure.
#include "dsp/attack.h"

#include <string.h>

#include "dsp/features.h"
#include "dsp/heads.h"
#include "tests/test.h"

enum { FRAMES = 200, LONG = 0, SHORT = 1, KEY = 39, MIDDLE = FENBY_BINS_PER_KEY * KEY + 1 };

static float frames[FRAMES][FENBY_N_BINS][FENBY_N_RESOLUTIONS];

static double amplitude(int frame, int bin, int resolution)
{
    return frame < 0 ? 0 : pow(10, (100.0 * frames[frame][bin][resolution] - 100) / 20);
}

static double largest(int first, int last, int length, int bin, int resolution)
{
    double most = 0;
    for (int i = first; i <= last && i < first + length; i++) most = fmax(most, amplitude(i, bin, resolution));
    return most;
}

// As dsp/attack.h says, from the whole past.
static double naive_db(int last, int key, int frames_ago, int in_hop)
{
    const int onset = last - frames_ago;
    double own = 0, brightness = 0;
    for (int bin = 3 * key; bin < 3 * key + 3; bin++) own = fmax(own, largest(onset, last, 4 * in_hop, bin, LONG));
    for (int bin = 200; bin < FENBY_N_BINS; bin++) {
        double before = 0;
        for (int i = onset - 1 - 3 * in_hop; i < onset - 1; i++) before += amplitude(i, bin, SHORT) / (3 * in_hop);
        brightness += fmax(largest(onset, last, 4 * in_hop, bin, SHORT) - before, 0);
    }
    return (40 * log10(brightness + 1e-6) + 20 * log10(own + 1e-6)) / 3;
}

static void test_twin(int in_hop)
{
    unsigned long long random = 1;
    float *value = &frames[0][0][0];
    for (int i = 0; i < FRAMES * FENBY_N_FEATURES; i++) value[i] = (float)(1.2 * test_random(&random));
    fenby_attack *attack = fenby_attack_new(in_hop);
    REQUIRE(attack, "no memory");
    double worst = 0;
    for (int i = 0; i < FRAMES; i++) {
        fenby_attack_push(attack, &frames[i][0][0]);
        const int ago[] = {0, 1, 2, 3, 11, FENBY_MAX_LOOKAHEAD * in_hop};
        for (size_t j = 0; j < sizeof ago / sizeof *ago; j++) {
            if (ago[j] > i) continue;
            const int key = (int)(FENBY_N_KEYS * test_random(&random));
            const double hops_ago = (ago[j] + 0.9 * test_random(&random)) / in_hop;
            worst = fmax(worst, fabs(fenby_attack_db(attack, key, hops_ago) - naive_db(i, key, ago[j], in_hop)));
        }
    }
    CHECK(worst < 1e-3, "%g dB from the twin", worst);
    fenby_attack_reset(attack);
    fenby_attack_push(attack, &frames[5][0][0]);
    memcpy(frames[0], frames[5], sizeof *frames);
    CHECK(fabs(fenby_attack_db(attack, KEY, 0) - naive_db(0, KEY, 0, in_hop)) < 1e-3, "after a reset silence came before");
    fenby_attack_free(attack);
}

// A note of one key in frame 10: its own bin, and bins above 1.3 kHz; each moved by some decibels.
static float note_db(float own_db, float bright_db, float below_db, float before_db)
{
    memset(frames, 0, sizeof frames);
    for (int i = 0; i < 14; i++) {
        for (int bin = 0; bin < FENBY_N_BINS; bin++) frames[i][bin][SHORT] = 0.2f + before_db / 100;
        if (i < 10) continue;
        frames[i][MIDDLE][LONG] = 0.7f + own_db / 100;
        frames[i][150][SHORT] = 0.8f + below_db / 100;
        frames[i][230][SHORT] = frames[i][250][SHORT] = 0.6f + bright_db / 100;
    }
    fenby_attack *attack = fenby_attack_new(1);
    REQUIRE(attack, "no memory");
    for (int i = 0; i < 14; i++) fenby_attack_push(attack, &frames[i][0][0]);
    const float db = fenby_attack_db(attack, KEY, 3);
    fenby_attack_free(attack);
    return db;
}

static void test_meaning(void)
{
    const float plain = note_db(0, 0, 0, 0);
    CHECK(fabsf(note_db(10, 10, 10, 10) - plain - 10) < 0.01f, "all louder by 10: by %g", note_db(10, 10, 10, 10) - plain);
    CHECK(fabsf(note_db(9, 0, 0, 0) - plain - 3) < 0.01f, "the key by 9 counts for a third");
    CHECK(fabsf(note_db(0, 9, 0, 0) - plain - 6) < 0.3f, "brightness by 9 counts for two");
    CHECK(note_db(0, 0, 20, 0) == plain, "what is not bright does not count");
    CHECK(note_db(0, 0, 0, 30) < plain - 1, "what was there before does not count");
    fenby_attack *attack = fenby_attack_new(1);
    REQUIRE(attack, "no memory");
    CHECK(isfinite(fenby_attack_db(attack, 0, FENBY_MAX_LOOKAHEAD)), "nothing at all is a figure too");
    fenby_attack_push(attack, &frames[12][0][0]);
    CHECK(fenby_attack_db(attack, KEY, 1000) == fenby_attack_db(attack, KEY, FENBY_MAX_LOOKAHEAD), "the past has an end");
    fenby_attack_free(attack);
}

int main(void)
{
    test_twin(1);
    test_twin(2);
    test_meaning();
    return test_report();
}
