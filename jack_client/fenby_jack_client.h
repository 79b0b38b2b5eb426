// SPDX-License-Identifier: ISC
// The JACK client: audio comes in and goes through, MIDI goes out, the engine works in between.
//
// Threads, from the most urgent one down:
//   audio    JACK's process callback: pushes samples, sends the events that are due at their frame of it
//   worker   one real-time priority below, woken by a semaphore: the engine's work
//   JACK's notifications: set flags, answer for latencies
//   control  the caller of everything in this header
// When JACK freewheels the audio thread does the work itself, so that the same samples give the same events.
//
// Whatever changes (engine, block size, model, server), the audio thread first ends every note that sounds.
// Units: frames at JACK's rate, seconds and frames since the client began. Allocation: control thread only.
// Errors: one line.
#ifndef FENBY_JACK_CLIENT_H
#define FENBY_JACK_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../dsp/engine.h"
#include "fenby_jack_links.h"
#include "fenby_jack_portmidi.h"
#include "fenby_jack_queue.h"
#include "fenby_jack_rt.h"

typedef struct fenby_jack_client fenby_jack_client;

// What was heard in one hop, for views (transcriber.h), and when it ended, in seconds on the notes' clock. Called
// by the worker, or by the audio thread when JACK freewheels.
typedef void (*fenby_jack_tap)(void *user, const float *cqt_frame, const float *onset, const float *sounding,
                               double end_s);

typedef struct {
    const char *name;
    bool may_start_server;
    bool has_midi_port;
    unsigned n_inputs;               // 1 .. FENBY_JACK_MAXIMUM_INPUTS, the engine hears their mean
    int wake_descriptor;  // an eventfd that is written when there is something for _update or _take_note
    double clock_began_s;            // when the notes' clock was at 0, on the system's; NAN: it begins with this client
    fenby_jack_portmidi *portmidi;   // gets every note too; or NULL
    fenby_parameters parameters;
    fenby_jack_tap tap;              // or NULL
    void *tap_user;
} fenby_jack_client_config;

typedef struct {
    fenby_engine_status engine;  // counted since the program began to use this server
    double rate_hz;
    uint32_t block_frames;
    uint64_t xruns;                  // as JACK tells, or as its clock shows, whichever are more
    uint64_t blocked_events;         // events that waited for a period because JACK's MIDI buffer was full
    float jack_load;                 // of the whole graph, 0 .. 1
    bool is_realtime, is_freewheeling;
} fenby_jack_client_status;

// Connects to the server and begins. The weights must outlive it.
fenby_jack_client *fenby_jack_client_new(const fenby_jack_client_config *config, const fenby_weights *weights,
                                         char *error, size_t error_size);

// Ends every note and leaves the server; what has left can still be taken.
void fenby_jack_client_stop(fenby_jack_client *client);

// Stops if need be, frees.
void fenby_jack_client_free(fenby_jack_client *client);

// The name that the server gave.
const char *fenby_jack_client_name(const fenby_jack_client *client);

// True once the server is gone, with its reason: nothing is left to do but _stop and _free.
bool fenby_jack_client_is_gone(fenby_jack_client *client, char *reason, size_t reason_size);

// To be called when woken, and a few times a second: takes up changed block sizes and latencies, makes the
// connections that are wanted and notes those that others make. False with one line in error when the engine
// cannot go on (the client then sends no more notes).
bool fenby_jack_client_update(fenby_jack_client *client, fenby_jack_links *links, char *error,
                              size_t error_size);

// Whether the connections that can be made since it began are made.
bool fenby_jack_client_has_settled(const fenby_jack_client *client);

// The next note that has left.
bool fenby_jack_client_take_note(fenby_jack_client *client, fenby_jack_note *note);

// Notes that have left and cannot be taken: too many waited.
uint64_t fenby_jack_client_lost_notes(const fenby_jack_client *client);

// The end of what was heard, in seconds on the notes' clock. It stands still with JACK, and runs ahead of the system's
// when JACK freewheels.
double fenby_jack_client_now_s(fenby_jack_client *client);

void fenby_jack_client_set_parameter(fenby_jack_client *client, fenby_parameter parameter, float value);

// Ends every note, now and in the engine.
void fenby_jack_client_end_notes(fenby_jack_client *client);

// On error the old model goes on. Afterwards the old weights are no longer in use.
bool fenby_jack_client_set_model(fenby_jack_client *client, const fenby_weights *weights, char *error,
                                 size_t error_size);

void fenby_jack_client_status_get(fenby_jack_client *client, fenby_jack_client_status *status);

#endif
