// SPDX-License-Identifier: ISC
// Events as MIDI messages: the channel of each note, and how far channels are bent (parameter `bends`).
//
// - off: every note on one channel, no bends.
// - one channel: likewise, and the channel is bent by the mean of how far its notes are: the pitch of a melody, the
//   common tuning of a chord. In units of the range of two semitones that receivers have by themselves.
// - MPE: each note on a channel of its own, 2 to 16, bent by itself within 48 semitones; with more than 15 notes the
//   channel that was taken longest ago gets a second one. The receiver is told by the MPE Configuration Message, and
//   of the range on each channel, as one that knows nothing of MPE would bend within two.
//   ("MIDI Polyphonic Expression", MIDI Association M1-100-UM: lower zone, 2.1 and 2.4.)
// A note's bend comes before its note-on, and stays when it has ended: what fades away keeps its pitch.
//
// Thread: one for each fenby_midi_out. Allocation: none. Errors: none.
#ifndef FENBY_MIDI_OUT_H
#define FENBY_MIDI_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "event.h"
#include "rt.h"

enum { FENBY_MIDI_KEYS = 128, FENBY_MIDI_CHANNELS = 16, FENBY_MIDI_MOST = 8, FENBY_MIDI_ZONE = 48 };

typedef struct {
    uint8_t bytes[3];
} fenby_midi_message;

// channel 1 .. 16, the rest 0 .. 127; what is more is cut.
static inline fenby_midi_message fenby_midi_message_of(int status, int channel, int first, int second)
{
    return (fenby_midi_message){
        {(uint8_t)(status | ((channel - 1) & 0x0f)), (uint8_t)(first & 0x7f), (uint8_t)(second & 0x7f)}};
}

static inline fenby_midi_message fenby_midi_note_on(int channel, int key, int velocity)
{
    return fenby_midi_message_of(0x90, channel, key, velocity);
}

static inline fenby_midi_message fenby_midi_note_off(int channel, int key)
{
    return fenby_midi_message_of(0x80, channel, key, 64);  // 64: a release of no known speed
}

static inline fenby_midi_message fenby_midi_controller(int channel, int controller, int value)
{
    return fenby_midi_message_of(0xb0, channel, controller, value);
}

static inline fenby_midi_message fenby_midi_all_notes_off(int channel)
{
    return fenby_midi_controller(channel, 123, 0);
}

// Zeros: no note sounds, no channel is bent.
typedef struct {
    uint8_t channel_of_key[FENBY_MIDI_KEYS];  // 1 .. 16 where a key sounds; 0: silent
    float bend_of_key[FENBY_MIDI_KEYS];       // semitones
    int16_t bend[FENBY_MIDI_CHANNELS + 1];    // of each channel, as the receiver knows it: -8192 .. 8191
    uint8_t range[FENBY_MIDI_CHANNELS + 1];   // of each channel's bends in semitones, where it was told; 0: it was not
    uint32_t taken[FENBY_MIDI_CHANNELS + 1];  // when, counted in notes
    uint32_t n_notes;                         // so far
    bool is_zone;                             // the receiver knows that this is MPE
} fenby_midi_out;

// The messages that say this event, in their order, the note's own last; returns how many. None: a note-on of a key
// that sounds, a note-off or bend of one that does not, a bend too small or not wanted. channel: 1 .. 16, of notes
// without MPE; bends: FENBY_BENDS_ of parameters.h. Whatever they were at the note-on, its note-off fits it.
int fenby_midi_out_event(fenby_midi_out *out, const fenby_event *event, int channel, int bends,
                         fenby_midi_message messages[FENBY_MIDI_MOST]) FENBY_REALTIME;

// What _event says before the first note of each channel of MPE, for a receiver that comes later.
void fenby_midi_out_zone(fenby_midi_message messages[FENBY_MIDI_ZONE]);

// The receiver may be another one, or none of what was played may matter: with the next note all is told anew. What
// sounds stays known, to be ended.
void fenby_midi_out_forget(fenby_midi_out *out) FENBY_REALTIME;

#endif
