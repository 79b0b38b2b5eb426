// SPDX-License-Identifier: ISC
// jack_tiny MODEL.fnw MUSIC.wav SECONDS RATE: writes the tests' hand-made model and music for it to files. The
// model costs next to nothing, so that even an emulated machine can listen in time.
#include <sndfile.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "nn/weights.h"

// The model is made in memory and then parsed; here its bytes are written instead.
static const char *model_path;
static fenby_weights *write_model(const void *bytes, size_t size)
{
    FILE *file = fopen(model_path, "w");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) exit(1);
    return NULL;
}
#define fenby_weights_parse(bytes, size, ...) \
    ((void)error, (void)error_size, write_model(bytes, size))
#include "tests/tiny_model.h"

int main(int argc, char **argv)
{
    if (argc != 5) return 2;
    const int rate = atoi(argv[4]), n = atoi(argv[3]) * rate;
    SF_INFO info = {.samplerate = rate, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16};
    float *music = calloc((size_t)n, sizeof *music);
    double onset_s[1000];
    int key[1000];
    model_path = argv[1];
    tiny_model(0, NULL, 0);
    tiny_music(music, n, rate, 1, onset_s, key);
    SNDFILE *file = sf_open(argv[2], SFM_WRITE, &info);
    const bool good = file && sf_write_float(file, music, n) == n && !sf_close(file);
    free(music);
    return !good;
}
