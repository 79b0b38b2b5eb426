// SPDX-License-Identifier: ISC
// What happens in JACK's process callback, and everything that it touches: one struct, so that touching it
// stands out in the code.
//
// Each period: the samples go to the engine, silence for what JACK left out before them, and through to the thru
// ports, the worker is woken by a semaphore when a hop waits, events that are due leave at their frame of the
// period. No allocation, no lock, no system call but the semaphore's post. When JACK freewheels the engine's work
// is done here, and then there is a lock too.
//
// Threads: _process is the audio thread's, _hold and _release the control thread's; what another thread may
// touch is atomic or marked. Units: frames at JACK's rate.
#ifndef FENBY_JACK_RT_H
#define FENBY_JACK_RT_H

#include <jack/jack.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../dsp/engine.h"
#include "../dsp/midi_out.h"
#include "fenby_jack_portmidi.h"
#include "fenby_jack_queue.h"

enum { FENBY_JACK_MAXIMUM_INPUTS = 8, FENBY_JACK_MIX_FRAMES = 256 };

typedef struct {
    jack_client_t *jack;
    jack_port_t *in[FENBY_JACK_MAXIMUM_INPUTS], *thru[FENBY_JACK_MAXIMUM_INPUTS];
    jack_port_t *midi_out;  // NULL: none is wanted
    unsigned n_inputs;
    float mix[FENBY_JACK_MIX_FRAMES];

    // Set by the control thread while the audio thread is held.
    fenby_engine *engine;
    double rate_hz;
    int64_t first_frame;  // where the engine's frame 0 lies on the client's clock
    double first_s;
    int64_t next_frame;   // of the engine's clock: the next period's first
    jack_nframes_t clock_zero;  // JACK's clock at the engine's frame 0
    bool has_clock;             // clock_zero is known
    int32_t missing;            // frames that JACK's clock was ahead in the last period

    fenby_event waiting;  // taken from the engine, but JACK's MIDI buffer was full
    bool is_waiting;
    fenby_midi_out sent;  // what the receivers know

    fenby_jack_queue *notes;  // to the control thread
    fenby_jack_portmidi *portmidi;
    sem_t work;                 // wakes the worker
    pthread_mutex_t *working;   // only taken when JACK freewheels, when nothing is in a hurry
    atomic_bool has_news;       // notes were put in the queue
    atomic_bool is_held;        // keep away from the engine and end every note
    atomic_bool is_inside;      // is using the engine
    atomic_bool is_quiet;       // held, and every note is ended
    atomic_bool end_notes;      // asked for by the control thread
    atomic_bool is_freewheeling;
    _Atomic int64_t heard;      // next_frame, for the control thread
    _Atomic uint64_t blocked_events, holes;  // holes: where JACK left out periods, by its clock
} fenby_jack_rt;

// JACK's process callback; user is a fenby_jack_rt.
int fenby_jack_rt_process(jack_nframes_t n_frames, void *user) FENBY_REALTIME;

// Keeps the audio thread away from the engine, after it has ended every note. Waits for that, but not forever:
// a server may stand still.
void fenby_jack_rt_hold(fenby_jack_rt *rt);
void fenby_jack_rt_release(fenby_jack_rt *rt);

#endif
