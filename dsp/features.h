// SPDX-License-Identifier: ISC
// The shape of what the network hears: one place for the numbers that the CQT, the tracker, the training
// scripts and the weights file agree on.
//
// Units: Hz, samples at FENBY_SAMPLE_RATE, bins. Constants only: any thread, no allocation.
#ifndef FENBY_FEATURES_H
#define FENBY_FEATURES_H

enum {
    FENBY_SAMPLE_RATE = 22050,   // Hz: of the samples that windows and hops are counted in; sound may have any rate
    FENBY_SLOWEST_RATE = 8000,   // Hz: of sound
    FENBY_FASTEST_RATE = 384000,
    FENBY_HOP = 256,             // samples from one frame that the network hears to the next: 11.6 ms
    FENBY_BINS_PER_OCTAVE = 36,  // three bins a semitone
    FENBY_N_BINS = 304,          // from a third of a semitone below A0 to 9.5 kHz
    FENBY_N_RESOLUTIONS = 2,
    FENBY_LONG_WINDOWS = 0,      // for pitch
    FENBY_SHORT_WINDOWS = 1,     // for attacks
    FENBY_N_FEATURES = FENBY_N_BINS * FENBY_N_RESOLUTIONS,
    FENBY_FLOOR_DB = -100,       // level of a bin that hears nothing
    FENBY_N_KEYS = 88,           // A0 (MIDI 21) to C8 (MIDI 108)
    FENBY_LOWEST_KEY = 21,
    FENBY_HIGHEST_KEY = 108,
    FENBY_BINS_PER_KEY = 3,
    FENBY_N_CONTOUR = FENBY_N_KEYS * FENBY_BINS_PER_KEY,
};

#endif
