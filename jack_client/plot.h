// SPDX-License-Identifier: ISC
// A picture of what was heard and what was written: the notes as a piano roll over the constant-Q spectrum.
//
// In:  CQT frames (dsp/cqt.h), one a hop, for any length: hops are merged so that 2400 columns are enough.
// Out: PNG, at most about 2500 pixels wide, seconds to the right, keys A0 to C8 upwards.
// Thread: one for each plot. Allocation: in _new, and cairo's own in _write. Errors: NULL; false with a reason,
// which is errno's when the stream fails.
#ifndef FENBY_PLOT_H
#define FENBY_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "notes.h"

typedef struct fenby_plot fenby_plot;

// NULL when memory is short.
fenby_plot *fenby_plot_new(void);
void fenby_plot_free(fenby_plot *plot);

// Takes the next frame, float[FENBY_N_FEATURES], that ends at this second of the recording.
void fenby_plot_add(fenby_plot *plot, const float *cqt_frame, double end_s);

// Draws the recording's seconds with its notes. The title may hold any bytes: '?' stands for what is no UTF-8.
bool fenby_plot_write(const fenby_plot *plot, const fenby_notes *notes, double rate_hz, double duration_s,
                      const char *title, FILE *file, const char **reason);

#endif
