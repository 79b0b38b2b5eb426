// SPDX-License-Identifier: ISC
// What the programs tell about themselves: presets, parameters, model, latency. Text for people, to a stream.
//
// Thread: main. Allocation: yes. Errors: false with one line in error.
#ifndef FENBY_INFO_H
#define FENBY_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../nn/weights.h"

#ifndef FENBY_VERSION
#define FENBY_VERSION "unknown"
#endif

// All presets with what they are for. A broken one is left out, the first is told in error.
bool fenby_info_presets(FILE *file, char *error, size_t error_size);

// The table of parameters.
void fenby_info_parameters(FILE *file);

// Model, arithmetic, how often it listens, and the latency of each mode.
bool fenby_info_model(FILE *file, const fenby_weights *weights, char *error, size_t error_size);

#endif
