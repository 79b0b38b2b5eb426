// SPDX-License-Identifier: ISC
#include "resampler.h"

#include <math.h>
#include <samplerate.h>
#include <stdlib.h>
#include <string.h>

#include "features.h"

// Half the length of SINC_FASTEST's filter, in samples of the slower side.
static const double half_filter = 19.25;

struct fenby_resampler {
    SRC_STATE *state;  // NULL: the rates are the same
    double ratio;      // output rate over input rate
};

fenby_resampler *fenby_resampler_new(double rate_hz)
{
    fenby_resampler *resampler = calloc(1, sizeof *resampler);
    if (!resampler) return NULL;
    resampler->ratio = FENBY_SAMPLE_RATE / rate_hz;
    if (resampler->ratio == 1) return resampler;
    int error;
    resampler->state = src_new(SRC_SINC_FASTEST, 1, &error);
    if (!resampler->state) {
        free(resampler);
        return NULL;
    }
    fenby_resampler_reset(resampler);
    return resampler;
}

void fenby_resampler_free(fenby_resampler *resampler)
{
    if (!resampler) return;
    if (resampler->state) src_delete(resampler->state);
    free(resampler);
}

void fenby_resampler_reset(fenby_resampler *resampler)
{
    if (!resampler->state) return;
    src_reset(resampler->state);
    src_set_ratio(resampler->state, resampler->ratio);
}

size_t fenby_resampler_process(fenby_resampler *resampler, const float *in, size_t *n_in, float *out,
                               size_t n_out)
{
    if (!resampler->state) {
        const size_t n = *n_in < n_out ? *n_in : n_out;
        memcpy(out, in, n * sizeof *out);
        *n_in = n;
        return n;
    }
    SRC_DATA data = {
        .data_in = in,
        .data_out = out,
        .input_frames = (long)*n_in,
        .output_frames = (long)n_out,
        .src_ratio = resampler->ratio,
    };
    src_process(resampler->state, &data);
    *n_in = (size_t)data.input_frames_used;
    return (size_t)data.output_frames_gen;
}

uint32_t fenby_resampler_lookahead_frames(double rate_hz)
{
    const double step = rate_hz / FENBY_SAMPLE_RATE;  // input frames for each output sample
    if (step == 1) return 0;
    // The filter's half length and two frames that libsamplerate wants beyond it; less the step, because the
    // last sample of a hop lies one step before the hop's end.
    return (uint32_t)ceil(rint(half_filter * fmax(step, 1)) + 2 - step);
}
