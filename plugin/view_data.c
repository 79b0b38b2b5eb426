// SPDX-License-Identifier: ISC
#include "view_data.h"

#include <math.h>

static const float most_magnitude = 1.2f;  // cqt.h

static uint8_t byte(float fraction)
{
    return fraction <= 0 ? 0 : fraction >= 1 ? 255 : (uint8_t)lroundf(255 * fraction);
}

void fenby_view_hop_fill(fenby_view_hop *hop, const float *cqt_frame, const float *onset, const float *sounding,
                         int64_t end_frame, double rate_hz)
{
    hop->end_frame = end_frame;
    hop->hop_frames = (float)(FENBY_HOP * rate_hz / FENBY_SAMPLE_RATE);
    for (int i = 0; i < FENBY_N_CONTOUR; i++)
        hop->spectrum[i] = byte(cqt_frame[i * FENBY_N_RESOLUTIONS] / most_magnitude);
    for (int key = 0; key < FENBY_N_KEYS; key++) {
        hop->onset[key] = byte(onset[key]);
        hop->sounding[key] = byte(sounding[key]);
    }
}
