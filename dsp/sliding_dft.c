// SPDX-License-Identifier: ISC
#include "sliding_dft.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sums.h"

enum { ROW = FENBY_TRANSFORM_ROW, PAIRS = FENBY_TRANSFORM_PAIRS };

// All bins of something are n_bins real parts, then n_bins imaginary ones; n_bins is filled up as sums.h wants it.
struct fenby_sliding_dft {
    int block, n_blocks, bins;
    size_t n_bins;

    // exp(-2 pi i k j / N) for all bins k: of j = 1/2, 3/2 .. up to a row's half; of the middle of each row; and of whole blocks,
    // in turns of the circle: exp(-2 pi i j / (n_blocks + 1)).
    float *of_pair, *of_row, (*circle)[2];

    float *blocks;   // the bins of n_blocks, each turned to its place in the circle
    double *sum;     // of the blocks
    float *current;  // bins of the block that is being filled, not yet turned
    float *fresh;    // its newest samples at their places, zeros elsewhere
    int filled;      // how many samples it has
    int place;       // where in the circle it lies
    int oldest;      // which of the blocks leaves next
    const fenby_sums *sums;
};

static float *new_bins(const fenby_sliding_dft *dft, int count)
{
    return fenby_sums_new_floats((size_t)count * 2 * dft->n_bins);
}

// Turns by exp(-2 pi i k j / n) for each bin k, j being so many halves.
static void fill_turns(const fenby_sliding_dft *dft, float *turns, int halves, int n)
{
    for (int k = 0; k < dft->bins; k++) {
        const double angle = -M_PI * (double)((int64_t)k * halves % (2 * n)) / n;
        turns[k] = (float)cos(angle);
        turns[(size_t)k + dft->n_bins] = (float)sin(angle);
    }
}

fenby_sliding_dft *fenby_sliding_dft_new(int block, int n_blocks, int bins)
{
    fenby_sliding_dft *dft = calloc(1, sizeof *dft);
    if (!dft) return NULL;
    const int n_rows = (block + ROW - 1) / ROW, circle = n_blocks + 1, n = circle * block;
    dft->block = block;
    dft->n_blocks = n_blocks;
    dft->bins = bins;
    dft->n_bins = ((size_t)bins + FENBY_TRANSFORM_BINS - 1) / FENBY_TRANSFORM_BINS * FENBY_TRANSFORM_BINS;
    dft->sums = fenby_sums_best();
    dft->of_pair = new_bins(dft, PAIRS);
    dft->of_row = new_bins(dft, n_rows);
    dft->circle = calloc((size_t)circle, sizeof *dft->circle);
    dft->blocks = new_bins(dft, n_blocks);
    dft->sum = calloc(2 * dft->n_bins, sizeof *dft->sum);
    dft->current = new_bins(dft, 1);
    dft->fresh = fenby_sums_new_floats((size_t)n_rows * ROW);
    if (!dft->of_pair || !dft->of_row || !dft->circle || !dft->blocks || !dft->sum || !dft->current || !dft->fresh) {
        fenby_sliding_dft_free(dft);
        return NULL;
    }
    for (int i = 0; i < PAIRS; i++) fill_turns(dft, dft->of_pair + (size_t)i * 2 * dft->n_bins, 2 * i + 1, n);
    for (int i = 0; i < n_rows; i++) fill_turns(dft, dft->of_row + (size_t)i * 2 * dft->n_bins, 2 * i * ROW + ROW - 1, n);
    for (int i = 0; i < circle; i++) {
        dft->circle[i][0] = (float)cos(2 * M_PI * i / circle);
        dft->circle[i][1] = (float)-sin(2 * M_PI * i / circle);
    }
    return dft;
}

void fenby_sliding_dft_free(fenby_sliding_dft *dft)
{
    if (!dft) return;
    free(dft->of_pair);
    free(dft->of_row);
    free(dft->circle);
    free(dft->blocks);
    free(dft->sum);
    free(dft->current);
    free(dft->fresh);
    free(dft);
}

void fenby_sliding_dft_reset(fenby_sliding_dft *dft)
{
    memset(dft->blocks, 0, (size_t)dft->n_blocks * 2 * dft->n_bins * sizeof *dft->blocks);
    memset(dft->sum, 0, 2 * dft->n_bins * sizeof *dft->sum);
    memset(dft->current, 0, 2 * dft->n_bins * sizeof *dft->current);
    dft->filled = dft->place = dft->oldest = 0;
}

// The next bin's turn of the circle.
static int next_turn(const fenby_sliding_dft *dft, int turn)
{
    turn += dft->place;
    return turn <= dft->n_blocks ? turn : turn - dft->n_blocks - 1;
}

// The current block is whole: it takes the place of the oldest one in the sum.
static void close_block(fenby_sliding_dft *dft)
{
    const size_t n_bins = dft->n_bins;
    float *re = dft->blocks + (size_t)dft->oldest * 2 * n_bins, *im = re + n_bins;
    for (int k = 0, at = 0; k < dft->bins; k++, at = next_turn(dft, at)) {
        const float *turn = dft->circle[at];
        const float current_re = dft->current[k], current_im = dft->current[(size_t)k + n_bins];
        const float new_re = current_re * turn[0] - current_im * turn[1];
        const float new_im = current_re * turn[1] + current_im * turn[0];
        dft->sum[k] += (double)new_re - (double)re[k];
        dft->sum[(size_t)k + n_bins] += (double)new_im - (double)im[k];
        re[k] = new_re;
        im[k] = new_im;
    }
    memset(dft->current, 0, 2 * n_bins * sizeof *dft->current);
    dft->filled = 0;
    dft->place = (dft->place + 1) % (dft->n_blocks + 1);
    dft->oldest = (dft->oldest + 1) % dft->n_blocks;
}

void fenby_sliding_dft_push(fenby_sliding_dft *dft, const float *samples, int n)
{
    while (n > 0) {
        const int room = dft->block - dft->filled, count = n < room ? n : room, end = dft->filled + count;
        memcpy(dft->fresh + dft->filled, samples, (size_t)count * sizeof *samples);
        dft->sums->transform(dft->fresh, dft->of_pair, dft->of_row, dft->n_bins, dft->filled / ROW, (end + ROW - 1) / ROW,
                             dft->current);
        memset(dft->fresh + dft->filled, 0, (size_t)count * sizeof *samples);
        dft->filled = end;
        if (end == dft->block) close_block(dft);
        samples += count;
        n -= count;
    }
}

void fenby_sliding_dft_spectrum(const fenby_sliding_dft *dft, float *re, float *im)
{
    const size_t n_bins = dft->n_bins;
    const float *of_row = dft->of_row + (size_t)(dft->filled / ROW) * 2 * n_bins;
    const int from_middle = dft->filled % ROW - PAIRS, pair = from_middle < 0 ? -1 - from_middle : from_middle;
    const float *of_pair = dft->of_pair + (size_t)pair * 2 * n_bins, side = from_middle < 0 ? -1 : 1;
    for (int k = 0, at = 0; k < dft->bins; k++, at = next_turn(dft, at)) {
        // Turned back: by the conjugates.
        const float *turn = dft->circle[at];
        const float sum_re = (float)dft->sum[k], sum_im = (float)dft->sum[(size_t)k + n_bins];
        const float block_re = sum_re * turn[0] + sum_im * turn[1] + dft->current[k];
        const float block_im = sum_im * turn[0] - sum_re * turn[1] + dft->current[(size_t)k + n_bins];
        const float row_re = block_re * of_row[k] + block_im * of_row[(size_t)k + n_bins];
        const float row_im = block_im * of_row[k] - block_re * of_row[(size_t)k + n_bins];
        const float pair_re = of_pair[k], pair_im = side * of_pair[(size_t)k + n_bins];
        re[k] = row_re * pair_re + row_im * pair_im;
        im[k] = row_im * pair_re - row_re * pair_im;
    }
}
