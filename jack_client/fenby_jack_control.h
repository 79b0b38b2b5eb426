// SPDX-License-Identifier: ISC
// Everything that can be asked of a running fenby-jack, whoever asks: the command line, OSC, the session
// manager, the keys of the live view. It owns the JACK client, the model, the recording and the settings, and
// outlives the server: settings that are made while there is none are kept for the next one.
//
// Thread: control. Allocation: yes. Errors: one line.
#ifndef FENBY_JACK_CONTROL_H
#define FENBY_JACK_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "fenby_jack_client.h"
#include "fenby_jack_queue.h"
#include "fenby_jack_state.h"

typedef struct fenby_jack_control fenby_jack_control;

typedef struct {
    char name[128];  // of the JACK client
    bool may_start_server, waits_for_server;
    bool has_midi_port;
    unsigned n_inputs;
    int wake_descriptor;
    fenby_jack_portmidi *portmidi;
    // Told of every note that has left, and of what a person should know, one line at a time; trouble is what
    // even those should know who asked for quiet.
    void *user;
    void (*on_note)(void *user, const fenby_jack_note *note);
    void (*say)(void *user, const char *line, bool is_trouble);
    fenby_jack_tap tap;  // with the same user; or NULL
} fenby_jack_control_config;

typedef struct {
    bool is_running;                  // there is a server
    fenby_jack_client_status client;  // zero when there is none
    double latency_ms;
    const char *model;      // its name
    const char *recording;  // its path, or NULL
} fenby_jack_control_status;

// Loads the state's model. No JACK yet.
fenby_jack_control *fenby_jack_control_new(const fenby_jack_control_config *config,
                                           const fenby_jack_state *state, char *error, size_t error_size);

// Ends notes, leaves JACK.
void fenby_jack_control_stop(fenby_jack_control *control);

// Stops if need be, completes the recording. False when that failed, or a recording lacks notes.
bool fenby_jack_control_free(fenby_jack_control *control, char *error, size_t error_size);

// Becomes a JACK client. Without a server that is an error, or is tried again by _tick if it may wait.
bool fenby_jack_control_start(fenby_jack_control *control, char *error, size_t error_size);

bool fenby_jack_control_is_started(const fenby_jack_control *control);

// To be called when woken, and a few times a second: hands out notes, follows the server. False when the
// program is to end: asked to, or the server is gone, or an error, told in `error` if not empty.
bool fenby_jack_control_tick(fenby_jack_control *control, char *error, size_t error_size);

// Whether a server that is not there, or goes, is waited for.
void fenby_jack_control_set_waits(fenby_jack_control *control, bool waits_for_server);

void fenby_jack_control_quit(fenby_jack_control *control);

// The settings as they are.
const fenby_jack_state *fenby_jack_control_state(const fenby_jack_control *control);

// Clamped to the parameter's range.
void fenby_jack_control_set(fenby_jack_control *control, fenby_parameter parameter, float value);

// Each ends the notes that sound.
bool fenby_jack_control_preset(fenby_jack_control *control, const char *name, char *error, size_t error_size);
bool fenby_jack_control_model(fenby_jack_control *control, const char *path, char *error, size_t error_size);
void fenby_jack_control_panic(fenby_jack_control *control);

// Takes over a whole state and becomes a client of this name, as _start does.
bool fenby_jack_control_switch(fenby_jack_control *control, const char *name, const fenby_jack_state *state,
                               char *error, size_t error_size);

// Begins a recording, ending the one before, which goes on where this one cannot begin; NULL only ends it.
bool fenby_jack_control_record(fenby_jack_control *control, const char *path, bool may_replace, char *error,
                               size_t error_size);

void fenby_jack_control_status_get(fenby_jack_control *control, fenby_jack_control_status *status);

// Seconds since the first client began: the clock of notes and hops. It never goes back.
double fenby_jack_control_now_s(const fenby_jack_control *control);

// The name that JACK gave, or the one wished for.
const char *fenby_jack_control_name(const fenby_jack_control *control);

#endif
