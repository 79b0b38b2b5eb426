// SPDX-License-Identifier: ISC
// The sliding DFT against a direct sum, whatever pieces the samples come in; what it forgets.
#include "dsp/sliding_dft.h"

#include <string.h>

#include "tests/test.h"

enum { MOST_SAMPLES = 40000, MOST_BINS = 400 };

static float samples[MOST_SAMPLES], re[MOST_BINS], im[MOST_BINS];

// The largest difference of any bin from the sum over the blocks in view and the begun one, with `end` samples taken.
static double error_of(int block, int n_blocks, int bins, int end)
{
    const int n = (n_blocks + 1) * block, first = (end / block - n_blocks) * block;
    double worst = 0;
    for (int k = 0; k < bins; k += 1 + bins / 37) {
        double sum_re = 0, sum_im = 0;
        for (int p = first > 0 ? first : 0; p < end; p++) {
            const double angle = -2 * M_PI * (double)((long long)k * (p - end) % n) / n;
            sum_re += samples[p] * cos(angle);
            sum_im += samples[p] * sin(angle);
        }
        worst = fmax(worst, hypot(re[k] - sum_re, im[k] - sum_im));
    }
    return worst;
}

static void test_direct_sum(int block, int n_blocks, int bins, unsigned long long seed)
{
    fenby_sliding_dft *dft = fenby_sliding_dft_new(block, n_blocks, bins);
    REQUIRE(dft, "no memory");
    double worst = 0;
    int checks = 0;
    for (int end = 0, piece; end < MOST_SAMPLES; end += piece) {
        piece = (int)(2.5 * block * test_random(&seed));
        if (piece > MOST_SAMPLES - end) break;
        fenby_sliding_dft_push(dft, samples + end, piece);
        if (test_random(&seed) > 0.02 && end + 3 * block < MOST_SAMPLES) continue;
        fenby_sliding_dft_spectrum(dft, re, im);
        worst = fmax(worst, error_of(block, n_blocks, bins, end + piece));
        checks++;
    }
    // Noise of standard deviation 0.29: bins of some 0.29 sqrt(N).
    CHECK(checks > 0 && worst < 2e-6 * sqrt((n_blocks + 1) * block), "%d blocks of %d, %d bins: %g off", n_blocks, block,
          bins, worst);
    fenby_sliding_dft_free(dft);
}

// Loud for long, then silent: once the loud blocks have left, next to nothing of them is left, and after a reset nothing.
static void test_forgets(void)
{
    enum { BLOCK = 128, N_BLOCKS = 64, BINS = 340, ROUNDS = 200 };
    static const float silence[(N_BLOCKS + 2) * BLOCK];
    fenby_sliding_dft *dft = fenby_sliding_dft_new(BLOCK, N_BLOCKS, BINS);
    REQUIRE(dft, "no memory");
    for (int i = 0; i < ROUNDS; i++) fenby_sliding_dft_push(dft, samples, MOST_SAMPLES);
    fenby_sliding_dft_push(dft, silence, sizeof silence / sizeof *silence);
    fenby_sliding_dft_spectrum(dft, re, im);
    double most = 0;
    for (int k = 0; k < BINS; k++) most = fmax(most, hypot(re[k], im[k]));
    CHECK(most < 1e-10, "%g is left of %d samples", most, ROUNDS * MOST_SAMPLES);
    fenby_sliding_dft_push(dft, samples, 1000);
    fenby_sliding_dft_reset(dft);
    fenby_sliding_dft_spectrum(dft, re, im);
    int left = 0;
    for (int k = 0; k < BINS; k++) left += re[k] != 0 || im[k] != 0;
    CHECK(left == 0, "%d bins after a reset", left);
    fenby_sliding_dft_free(dft);
    fenby_sliding_dft_free(NULL);
}

int main(void)
{
    unsigned long long seed = 7;
    for (int i = 0; i < MOST_SAMPLES; i++) samples[i] = (float)(test_random(&seed) - 0.5);
    test_direct_sum(128, 64, 342, 1);
    test_direct_sum(279, 64, 345, 2);
    test_direct_sum(47, 65, 64, 3);
    test_direct_sum(1, 8, 5, 4);
    test_direct_sum(500, 1, 200, 5);
    test_direct_sum(16, 3, 1, 6);
    test_forgets();
    return test_report();
}
