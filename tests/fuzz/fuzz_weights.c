// SPDX-License-Identifier: ISC
// Feeds the weights loader: clang -fsanitize=fuzzer,address,undefined, with tests/golden as first corpus.
//
// Each input goes in twice: as it is, and with size, features hash and checksum made right, so that the fuzzer
// gets past them. A network that is accepted and small must run.
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nn/net.h"
#include "tests/make_fnw.h"

enum { MAX_MACS = 1 << 20, N_HOPS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const fenby_weights *weights)
{
    size_t n = (size_t)fenby_weights_input_width(weights) * (size_t)fenby_weights_input_channels(weights);
    float *input = calloc(n, sizeof *input);
    fenby_net *net = fenby_net_new(weights, 1, FENBY_SIMD_BEST);
    if (input && net) {
        for (int hop = 0; hop < N_HOPS; hop++) fenby_net_process(net, input);
        fenby_net_reset(net);
    }
    fenby_net_free(net);
    free(input);
}

static void parse(const uint8_t *bytes, size_t size)
{
    char error[200] = "";
    fenby_weights *weights = fenby_weights_parse(bytes, size, "fuzz", fnw_features, error, sizeof error);
    // Either weights or one line of error.
    if ((weights != NULL) == (error[0] != 0) || strchr(error, '\n')) abort();
    if (weights && fenby_weights_macs(weights) <= MAX_MACS) run(weights);
    fenby_weights_free(weights);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse(data, size);
    if (size < FNW_BODY_AT + FNW_CHECKSUM_SIZE || size > 1 << 20) return 0;
    uint8_t *sealed = malloc(size);
    if (!sealed) return 0;
    memcpy(sealed, data, size);
    memcpy(sealed + FNW_BODY_AT - sizeof fnw_features, &fnw_features, sizeof fnw_features);
    fnw_reseal(sealed, size);
    parse(sealed, size);
    free(sealed);
    return 0;
}
