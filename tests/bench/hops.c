// SPDX-License-Identifier: ISC
// hops N: the whole chain for N hops of a chord, 48 kHz, blocks of 64: for programs that count instructions.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "dsp/cqt.h"
#include "dsp/engine.h"
#include "dsp/features.h"

enum { RATE = 48000, BLOCK = 64 };

int main(int argc, char **argv)
{
    const int hops = argc > 1 ? atoi(argv[1]) : 100;
    const int64_t frames = (int64_t)hops * FENBY_HOP * RATE / FENBY_SAMPLE_RATE;
    char error[256];
    float block[BLOCK];
    fenby_event event;
    fenby_weights *weights = fenby_weights_default(fenby_cqt_features_hash(), error, sizeof error);
    const fenby_engine_config config = {RATE, BLOCK, fenby_parameters_default()};
    fenby_engine *engine = weights ? fenby_engine_new(&config, weights, error, sizeof error) : NULL;
    if (!engine) {
        fprintf(stderr, "hops: %s\n", error);
        return 1;
    }
    for (int64_t at = 0; at < frames; at += BLOCK) {
        for (int i = 0; i < BLOCK; i++) {
            const double t = (double)((at + i) % RATE) / RATE;
            block[i] = (float)(0.2 * exp(-4 * t) * (sin(2 * M_PI * 220 * t) + sin(2 * M_PI * 554 * t)));
        }
        fenby_engine_push(engine, block, BLOCK);
        while (fenby_engine_pop(engine, at + BLOCK, &event)) continue;
        if (fenby_engine_has_work(engine)) fenby_engine_work(engine);
    }
    printf("multiply-adds %zu\n", fenby_weights_macs(weights));
    fenby_engine_free(engine);
    fenby_weights_free(weights);
    return 0;
}
