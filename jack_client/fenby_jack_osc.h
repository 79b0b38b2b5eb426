// SPDX-License-Identifier: ISC
// Remote control over OSC: settings, presets, recording, status, and notes as they leave.
//
//     /fenby/param                  answers with the value of every parameter
//     /fenby/param/SYMBOL           answers with its value
//     /fenby/param/SYMBOL VALUE     sets it, to a number or a label
//     /fenby/param/SYMBOL/info      answers with name, unit, kind, help, minimum, maximum, default, range
//     /fenby/preset [NAME]          loads it; without a name answers with the one that was loaded last
//     /fenby/presets                answers with the names of all
//     /fenby/model [FILE]           takes another network ("": the one compiled in), or answers with its name
//     /fenby/panic                  ends every note
//     /fenby/record [FILE]          begins a recording in a new file ("" ends it), or answers with its file
//     /fenby/status                 answers with pairs of name and value
//     /fenby/subscribe [HOST PORT] [notes|levels|parameters]...   sends there what happens, for a minute
//     /fenby/unsubscribe [HOST PORT]
//     /fenby/quit
// To subscribers: /fenby/note on|off KEY VELOCITY FRAME, /fenby/level DB, /fenby/param/SYMBOL VALUE.
//
// Questions are answered at their own address. What changes something is answered with /fenby/done ADDRESS,
// what is wrong with /fenby/error ADDRESS WHAT and changes nothing; these two are never answered themselves, so
// that two programs cannot keep each other busy. Answers go to where the message came from. No more than a
// thousand packets a second are read, the rest is dropped and counted.
// Thread: control. Allocation: yes. Errors: one line.
#ifndef FENBY_JACK_OSC_H
#define FENBY_JACK_OSC_H

#include <stdbool.h>
#include <stddef.h>

#include "fenby_jack_control.h"
#include "fenby_jack_packet.h"

typedef struct fenby_jack_osc fenby_jack_osc;

// Listens on this numeric address. port 0: any that is free.
fenby_jack_osc *fenby_jack_osc_new(const char *address, int port, char *error, size_t error_size);
void fenby_jack_osc_free(fenby_jack_osc *osc);

int fenby_jack_osc_port(const fenby_jack_osc *osc);

// To wait on.
int fenby_jack_osc_descriptor(const fenby_jack_osc *osc);

// Reads the packets that wait, and tells subscribers of levels and parameters when it is time to.
void fenby_jack_osc_update(fenby_jack_osc *osc, fenby_jack_control *control);

// Tells subscribers.
void fenby_jack_osc_note(fenby_jack_osc *osc, const fenby_jack_note *note);

// Does what one packet asks for: what _update does with each. The bytes are changed.
void fenby_jack_osc_take(fenby_jack_osc *osc, fenby_jack_control *control, void *bytes, size_t size,
                         const fenby_jack_address *from);

#endif
