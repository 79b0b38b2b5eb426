// SPDX-License-Identifier: ISC
// How far each key is played off its pitch: vibrato, bends, slides.
//
// In:  one CQT frame (cqt.h, after tuning.h). Out: for each key the cents between it and what sounds there, within 83
//      either way; NAN where nothing stands out. What the frame holds lies 2 hops back (the middle of its windows).
// Thread: any. Allocation: none. Nothing can fail.
//
// Method: the peak near each of the first four harmonics in the long windows, placed between the bins by a parabola
// through its three values in decibels (Smith and Serra, "PARSHL", ICMC 1987, section 3.4), and their mean, the louder
// ones counting more. Against YIN it errs less than a seventh of what the network's contour does (nn/train/REPORT.md).
#ifndef FENBY_PITCH_H
#define FENBY_PITCH_H

// A peak of the long windows' spectrum.
typedef struct {
    float bin;     // where it lies, between the bins
    float weight;  // the root of its amplitude; 0: there is no peak
} fenby_peak;

// The peak whose loudest bin is this one (1 .. FENBY_N_BINS - 2), if there is one.
fenby_peak fenby_peak_at(const float *frame, int bin);

float fenby_pitch_of_key(const float *frame, int key);
void fenby_pitch_of_keys(const float *frame, float *cents);

#endif
