// SPDX-License-Identifier: ISC
// The whole chain, steps 1 to 5: samples in, events out, with a ring on either side of the worker.
//
// The audio thread pushes samples and pops the events that are due; the worker (a thread of the program, the
// host's LV2 worker, or the same thread when processing offline) runs fenby_engine_work in between. Given the
// same samples and parameters the events are the same, bit for bit, whatever the block size and whoever works.
//
// Time: host sample frames since _new or _reset, 64 bit, lost ones included. Every event carries its frame;
// frames never fall from one event to the next. How far events lie behind the sound: latency.h.
// Allocation: fenby_engine_new and _set_model. Threads: marked at each function.
#ifndef FENBY_ENGINE_H
#define FENBY_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../nn/net.h"
#include "event.h"
#include "latency.h"
#include "parameters.h"
#include "rt.h"
#include "transcriber.h"

typedef struct fenby_engine fenby_engine;

typedef struct {
    double rate_hz;              // host rate: FENBY_SLOWEST_RATE .. FENBY_FASTEST_RATE (features.h)
    uint32_t block_frames;       // largest block the host pushes at once: the scheduling margin; 0 when offline
    fenby_parameters parameters; // at the start
} fenby_engine_config;

// Counters and meters; a snapshot, any thread.
typedef struct {
    uint64_t late_events;   // in timing tight: starts and ends of notes that were popped too late, by a slow worker
    uint64_t overruns;      // gaps: the ring was full, samples were lost
    uint64_t lost_frames;   // samples in those gaps
    float level_db;         // input peak, decaying
    float worker_load;      // worker time over audio time, smoothed
    float a4_hz;            // the tuning now followed (tuning.h)
    uint32_t sounding;      // notes now sounding
    uint32_t latency_frames;  // of the mode that is set, from that moment on
} fenby_engine_status;

// The weights are shared and must outlive the engine. NULL with one line in error when the rate or the weights
// will not do or memory is short.
fenby_engine *fenby_engine_new(const fenby_engine_config *config, const fenby_weights *weights, char *error,
                               size_t error_size);
void fenby_engine_free(fenby_engine *engine);

// --- audio thread ------------------------------------------------------------------------------------------

// Hands n samples to the worker. A block that does not fit is lost whole and counted as a gap; at the gap the
// worker resets its state and ends every note. Any block up to fenby_engine_room() fits when the worker is
// idle.
void fenby_engine_push(fenby_engine *engine, const float *samples, uint32_t n_frames) FENBY_REALTIME;

// The most samples that may wait for the worker: a second, or four blocks.
uint32_t fenby_engine_room(const fenby_engine *engine) FENBY_REALTIME;

// True when the worker can look (latency.h), or was asked to end notes: wake it.
bool fenby_engine_has_work(const fenby_engine *engine) FENBY_REALTIME;

// The next event that is due before frame `until`, in order; false when there is none. Call it with the frame
// at the end of the block, until false; an event whose frame lies before the block leaves at the block's start.
// INT64_MAX takes everything, as when the stream stops.
bool fenby_engine_pop(fenby_engine *engine, int64_t until_frame, fenby_event *event) FENBY_REALTIME;

// Frames pushed so far.
int64_t fenby_engine_frames(const fenby_engine *engine) FENBY_REALTIME;

// Any thread: stores a clamped value; the worker takes it up at the next hop.
void fenby_engine_set_parameter(fenby_engine *engine, fenby_parameter parameter, float value) FENBY_REALTIME;
float fenby_engine_parameter(const fenby_engine *engine, fenby_parameter parameter) FENBY_REALTIME;

// Any thread: asks the worker to end every sounding note (bypass, panic, stop). Once it has, notes that wait for their
// frame never leave; the ends of those that sound do at once, or just after what had its frame before.
void fenby_engine_end_notes(fenby_engine *engine) FENBY_REALTIME;

// --- worker ------------------------------------------------------------------------------------------------

// Works through all samples that wait. Returns how often it looked.
size_t fenby_engine_work(fenby_engine *engine);

// End of the input: pushes the chain's own latency through and ends every note. Offline use, worker thread,
// after the last _work. What follows is _pop, then _reset or _free.
void fenby_engine_finish(fenby_engine *engine);

// For views: calls tap in the worker at each hop (transcriber.h). NULL takes it off.
void fenby_engine_set_tap(fenby_engine *engine, fenby_tap tap, void *user);

// --- neither running ---------------------------------------------------------------------------------------

// As after _new, parameters kept.
void fenby_engine_reset(fenby_engine *engine);

// --- worker: model swap ------------------------------------------------------------------------------------

// Takes other weights: ends every note, keeps the clock. On error the old ones stay. Allocates.
bool fenby_engine_set_model(fenby_engine *engine, const fenby_weights *weights, char *error, size_t error_size);

// --- any thread --------------------------------------------------------------------------------------------

void fenby_engine_status_get(const fenby_engine *engine, fenby_engine_status *status) FENBY_REALTIME;

#endif
