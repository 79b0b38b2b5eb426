// SPDX-License-Identifier: ISC
#include "attack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exponent.h"
#include "features.h"
#include "heads.h"
#include "looks.h"

enum {
    ATTACK_HOPS = 4,  // from the onset on
    BEFORE_HOPS = 3,  // what sounded already
    GAP_FRAMES = 1,   // between them: the onset may lie a frame before where it is said to
    N_FRAMES = (FENBY_MAX_LOOKAHEAD + BEFORE_HOPS) * FENBY_MOST_LOOKS + GAP_FRAMES + 1,
    BRIGHT_BIN = 200,  // 1.3 kHz
    N_BRIGHT = FENBY_N_BINS - BRIGHT_BIN,
};

static const float nothing = 1e-6f;  // amplitude: below what a frame can hold (-100 dB)

// Amplitudes, frame by frame, around and around.
struct fenby_attack {
    int frames_in_hop;
    int last;                           // where the last frame lies
    float own[N_FRAMES][FENBY_N_KEYS];  // long windows, the largest of a key's bins
    float bright[N_FRAMES][N_BRIGHT];   // short windows, bin by bin
};

fenby_attack *fenby_attack_new(int frames_in_hop)
{
    fenby_attack *attack = calloc(1, sizeof *attack);
    if (attack) attack->frames_in_hop = frames_in_hop;
    return attack;
}

void fenby_attack_free(fenby_attack *attack)
{
    free(attack);
}

void fenby_attack_reset(fenby_attack *attack)
{
    *attack = (fenby_attack){.frames_in_hop = attack->frames_in_hop};
}

// 10^(dB / 20) of levels of (dB + 100) / 100, in place.
static void to_amplitudes(float *levels, int n)
{
    for (int i = 0; i < n; i++) levels[i] = fenby_exp2((levels[i] - 1) * 16.609640f);
}

void fenby_attack_push(fenby_attack *attack, const float *frame)
{
    attack->last = (attack->last + 1) % N_FRAMES;
    float *own = attack->own[attack->last], *bright = attack->bright[attack->last];
    for (int key = 0; key < FENBY_N_KEYS; key++) {
        const float *bin = frame + FENBY_BINS_PER_KEY * key * FENBY_N_RESOLUTIONS + FENBY_LONG_WINDOWS;
        own[key] = bin[0];
        for (int i = 1; i < FENBY_BINS_PER_KEY; i++)
            if (bin[i * FENBY_N_RESOLUTIONS] > own[key]) own[key] = bin[i * FENBY_N_RESOLUTIONS];
    }
    for (int i = 0; i < N_BRIGHT; i++) bright[i] = frame[(BRIGHT_BIN + i) * FENBY_N_RESOLUTIONS + FENBY_SHORT_WINDOWS];
    to_amplitudes(own, FENBY_N_KEYS);
    to_amplitudes(bright, N_BRIGHT);
}

static int row(const fenby_attack *attack, int frames_ago)
{
    return (attack->last - frames_ago + N_FRAMES) % N_FRAMES;
}

static float level(const fenby_attack *attack, const float *values, int stride, int frames_ago)
{
    float most = 0;
    for (int ago = frames_ago; ago >= 0 && ago > frames_ago - ATTACK_HOPS * attack->frames_in_hop; ago--)
        most = fmaxf(most, values[row(attack, ago) * stride]);
    return most;
}

static float mean_before(const fenby_attack *attack, const float *values, int stride, int frames_ago)
{
    const int before = BEFORE_HOPS * attack->frames_in_hop;
    float sum = 0;
    for (int i = 1; i <= before; i++) sum += values[row(attack, frames_ago + GAP_FRAMES + i) * stride];
    return sum / (float)before;
}

float fenby_attack_db(const fenby_attack *attack, int key, double hops_ago)
{
    const int frames_ago = (int)(fmin(hops_ago, FENBY_MAX_LOOKAHEAD) * attack->frames_in_hop);
    const float own = level(attack, &attack->own[0][key], FENBY_N_KEYS, frames_ago);
    float brightness = 0;
    for (int i = 0; i < N_BRIGHT; i++) {
        const float *bin = &attack->bright[0][i];
        const float rise = level(attack, bin, N_BRIGHT, frames_ago) - mean_before(attack, bin, N_BRIGHT, frames_ago);
        brightness += fmaxf(rise, 0);
    }
    return (40 * log10f(brightness + nothing) + 20 * log10f(own + nothing)) / 3;
}
