// SPDX-License-Identifier: ISC
#include "latency.h"

#include <math.h>

#include "features.h"
#include "heads.h"
#include "looks.h"

static const double waited = 9.0 / 16;  // of a look

uint32_t fenby_latency_margin_frames(double rate_hz, uint32_t block_frames)
{
    return block_frames ? block_frames + (uint32_t)ceil(0.5 * FENBY_HOP * rate_hz / FENBY_SAMPLE_RATE) : 0;
}

uint32_t fenby_latency_of_lookahead(double rate_hz, uint32_t block_frames, double lookahead_hops)
{
    // Below half a hop of lookahead the onset may be told before it is heard: then as soon as it is.
    const double hops = fmax(lookahead_hops - FENBY_EARLY_HOPS + waited / fenby_looks_in_hop(), 0);
    return (uint32_t)ceil(hops * FENBY_HOP * rate_hz / FENBY_SAMPLE_RATE) +
           fenby_latency_margin_frames(rate_hz, block_frames);
}

uint32_t fenby_latency_frames(double rate_hz, uint32_t block_frames, const fenby_parameters *parameters,
                              const fenby_weights *weights)
{
    fenby_heads heads;
    char error[256];
    const int mode = (int)fenby_parameter_clamp(FENBY_MODE, parameters->value[FENBY_MODE]);
    double lookahead = 0;
    if (fenby_heads_read(&heads, weights, error, sizeof error))
        lookahead = heads.lookahead[heads.of_mode[mode]];
    return fenby_latency_of_lookahead(rate_hz, block_frames, lookahead);
}
