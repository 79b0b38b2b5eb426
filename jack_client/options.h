// SPDX-License-Identifier: ISC
// The command line of fenby.
//
// Thread: main. Allocation: _parse. Errors: one line that says what was given and what is expected.
#ifndef FENBY_OPTIONS_H
#define FENBY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "../dsp/parameters.h"
#include "jobs.h"

typedef enum {
    FENBY_TRANSCRIBE,
    FENBY_LIST_PRESETS,
    FENBY_LIST_PARAMETERS,
    FENBY_SHOW_VERSION,
    FENBY_SHOW_HELP
} fenby_action;

typedef struct {
    fenby_action action;
    fenby_parameters parameters;  // the default, the presets and what was --set, in this order
    char **inputs;
    size_t n_inputs;
    const char *outputs[FENBY_N_OUTPUTS];
    const char *model;      // NULL: the one compiled in
    int channel;            // of the sound files: 1 .., 0: the mean of all
    int block_frames;
    int midi_format;        // 0 or 1
    bool only_new;          // leave out what is done
    bool quiet, verbose;
} fenby_options;

// The strings stay argv's. argv is reordered.
bool fenby_options_parse(fenby_options *options, int argc, char **argv, char *error, size_t error_size);

extern const char fenby_help[];

#endif
