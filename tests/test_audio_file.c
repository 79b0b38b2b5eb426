// SPDX-License-Identifier: ISC
// Every format gives its samples back, and files that are cut, corrupt or no sound at all are told apart.
#include <sndfile.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "jack_client/audio_file.h"
#include "folder.h"
#include "test.h"

enum { SECOND = 44100, N_FRAMES = 5 * SECOND / 2 };

// libsndfile forgets these when it refuses a broken Ogg file.
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:vorbis_info_init\n";
}

static const struct {
    const char *name;
    int format;
    double snr_db;       // that the coding keeps at least
    int64_t cut_frames;  // at least so many are left of a file cut in half; 0: it may be refused
} formats[] = {
    {"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 80, N_FRAMES / 2 - 100},
    {"b.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 140, N_FRAMES / 2 - 100},
    {"c.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 130, N_FRAMES / 2 - 100},
    {"a.w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16, 80, N_FRAMES / 2 - 100},
    {"a.rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 80, N_FRAMES / 2 - 100},
    {"a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 80, N_FRAMES / 2 - 100},
    {"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 80, N_FRAMES / 4},
    {"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 25, 0},
    {"a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 25, N_FRAMES / 4},
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

static const char *path_of(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static float tone(int64_t frame, int channel)
{
    return (float)(0.5 * sin(2 * M_PI * 220 * (channel + 1) * (double)frame / SECOND));
}

static SNDFILE *create_sound(const char *name, int format, int n_channels, int rate_hz)
{
    SF_INFO info = {.samplerate = rate_hz, .channels = n_channels, .format = format};
    SNDFILE *sound = sf_open(path_of(name), SFM_WRITE, &info);
    REQUIRE(sound, "%s: %s", name, sf_strerror(NULL));
    return sound;
}

static void write_tones(SNDFILE *sound, int n_channels, int64_t n_frames)
{
    float frame[FENBY_MAXIMUM_CHANNELS + 1];
    for (int64_t i = 0; i < n_frames; i++) {
        for (int c = 0; c < n_channels; c++) frame[c] = tone(i, c);
        sf_writef_float(sound, frame, 1);
    }
    sf_close(sound);
}

static void write_sound(const char *name, int format, int n_channels, int rate_hz, int64_t n_frames)
{
    write_tones(create_sound(name, format, n_channels, rate_hz), n_channels, n_frames);
}

static void write_bytes(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(path_of(name), "w");
    const bool good = file && fwrite(bytes, 1, size, file) == size && !fclose(file);
    REQUIRE(good, "cannot write %s", name);
}

static size_t read_bytes(const char *name, unsigned char *bytes, size_t capacity)
{
    FILE *file = fopen(path_of(name), "r");
    REQUIRE(file, "cannot read %s", name);
    const size_t size = fread(bytes, 1, capacity, file);
    fclose(file);
    return size;
}

static fenby_audio_file *open_sound(const char *name, int channel)
{
    char error[300] = "";
    fenby_audio_file *file = fenby_audio_file_open(path_of(name), channel, error, sizeof error);
    REQUIRE(file, "%s", error);
    return file;
}

// Reads to the end in blocks of odd sizes.
static int64_t read_all(fenby_audio_file *file, float *samples, int64_t capacity)
{
    int64_t n = 0;
    size_t got, block = 1;
    while (n < capacity && (got = fenby_audio_file_read(file, samples + n, block)) > 0) {
        n += (int64_t)got;
        block = block % 3000 + 701;
        if ((int64_t)block > capacity - n) block = (size_t)(capacity - n);
    }
    return n;
}

static double snr_db(const float *samples, int64_t n, int channel)
{
    double signal = 0, noise = 1e-20;
    for (int64_t i = 0; i < n; i++) {
        const double expected = tone(i, channel);
        signal += expected * expected;
        noise += (samples[i] - expected) * (samples[i] - expected);
    }
    return 10 * log10(signal / noise);
}

static float samples[N_FRAMES + 10000];

static void test_formats(void)
{
    for (int f = 0; f < N_FORMATS; f++) {
        write_sound(formats[f].name, formats[f].format, 2, SECOND, N_FRAMES);
        for (int channel = 1; channel <= 2; channel++) {
            fenby_audio_file *file = open_sound(formats[f].name, channel);
            CHECK(fenby_audio_file_rate(file) == SECOND, "%s: wrong rate", formats[f].name);
            CHECK(fenby_audio_file_frames(file) == N_FRAMES, "%s: %ld", formats[f].name,
                  (long)fenby_audio_file_frames(file));
            const int64_t n = read_all(file, samples, N_FRAMES + 1000);
            const char *const damage = fenby_audio_file_damage(file);
            CHECK(n == N_FRAMES, "%s: %ld frames", formats[f].name, (long)n);
            const double snr = snr_db(samples, n, channel - 1);
            CHECK(snr > formats[f].snr_db, "%s, channel %d: %.1f dB", formats[f].name, channel, snr);
            CHECK(!damage, "%s: %s", formats[f].name, damage);
            fenby_audio_file_close(file);
        }
    }
}

static void test_mix(void)
{
    char error[300] = "";
    write_sound("many.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 64, 384000, 100);
    fenby_audio_file *file = open_sound("many.wav", 0);
    const int64_t n = read_all(file, samples, 1000);
    CHECK(n == 100 && fenby_audio_file_rate(file) == 384000, "%ld frames", (long)n);
    for (int i = 0; i < n; i++) {
        double mean = 0;
        for (int c = 0; c < 64; c++) mean += tone(i, c) / 64.0;
        if (fabs(samples[i] - mean) > 1e-6) CHECK(false, "frame %d is %g, expected %g", i, samples[i], mean);
    }
    fenby_audio_file_close(file);
    file = open_sound("many.wav", 64);
    CHECK(read_all(file, samples, 1000) == 100 && samples[77] == tone(77, 63), "the last channel is another");
    fenby_audio_file_close(file);

    CHECK(!fenby_audio_file_open(path_of("many.wav"), 65, error, sizeof error), "opened channel 65 of 64");
    CHECK(strstr(error, "many.wav: there is no channel 65, expected 1 .. 64"), "'%s'", error);
    write_sound("most.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, FENBY_MAXIMUM_CHANNELS + 1, 8000, 10);
    CHECK(!fenby_audio_file_open(path_of("most.wav"), 0, error, sizeof error), "opened 257 channels");
    CHECK(strstr(error, "most.wav: has too many channels"), "'%s'", error);
}

// The second channel is the first one times its gain; both have offsets, opposite ones.
static void check_cancels(double gain, double offset, int channel, bool expected)
{
    SF_INFO info = {.samplerate = SECOND, .channels = 2, .format = SF_FORMAT_WAV | SF_FORMAT_FLOAT};
    SNDFILE *sound = sf_open(path_of("two.wav"), SFM_WRITE, &info);
    REQUIRE(sound, "two.wav: %s", sf_strerror(NULL));
    for (int i = 0; i < 5000; i++) {
        const float frame[2] = {(float)(tone(i, 0) + offset), (float)(gain * tone(i, 0) - offset)};
        sf_writef_float(sound, frame, 1);
    }
    sf_close(sound);
    fenby_audio_file *file = open_sound("two.wav", channel);
    CHECK(read_all(file, samples, N_FRAMES) == 5000, "another length");
    CHECK(fenby_audio_file_cancels(file) == expected, "gain %g, offset %g, channel %d: it says %d", gain, offset,
          channel, !expected);
    fenby_audio_file_close(file);
}

static void test_cancelling(void)
{
    check_cancels(-1, 0, 0, true);
    check_cancels(-1, 10, 0, true);
    check_cancels(-0.8, 0, 0, true);
    check_cancels(-1, 0, 1, false);
    check_cancels(-1, 0, 2, false);
    check_cancels(-0.5, 0, 0, false);
    check_cancels(0, 0, 0, false);
    check_cancels(0, 10, 0, false);
    check_cancels(1, 0, 0, false);
    check_cancels(1, 10, 0, false);
    write_sound("many.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 64, SECOND, 5000);
    write_sound("none.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2, SECOND, 0);
    for (int i = 0; i < 2; i++) {
        fenby_audio_file *file = open_sound(i ? "none.wav" : "many.wav", 0);
        CHECK(read_all(file, samples, N_FRAMES) == (i ? 0 : 5000), "another length");
        CHECK(!fenby_audio_file_cancels(file), "channels of other tones, or none, cancel each other");
        fenby_audio_file_close(file);
    }
}

static void test_zero_length(void)
{
    for (int f = 0; f < N_FORMATS; f++) {
        write_sound("none", formats[f].format, 1, SECOND, 0);
        char error[300] = "";
        fenby_audio_file *file = fenby_audio_file_open(path_of("none"), 0, error, sizeof error);
        // For these libsndfile leaves an empty file when it is given no samples.
        const int type = formats[f].format & SF_FORMAT_TYPEMASK;
        const bool is_empty = type == SF_FORMAT_FLAC || type == SF_FORMAT_MPEG;
        CHECK(file || (is_empty && strstr(error, "is an empty file")), "%s: %s", formats[f].name, error);
        if (!file) continue;
        CHECK(read_all(file, samples, 1000) == 0, "%s", formats[f].name);
        const char *const damage = fenby_audio_file_damage(file);
        CHECK(!damage, "%s: %s", formats[f].name, damage);
        fenby_audio_file_close(file);
    }
}

// A file cut at half its length: what is there is read, and it is said that this is not all.
static void test_cut(void)
{
    static unsigned char bytes[3 << 20];
    for (int f = 0; f < N_FORMATS; f++) {
        const size_t size = read_bytes(formats[f].name, bytes, sizeof bytes);
        write_bytes("cut", bytes, size / 2);
        fenby_audio_file *file = open_sound("cut", 1);
        const int64_t n = read_all(file, samples, N_FRAMES + 1000);
        const char *const damage = fenby_audio_file_damage(file);
        CHECK(n >= formats[f].cut_frames && n < N_FRAMES, "%s: %ld frames", formats[f].name, (long)n);
        CHECK(damage, "%s: nothing is said", formats[f].name);
        if (n > 0 && damage) CHECK(strstr(damage, "s, expected 2.5 s"), "%s: %s", formats[f].name, damage);
        fenby_audio_file_close(file);
    }
}

// Its end is missing, wherever it was cut, also between two pages; a tag behind the end is no cut. What comes after
// another recording is not read, and that is said.
static void check_ogg(const char *what, const unsigned char *bytes, size_t size, const char *expected)
{
    write_bytes("cut.ogg", bytes, size);
    fenby_audio_file *file = open_sound("cut.ogg", 1);
    int64_t n, n_frames = 0;
    while ((n = read_all(file, samples, N_FRAMES)) > 0) n_frames += n;
    CHECK(n_frames > 48000, "%s: nothing is read", what);
    const char *const damage = fenby_audio_file_damage(file);
    if (expected) CHECK(damage && strstr(damage, expected), "%s: it says %s", what, damage);
    else CHECK(!damage, "%s: %s", what, damage);
    fenby_audio_file_close(file);
}

static void test_ogg(void)
{
    static unsigned char bytes[4 << 20];
    static const char tag[128] = "TAG";
    static const int codings[] = {SF_FORMAT_VORBIS, SF_FORMAT_OPUS};
    for (int i = 0; i < 2; i++) {
        write_sound("long.ogg", SF_FORMAT_OGG | codings[i], 1, 48000, 48000 * 40);
        const size_t size = read_bytes("long.ogg", bytes, sizeof bytes / 2);
        size_t last_page = size - 27;
        while (memcmp(bytes + last_page, "OggS", 4)) last_page--;
        check_ogg("whole", bytes, size, NULL);
        check_ogg("half", bytes, size / 2, "s: its end is missing");
        check_ogg("nearly whole", bytes, size - size / 100, "s: its end is missing");
        check_ogg("between two pages", bytes, last_page, "s: its end is missing");
        memcpy(bytes + size, tag, sizeof tag);
        check_ogg("with a tag", bytes, size + sizeof tag, NULL);
        write_sound("next.ogg", SF_FORMAT_OGG | codings[i], 1, 48000, 48000);
        const size_t next = read_bytes("next.ogg", bytes + size, sizeof bytes - size);
        check_ogg("two", bytes, size + next, "s: it holds several recordings, one after the other");
    }
}

// The length of an MPEG-1, layer III frame.
static size_t mp3_frame_size(const unsigned char *head)
{
    static const int kbit_s[] = {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0};
    static const int rates_hz[] = {44100, 48000, 32000, 1};
    REQUIRE(head[0] == 0xff && (head[1] & 0xfe) == 0xfa, "no frame of MPEG-1, layer III: %02x%02x", head[0], head[1]);
    return (size_t)(144000 * kbit_s[head[2] >> 4] / rates_hz[head[2] >> 2 & 3] + (head[2] >> 1 & 1));
}

static void check_mp3(const char *what, const unsigned char *bytes, size_t size, int64_t least, const char *expected)
{
    write_bytes("what.mp3", bytes, size);
    fenby_audio_file *file = open_sound("what.mp3", 1);
    const int64_t n = read_all(file, samples, N_FRAMES + 10000);
    const char *const damage = fenby_audio_file_damage(file);
    CHECK(n >= least, "%s: %ld frames", what, (long)n);
    if (expected) CHECK(damage && strstr(damage, expected), "%s: it says %s", what, damage);
    else CHECK(!damage, "%s: %s", what, damage);
    fenby_audio_file_close(file);
}

// Without a Xing or Info tag in its first frame, as sox writes them, an MP3 file does not say how long it is: it is whole
// wherever it ends. With pictures before or after the sound libsndfile's guess is far too long; with a varying bit rate
// it may be too short.
static void test_mp3_without_tag(void)
{
    static unsigned char bytes[1 << 20];
    static const unsigned char id3[] = {'I', 'D', '3', 4, 0, 0, 0, 0, 0x20, 0};  // 4096 bytes
    enum { ART = sizeof id3 + 4096, MOST = sizeof bytes - 2 * ART, LEAST = N_FRAMES - 2 * 1152 };
    unsigned char *const sound = bytes + ART;
    memcpy(bytes, id3, sizeof id3);
    SNDFILE *const constant = create_sound("constant.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 2, SECOND);
    sf_command(constant, SFC_SET_BITRATE_MODE, &(int){SF_BITRATE_MODE_CONSTANT}, sizeof(int));
    write_tones(constant, 2, N_FRAMES);
    size_t size = read_bytes("constant.mp3", sound, MOST), tag_size = mp3_frame_size(sound);
    REQUIRE(memmem(sound, tag_size, "Info", 4), "constant.mp3 has no tag");
    check_mp3("cut, behind art", bytes, ART + size / 2, N_FRAMES / 4, "s, expected 2.5 s");
    size -= tag_size;
    memmove(sound, sound + tag_size, size);
    check_mp3("without a tag", sound, size, LEAST, NULL);
    check_mp3("without a tag, behind art", bytes, ART + size, LEAST, NULL);
    check_mp3("without a tag, cut", sound, size / 2, N_FRAMES / 4, NULL);
    memcpy(sound + size, "APETAGEX", 8);
    check_mp3("without a tag, before an APE tag", sound, size + 2000, LEAST, NULL);

    size = read_bytes("a.mp3", sound, MOST);
    tag_size = mp3_frame_size(sound);
    check_mp3("of varying bit rate, without a tag", sound + tag_size, size - tag_size, 1152,
              "has no Xing header, only ");
}

// A W64 file says how long it is in 64 bits: 5 GiB are a length like any other, and not the mark of a stream.
static void test_cut_large(void)
{
    static unsigned char bytes[3 << 20];
    static const unsigned char riff_size[] = {0, 0, 0, 0x40, 1, 0, 0, 0};
    const size_t size = read_bytes("a.w64", bytes, sizeof bytes);
    memcpy(bytes + 16, riff_size, sizeof riff_size);
    write_bytes("cut.w64", bytes, size);
    fenby_audio_file *file = open_sound("cut.w64", 1);
    CHECK(read_all(file, samples, N_FRAMES + 1000) == N_FRAMES, "not all that is there");
    const char *const damage = fenby_audio_file_damage(file);
    CHECK(damage && !strncmp(damage, "ends after 2.5 s, expected 304", 30), "it says %s", damage);
    fenby_audio_file_close(file);
}

// Programs differ in what they count to the whole file's size: one that is a few bytes too large makes no cut file.
static void test_generous_size(void)
{
    static unsigned char bytes[3 << 20];
    static const struct {
        const char *name;
        size_t at;  // where the size's lowest byte is
    } sizes[] = {{"a.w64", 16}, {"a.rf64", 20}};
    for (int i = 0; i < 2; i++) {
        const size_t size = read_bytes(sizes[i].name, bytes, sizeof bytes);
        uint32_t whole;
        memcpy(&whole, bytes + sizes[i].at, sizeof whole);
        CHECK(whole > size - 100 && whole < size + 100, "%s: its size is not there", sizes[i].name);
        whole += 24;
        memcpy(bytes + sizes[i].at, &whole, sizeof whole);
        write_bytes("generous", bytes, size);
        fenby_audio_file *file = open_sound("generous", 1);
        CHECK(read_all(file, samples, N_FRAMES + 1000) == N_FRAMES, "not all that is there");
        const char *const damage = fenby_audio_file_damage(file);
        CHECK(!damage, "%s: %s", sizes[i].name, damage);
        fenby_audio_file_close(file);
    }
}

// Either a one-line error or a file that can be read to its end. Returns how many frames it has.
static int64_t check_survives(const char *name, const unsigned char *bytes, size_t size)
{
    char error[300] = "";
    write_bytes("corrupt", bytes, size);
    fenby_audio_file *file = fenby_audio_file_open(path_of("corrupt"), 0, error, sizeof error);
    if (!file) {
        CHECK(strstr(error, "/corrupt: ") && !strchr(error, '\n'), "%s, %zu bytes: '%s'", name, size, error);
        return 0;
    }
    const int64_t n = read_all(file, samples, N_FRAMES + 10000);
    fenby_audio_file_damage(file);
    fenby_audio_file_close(file);
    return n;
}

static void test_corrupt(void)
{
    static unsigned char whole[3 << 20], bytes[3 << 20];
    unsigned long long random = 9;
    for (int f = 0; f < N_FORMATS; f++) {
        const size_t size = read_bytes(formats[f].name, whole, sizeof whole);
        for (size_t kept = 1; kept < 180; kept += 3) {
            const int64_t n = check_survives(formats[f].name, whole, kept);
            CHECK(n < 2000, "%s: %ld frames from %zu bytes", formats[f].name, (long)n, kept);
        }
        for (int run = 0; run < 40; run++) {
            const size_t region = run % 2 ? size : 200;
            memcpy(bytes, whole, size);
            for (int i = 0; i < 50; i++)
                bytes[(size_t)((double)region * test_random(&random))] = (unsigned char)random;
            const int64_t n = check_survives(formats[f].name, bytes, size);
            CHECK(n <= N_FRAMES + 10000, "%s: %ld frames", formats[f].name, (long)n);
        }
    }
}

// Formats with one channel, or whose length is not told when they are cut.
static void test_cut_old_formats(void)
{
    static unsigned char bytes[1 << 20];
    static const struct {
        const char *name;
        int format;
        const char *expected;
    } cases[] = {{"a.8svx", SF_FORMAT_SVX | SF_FORMAT_PCM_S8, "s, expected 2.5 s"},
                 {"a.16sv", SF_FORMAT_SVX | SF_FORMAT_PCM_16, "s, expected 2.5 s"},
                 {"a.voc", SF_FORMAT_VOC | SF_FORMAT_PCM_16, "s: its end is missing"}};
    for (int i = 0; i < 3; i++) {
        write_sound(cases[i].name, cases[i].format, 1, SECOND, N_FRAMES);
        const size_t size = read_bytes(cases[i].name, bytes, sizeof bytes);
        for (int cut = 0; cut < 2; cut++) {
            write_bytes("cut", bytes, cut ? size / 2 : size);
            fenby_audio_file *file = open_sound("cut", 0);
            const int64_t n = read_all(file, samples, N_FRAMES + 1000);
            const char *const damage = fenby_audio_file_damage(file);
            CHECK(n >= (cut ? N_FRAMES / 2 - 100 : N_FRAMES), "%s: %ld frames", cases[i].name, (long)n);
            CHECK(cut ? damage && strstr(damage, cases[i].expected) : !damage, "%s: it says %s", cases[i].name, damage);
            fenby_audio_file_close(file);
        }
    }
}

// What sox writes into a pipe as AIFF: nearly 2 GiB.
static void test_aiff_stream(void)
{
    static unsigned char bytes[1 << 20];
    static const unsigned char endless[] = {0x7f, 0, 0, 8};
    const size_t size = read_bytes("a.aiff", bytes, sizeof bytes);
    unsigned char *const sound = memmem(bytes, size, "SSND", 4);
    REQUIRE(sound, "no sound chunk");
    memcpy(sound + 4, endless, sizeof endless);
    write_bytes("stream.aiff", bytes, size);
    fenby_audio_file *file = open_sound("stream.aiff", 0);
    CHECK(read_all(file, samples, N_FRAMES + 1000) == N_FRAMES, "not all that is there");
    const char *const damage = fenby_audio_file_damage(file);
    CHECK(!damage, "it says %s", damage);
    fenby_audio_file_close(file);
}

// What recorders leave: a header that promises nothing, or one of a stream without end.
static void test_streams(void)
{
    static unsigned char bytes[1 << 20];
    const size_t size = read_bytes("a.wav", bytes, sizeof bytes);
    for (int run = 0; run < 2; run++) {
        memset(bytes + 4, run ? 0xff : 0, 4);
        unsigned char *data = memmem(bytes, 100, "data", 4);
        REQUIRE(data, "no data chunk");
        memset(data + 4, run ? 0xff : 0, 4);
        write_bytes("stream.wav", bytes, size);
        fenby_audio_file *file = open_sound("stream.wav", 0);
        const int64_t n = read_all(file, samples, N_FRAMES + 1000);
        const char *const damage = fenby_audio_file_damage(file);
        CHECK(n == (run ? N_FRAMES : 0), "%ld frames", (long)n);
        CHECK(run ? !damage : damage && !strcmp(damage, "no sound could be read from it"), "%s", damage);
        fenby_audio_file_close(file);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *name, *bytes, *reason;
    } cases[] = {
        {"empty.wav", "", "is an empty file"},
        {"text.wav", "This is a shopping list, and a rather long one: milk, bread, butter, honey, strings.\n",
         "is no sound file that libsndfile knows"},
        {".", NULL, "is a folder"},
        {"missing.wav", NULL, "No such file or directory"},
    };
    for (int i = 0; i < 4; i++) {
        char error[300] = "";
        if (cases[i].bytes) write_bytes(cases[i].name, cases[i].bytes, strlen(cases[i].bytes));
        const char *const path = path_of(cases[i].name);
        CHECK(!fenby_audio_file_open(path, 0, error, sizeof error), "opened %s", path);
        CHECK(!strncmp(error, path, strlen(path)), "'%s'", error);
        CHECK(strstr(error, cases[i].reason), "'%s'", error);
    }
}

// A named pipe cannot seek: it is read all the same, in a format that needs to.
static void test_pipe(void)
{
    char command[200];
    snprintf(command, sizeof command, "cd %s && mkfifo pipe && { cat a.flac > pipe & }", folder);
    const int result = system(command);
    REQUIRE(result == 0, "no pipe");
    fenby_audio_file *file = open_sound("pipe", 1);
    CHECK(read_all(file, samples, N_FRAMES + 1000) == N_FRAMES, "not all of it");
    CHECK(snr_db(samples, N_FRAMES, 0) > 80, "%.1f dB", snr_db(samples, N_FRAMES, 0));
    fenby_audio_file_close(file);
}

int main(void)
{
    make_folder();
    test_formats();
    test_mix();
    test_cancelling();
    test_zero_length();
    test_cut();
    test_ogg();
    test_mp3_without_tag();
    test_cut_large();
    test_generous_size();
    test_corrupt();
    test_streams();
    test_cut_old_formats();
    test_aiff_stream();
    test_refused();
    test_pipe();
    return test_report();
}
