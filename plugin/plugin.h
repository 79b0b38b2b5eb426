// SPDX-License-Identifier: ISC
// One instance of the plugin, and who may touch what of it. fenby_lv2.c is what the host calls when it sets up
// and saves, run.c is the audio thread, work.c the worker.
//
// Audio travels to the worker in the engine's ring; a wake-up is all that goes through the host's
// work:schedule, or through a semaphore to a thread of our own where a host has none. When the host freewheels,
// run() works itself, chunk by chunk, and waits for the worker if that is still busy; so the notes are the same
// however large the blocks are. Models are loaded in the worker; MIDI files are saved by a thread of their own, so
// that no note waits for a slow disk.
#ifndef FENBY_PLUGIN_H
#define FENBY_PLUGIN_H

#include <limits.h>
#include <lv2/atom/atom.h>
#include <lv2/atom/forge.h>
#include <lv2/core/lv2.h>
#include <lv2/log/logger.h>
#include <lv2/worker/worker.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "../dsp/engine.h"
#include "../dsp/midi_out.h"
#include "../dsp/ring.h"
#include "messages.h"
#include "model_store.h"
#include "notes_saver.h"
#include "ports.h"
#include "thru.h"

enum { MOST_PORTS = FENBY_PORT_AUDIO + 4, MOST_CHANNELS = 2, ERROR_SIZE = PATH_MAX + 256 };

// The block lengths that the host has named; 0: it has not.
typedef struct {
    uint32_t nominal, most;
} fenby_block_lengths;

// Audio thread to worker.
typedef struct {
    enum { LOAD_MODEL, SAVE_NOTES } type;
    unsigned restores;        // of the state, that came before the command
    fenby_notes_range range;  // of the notes to save
    char path[PATH_MAX];
} fenby_command;

// Worker to audio thread, and on to the UI.
typedef struct {
    enum { MODEL_IS, MESSAGE } type;
    char text[PATH_MAX];
} fenby_report;

typedef struct {
    bool stereo;
    double rate_hz;
    fenby_block_lengths named;
    uint32_t block_frames;  // what the engine is made for
    fenby_urids urids;
    LV2_Log_Logger logger;
    LV2_Worker_Schedule *schedule;  // NULL: our own thread

    fenby_engine *engine;
    fenby_ring *commands, *sent;   // audio thread to worker
    fenby_ring *reports, *hops;    // worker to audio thread
    atomic_bool woken;             // a wake-up is on its way
    atomic_bool work_waits;        // other work than samples
    atomic_bool watched;           // by a UI
    _Atomic int64_t clock_frames;  // since instantiate; no reset turns it back

    // Our own worker thread.
    pthread_t thread;
    bool has_thread;
    sem_t wake;
    atomic_bool quit;

    // Working: under the work lock.
    pthread_mutex_t work_lock;
    fenby_model *model;
    fenby_recent_notes *recent;
    fenby_notes_saver *saver;

    // State: under the state lock, never taken by the audio thread.
    pthread_mutex_t state_lock;
    char path[PATH_MAX];   // of the model that is in use or, after restoring, wanted; "": built in
    bool restored;         // path is yet to be loaded
    atomic_uint restores;  // how often the state was restored; any thread may read it

    // The audio thread's own.
    struct {
        const void *in[MOST_PORTS];
        void *out[MOST_PORTS];
        float seen[FENBY_N_PARAMETERS];  // last values of the ports
        bool enabled, freewheel;
        bool closing;           // every sounding note is to end
        fenby_midi_out sent;    // what the host's synth knows
        fenby_event held;       // there was no room for it
        bool has_held;
        int64_t engine_start;     // the clock when the engine's began
        int64_t told_frame, told_clock;  // where the host was, by its own word, and our clock then
        bool rolls;
        uint32_t light_frames;  // left of the note light
        fenby_view_note begun[FENBY_MIDI_KEYS];  // the last note of each key
        bool watch_begins;      // with the next run()
        char model_path[PATH_MAX];
        bool announce_model;
        fenby_thru *thru[MOST_CHANNELS];
        LV2_Atom_Forge midi, notify;
        LV2_Atom_Forge_Frame midi_frame, notify_frame;
    } rt;
} fenby_plugin;

// --- work.c --------------------------------------------------------------------------------------------------

// Does everything that waits, in whatever thread; one at a time.
void fenby_plugin_work(fenby_plugin *p);

// Waits until no wake-up is on its way, for half a second at most: its worker may be gone. run() rests.
void fenby_plugin_rest(fenby_plugin *p);

// Loads the model that a restored state asks for, if any. Under the work lock.
void fenby_plugin_load_restored(fenby_plugin *p);

// What the engine shows, for views.
void fenby_plugin_tap(void *user, const float *cqt_frame, const float *onset, const float *sounding,
                      int64_t end_frame);

// The saver's on_done: has run() wake the worker, which tells what was saved.
void fenby_plugin_saved(void *plugin);

// Our own thread; stopped by `quit` and a wake-up.
void *fenby_plugin_thread(void *instance);

// The host's worker.
extern const LV2_Worker_Interface fenby_plugin_worker;

// --- run.c ---------------------------------------------------------------------------------------------------

void fenby_plugin_run(LV2_Handle instance, uint32_t n_frames) FENBY_REALTIME;

// The engine's clock has been set back, all its notes are to end. Under the work lock.
void fenby_plugin_begin_engine(fenby_plugin *p);

#endif
