// SPDX-License-Identifier: ISC
// Samples in, notes out, in one thread: steps 2 to 4 of the chain (CQT, network, note tracker).
//
// In:  mono samples at the host rate, any number at a time. What is no number reads as silence; what is louder
//      than +18 dB after the input gain is clipped. Out: events in order (note_tracker.h).
// Units: host frames since _new or _reset, gaps included. Thread: the worker.
// Allocation: in _new and _set_model. _process cannot fail.
#ifndef FENBY_TRANSCRIBER_H
#define FENBY_TRANSCRIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../nn/weights.h"
#include "event.h"
#include "parameters.h"

typedef struct fenby_transcriber fenby_transcriber;

// What was seen in one hop, for views: called in the worker. cqt_frame is float[FENBY_N_FEATURES] (cqt.h),
// onset (of the mode's head) and sounding are float[FENBY_N_KEYS], end_frame is the host frame at the hop's
// end.
typedef void (*fenby_tap)(void *user, const float *cqt_frame, const float *onset, const float *sounding,
                          int64_t end_frame);

// rate_hz: FENBY_SLOWEST_RATE .. FENBY_FASTEST_RATE (features.h). The weights must outlive it. NULL with one line in error
// when the weights lack what the tracker needs or memory is short.
fenby_transcriber *fenby_transcriber_new(double rate_hz, uint32_t block_frames, const fenby_weights *weights,
                                         char *error, size_t error_size);
void fenby_transcriber_free(fenby_transcriber *transcriber);
void fenby_transcriber_reset(fenby_transcriber *transcriber);

// Takes n samples. The parameters must be clamped. Returns how often it looked (latency.h).
size_t fenby_transcriber_process(fenby_transcriber *transcriber, const float *samples, size_t n,
                                 const fenby_parameters *parameters);

// Samples were lost here: ends every note, forgets the past and moves the clock on.
void fenby_transcriber_gap(fenby_transcriber *transcriber, int64_t lost_frames);

// Ends every note now.
void fenby_transcriber_end_notes(fenby_transcriber *transcriber);

// The input is over: pushes the chain's latency through and ends every note where the input ended.
void fenby_transcriber_finish(fenby_transcriber *transcriber, const fenby_parameters *parameters);

// The next event that can no longer be overtaken; it stays until _skip.
bool fenby_transcriber_peek(const fenby_transcriber *transcriber, fenby_event *event);
void fenby_transcriber_skip(fenby_transcriber *transcriber);

// Other weights: ends every note, keeps the clock. On error the old ones stay.
bool fenby_transcriber_set_model(fenby_transcriber *transcriber, const fenby_weights *weights, char *error,
                                 size_t error_size);

// The tap; NULL takes it off.
void fenby_transcriber_set_tap(fenby_transcriber *transcriber, fenby_tap tap, void *user);

// The frame count at which the next look can be had.
int64_t fenby_transcriber_next_decision(const fenby_transcriber *transcriber);

float fenby_transcriber_level_db(const fenby_transcriber *transcriber);  // input peak after the gain, decaying
float fenby_transcriber_a4_hz(const fenby_transcriber *transcriber,
                              const fenby_parameters *parameters);  // where A4 is taken to lie (tuning.h)
uint32_t fenby_transcriber_sounding(const fenby_transcriber *transcriber);
uint32_t fenby_transcriber_latency_frames(const fenby_transcriber *transcriber,
                                          const fenby_parameters *parameters);

#endif
