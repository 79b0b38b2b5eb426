// SPDX-License-Identifier: ISC
#include "pitch.h"

#include <math.h>

#include "features.h"

enum {
    N_HARMONICS = 4,
    REACH = 2,  // bins: two thirds of a semitone
};

static const int harmonic_bins[N_HARMONICS] = {0, 36, 57, 72};
static const float harmonic_cents[N_HARMONICS] = {0, 0, 1.955f, 0};  // of the harmonic above its bin
static const float weakest_peak = 0.2f;                              // -80 dB
static const float cents_per_bin = 1200.0f / FENBY_BINS_PER_OCTAVE;

static float level(const float *frame, int bin)
{
    return frame[bin * FENBY_N_RESOLUTIONS + FENBY_LONG_WINDOWS];
}

fenby_peak fenby_peak_at(const float *frame, int bin)
{
    const float below = level(frame, bin - 1), here = level(frame, bin), above = level(frame, bin + 1);
    if (here <= below || here < above) return (fenby_peak){0};
    return (fenby_peak){
        .bin = (float)bin + 0.5f * (below - above) / (below - 2 * here + above),
        .weight = exp2f((here - 1) * 8.3f),
    };
}

// Its weight is 0 where the loudest bin within reach of this one is no peak.
static fenby_peak find_peak(const float *frame, int centre)
{
    int loudest = centre - REACH;
    for (int bin = loudest + 1; bin <= centre + REACH; bin++)
        if (level(frame, bin) > level(frame, loudest)) loudest = bin;
    return level(frame, loudest) > weakest_peak ? fenby_peak_at(frame, loudest) : (fenby_peak){0};
}

float fenby_pitch_of_key(const float *frame, int key)
{
    float sum = 0, weights = 0;
    for (int i = 0; i < N_HARMONICS; i++) {
        const int centre = FENBY_BINS_PER_KEY * key + 1 + harmonic_bins[i];
        if (centre - REACH - 1 < 0 || centre + REACH + 1 >= FENBY_N_BINS) continue;
        const fenby_peak peak = find_peak(frame, centre);
        sum += peak.weight * ((peak.bin - (float)centre) * cents_per_bin - harmonic_cents[i]);
        weights += peak.weight;
    }
    return weights > 0 ? sum / weights : NAN;
}

void fenby_pitch_of_keys(const float *frame, float *cents)
{
    for (int key = 0; key < FENBY_N_KEYS; key++) cents[key] = fenby_pitch_of_key(frame, key);
}
