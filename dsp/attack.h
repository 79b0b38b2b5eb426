// SPDX-License-Identifier: ISC
// How hard a note was struck, in decibels: how bright and how loud its attack is.
//
// In:  CQT frames, one a look (latency.h). Out: two parts brightness (what rises above 1.3 kHz, short windows), one part the
//      level of the key itself (long windows). A harder blow is a brighter one too: on piano recordings both
//      together follow the velocity better than either (nn/train/REPORT.md). The figure has no zero: it tells
//      attacks apart, and rises by a decibel where the whole input does.
// Thread: the worker. Allocation: in _new only. _push, _db and _reset cannot fail.
//
// Source: level and spectrum both follow the hammer's velocity, Askenfelt and Jansson, "From touch to string
// vibrations. III: String motion and spectra", JASA 93(4), 1993; the rise over what sounded before is spectral
// flux, Bello et al., "A tutorial on onset detection in music signals", IEEE TSAP 13(5), 2005, section III A.
#ifndef FENBY_ATTACK_H
#define FENBY_ATTACK_H

typedef struct fenby_attack fenby_attack;

// frames_in_hop: 1 or 2. NULL when memory is short.
fenby_attack *fenby_attack_new(int frames_in_hop);
void fenby_attack_free(fenby_attack *attack);

// Silence came before: as after _new.
void fenby_attack_reset(fenby_attack *attack);

// One frame of FENBY_N_FEATURES (cqt.h).
void fenby_attack_push(fenby_attack *attack, const float *frame);

// An attack of this key (0 .. 87) in the frame `hops_ago` before the last one (0 and more; beyond
// FENBY_MAX_LOOKAHEAD, heads.h, taken for that; parts of a frame do not count).
float fenby_attack_db(const fenby_attack *attack, int key, double hops_ago);

#endif
