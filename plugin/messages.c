// SPDX-License-Identifier: ISC
#include "messages.h"

#include <lv2/atom/atom.h>
#include <lv2/buf-size/buf-size.h>
#include <lv2/midi/midi.h>
#include <lv2/patch/patch.h>
#include <lv2/time/time.h>
#include <lv2/ui/ui.h>
#include <stddef.h>

void fenby_urids_map(fenby_urids *urids, LV2_URID_Map *map)
{
    const struct {
        LV2_URID *urid;
        const char *uri;
    } all[] = {
        {&urids->atom_event_transfer, LV2_ATOM__eventTransfer},
        {&urids->atom_object, LV2_ATOM__Object},
        {&urids->atom_path, LV2_ATOM__Path},
        {&urids->atom_string, LV2_ATOM__String},
        {&urids->atom_urid, LV2_ATOM__URID},
        {&urids->atom_int, LV2_ATOM__Int},
        {&urids->atom_long, LV2_ATOM__Long},
        {&urids->atom_float, LV2_ATOM__Float},
        {&urids->midi_event, LV2_MIDI__MidiEvent},
        {&urids->patch_get, LV2_PATCH__Get},
        {&urids->patch_set, LV2_PATCH__Set},
        {&urids->patch_property, LV2_PATCH__property},
        {&urids->patch_value, LV2_PATCH__value},
        {&urids->time_position, LV2_TIME__Position},
        {&urids->time_frame, LV2_TIME__frame},
        {&urids->time_speed, LV2_TIME__speed},
        {&urids->max_block, LV2_BUF_SIZE__maxBlockLength},
        {&urids->nominal_block, LV2_BUF_SIZE__nominalBlockLength},
        {&urids->scale_factor, LV2_UI__scaleFactor},
        {&urids->model, FENBY_URI_MODEL},
        {&urids->watch, "urn:fenby:watch"},
        {&urids->unwatch, "urn:fenby:unwatch"},
        {&urids->view, "urn:fenby:view"},
        {&urids->note, "urn:fenby:note"},
        {&urids->message, "urn:fenby:message"},
        {&urids->save, "urn:fenby:save"},
        {&urids->save_path, "urn:fenby:path"},
        {&urids->save_from, "urn:fenby:from"},
        {&urids->save_to, "urn:fenby:to"},
        {&urids->save_lowest, "urn:fenby:lowestKey"},
        {&urids->save_highest, "urn:fenby:highestKey"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) *all[i].urid = map->map(map->handle, all[i].uri);
}
