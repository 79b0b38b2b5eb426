// SPDX-License-Identifier: ISC
// Where the music is tuned: moves a frame in pitch until its keys lie where the network expects them.
//
// In and out: one CQT frame (cqt.h), in place. It is moved by the tuning that was set and, if wanted, by how far the
// playing lies off it: instruments that are a little sharp or flat, players who tuned to each other, old recordings.
// Units: Hz of A4, cents, hops. Thread: the worker. Allocation: none. Nothing can fail.
//
// Method: peaks of the long windows' spectrum, each placed between the bins by a parabola, vote for their distance
// from the nearest semitone as angles of a circle (librosa.estimate_tuning: McFee et al., SciPy 2015, does so with a
// histogram). Their mean over the last seconds is the tuning, if they agree; those of somebody who sings freely do
// not. Frames are read between the bins, linearly in decibels: a third of a semitone is finer than a window's lobe.
#ifndef FENBY_TUNING_H
#define FENBY_TUNING_H

#include <stdbool.h>

typedef struct {
    float re, im, heard;  // the sum of the hops' mean votes, and of their weights
    float cents;          // how far A4 is taken to lie above the tuning that was set
} fenby_tuning;

// Nothing was heard: as {0}.
void fenby_tuning_reset(fenby_tuning *tuning);

// The frame of a hop. a4_hz: 415 .. 466. follow: listen to where the playing lies.
void fenby_tuning_process(fenby_tuning *tuning, float a4_hz, bool follow, float *frame);

// Moves a frame between hops as the last hop's was, and learns nothing from it.
void fenby_tuning_move(const fenby_tuning *tuning, float a4_hz, float *frame);

#endif
