// SPDX-License-Identifier: ISC
// What fenby-jack remembers from one run to the next: settings, preset, model, connections. In a file of lines,
// that a person can read and write:
//
//     fenby-jack state 1
//     preset piano
//     model /home/me/other.fnw
//     set sensitivity 0.6
//     link midi_out fluidsynth:midi
//
// In names \n and \r stand for line ends, which files and JACK's ports may have in theirs, and \\ for \.
// Thread: control. Allocation: none that stays. Errors: one line that begins with the file's name.
#ifndef FENBY_JACK_STATE_H
#define FENBY_JACK_STATE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "../dsp/parameters.h"
#include "fenby_jack_links.h"

typedef struct {
    char preset[64];       // the last one loaded, or ""
    char model[PATH_MAX];  // or "": the one compiled in
    fenby_parameters parameters;
    fenby_jack_links links;
} fenby_jack_state;

fenby_jack_state fenby_jack_state_default(void);

// Loads the preset's values into the state.
bool fenby_jack_state_use_preset(fenby_jack_state *state, const char *name, char *error, size_t error_size);

// Sets the parameter of this symbol to what text says.
bool fenby_jack_state_set(fenby_jack_state *state, const char *symbol, const char *text, char *error,
                          size_t error_size);

bool fenby_jack_state_equal(const fenby_jack_state *a, const fenby_jack_state *b);

// Reads a file into a default state. The state is not touched when something is wrong with it.
bool fenby_jack_state_load(fenby_jack_state *state, const char *path, char *error, size_t error_size);

// The file is there whole or as it was before.
bool fenby_jack_state_save(const fenby_jack_state *state, const char *path, char *error, size_t error_size);

#endif
