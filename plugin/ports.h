// SPDX-License-Identifier: ISC
// The plugin's ports: their numbers, and what their descriptions say. The plugin, its UI, the Turtle that hosts
// read and the test that compares them are all made from this one list and the table of parameters.
//
// Both variants, mono and stereo, number their ports alike; only the audio ports, which come last, differ.
// Units: as named. Thread: constant, any. Allocation: none. Errors: none.
#ifndef FENBY_PORTS_H
#define FENBY_PORTS_H

#include <stdbool.h>

#include "../dsp/parameters.h"

#define FENBY_LV2_URI "urn:fenby:fenby"
#define FENBY_LV2_STEREO_URI "urn:fenby:fenby-stereo"
#define FENBY_LV2_UI_URI "urn:fenby:ui"

enum {
    FENBY_PORT_CONTROL,     // atoms in: patch messages, transport, the UI's wishes
    FENBY_PORT_MIDI_OUT,    // atoms out: the notes
    FENBY_PORT_NOTIFY,      // atoms out: for the UI
    FENBY_PORT_ENABLED,     // 0: bypassed
    FENBY_PORT_FREEWHEEL,   // 1: the host runs faster or slower than real time
    FENBY_PORT_THRU,        // which audio goes out
    FENBY_PORT_PARAMETERS,  // the first of the table
    FENBY_PORT_LATENCY = FENBY_PORT_PARAMETERS + FENBY_N_PARAMETERS,
    FENBY_PORT_INPUT_LEVEL,
    FENBY_PORT_SOUNDING_NOTES,
    FENBY_PORT_WORKER_LOAD,
    FENBY_PORT_LATE_EVENTS,
    FENBY_PORT_OVERRUNS,
    FENBY_PORT_NOTE_TRIGGERED,
    FENBY_PORT_AUDIO,  // mono: in, out; stereo: in left, in right, out left, out right
};

enum { FENBY_THRU_ALIGNED, FENBY_THRU_DIRECT };

// Bytes that hosts should give the atom ports: a path or a full ring of hops (fenby_lv2.c) must fit.
enum { FENBY_ATOM_PORT_BYTES = 32768 };

typedef enum {
    FENBY_AUDIO_IN,
    FENBY_AUDIO_OUT,
    FENBY_ATOM_IN,
    FENBY_ATOM_OUT,
    FENBY_CONTROL_IN,
    FENBY_CONTROL_OUT,
} fenby_port_kind;

typedef struct {
    fenby_port_kind kind;
    fenby_parameter_info value;  // audio and atom ports have no range
    const char *group;           // symbol of a port group, or NULL
    const char *designation;     // as Turtle writes them ("lv2:enabled"), or NULL
    const char *properties;
} fenby_port;

typedef struct {
    const char *symbol, *name, *help;
    bool stereo;  // a pair of audio ports
} fenby_port_group;

// How many ports a variant has, and each of them.
int fenby_n_ports(bool stereo);
fenby_port fenby_port_describe(bool stereo, int index) FENBY_REALTIME;

// The port groups of a variant, ended by one without a symbol.
const fenby_port_group *fenby_port_groups(bool stereo);

#endif
