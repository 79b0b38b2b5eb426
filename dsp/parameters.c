// SPDX-License-Identifier: ISC
#include "parameters.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "features.h"

static const char *const mode_labels[] = {"tight", "live", "studio"};
static const char *const timing_labels[] = {"tight", "asap"};
static const char *const velocity_labels[] = {"fixed", "followed"};
static const char *const switch_labels[] = {"off", "on"};
static const char *const bends_labels[] = {"off", "one channel", "MPE"};
static const char *const root_labels[] = {"C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"};
static const char *const scale_labels[] = {
    "off",   "major",  "minor",    "harmonic minor", "melodic minor", "major pentatonic", "minor pentatonic",
    "blues", "dorian", "phrygian", "lydian",         "mixolydian",    "locrian",          "whole tone",
};

#define CONTINUOUS(symbol, name, unit, minimum, maximum, value, help) \
    {symbol, name, unit, FENBY_CONTINUOUS, minimum, maximum, value, NULL, help}
#define INTEGER(symbol, name, unit, minimum, maximum, value, help) \
    {symbol, name, unit, FENBY_INTEGER, minimum, maximum, value, NULL, help}
#define CHOICE(symbol, name, labels, value, help) \
    {symbol, name, "", FENBY_CHOICE, 0, sizeof(labels) / sizeof((labels)[0]) - 1, value, labels, help}

const fenby_parameter_info fenby_parameter_table[FENBY_N_PARAMETERS] = {
    [FENBY_MODE] = CHOICE("mode", "Mode", mode_labels, FENBY_MODE_LIVE,
                          "how long to listen before writing a note: tight is quickest, studio hears best"),
    [FENBY_TIMING] = CHOICE("timing", "Timing", timing_labels, FENBY_TIMING_TIGHT,
                            "tight: every note with the same delay; asap: each as soon as it is sure"),
    [FENBY_SENSITIVITY] = CONTINUOUS("sensitivity", "Sensitivity", "", 0, 1, 0.5f,
                                     "higher catches more soft notes, lower lets fewer ghost notes through"),
    [FENBY_NOTE_THRESHOLD] = CONTINUOUS("note_threshold", "Note threshold", "", 0, 1, 0.5f,
                                        "how far a note may fade before it ends: higher makes shorter notes"),
    [FENBY_MINIMUM_LENGTH] = CONTINUOUS("minimum_length", "Minimum length", "ms", 0, 1000, 30,
                                        "no note is shorter than this"),
    [FENBY_RELEASE] = CONTINUOUS("release", "Release", "ms", 0, 1000, 45,
                                 "how long a note must have faded before it ends: bridges short dips"),
    [FENBY_LOWEST_KEY_PARAMETER] =
        INTEGER("lowest_key", "Lowest key", "key", FENBY_LOWEST_KEY, FENBY_HIGHEST_KEY, FENBY_LOWEST_KEY,
                "lowest note to listen for, before transposition (21 = A0, 60 = C4)"),
    [FENBY_HIGHEST_KEY_PARAMETER] =
        INTEGER("highest_key", "Highest key", "key", FENBY_LOWEST_KEY, FENBY_HIGHEST_KEY, FENBY_HIGHEST_KEY,
                "highest note to listen for, before transposition (108 = C8)"),
    [FENBY_MAXIMUM_POLYPHONY] = INTEGER("maximum_polyphony", "Maximum polyphony", "", 1, FENBY_N_KEYS, 32,
                                        "how many notes may sound at once: 1 for a voice, 6 for a guitar"),
    [FENBY_VELOCITY_MODE] =
        CHOICE("velocity_mode", "Velocity mode", velocity_labels, FENBY_VELOCITY_MODE_FOLLOWED,
               "followed: as loud as it was played; fixed: all notes alike"),
    [FENBY_VELOCITY_FIXED] = INTEGER("velocity_fixed", "Fixed velocity", "", 1, 127, 100,
                                     "the velocity of every note when the velocity mode is fixed"),
    [FENBY_VELOCITY_MINIMUM] = INTEGER("velocity_minimum", "Minimum velocity", "", 1, 127, 1,
                                       "the velocity of the softest note when it is followed"),
    [FENBY_VELOCITY_MAXIMUM] = INTEGER("velocity_maximum", "Maximum velocity", "", 1, 127, 127,
                                       "the velocity of the loudest note when it is followed"),
    [FENBY_VELOCITY_CURVE] = CONTINUOUS("velocity_curve", "Velocity curve", "", 0.25f, 4, 1,
                                        "below 1 makes soft notes louder, above 1 makes them softer"),
    [FENBY_INPUT_GAIN] = CONTINUOUS("input_gain", "Input gain", "dB", -40, 40, 0,
                                    "makes the input louder or softer before it is heard"),
    [FENBY_NOISE_GATE] = CONTINUOUS("noise_gate", "Noise gate", "dB", -100, 0, -70,
                                    "input below this level starts no note; -100 switches the gate off"),
    [FENBY_TRANSPOSE] = INTEGER("transpose", "Transpose", "semitones", -48, 48, 0,
                                "moves every note up or down"),
    [FENBY_SCALE] = CHOICE("scale", "Scale", scale_labels, FENBY_SCALE_OFF,
                           "moves each note to the nearest one of this scale"),
    [FENBY_SCALE_ROOT] = CHOICE("scale_root", "Scale root", root_labels, 0,
                                "the note that the scale begins on"),
    [FENBY_MIDI_CHANNEL] = INTEGER("midi_channel", "MIDI channel", "", 1, 16, 1,
                                   "the channel that the notes are sent on"),
    [FENBY_TUNING] = CONTINUOUS("tuning", "Tuning", "Hz", 415, 466, 440,
                                "what A4 is tuned to: 415 for baroque pitch, 442 for many orchestras"),
    [FENBY_FOLLOW_TUNING] = CHOICE("follow_tuning", "Follow tuning", switch_labels, 1,
                                   "on: hears by itself how far instruments are off that, up to half a semitone"),
    [FENBY_SUSTAIN] = CHOICE("sustain", "Sustain", switch_labels, 0,
                             "on: notes sound on until they are struck again or it is switched off"),
    [FENBY_BENDS] = CHOICE("bends", "Bends", bends_labels, FENBY_BENDS_OFF,
                           "vibrato and bends as MIDI pitch bends, of one channel or of a channel for each note"),
};

static const unsigned scale_notes[FENBY_N_SCALES] = {
    [FENBY_SCALE_OFF] = 0xfff,              // bit 0 is the root
    [FENBY_SCALE_MAJOR] = 0xab5,            // 0 2 4 5 7 9 11
    [FENBY_SCALE_MINOR] = 0x5ad,            // 0 2 3 5 7 8 10
    [FENBY_SCALE_HARMONIC_MINOR] = 0x9ad,   // 0 2 3 5 7 8 11
    [FENBY_SCALE_MELODIC_MINOR] = 0xaad,    // 0 2 3 5 7 9 11
    [FENBY_SCALE_MAJOR_PENTATONIC] = 0x295, // 0 2 4 7 9
    [FENBY_SCALE_MINOR_PENTATONIC] = 0x4a9, // 0 3 5 7 10
    [FENBY_SCALE_BLUES] = 0x4e9,            // 0 3 5 6 7 10
    [FENBY_SCALE_DORIAN] = 0x6ad,           // 0 2 3 5 7 9 10
    [FENBY_SCALE_PHRYGIAN] = 0x5ab,         // 0 1 3 5 7 8 10
    [FENBY_SCALE_LYDIAN] = 0xad5,           // 0 2 4 6 7 9 11
    [FENBY_SCALE_MIXOLYDIAN] = 0x6b5,       // 0 2 4 5 7 9 10
    [FENBY_SCALE_LOCRIAN] = 0x56b,          // 0 1 3 5 6 8 10
    [FENBY_SCALE_WHOLE_TONE] = 0x555,       // 0 2 4 6 8 10
};

unsigned fenby_scale_notes(int scale)
{
    return scale_notes[scale >= 0 && scale < FENBY_N_SCALES ? scale : FENBY_SCALE_OFF];
}

fenby_parameters fenby_parameters_default(void)
{
    fenby_parameters parameters;
    for (int i = 0; i < FENBY_N_PARAMETERS; i++) parameters.value[i] = fenby_parameter_table[i].default_value;
    return parameters;
}

int fenby_parameter_find(const char *symbol)
{
    for (int i = 0; i < FENBY_N_PARAMETERS; i++)
        if (!strcmp(symbol, fenby_parameter_table[i].symbol)) return i;
    return -1;
}

float fenby_parameter_clamp(fenby_parameter parameter, float value)
{
    const fenby_parameter_info *info = &fenby_parameter_table[parameter];
    if (isnan(value)) return info->default_value;
    if (info->kind != FENBY_CONTINUOUS) value = roundf(value);
    return fminf(fmaxf(value, info->minimum), info->maximum);
}

static int fold(char c)
{
    return c == ' ' || c == '_' ? '-' : tolower((unsigned char)c);
}

bool fenby_same_label(const char *a, const char *b)
{
    while (*a && fold(*a) == fold(*b)) a++, b++;
    return !*a && !*b;
}

static int find_label(const fenby_parameter_info *info, const char *text)
{
    for (int i = 0; i <= (int)info->maximum; i++)
        if (fenby_same_label(info->labels[i], text)) return i;
    return -1;
}

// A number that fills the whole text, but for the unit. NaN: there is none.
static double read_number(const char *text, const char *unit)
{
    char *end;
    const double number = strtod(text, &end);
    if (end == text) return NAN;
    while (*end == ' ') end++;
    return !*end || fenby_same_label(end, unit) ? number : NAN;
}

void fenby_parameter_format_range(fenby_parameter parameter, char *text, size_t text_size)
{
    const fenby_parameter_info *info = &fenby_parameter_table[parameter];
    if (info->kind != FENBY_CHOICE) {
        snprintf(text, text_size, "%g .. %g%s%s", info->minimum, info->maximum, *info->unit ? " " : "",
                 info->unit);
        return;
    }
    size_t length = 0;
    for (int i = 0; i <= (int)info->maximum && length < text_size; i++)
        length += (size_t)snprintf(text + length, text_size - length, "%s%s", i ? ", " : "", info->labels[i]);
}

static bool refuse(fenby_parameter parameter, const char *text, const char *reason, char *error,
                   size_t error_size)
{
    char range[256];
    fenby_parameter_format_range(parameter, range, sizeof range);
    snprintf(error, error_size, "%s: '%s' is %s, expected %s", fenby_parameter_table[parameter].symbol, text,
             reason, range);
    return false;
}

bool fenby_parameter_parse(fenby_parameter parameter, const char *text, float *value, char *error,
                           size_t error_size)
{
    const fenby_parameter_info *info = &fenby_parameter_table[parameter];
    const int label = info->kind == FENBY_CHOICE ? find_label(info, text) : -1;
    const double number = label >= 0 ? label : read_number(text, info->unit);
    const char *const kind = info->kind == FENBY_CHOICE ? "not a choice" : "not a number";
    if (isnan(number)) return refuse(parameter, text, kind, error, error_size);
    if (number < info->minimum || number > info->maximum)
        return refuse(parameter, text, "out of range", error, error_size);
    if (info->kind != FENBY_CONTINUOUS && number != rint(number))
        return refuse(parameter, text, "not a whole number", error, error_size);
    *value = (float)number;
    return true;
}

void fenby_parameter_format(fenby_parameter parameter, float value, char *text, size_t text_size)
{
    const fenby_parameter_info *info = &fenby_parameter_table[parameter];
    value = fenby_parameter_clamp(parameter, value);
    if (info->kind == FENBY_CHOICE)
        snprintf(text, text_size, "%s", info->labels[(int)value]);
    else
        snprintf(text, text_size, "%g%s%s", value, *info->unit ? " " : "", info->unit);
}
