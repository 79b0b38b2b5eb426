// SPDX-License-Identifier: ISC
// The resampler against ideal sines, its declared reach, and the same bits however the input is cut up.
#include "dsp/resampler.h"

#include <string.h>

#include "dsp/features.h"
#include "tests/test.h"

static const double rates_hz[] = {8000,  11025, 16000, 22050,  32000,  44100,
                                  48000, 88200, 96000, 176400, 192000, 384000};
enum { N_RATES = sizeof rates_hz / sizeof *rates_hz, SECONDS = 1 };

// All of the input in blocks of `block` frames; out must have room for SECONDS and a bit.
static size_t resample(fenby_resampler *resampler, const float *in, size_t n, size_t block, float *out)
{
    size_t written = 0;
    for (size_t read = 0; read < n;) {
        size_t used = n - read < block ? n - read : block;
        size_t got = fenby_resampler_process(resampler, in + read, &used, out + written, 300);
        read += used;
        written += got;
        for (; got == 300; written += got) {
            used = 0;
            got = fenby_resampler_process(resampler, in + read, &used, out + written, 300);
        }
    }
    return written;
}

// Signal over what differs from sin(w i), in dB, the ends left out. Phase and level must be right, too.
static double snr_db(const float *samples, size_t n, double w)
{
    double signal = 0, noise = 0;
    for (size_t i = 1000; i + 1000 < n; i++) {
        const double ideal = 0.5 * sin(w * (double)i);
        signal += ideal * ideal;
        noise += (samples[i] - ideal) * (samples[i] - ideal);
    }
    return 10 * log10(signal / fmax(noise, 1e-30));
}

static void test_quality(double rate_hz, float *in, float *out)
{
    static const double tones_hz[] = {100, 440, 1000, 2000, 3000, 4000, 5000, 6000, 7000};
    const size_t n = (size_t)(rate_hz * SECONDS);
    fenby_resampler *resampler = fenby_resampler_new(rate_hz);
    REQUIRE(resampler, "no memory");
    for (size_t t = 0; t < sizeof tones_hz / sizeof *tones_hz; t++) {
        if (tones_hz[t] > 0.35 * rate_hz) continue;
        for (size_t i = 0; i < n; i++) in[i] = (float)(0.5 * sin(2 * M_PI * tones_hz[t] * (double)i / rate_hz));
        fenby_resampler_reset(resampler);
        const size_t got = resample(resampler, in, n, 64, out);
        const double snr = snr_db(out, got, 2 * M_PI * tones_hz[t] / FENBY_SAMPLE_RATE);
        CHECK(snr >= 80, "%g Hz at %g Hz: %.1f dB", tones_hz[t], rate_hz, snr);
    }
    fenby_resampler_free(resampler);
}

// A hop must be complete once the host has delivered the frames up to its end and the declared reach, and not
// two frames sooner (but for rounding, one).
static void test_reach(double rate_hz, const float *in)
{
    fenby_resampler *resampler = fenby_resampler_new(rate_hz);
    REQUIRE(resampler, "no memory");
    const double hop_frames = FENBY_HOP * rate_hz / FENBY_SAMPLE_RATE;
    const int64_t reach = fenby_resampler_lookahead_frames(rate_hz);
    int64_t latest = INT64_MIN, soonest = INT64_MAX, frames = 0;
    size_t written = 0;
    for (int64_t hop = 1; hop <= 60; frames++) {
        float out[16];
        size_t used = 1;
        written += fenby_resampler_process(resampler, in + frames, &used, out, 16);
        if (written < (size_t)hop * FENBY_HOP) continue;
        const int64_t wanted = frames + 1 - (int64_t)ceil((double)hop * hop_frames);
        latest = wanted > latest ? wanted : latest;
        soonest = wanted < soonest ? wanted : soonest;
        hop++;
    }
    CHECK(latest <= reach && latest >= reach - 1, "%g Hz: reaches %lld ahead, declared %lld", rate_hz,
          (long long)latest, (long long)reach);
    CHECK(soonest >= reach - 3, "%g Hz: at the least %lld, declared %lld", rate_hz, (long long)soonest,
          (long long)reach);
    CHECK((double)reach / rate_hz < 0.003, "%g Hz: %lld frames are too late", rate_hz, (long long)reach);
    fenby_resampler_free(resampler);
}

static void test_blocks(double rate_hz, const float *in, float *out, float *other)
{
    static const size_t blocks[] = {1, 2, 63, 64, 480, 1024, 8192};
    const size_t n = (size_t)(rate_hz * SECONDS) / 4;
    fenby_resampler *resampler = fenby_resampler_new(rate_hz);
    REQUIRE(resampler, "no memory");
    const size_t whole = resample(resampler, in, n, n, out);
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) {
        fenby_resampler_reset(resampler);
        const size_t got = resample(resampler, in, n, blocks[b], other);
        CHECK(got == whole && !memcmp(out, other, got * sizeof *out), "%g Hz in blocks of %zu", rate_hz,
              blocks[b]);
    }
    fenby_resampler_free(resampler);
}

int main(void)
{
    const size_t most = 384000 * SECONDS;
    float *in = calloc(most, sizeof *in);
    float *out = calloc(30000, sizeof *out), *other = calloc(30000, sizeof *other);
    REQUIRE(in && out && other, "no memory");
    for (size_t r = 0; r < N_RATES; r++) test_quality(rates_hz[r], in, out);
    unsigned long long random = 1;
    for (size_t i = 0; i < most; i++) in[i] = (float)(2 * test_random(&random) - 1);
    for (size_t r = 0; r < N_RATES; r++) {
        test_reach(rates_hz[r], in);
        test_blocks(rates_hz[r], in, out, other);
    }
    fenby_resampler *same = fenby_resampler_new(FENBY_SAMPLE_RATE);
    REQUIRE(same, "no memory");
    CHECK(resample(same, in, 20000, 20000, out) == 20000 && !memcmp(in, out, 20000 * sizeof *in),
          "the network's own rate is not touched");
    fenby_resampler_free(same);
    free(in);
    free(out);
    free(other);
    return test_report();
}
