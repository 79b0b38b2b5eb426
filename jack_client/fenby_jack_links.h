// SPDX-License-Identifier: ISC
// Which of our ports are to be connected to which others: asked for on the command line, restored from a saved
// state, or made by the user meanwhile.
//
// A link is wanted until somebody takes it off while both its ports are there. One whose other port has gone,
// or has not come yet, is made when it comes: a synth that starts later, a server that comes back. When there is no
// room, the oldest one that only a state remembers is forgotten.
// Thread: control. Allocation: none.
#ifndef FENBY_JACK_LINKS_H
#define FENBY_JACK_LINKS_H

#include <stdbool.h>
#include <stddef.h>

enum { FENBY_JACK_MAXIMUM_LINKS = 64, FENBY_JACK_PORT_NAME = 320 };

typedef struct {
    char ours[32];                     // without the client's name: "in", "midi_out"
    char other[FENBY_JACK_PORT_NAME];  // a full name, a part of one (without ':'), or "auto"
    bool is_asked;                     // for on the command line
    bool is_made;                      // was seen connected since the client began
} fenby_jack_link;

typedef struct {
    fenby_jack_link link[FENBY_JACK_MAXIMUM_LINKS];
    size_t count;
} fenby_jack_links;

typedef enum { FENBY_JACK_REMEMBERED, FENBY_JACK_ASKED, FENBY_JACK_MADE } fenby_jack_link_origin;

// Adds what is not there yet. False when a name is too long or there are too many.
bool fenby_jack_links_add(fenby_jack_links *links, const char *ours, const char *other, fenby_jack_link_origin origin);

void fenby_jack_links_remove(fenby_jack_links *links, size_t index);

// All are to be made anew: the client is a new one.
void fenby_jack_links_renew(fenby_jack_links *links);

// The same links are wanted, in whatever order.
bool fenby_jack_links_equal(const fenby_jack_links *a, const fenby_jack_links *b);

#endif
