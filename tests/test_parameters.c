// SPDX-License-Identifier: ISC
// The table is complete and consistent, and what people and hosts send is read or refused as promised.
#include <ctype.h>
#include <string.h>

#include "dsp/features.h"
#include "dsp/parameters.h"
#include "test.h"

static bool is_lv2_symbol(const char *symbol)
{
    if (isdigit((unsigned char)symbol[0])) return false;
    for (const char *c = symbol; *c; c++)
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_') return false;
    return *symbol;
}

static void test_table(void)
{
    const fenby_parameters defaults = fenby_parameters_default();
    for (int i = 0; i < FENBY_N_PARAMETERS; i++) {
        const fenby_parameter_info *info = &fenby_parameter_table[i];
        REQUIRE(info->symbol && info->name && info->unit && info->help, "parameter %d is incomplete", i);
        CHECK(is_lv2_symbol(info->symbol), "'%s'", info->symbol);
        CHECK(fenby_parameter_find(info->symbol) == i, "%s is there twice", info->symbol);
        CHECK(isupper((unsigned char)*info->name), "%s: name '%s'", info->symbol, info->name);
        CHECK(strlen(info->help) > 10 && strlen(info->help) < 90, "%s: help '%s'", info->symbol, info->help);
        CHECK(info->minimum < info->maximum, "%s", info->symbol);
        CHECK(fenby_parameter_clamp(i, info->default_value) == info->default_value, "%s", info->symbol);
        CHECK(defaults.value[i] == info->default_value, "%s", info->symbol);
        CHECK((info->kind == FENBY_CHOICE) == (info->labels != NULL), "%s", info->symbol);
        CHECK(info->kind != FENBY_CHOICE || info->minimum == 0, "%s", info->symbol);
    }
    CHECK(fenby_parameter_table[FENBY_MODE].maximum == FENBY_N_MODES - 1, "one label a mode");
    CHECK(fenby_parameter_table[FENBY_SCALE].maximum == FENBY_N_SCALES - 1, "one label a scale");
    CHECK(fenby_parameter_table[FENBY_SCALE_ROOT].maximum == 11, "twelve roots");
    CHECK(fenby_parameter_table[FENBY_MAXIMUM_POLYPHONY].maximum == FENBY_N_KEYS, "all keys at once");
    CHECK(fenby_parameter_find("no_such_thing") == -1, "found what is not there");
    CHECK(fenby_parameter_find("") == -1, "found the empty name");
}

// What is written is read again as the same value, for the ends, the middle and the default of each.
static void test_round_trip(void)
{
    for (int i = 0; i < FENBY_N_PARAMETERS; i++) {
        const fenby_parameter_info *info = &fenby_parameter_table[i];
        const float middle = fenby_parameter_clamp(i, (info->minimum + info->maximum) / 2);
        const float values[] = {info->minimum, info->maximum, info->default_value, middle};
        for (int v = 0; v < 4; v++) {
            char text[64], error[256] = "";
            float value = NAN;
            fenby_parameter_format(i, values[v], text, sizeof text);
            CHECK(fenby_parameter_parse(i, text, &value, error, sizeof error), "%s", error);
            CHECK(value == values[v], "%s: wrote %g as '%s', read %g", info->symbol, values[v], text, value);
        }
    }
}

static void check_accepted(fenby_parameter parameter, const char *text, float expected)
{
    char error[256] = "";
    float value = NAN;
    CHECK(fenby_parameter_parse(parameter, text, &value, error, sizeof error), "%s", error);
    CHECK(value == expected, "'%s' read as %g", text, value);
}

static void check_refused(fenby_parameter parameter, const char *text, const char *expected_error)
{
    char error[256] = "";
    float value = -12345;
    CHECK(!fenby_parameter_parse(parameter, text, &value, error, sizeof error), "'%s' accepted", text);
    CHECK(value == -12345, "a refused value was stored");
    CHECK(!strcmp(error, expected_error), "the error is '%s'", error);
}

static void test_parse(void)
{
    check_accepted(FENBY_SENSITIVITY, "0.25", 0.25f);
    check_accepted(FENBY_NOISE_GATE, "-60", -60);
    check_accepted(FENBY_NOISE_GATE, "-60 dB", -60);
    check_accepted(FENBY_NOISE_GATE, "-60db", -60);
    check_accepted(FENBY_LOWEST_KEY_PARAMETER, "40", 40);
    check_accepted(FENBY_MODE, "tight", FENBY_MODE_TIGHT);
    check_accepted(FENBY_MODE, "Studio", FENBY_MODE_STUDIO);
    check_accepted(FENBY_MODE, "1", FENBY_MODE_LIVE);
    check_accepted(FENBY_SCALE, "harmonic minor", FENBY_SCALE_HARMONIC_MINOR);
    check_accepted(FENBY_SCALE, "Harmonic_Minor", FENBY_SCALE_HARMONIC_MINOR);
    check_accepted(FENBY_SCALE, "whole-tone", FENBY_SCALE_WHOLE_TONE);
    check_accepted(FENBY_SCALE_ROOT, "c#", 1);
    check_accepted(FENBY_SCALE_ROOT, "B", 11);
    check_accepted(FENBY_SUSTAIN, "on", 1);

    check_refused(FENBY_SENSITIVITY, "2", "sensitivity: '2' is out of range, expected 0 .. 1");
    check_refused(FENBY_SENSITIVITY, "loud", "sensitivity: 'loud' is not a number, expected 0 .. 1");
    check_refused(FENBY_SENSITIVITY, "", "sensitivity: '' is not a number, expected 0 .. 1");
    check_refused(FENBY_SENSITIVITY, "nan", "sensitivity: 'nan' is not a number, expected 0 .. 1");
    check_refused(FENBY_SENSITIVITY, "inf", "sensitivity: 'inf' is out of range, expected 0 .. 1");
    check_refused(FENBY_SENSITIVITY, "0.5x", "sensitivity: '0.5x' is not a number, expected 0 .. 1");
    check_refused(FENBY_NOISE_GATE, "-60 ms", "noise_gate: '-60 ms' is not a number, expected -100 .. 0 dB");
    check_refused(FENBY_NOISE_GATE, "1", "noise_gate: '1' is out of range, expected -100 .. 0 dB");
    check_refused(FENBY_MIDI_CHANNEL, "0", "midi_channel: '0' is out of range, expected 1 .. 16");
    check_refused(FENBY_MIDI_CHANNEL, "17", "midi_channel: '17' is out of range, expected 1 .. 16");
    check_refused(FENBY_MIDI_CHANNEL, "2.5", "midi_channel: '2.5' is not a whole number, expected 1 .. 16");
    check_refused(FENBY_MODE, "fast", "mode: 'fast' is not a choice, expected tight, live, studio");
    check_refused(FENBY_MODE, "3", "mode: '3' is out of range, expected tight, live, studio");
}

// Errors and values are cut to the buffer, never beyond it.
static void test_short_buffers(void)
{
    char long_text[2000], small[8] = "xxxxxxx", empty[1];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    float value;
    CHECK(!fenby_parameter_parse(FENBY_SCALE, long_text, &value, small, sizeof small), "accepted");
    CHECK(!strcmp(small, "scale: "), "'%s'", small);
    CHECK(!fenby_parameter_parse(FENBY_SCALE, "x", &value, empty, sizeof empty), "accepted");
    fenby_parameter_format_range(FENBY_SCALE, small, sizeof small);
    CHECK(!strcmp(small, "off, ma"), "'%s'", small);
}

static void test_clamp(void)
{
    CHECK(fenby_parameter_clamp(FENBY_SENSITIVITY, 7) == 1, "above");
    CHECK(fenby_parameter_clamp(FENBY_SENSITIVITY, -INFINITY) == 0, "below");
    CHECK(fenby_parameter_clamp(FENBY_SENSITIVITY, NAN) == 0.5f, "NaN");
    CHECK(fenby_parameter_clamp(FENBY_MIDI_CHANNEL, 14.6f) == 15, "rounding");
    CHECK(fenby_parameter_clamp(FENBY_MIDI_CHANNEL, 14.4f) == 14, "rounding");
    CHECK(fenby_parameter_clamp(FENBY_TRANSPOSE, -7.4f) == -7, "rounding below zero");
    CHECK(fenby_parameter_clamp(FENBY_MIDI_CHANNEL, 0.4f) == 1, "rounding, then the range");
    CHECK(fenby_parameter_clamp(FENBY_TRANSPOSE, -7.6f) == -8, "rounding below zero");
    CHECK(fenby_parameter_clamp(FENBY_MODE, INFINITY) == FENBY_MODE_STUDIO, "choice");
    CHECK(fenby_parameter_clamp(FENBY_TUNING, 442.5f) == 442.5f, "what is in range stays");
}

// Each scale spelled out in letters from C.
static void test_scales(void)
{
    static const char *const names[12] = {"C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"};
    static const struct {
        int scale;
        const char *notes;
    } expected[] = {
        {FENBY_SCALE_OFF, "C C# D D# E F F# G G# A A# B "},
        {FENBY_SCALE_MAJOR, "C D E F G A B "},
        {FENBY_SCALE_MINOR, "C D D# F G G# A# "},
        {FENBY_SCALE_HARMONIC_MINOR, "C D D# F G G# B "},
        {FENBY_SCALE_MELODIC_MINOR, "C D D# F G A B "},
        {FENBY_SCALE_MAJOR_PENTATONIC, "C D E G A "},
        {FENBY_SCALE_MINOR_PENTATONIC, "C D# F G A# "},
        {FENBY_SCALE_BLUES, "C D# F F# G A# "},
        {FENBY_SCALE_DORIAN, "C D D# F G A A# "},
        {FENBY_SCALE_PHRYGIAN, "C C# D# F G G# A# "},
        {FENBY_SCALE_LYDIAN, "C D E F# G A B "},
        {FENBY_SCALE_MIXOLYDIAN, "C D E F G A A# "},
        {FENBY_SCALE_LOCRIAN, "C C# D# F F# G# A# "},
        {FENBY_SCALE_WHOLE_TONE, "C D E F# G# A# "},
    };
    CHECK(sizeof expected / sizeof *expected == FENBY_N_SCALES, "every scale is tested");
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        char notes[64] = "";
        const unsigned set = fenby_scale_notes(expected[i].scale);
        for (int n = 0; n < 12; n++)
            if (set >> n & 1) strcat(strcat(notes, names[n]), " ");
        CHECK(!strcmp(notes, expected[i].notes), "%s: %s", fenby_parameter_table[FENBY_SCALE].labels[i], notes);
    }
    CHECK(fenby_scale_notes(-1) == 0xfff && fenby_scale_notes(FENBY_N_SCALES) == 0xfff, "no such scale");
}

int main(void)
{
    test_table();
    test_round_trip();
    test_parse();
    test_short_buffers();
    test_clamp();
    test_scales();
    return test_report();
}
