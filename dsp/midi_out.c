// SPDX-License-Identifier: ISC
#include "midi_out.h"

#include <math.h>

#include "parameters.h"

enum {
    PITCH_BEND = 0xe0,
    CENTRE = 8192,
    UNKNOWN = INT16_MIN,    // no bend
    MASTER_CHANNEL = 1,
    FIRST_MEMBER = 2,
    DATA_ENTRY = 6,         // controllers
    PARAMETER_LOW = 100,
    PARAMETER_HIGH = 101,
    BEND_RANGE = 0,         // registered parameters
    MPE_CONFIGURATION = 6,
    USUAL_RANGE = 2,        // semitones: what receivers have by themselves, and what members of a zone have
    MEMBER_RANGE = 48,
    NOT_KNOWN = 255,        // no range
};

static int tell_parameter(int channel, int parameter, int value, fenby_midi_message *messages)
{
    messages[0] = fenby_midi_controller(channel, PARAMETER_HIGH, 0);
    messages[1] = fenby_midi_controller(channel, PARAMETER_LOW, parameter);
    messages[2] = fenby_midi_controller(channel, DATA_ENTRY, value);
    return 3;
}

static int tell_zone(fenby_midi_out *out, bool is_zone, fenby_midi_message *messages)
{
    if (out->is_zone == is_zone) return 0;
    out->is_zone = is_zone;
    return tell_parameter(MASTER_CHANNEL, MPE_CONFIGURATION, is_zone ? FENBY_MIDI_CHANNELS - 1 : 0, messages);
}

static int range_of(int bends)
{
    return bends == FENBY_BENDS_MPE ? MEMBER_RANGE : USUAL_RANGE;
}

// A receiver of MPE knows the range of a zone's members; any other is told, and told when it is the usual one again.
static int tell_range(fenby_midi_out *out, int channel, int range, fenby_midi_message *messages)
{
    const int known = out->range[channel] ? out->range[channel] : USUAL_RANGE;
    if (known == range) return 0;
    out->range[channel] = (uint8_t)range;
    return tell_parameter(channel, BEND_RANGE, range, messages);
}

static int notes_on(const fenby_midi_out *out, int channel)
{
    int n = 0;
    for (int key = 0; key < FENBY_MIDI_KEYS; key++) n += out->channel_of_key[key] == channel;
    return n;
}

// The one with the fewest notes; of these the one that was taken longest ago, so that what fades keeps its pitch.
static int choose_member(const fenby_midi_out *out)
{
    int best = FIRST_MEMBER, fewest = INT16_MAX;
    for (int channel = FIRST_MEMBER; channel <= FENBY_MIDI_CHANNELS; channel++) {
        const int n = notes_on(out, channel);
        const bool is_older = out->n_notes - out->taken[channel] > out->n_notes - out->taken[best];
        if (n > fewest || (n == fewest && !is_older)) continue;
        best = channel;
        fewest = n;
    }
    return best;
}

// The mean of the channel's notes, as the message has it.
static int bend_of_channel(const fenby_midi_out *out, int channel, int bends)
{
    if (bends == FENBY_BENDS_OFF) return 0;
    float sum = 0;
    int n = 0;
    for (int key = 0; key < FENBY_MIDI_KEYS; key++) {
        if (out->channel_of_key[key] != channel) continue;
        sum += out->bend_of_key[key];
        n++;
    }
    const float bend = n ? roundf(sum / (float)n / (float)range_of(bends) * CENTRE) : 0;
    return (int)fminf(fmaxf(bend, -CENTRE), CENTRE - 1);
}

static int bend_channel(fenby_midi_out *out, int channel, int bends, fenby_midi_message *messages)
{
    const int bend = bend_of_channel(out, channel, bends);
    const int n = tell_range(out, channel, range_of(bends), messages);
    if (bend == out->bend[channel]) return n;
    out->bend[channel] = (int16_t)bend;
    messages[n] = fenby_midi_message_of(PITCH_BEND, channel, bend + CENTRE, (bend + CENTRE) >> 7);
    return n + 1;
}

static int begin_note(fenby_midi_out *out, const fenby_event *event, int channel, int bends,
                      fenby_midi_message *messages)
{
    const bool is_mpe = bends == FENBY_BENDS_MPE;
    int n = tell_zone(out, is_mpe, messages);
    if (is_mpe) channel = choose_member(out);
    out->taken[channel] = ++out->n_notes;
    out->channel_of_key[event->key] = (uint8_t)channel;
    out->bend_of_key[event->key] = event->bend;
    n += bend_channel(out, channel, bends, messages + n);
    messages[n] = fenby_midi_note_on(channel, event->key, event->velocity);
    return n + 1;
}

int fenby_midi_out_event(fenby_midi_out *out, const fenby_event *event, int channel, int bends,
                         fenby_midi_message messages[FENBY_MIDI_MOST])
{
    uint8_t *const sounds = &out->channel_of_key[event->key];
    if (event->type == FENBY_NOTE_ON) return *sounds ? 0 : begin_note(out, event, channel, bends, messages);
    if (!*sounds) return 0;
    if (event->type == FENBY_BEND) {
        out->bend_of_key[event->key] = event->bend;
        return bends == FENBY_BENDS_OFF ? 0 : bend_channel(out, *sounds, bends, messages);
    }
    messages[0] = fenby_midi_note_off(*sounds, event->key);
    *sounds = 0;
    return 1;
}

void fenby_midi_out_zone(fenby_midi_message messages[FENBY_MIDI_ZONE])
{
    fenby_midi_out fresh = {0};
    int n = tell_zone(&fresh, true, messages);
    for (int channel = FIRST_MEMBER; channel <= FENBY_MIDI_CHANNELS; channel++)
        n += tell_range(&fresh, channel, MEMBER_RANGE, messages + n);
}

void fenby_midi_out_forget(fenby_midi_out *out)
{
    out->is_zone = false;
    out->n_notes = 0;
    for (int channel = 1; channel <= FENBY_MIDI_CHANNELS; channel++) {
        out->taken[channel] = 0;
        if (out->bend[channel]) out->bend[channel] = UNKNOWN;
        if (out->range[channel]) out->range[channel] = NOT_KNOWN;
    }
}
