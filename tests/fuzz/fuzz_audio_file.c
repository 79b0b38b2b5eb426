// SPDX-License-Identifier: ISC
// Feeds the sound file reader, and so libsndfile. Seeds: a short tone in each format that sox writes.
#include "jack_client/audio_file.h"
#include "tests/fuzz/fuzz.h"

enum { MOST_FRAMES = 1 << 16 };  // of a file that claims to be endless

// libvorbis forgets a block when a file's headers are broken: not ours to mend.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libvorbis";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static float samples[4096];
    char error[512] = "";
    const char *const path = fuzz_file(data, size);
    fenby_audio_file *file = fenby_audio_file_open(path, (int)(size % 4), error, sizeof error);
    if (!file) {
        PROMISE(fuzz_is_one_line(error) && !strncmp(error, path, strlen(path)));
        return 0;
    }
    PROMISE(fenby_audio_file_rate(file) > 0 && fenby_audio_file_frames(file) >= 0);
    size_t n, frames = 0;
    do {
        const size_t wanted = 1 + (frames * 7 + size) % 4096;
        n = fenby_audio_file_read(file, samples, wanted);
        PROMISE(n <= wanted);
        frames += n;
    } while (n > 0 && frames < MOST_FRAMES);
    const char *const damage = fenby_audio_file_damage(file);
    PROMISE(!damage || fuzz_is_one_line(damage));
    fenby_audio_file_close(file);
    return 0;
}
