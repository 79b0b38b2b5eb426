// SPDX-License-Identifier: ISC
// What the plugin and its UI say to each other, as atoms through the ports control and notify.
//
// To the plugin:   WATCH and UNWATCH (objects): send views and notes, first those that sound already, or
//                  stop. SAVE (object): write the notes of the last minutes to a file. patch:Set and
//                  patch:Get of the model.
// From the plugin: VIEW (fenby_view_hop), NOTE (fenby_view_note), MESSAGE (text for people), patch:Set of the
//                  model.
// Units: frames of the host since the plugin was made (its clock, which no reset turns back). Thread: any, it
// is constant once mapped. Allocation: the host's map. Errors: none.
#ifndef FENBY_MESSAGES_H
#define FENBY_MESSAGES_H

#include <lv2/urid/urid.h>

#include "view_data.h"

#define FENBY_URI_MODEL "urn:fenby:model"

typedef struct {
    LV2_URID atom_event_transfer, atom_object, atom_path, atom_string, atom_urid, atom_int, atom_long,
        atom_float;
    LV2_URID midi_event;
    LV2_URID patch_get, patch_set, patch_property, patch_value;
    LV2_URID time_position, time_frame, time_speed;
    LV2_URID max_block, nominal_block, scale_factor;
    LV2_URID model, watch, unwatch, view, note, message;
    LV2_URID save, save_path, save_from, save_to, save_lowest, save_highest;
} fenby_urids;

void fenby_urids_map(fenby_urids *urids, LV2_URID_Map *map);

#endif
