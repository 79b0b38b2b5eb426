// SPDX-License-Identifier: ISC
#include "fenby_jack_queue.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "../dsp/event.h"
#include "../dsp/ring.h"

enum { CAPACITY = 2048, KEYS = 128 };

struct fenby_jack_queue {
    fenby_ring *ring;
    bool passed_on[KEYS];  // writer: the key's note-on went in, so its note-off will
    _Atomic uint64_t lost;
};

fenby_jack_queue *fenby_jack_queue_new(void)
{
    fenby_jack_queue *queue = calloc(1, sizeof *queue);
    if (queue) queue->ring = fenby_ring_new(sizeof(fenby_jack_note), CAPACITY);
    if (queue && queue->ring) return queue;
    free(queue);
    return NULL;
}

void fenby_jack_queue_free(fenby_jack_queue *queue)
{
    if (!queue) return;
    fenby_ring_free(queue->ring);
    free(queue);
}

// Room for one note-off a key is always left; bends, of which there are many more, leave half of it all to notes.
void fenby_jack_queue_put(fenby_jack_queue *queue, const fenby_jack_note *note)
{
    if (note->type == FENBY_BEND) {
        if (fenby_ring_write_space(queue->ring) > CAPACITY / 2) fenby_ring_write(queue->ring, note, 1);
        return;
    }
    bool *passed_on = &queue->passed_on[note->key];
    if (note->type == FENBY_NOTE_ON) {
        *passed_on = fenby_ring_write_space(queue->ring) > KEYS;
        if (!*passed_on) atomic_fetch_add_explicit(&queue->lost, 1, memory_order_relaxed);
    }
    if (*passed_on) fenby_ring_write(queue->ring, note, 1);
    if (note->type == FENBY_NOTE_OFF) *passed_on = false;
}

bool fenby_jack_queue_get(fenby_jack_queue *queue, fenby_jack_note *note)
{
    return fenby_ring_read(queue->ring, note, 1) == 1;
}

uint64_t fenby_jack_queue_lost(const fenby_jack_queue *queue)
{
    return atomic_load_explicit(&queue->lost, memory_order_relaxed);
}
