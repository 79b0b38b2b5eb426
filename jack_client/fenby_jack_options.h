// SPDX-License-Identifier: ISC
// The command line of fenby-jack.
//
// Thread: control. Allocation: while parsing. Errors: one line that says what was given and what is expected.
#ifndef FENBY_JACK_OPTIONS_H
#define FENBY_JACK_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "fenby_jack_state.h"

typedef enum {
    FENBY_JACK_RUN,
    FENBY_JACK_LIST_DEVICES,
    FENBY_JACK_LIST_PRESETS,
    FENBY_JACK_LIST_PARAMETERS,
    FENBY_JACK_SHOW_VERSION,
    FENBY_JACK_SHOW_HELP
} fenby_jack_action;

enum { FENBY_JACK_OSC_PORT = 9088, FENBY_JACK_NO_OSC = -1, FENBY_JACK_ANY_OSC_PORT = 0 };

typedef struct {
    fenby_jack_action action;
    const char *name;
    unsigned n_inputs;
    bool starts_server, waits_for_server;
    bool jack_midi;
    const char *midi_device;  // PortMIDI's: NULL none, "" the default one
    int osc_port;             // or FENBY_JACK_NO_OSC, FENBY_JACK_ANY_OSC_PORT
    bool has_osc_port;        // was asked for, so another will not do
    const char *osc_address;  // to listen on
    const char *record;       // NULL: no recording
    const char *state_file;   // NULL: none
    bool quiet, plain, verbose, window;
    const char **asked;       // for the state: kind, value, kind, value, ..., NULL
} fenby_jack_options;

// The strings stay argv's.
bool fenby_jack_options_parse(fenby_jack_options *options, int argc, char **argv, char *error,
                              size_t error_size);
void fenby_jack_options_free(fenby_jack_options *options);

// What the command line asks of the state, on top of what the state holds: presets, then settings, model,
// links. Refuses ranges in which no note could sound, unless the state had them.
bool fenby_jack_options_apply(const fenby_jack_options *options, fenby_jack_state *state, char *error,
                              size_t error_size);

extern const char fenby_jack_help[];

#endif
