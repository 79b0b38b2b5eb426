// SPDX-License-Identifier: ISC
// Presets: named sets of parameter values, one a file, in the form that LV2 hosts read and write (Turtle with
// pset:Preset, http://lv2plug.in/ns/ext/presets). The plugin's host, fenby and fenby-jack read the same files.
//
// A preset's name is its file's name without ".ttl". Folders searched, in this order: $FENBY_PRESETS,
// "../presets" beside the running program's folder, FENBY_DATADIR "/presets".
// Units: as in the table of parameters. Thread: any but the audio thread, they read files and allocate.
// Errors: one line, with file and line where there is one.
#ifndef FENBY_PRESET_H
#define FENBY_PRESET_H

#include <stdbool.h>
#include <stddef.h>

#include "../dsp/parameters.h"

// The variants of the plugin, mono and stereo, which have the same parameters.
#define FENBY_PLUGIN_URI "urn:fenby:fenby"
#define FENBY_STEREO_PLUGIN_URI FENBY_PLUGIN_URI "-stereo"

typedef struct {
    char label[64];     // rdfs:label
    char comment[160];  // rdfs:comment, or ""
    bool has[FENBY_N_PARAMETERS];
    fenby_parameters parameters;  // where has[i]: the value
} fenby_preset;

// Reads a preset by its name ("winds-and-strings", "Winds and Strings") or its file's path (a name that holds a
// '/' or ends in ".ttl"). Refuses broken Turtle, presets of other plugins, unknown parameters and values that
// the table refuses.
bool fenby_preset_load(const char *name, fenby_preset *preset, char *error, size_t error_size);

// Sets what the preset names and leaves the rest, as LV2 hosts do.
void fenby_preset_apply(const fenby_preset *preset, fenby_parameters *parameters);

// The paths of all presets that can be loaded by name, sorted within each folder, ended by NULL. NULL when
// memory is short. Free with fenby_preset_paths_free.
char **fenby_preset_paths(void);
void fenby_preset_paths_free(char **paths);

// The name of the preset in this file: "/x/winds-and-strings.ttl" is "winds-and-strings".
void fenby_preset_name(const char *path, char *name, size_t name_size);

#endif
