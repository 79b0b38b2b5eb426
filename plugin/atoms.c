// SPDX-License-Identifier: ISC
#include "atoms.h"

const LV2_Atom *fenby_atom_property(const LV2_Atom_Object *object, LV2_URID key)
{
    const uint8_t *at = (const uint8_t *)(&object->body + 1);
    const uint8_t *const end = (const uint8_t *)&object->body + object->atom.size;
    while ((size_t)(end - at) >= sizeof(LV2_Atom_Property_Body)) {
        const LV2_Atom_Property_Body *body = (const LV2_Atom_Property_Body *)at;
        const uint64_t size = sizeof *body + (uint64_t)body->value.size;
        if (size > (size_t)(end - at)) return NULL;
        if (body->key == key) return &body->value;
        const uint64_t padded = (size + 7) & ~(uint64_t)7;
        if (padded > (size_t)(end - at)) return NULL;
        at += padded;
    }
    return NULL;
}

const LV2_Atom_Event *fenby_atom_next_event(const LV2_Atom_Sequence *sequence, size_t *read)
{
    if (!sequence || sequence->atom.size < sizeof sequence->body) return NULL;
    const size_t size = sequence->atom.size - sizeof sequence->body;
    if (*read > size || size - *read < sizeof(LV2_Atom_Event)) return NULL;
    const LV2_Atom_Event *event = (const LV2_Atom_Event *)((const uint8_t *)(sequence + 1) + *read);
    const uint64_t event_size = sizeof *event + (uint64_t)event->body.size;
    if (event_size > size - *read) return NULL;
    *read += (event_size + 7) & ~(uint64_t)7;
    return event;
}
