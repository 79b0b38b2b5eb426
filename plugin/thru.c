// SPDX-License-Identifier: ISC
#include "thru.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FADE_FRAMES = 512 };

struct fenby_thru {
    uint32_t mask, most_delay;
    uint32_t written;  // samples taken in, modulo 2^32
    uint32_t delay, next_delay;
    uint32_t fade_left;  // frames until next_delay is reached; 0: there is none
    bool fresh;          // the first delay needs no fade
    float samples[];
};

fenby_thru *fenby_thru_new(uint32_t most_delay_frames)
{
    uint32_t size = 1;
    while (size < most_delay_frames + FENBY_THRU_CHUNK) size *= 2;
    fenby_thru *t = calloc(1, sizeof *t + size * sizeof *t->samples);
    if (!t) return NULL;
    t->mask = size - 1;
    t->most_delay = most_delay_frames;
    fenby_thru_reset(t);
    return t;
}

void fenby_thru_free(fenby_thru *t)
{
    free(t);
}

void fenby_thru_reset(fenby_thru *t)
{
    memset(t->samples, 0, (t->mask + 1) * sizeof *t->samples);
    t->written = t->delay = t->fade_left = 0;
    t->fresh = true;
}

void fenby_thru_write(fenby_thru *t, const float *in, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) t->samples[(t->written + i) & t->mask] = in[i];
    t->written += n;
}

void fenby_thru_read(fenby_thru *t, float *out, uint32_t n, uint32_t delay)
{
    if (delay > t->most_delay) delay = t->most_delay;
    if (t->fresh) t->delay = delay;
    t->fresh = false;
    if (!t->fade_left && delay != t->delay) {
        t->next_delay = delay;
        t->fade_left = FADE_FRAMES;
    }
    const uint32_t start = t->written - n;
    for (uint32_t i = 0; i < n; i++) {
        float sample = t->samples[(start + i - t->delay) & t->mask];
        if (t->fade_left) {
            const float old_share = (float)t->fade_left / FADE_FRAMES;
            sample = old_share * sample + (1 - old_share) * t->samples[(start + i - t->next_delay) & t->mask];
            if (--t->fade_left == 0) t->delay = t->next_delay;
        }
        out[i] = sample;
    }
}
