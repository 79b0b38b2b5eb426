// SPDX-License-Identifier: ISC
// What the network believes becomes notes: step 4 of the chain.
//
// In:  the network's outputs for one hop, the hop's place in time, the parameters. Out: events in order of
//      their frames (schedule.h), each note-on followed by exactly one note-off of the same output key,
//      whatever the network says and however the parameters change meanwhile.
// Units: hops (FENBY_HOP samples), host frames, probabilities. Thread: the worker. Allocation: in _new only.
//
// A note starts at the first hop or look whose onset posterior reaches the threshold of the mode's head, or of a head
// that looks a hop less far ahead if that one is twice as sure, and if the key is armed: it is so until a note starts,
// and again once the posteriors have fallen below half of their thresholds. The sound is placed where the network says
// it began (onset_age), else in the middle of where the head's lookahead points. A key that is struck while it sounds
// ends and starts again: not by the same onset, told twice within two hops; and also while it is not armed, where the
// posteriors have fallen by half and risen by half since and what they tell of began four hops later or more. A note
// ends when its sounding posterior has been below the note threshold for the release time; its end is placed where that
// began.
//
// Choices, where there was one:
// - Sensitivity and note threshold move the calibrated thresholds by up to 3 logits either way; 0.5 leaves
//   them.
// - The noise gate keeps notes from starting; it ends none. It looks at the last hops, as far back as the head.
// - At maximum polyphony the oldest note is ended for the new one. Of notes that start in one hop the surest win, of those
//   that start within two hops the first.
// - Transposition that leaves 0 .. 127 is folded back by octaves. Of two scale notes equally near the lower is
//   taken.
// - When two keys fall on one output key, the later note ends the earlier one; in the same hop the surer wins, within
//   two hops the first.
// - Speech is written down as notes that die within 80 ms while their pitch moves. Where more than two fifths of the last
//   notes were such, each new one counting for a quarter, the odds of an onset must be three times as high. A note that is
//   held for 200 ms ends the suspicion; so do minutes without notes, and _end_notes.
// - The minimum length holds for notes that fade. One that is struck again, displaced or ended (panic) is cut.
// - A velocity is the mean of what the network says of the last notes, moved by how much harder than they this
//   one was struck (attack.h), before the input's gain; the first is the network's own.
// - Bends are sent when the pitch has moved by more than 5 cents. In chords, where partials of other notes shake what is
//   measured by some 8 cents, it follows within 60 ms; a note alone is followed at once.
#ifndef FENBY_NOTE_TRACKER_H
#define FENBY_NOTE_TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attack.h"
#include "event.h"
#include "heads.h"
#include "parameters.h"

typedef struct fenby_note_tracker fenby_note_tracker;

// The network's outputs for one hop, position by position; NULL: it has no such output.
typedef struct {
    const float *onset;      // [88][heads]
    const float *sounding;   // [88]
    const float *velocity;   // [88] or NULL: the fixed velocity is used
    const fenby_attack *attack;  // or NULL: the velocity is the network's alone
    const float *onset_age;  // [88][age_channels] or NULL: hops from the onset to the end of this hop
    size_t age_channels;     // 1, or one for each head
    float (*cents)(const float *of, int key);  // from a key to what sounds there (pitch.h), or NULL: no bends; asked of
    const float *cents_of;                     // this, for few keys
    float tuning_cents;      // how far the keys lie above the tuning that was set (tuning.h): part of the bend
    float level_db;          // input peak in this hop
} fenby_posteriors;

// Where a hop, or a look between hops, lies in host frames.
typedef struct {
    double end_frame;            // the end of the last sample in it
    int64_t decided_frame;       // how many frames the host had to deliver before it could be worked
    int64_t next_decided_frame;  // the same for what comes next
} fenby_hop_time;

// block_frames: as in the engine's configuration. NULL when memory is short.
fenby_note_tracker *fenby_note_tracker_new(double rate_hz, uint32_t block_frames, const fenby_heads *heads);
void fenby_note_tracker_free(fenby_note_tracker *tracker);

// As after _new: nothing sounds, no events.
void fenby_note_tracker_reset(fenby_note_tracker *tracker);

// Another network's heads. Call _end_notes first.
void fenby_note_tracker_set_heads(fenby_note_tracker *tracker, const fenby_heads *heads);

// One hop. The parameters must be clamped (fenby_parameter_clamp).
void fenby_note_tracker_process(fenby_note_tracker *tracker, const fenby_posteriors *posteriors,
                                const fenby_hop_time *time, const fenby_parameters *parameters);

// A look between two hops, half a hop after the last one: notes may start, nothing else happens.
void fenby_note_tracker_look(fenby_note_tracker *tracker, const fenby_posteriors *posteriors,
                             const fenby_hop_time *time, const fenby_parameters *parameters);

// The next event that can no longer be overtaken; it stays until _skip.
bool fenby_note_tracker_peek(const fenby_note_tracker *tracker, fenby_event *event);
void fenby_note_tracker_skip(fenby_note_tracker *tracker);

// Ends every note at this frame, at once: notes that have not come out never do. Panic, bypass, a gap.
void fenby_note_tracker_end_notes(fenby_note_tracker *tracker, int64_t frame);

// The input is over at this frame: what sounds ends there, everything comes out in its time.
void fenby_note_tracker_finish(fenby_note_tracker *tracker, int64_t frame);

// Notes now sounding.
uint32_t fenby_note_tracker_sounding(const fenby_note_tracker *tracker);

// The latency with these parameters (latency.h).
uint32_t fenby_note_tracker_latency_frames(const fenby_note_tracker *tracker,
                                           const fenby_parameters *parameters);

#endif
