// SPDX-License-Identifier: ISC
// A client of the New Session Manager (NSM API 1.1): a session says under which name to join JACK and where to
// keep the state, so that settings, model and connections come back with it.
//
// Thread: control. Allocation: in _new. Errors: one line; those of a session are also told to the manager.
// Source: https://new-session-manager.jackaudio.org/api/
#ifndef FENBY_JACK_NSM_H
#define FENBY_JACK_NSM_H

#include <stdbool.h>
#include <stddef.h>

#include "fenby_jack_control.h"

typedef struct fenby_jack_nsm fenby_jack_nsm;

// Announces this program to the manager of this URL ("osc.udp://host:port/"). fresh: what a new session begins
// with; it must outlive the client.
fenby_jack_nsm *fenby_jack_nsm_new(const char *url, const char *program, const fenby_jack_state *fresh,
                                   char *error, size_t error_size);
void fenby_jack_nsm_free(fenby_jack_nsm *nsm);

// To wait on.
int fenby_jack_nsm_descriptor(const fenby_jack_nsm *nsm);

// Does what the manager asks for: opens sessions (which starts or switches the JACK client), saves them. Tells
// it whether there is something to save. False, once, when no manager answers.
bool fenby_jack_nsm_update(fenby_jack_nsm *nsm, fenby_jack_control *control);

// Something a person should know.
void fenby_jack_nsm_say(fenby_jack_nsm *nsm, const char *line, bool is_trouble);

#endif
