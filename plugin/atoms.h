// SPDX-License-Identifier: ISC
// Reading atoms that may come from anywhere: every size is checked before it is believed.
//
// Units: bytes. Thread: any. Allocation: none. Errors: what does not fit is taken for the end.
#ifndef FENBY_ATOMS_H
#define FENBY_ATOMS_H

#include <lv2/atom/atom.h>
#include <lv2/urid/urid.h>
#include <stddef.h>
#include <stdint.h>

#include "../dsp/rt.h"

// The event at byte *read of the sequence's events, which moves on; NULL at the end.
const LV2_Atom_Event *fenby_atom_next_event(const LV2_Atom_Sequence *sequence, size_t *read) FENBY_REALTIME;

// The value of an object's property, or NULL. The object's own size must have been checked.
const LV2_Atom *fenby_atom_property(const LV2_Atom_Object *object, LV2_URID key) FENBY_REALTIME;

#endif
