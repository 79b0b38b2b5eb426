// SPDX-License-Identifier: ISC
#include "attack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "features.h"
#include "heads.h"

enum {
    ATTACK_HOPS = 4,  // from the onset on
    GAP_HOPS = 1,     // the onset may lie a hop before where it is said to
    BEFORE_HOPS = 3,  // before the gap: what sounded already
    N_HOPS = FENBY_MAX_LOOKAHEAD + GAP_HOPS + BEFORE_HOPS + 1,
    BRIGHT_BIN = 200,  // 1.3 kHz
    N_BRIGHT = FENBY_N_BINS - BRIGHT_BIN,
};

static const float nothing = 1e-6f;  // amplitude: below what a frame can hold (-100 dB)

// Amplitudes, hop by hop, around and around.
struct fenby_attack {
    float own[N_HOPS][FENBY_N_KEYS];  // long windows, the largest of a key's bins
    float bright[N_HOPS][N_BRIGHT];   // short windows, bin by bin
    int last;                         // where the last hop lies
};

fenby_attack *fenby_attack_new(void)
{
    return calloc(1, sizeof(fenby_attack));
}

void fenby_attack_free(fenby_attack *attack)
{
    free(attack);
}

void fenby_attack_reset(fenby_attack *attack)
{
    memset(attack, 0, sizeof *attack);
}

static float amplitude(const float *frame, int bin, int resolution)
{
    // 10^(dB / 20) of a log magnitude of (dB + 100) / 100.
    return exp2f((frame[bin * FENBY_N_RESOLUTIONS + resolution] - 1) * 16.609640f);
}

void fenby_attack_push(fenby_attack *attack, const float *frame)
{
    attack->last = (attack->last + 1) % N_HOPS;
    float *own = attack->own[attack->last], *bright = attack->bright[attack->last];
    for (int key = 0; key < FENBY_N_KEYS; key++) {
        const int bin = FENBY_BINS_PER_KEY * key;
        own[key] = 0;
        for (int i = 0; i < FENBY_BINS_PER_KEY; i++)
            own[key] = fmaxf(own[key], amplitude(frame, bin + i, FENBY_LONG_WINDOWS));
    }
    for (int i = 0; i < N_BRIGHT; i++) bright[i] = amplitude(frame, BRIGHT_BIN + i, FENBY_SHORT_WINDOWS);
}

static int row(const fenby_attack *attack, int hops_ago)
{
    return (attack->last - hops_ago + N_HOPS) % N_HOPS;
}

static float level(const fenby_attack *attack, const float *values, int stride, int hops_ago)
{
    float most = 0;
    for (int ago = hops_ago; ago >= 0 && ago > hops_ago - ATTACK_HOPS; ago--)
        most = fmaxf(most, values[row(attack, ago) * stride]);
    return most;
}

static float mean_before(const fenby_attack *attack, const float *values, int stride, int hops_ago)
{
    float sum = 0;
    for (int i = 1; i <= BEFORE_HOPS; i++) sum += values[row(attack, hops_ago + GAP_HOPS + i) * stride];
    return sum / BEFORE_HOPS;
}

float fenby_attack_db(const fenby_attack *attack, int key, int hops_ago)
{
    if (hops_ago > FENBY_MAX_LOOKAHEAD) hops_ago = FENBY_MAX_LOOKAHEAD;
    const float own = level(attack, &attack->own[0][key], FENBY_N_KEYS, hops_ago);
    float brightness = 0;
    for (int i = 0; i < N_BRIGHT; i++) {
        const float *bin = &attack->bright[0][i];
        brightness += fmaxf(level(attack, bin, N_BRIGHT, hops_ago) - mean_before(attack, bin, N_BRIGHT, hops_ago), 0);
    }
    return (40 * log10f(brightness + nothing) + 20 * log10f(own + nothing)) / 3;
}
