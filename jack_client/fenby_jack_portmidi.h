// SPDX-License-Identifier: ISC
// MIDI to hardware and ALSA synths through PortMIDI, from a thread of its own.
//
// Every message carries the time at which it leaves JACK, in whole milliseconds, which always lies ahead; the
// driver sends it then. A device that vanishes is reported and tried again every two seconds; meanwhile nothing
// waits for it. When it comes back no note sounds on it.
// Thread: _put belongs to the audio thread, _stop to any, the rest to the control thread. Allocation: in _new.
// Errors: one line.
#ifndef FENBY_JACK_PORTMIDI_H
#define FENBY_JACK_PORTMIDI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../dsp/rt.h"
#include "fenby_jack_queue.h"

typedef struct fenby_jack_portmidi fenby_jack_portmidi;

// device: a name or a part of one, a number as _list shows them, or "" for the default one.
fenby_jack_portmidi *fenby_jack_portmidi_new(const char *device, char *error, size_t error_size);

// Ends every note on the device, for good: what is put afterwards is not sent. Waits for that, but not forever. Any
// thread, and more than one.
void fenby_jack_portmidi_stop(fenby_jack_portmidi *portmidi);

// Stops if need be, frees.
void fenby_jack_portmidi_free(fenby_jack_portmidi *portmidi);

void fenby_jack_portmidi_put(fenby_jack_portmidi *portmidi, const fenby_jack_note *note) FENBY_REALTIME;

// Ends every note on the device, also those that it knows of and nobody else: for panic, and for when the audio thread
// can no longer do it.
void fenby_jack_portmidi_end_notes(fenby_jack_portmidi *portmidi);

// What has happened since the last call ("'USB MIDI 1' is gone, ..."); false when nothing has.
bool fenby_jack_portmidi_news(fenby_jack_portmidi *portmidi, char *news, size_t news_size);

// Writes the output devices, or that there are none.
void fenby_jack_portmidi_list(FILE *file);

#endif
