// SPDX-License-Identifier: ISC
// A plugin for tests: sits behind Fenby on a track and writes down the MIDI that arrives, with its frame on the
// host's transport. Its description is lv2_witness.ttl.
//
// At the end the file named by FENBY_WITNESS gets a line for each event, "FREEWHEEL FRAME B0 B1 B2", in order.
#include <lv2/atom/atom.h>
#include <lv2/atom/util.h>
#include <lv2/core/lv2.h>
#include <lv2/core/lv2_util.h>
#include <lv2/midi/midi.h>
#include <lv2/time/time.h>
#include <lv2/urid/urid.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIDI_IN, AUDIO_IN, AUDIO_OUT, FREEWHEEL, N_PORTS, MOST_EVENTS = 100000 };

typedef struct {
    int64_t frame;
    int freewheel;
    uint8_t bytes[3];
} event;

typedef struct {
    void *port[N_PORTS];
    LV2_URID midi_event, position, frame, speed;
    int64_t transport_frame;
    double transport_speed;
    event *events;
    int n_events;
} witness;

static LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate_hz, const char *bundle,
                              const LV2_Feature *const *features)
{
    (void)descriptor, (void)rate_hz, (void)bundle;
    LV2_URID_Map *map = lv2_features_data(features, LV2_URID__map);
    witness *w = map ? calloc(1, sizeof *w) : NULL;
    if (!w || !(w->events = calloc(MOST_EVENTS, sizeof *w->events))) return NULL;
    w->midi_event = map->map(map->handle, LV2_MIDI__MidiEvent);
    w->position = map->map(map->handle, LV2_TIME__Position);
    w->frame = map->map(map->handle, LV2_TIME__frame);
    w->speed = map->map(map->handle, LV2_TIME__speed);
    return w;
}

static void connect_port(LV2_Handle instance, uint32_t port, void *data)
{
    if (port < N_PORTS) ((witness *)instance)->port[port] = data;
}

// transport_frame is the one at the block's start, whatever the event's place in it.
static void take_position(witness *w, const LV2_Atom_Object *object, int64_t offset)
{
    const LV2_Atom *frame = NULL, *speed = NULL;
    lv2_atom_object_get(object, w->frame, &frame, w->speed, &speed, 0);
    if (frame) w->transport_frame = ((const LV2_Atom_Long *)frame)->body - offset;
    if (speed) w->transport_speed = (double)((const LV2_Atom_Float *)speed)->body;
}

static void take_midi(witness *w, const LV2_Atom_Event *from)
{
    if (w->n_events == MOST_EVENTS || from->body.size != 3) return;
    event *e = &w->events[w->n_events++];
    e->frame = w->transport_frame + from->time.frames;
    e->freewheel = *(const float *)w->port[FREEWHEEL] > 0.5f;
    memcpy(e->bytes, from + 1, 3);
}

static void run(LV2_Handle instance, uint32_t n_frames)
{
    witness *w = instance;
    const LV2_Atom_Sequence *messages = w->port[MIDI_IN];
    LV2_ATOM_SEQUENCE_FOREACH(messages, message) {
        const LV2_Atom_Object *object = (const LV2_Atom_Object *)&message->body;
        if (message->body.type == w->midi_event)
            take_midi(w, message);
        else if (object->body.otype == w->position)
            take_position(w, object, message->time.frames);
    }
    if (w->transport_speed != 0) w->transport_frame += n_frames;
    memmove(w->port[AUDIO_OUT], w->port[AUDIO_IN], n_frames * sizeof(float));
}

static void cleanup(LV2_Handle instance)
{
    witness *w = instance;
    const char *path = getenv("FENBY_WITNESS");
    FILE *file = path && w->n_events ? fopen(path, "w") : NULL;
    for (int i = 0; file && i < w->n_events; i++) {
        const event *e = &w->events[i];
        fprintf(file, "%d %lld %d %d %d\n", e->freewheel, (long long)e->frame, e->bytes[0], e->bytes[1],
                e->bytes[2]);
    }
    if (file) fclose(file);
    free(w->events);
    free(w);
}

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index)
{
    static const LV2_Descriptor descriptor = {"urn:fenby:witness", instantiate, connect_port, NULL, run,
                                              NULL,                cleanup,     NULL};
    return index == 0 ? &descriptor : NULL;
}
