// SPDX-License-Identifier: ISC
// The one table of parameters. `fenby --set`, presets, the plugin's control ports and OSC addresses are all
// made from it: symbol, name, unit, range, default and help stand here and nowhere else.
//
// Thread: the table is constant, any thread. Allocation: none. Errors: fenby_parameter_parse writes one line.
#ifndef FENBY_PARAMETERS_H
#define FENBY_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "rt.h"

typedef enum {
    FENBY_MODE,            // which latency: tight, live or studio (the network's lookahead)
    FENBY_TIMING,          // tight (constant delay) or asap
    FENBY_SENSITIVITY,     // 0 .. 1: a higher one finds more notes; 0.5 is the weights' own onset threshold
    FENBY_NOTE_THRESHOLD,  // 0 .. 1: below it a note ends, earlier with a higher one; 0.5 is the weights' own
    FENBY_MINIMUM_LENGTH,  // ms: no note-off earlier than this after its note-on
    FENBY_RELEASE,         // ms: how long a note must have been below the note threshold
    FENBY_LOWEST_KEY_PARAMETER,
    FENBY_HIGHEST_KEY_PARAMETER,
    FENBY_MAXIMUM_POLYPHONY,
    FENBY_VELOCITY_MODE,   // fixed or followed
    FENBY_VELOCITY_FIXED,
    FENBY_VELOCITY_MINIMUM,
    FENBY_VELOCITY_MAXIMUM,
    FENBY_VELOCITY_CURVE,  // exponent: below 1 louder, above 1 softer
    FENBY_INPUT_GAIN,      // dB
    FENBY_NOISE_GATE,      // dB: input below this level starts no note; at its minimum there is no gate
    FENBY_TRANSPOSE,       // semitones
    FENBY_SCALE,           // off, major, minor, ...: notes are snapped to it
    FENBY_SCALE_ROOT,      // C .. B
    FENBY_MIDI_CHANNEL,    // 1 .. 16
    FENBY_TUNING,          // Hz of A4, 415 .. 466
    FENBY_FOLLOW_TUNING,   // off, on: hear how far the playing lies off that tuning (tuning.h)
    FENBY_SUSTAIN,         // off, on: notes sound until the same key is struck again or it is switched off
    FENBY_BENDS,           // off, one channel, MPE: whether MIDI tells how far notes are off their keys (midi_out.h)
    FENBY_N_PARAMETERS
} fenby_parameter;

// The values of the choices, in the order of their labels.
enum { FENBY_MODE_TIGHT, FENBY_MODE_LIVE, FENBY_MODE_STUDIO, FENBY_N_MODES };
enum { FENBY_TIMING_TIGHT, FENBY_TIMING_ASAP };
enum { FENBY_VELOCITY_MODE_FIXED, FENBY_VELOCITY_MODE_FOLLOWED };
enum { FENBY_BENDS_OFF, FENBY_BENDS_CHANNEL, FENBY_BENDS_MPE };
enum {
    FENBY_SCALE_OFF,
    FENBY_SCALE_MAJOR,
    FENBY_SCALE_MINOR,
    FENBY_SCALE_HARMONIC_MINOR,
    FENBY_SCALE_MELODIC_MINOR,
    FENBY_SCALE_MAJOR_PENTATONIC,
    FENBY_SCALE_MINOR_PENTATONIC,
    FENBY_SCALE_BLUES,
    FENBY_SCALE_DORIAN,
    FENBY_SCALE_PHRYGIAN,
    FENBY_SCALE_LYDIAN,
    FENBY_SCALE_MIXOLYDIAN,
    FENBY_SCALE_LOCRIAN,
    FENBY_SCALE_WHOLE_TONE,
    FENBY_N_SCALES
};

typedef enum {
    FENBY_CONTINUOUS,
    FENBY_INTEGER,
    FENBY_CHOICE,  // an integer whose values have names: the labels
} fenby_parameter_kind;

typedef struct {
    const char *symbol;  // lv2:symbol, OSC address, --set NAME
    const char *name;    // for people
    const char *unit;    // "dB", "Hz", "ms", ... or ""
    fenby_parameter_kind kind;
    float minimum, maximum, default_value;
    const char *const *labels;  // FENBY_CHOICE: one for each value from minimum on; else NULL
    const char *help;           // one line
} fenby_parameter_info;

extern const fenby_parameter_info fenby_parameter_table[FENBY_N_PARAMETERS];

// One value for each parameter, indexed by fenby_parameter.
typedef struct {
    float value[FENBY_N_PARAMETERS];
} fenby_parameters;

fenby_parameters fenby_parameters_default(void);

// The index of a symbol, or -1.
int fenby_parameter_find(const char *symbol);

// Clamps to the range and rounds what is an integer; NaN becomes the default. For values from hosts,
// which may send anything and must not be refused.
float fenby_parameter_clamp(fenby_parameter parameter, float value) FENBY_REALTIME;

// Reads a number, with or without its unit, or a label ("tight", "C#", as fenby_same_label). Refuses what is
// not a number, out of range, or no such label: returns false with one line in error that says what was given
// and what is expected.
bool fenby_parameter_parse(fenby_parameter parameter, const char *text, float *value, char *error,
                           size_t error_size);

// Writes a value as a person reads it: "tight", "-60 dB", "440 Hz".
void fenby_parameter_format(fenby_parameter parameter, float value, char *text, size_t text_size);

// Writes the range or the choices: "0 .. 1", "-40 .. 40 dB", "off, on".
void fenby_parameter_format_range(fenby_parameter parameter, char *text, size_t text_size);

// How people's spellings of a label or a name are compared: case does not matter, space, '-' and '_' are the
// same.
bool fenby_same_label(const char *a, const char *b);

// The notes of a FENBY_SCALE: bit i is set when the note i semitones above the root belongs to it. All twelve
// bits for FENBY_SCALE_OFF and for what is no scale.
unsigned fenby_scale_notes(int scale);

#endif
