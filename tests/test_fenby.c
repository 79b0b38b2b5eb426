// SPDX-License-Identifier: ISC
// The program as people use it: test_fenby [PROGRAM]; else $BUILD/fenby, else build/fenby. A small model made
// here stands in for the network, so that notes are certain and the test does not change with the model.
#include <dirent.h>
#include <limits.h>
#include <sndfile.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dsp/parameters.h"
#include "jack_client/jobs.h"
#include "nn/weights.h"
#include "folder.h"
#include "read_midi.h"
#include "test.h"

// tiny_model hands its file to the parser: here it goes to the disk.
static fenby_weights *save_weights(const void *bytes, size_t size, const char *name, uint64_t features_hash,
                                   char *error, size_t error_size);
#define fenby_weights_parse save_weights
#include "tiny_model.h"
#undef fenby_weights_parse

enum { RATE = 22050, N_FRAMES = 3 * RATE, FLOAT_WAV = SF_FORMAT_WAV | SF_FORMAT_FLOAT };

static char output[1 << 16], errors[1 << 16];  // of the last run
static float music[N_FRAMES];
static double true_onset_s[100];
static int true_key[100], n_true;
static midi_contents contents;

// --- files ---------------------------------------------------------------------------------------------------

static const char *path_of(const char *name)
{
    static char paths[4][300];
    static int next;
    char *const path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_bytes(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(path_of(name), "w");
    const bool good = file && fwrite(bytes, 1, size, file) == size && !fclose(file);
    REQUIRE(good, "cannot write %s", name);
}

static size_t read_bytes(const char *name, void *bytes, size_t capacity)
{
    FILE *file = fopen(path_of(name), "r");
    if (!file) return 0;
    const size_t size = fread(bytes, 1, capacity, file);
    fclose(file);
    return size;
}

static fenby_weights *save_weights(const void *bytes, size_t size, const char *name, uint64_t features_hash,
                                   char *error, size_t error_size)
{
    (void)name, (void)features_hash, (void)error, (void)error_size;
    write_bytes("tiny.fnw", bytes, size);
    return NULL;
}

// All channels hold the same samples, from the second on times a gain.
static void write_channels(const char *name, int format, int rate_hz, int n_channels, float gain, const float *samples,
                           int n)
{
    static float frame[64];
    SF_INFO info = {.samplerate = rate_hz, .channels = n_channels, .format = format};
    SNDFILE *sound = sf_open(path_of(name), SFM_WRITE, &info);
    REQUIRE(sound, "%s: %s", name, sf_strerror(NULL));
    for (int i = 0; i < n; i++) {
        for (int c = 0; c < n_channels; c++) frame[c] = c ? gain * samples[i] : samples[i];
        sf_writef_float(sound, frame, 1);
    }
    sf_close(sound);
}

static void write_sound(const char *name, int format, int rate_hz, int n_channels, const float *samples, int n)
{
    write_channels(name, format, rate_hz, n_channels, 1, samples, n);
}

static bool exists(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static bool are_equal(const char *a, const char *b)
{
    static char bytes_a[1 << 20], bytes_b[1 << 20];
    const size_t size_a = read_bytes(a, bytes_a, sizeof bytes_a);
    const size_t size_b = read_bytes(b, bytes_b, sizeof bytes_b);
    return size_a > 0 && size_a == size_b && !memcmp(bytes_a, bytes_b, size_a);
}

static void check_midi(const char *name)
{
    midi_read_file(&contents, path_of(name));
    CHECK(!*contents.error, "%s: %s", name, contents.error);
    CHECK(midi_count_notes(&contents) >= 0, "%s: notes that hang or overlap", name);
}

// --- the program ---------------------------------------------------------------------------------------------

// A shell command in the test's folder, with the program as $F and the small model as $M. Returns its exit
// status; a signal counts from 128.
__attribute__((format(printf, 1, 2))) static int run(const char *format, ...)
{
    char line[2000], command[2200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    snprintf(command, sizeof command, "cd %s && { %s ; } >.output 2>.errors", folder, line);
    const int status = system(command);
    output[read_bytes(".output", output, sizeof output - 1)] = 0;
    errors[read_bytes(".errors", errors, sizeof errors - 1)] = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define RUNS(...)                                                     \
    do {                                                              \
        const int runs_status = run(__VA_ARGS__);                     \
        CHECK(runs_status == 0, "exit %d: %s", runs_status, errors);  \
        CHECK(!*errors, "%s", errors);                                \
    } while (0)

// The command fails with this status and says exactly this line.
static void check_refused(int status, const char *command, const char *expected)
{
    const int got = run("%s", command);
    CHECK(got == status, "%s: exit %d: %s", command, got, errors);
    char line[3000];
    snprintf(line, sizeof line, "fenby: %s\n", expected);
    CHECK(!strcmp(errors, line), "%s:\n  said      %s  and not   %s", command, errors, line);
}

typedef struct {
    double onset_s, offset_s, emitted_s;
    int key, velocity;
} row;

static row rows[1000];
static const char csv_header[] = "onset_s,offset_s,midi,velocity,emitted_s\n";

static int read_csv(const char *name)
{
    char line[200];
    FILE *file = fopen(path_of(name), "r");
    REQUIRE(file, "no %s", name);
    const bool good = fgets(line, sizeof line, file) && !strcmp(line, csv_header);
    CHECK(good, "%s begins with %s", name, line);
    int n = 0;
    for (row *r = rows; fgets(line, sizeof line, file); r++, n++) {
        const int fields = sscanf(line, "%lf,%lf,%d,%d,%lf\n", &r->onset_s, &r->offset_s, &r->key, &r->velocity,
                                  &r->emitted_s);
        CHECK(fields == 5, "%s: %s", name, line);
    }
    fclose(file);
    return n;
}

// --- notes ---------------------------------------------------------------------------------------------------

static int count_heard(int n)
{
    int n_heard = 0;
    for (int i = 0; i < n_true; i++) {
        bool heard = false;
        for (int r = 0; r < n; r++)
            heard |= rows[r].key == true_key[i] && fabs(rows[r].onset_s - true_onset_s[i]) < 0.08;
        n_heard += heard;
    }
    return n_heard;
}

static void test_outputs(void)
{
    RUNS("$F $M music.wav -o a.mid --csv a.csv --plot a.png");
    const int n = read_csv("a.csv");
    char expected[200];
    snprintf(expected, sizeof expected, "music.wav: %d notes in 3.0 s, A4 at 440 Hz, ", n);
    CHECK(!strncmp(output, expected, strlen(expected)), "%s", output);
    CHECK(strstr(output, " x real time: a.mid, a.csv, a.png\n"), "%s", output);
    CHECK(count_heard(n) * 2 >= n_true, "%d of %d notes heard", count_heard(n), n_true);

    check_midi("a.mid");
    CHECK(midi_count_notes(&contents) == n, "%d notes in the MIDI file", midi_count_notes(&contents));
    CHECK(contents.format == 1 && contents.n_tracks == 2, "format %d", contents.format);
    CHECK(!strcmp(contents.title, "music.wav"), "'%s'", contents.title);
    CHECK(strstr(contents.text, "fenby ") && strstr(contents.text, "model test"), "'%s'", contents.text);
    CHECK(contents.end_tick == 6000, "the end is at %ld", (long)contents.end_tick);
    for (int r = 0; r < n; r++) {
        bool found = false;
        for (size_t e = 0; e < contents.count; e++)
            found |= contents.event[e].status == 0x90 && contents.event[e].key == rows[r].key &&
                     contents.event[e].velocity == rows[r].velocity &&
                     fabs((double)contents.event[e].tick / 2000 - rows[r].onset_s) <= 0.0003;
        CHECK(found, "the note at %.3f s is not in the MIDI file", rows[r].onset_s);
        CHECK(rows[r].offset_s > rows[r].onset_s && rows[r].emitted_s > rows[r].onset_s, "row %d", r);
        CHECK(r == 0 || rows[r].onset_s >= rows[r - 1].onset_s, "row %d is out of order", r);
    }
    unsigned char png[8] = {0};
    CHECK(read_bytes("a.png", png, 8) == 8 && !memcmp(png, "\x89PNG\r\n\x1a\n", 8), "no picture");
    struct stat status;
    CHECK(!stat(path_of("a.mid"), &status) && (status.st_mode & 0777) == 0644, "mode %o", status.st_mode);

    RUNS("$F $M music.wav -o a0.mid --format 0 --quiet");
    CHECK(!*output, "--quiet says %s", output);
    check_midi("a0.mid");
    CHECK(contents.format == 0 && midi_count_notes(&contents) == n, "format %d", contents.format);
}

static void test_block_sizes(void)
{
    static const int sizes[] = {1, 63, 64, 480, 1024, 8192, 1000000};
    for (int i = 0; i < 7; i++) {
        RUNS("$F $M music.wav -q -o b.mid --csv b.csv --block %d", sizes[i]);
        CHECK(are_equal("a.csv", "b.csv"), "blocks of %d give other notes", sizes[i]);
        CHECK(are_equal("a.mid", "b.mid"), "blocks of %d give another MIDI file", sizes[i]);
    }
}

static void test_inputs(void)
{
    RUNS("$F $M -q - -o in.mid --csv in.csv < music.wav");
    CHECK(are_equal("a.csv", "in.csv"), "standard input gives other notes");
    RUNS("cat music.wav | $F $M -q - -o in.mid --csv in.csv");
    CHECK(are_equal("a.csv", "in.csv"), "a pipe gives other notes");
    RUNS("cat music.flac | $F $M -");
    CHECK(!strncmp(output, "standard input: ", 16) && exists("stdin.mid"), "%s", output);
    RUNS("$F $M -q stereo.wav -o in.mid --csv in.csv");
    CHECK(are_equal("a.csv", "in.csv"), "two equal channels give other notes than one");
    RUNS("$F $M -q stereo.wav -o in.mid --csv in.csv --channel 2");
    CHECK(are_equal("a.csv", "in.csv"), "the second channel gives other notes");
    static const char hint[] = "fenby: crossed.wav: its channels cancel each other out, so little is heard: "
                               "try one of them, --channel N\n";
    CHECK(run("$F $M crossed.wav -o in.mid") == 0 && !strcmp(errors, hint), "%s", errors);
    CHECK(run("$F $M - -o in.mid <crossed.wav") == 0 && strstr(errors, "fenby: standard input: its channels"), "%s", errors);
    RUNS("$F $M -q crossed.wav -o in.mid");
    RUNS("$F $M crossed.wav -o in.mid --csv in.csv --channel 1");
    CHECK(are_equal("a.csv", "in.csv"), "one of two opposite channels gives other notes");
}

// Standard output and pipes get the same bytes as a file, and nothing else.
static void test_pipes(void)
{
    CHECK(run("$F $M music.wav -o - | cat > piped.mid") == 0, "%s", errors);
    CHECK(are_equal("a.mid", "piped.mid"), "standard output gives another MIDI file");
    CHECK(!strncmp(errors, "music.wav: ", 11) && strstr(errors, ": /dev/stdout\n"), "%s", errors);
    RUNS("$F $M -q music.wav -o - > redirected.mid");
    CHECK(are_equal("a.mid", "redirected.mid"), "a redirection gives another MIDI file");
    RUNS("{ echo header && $F $M -q music.wav -o - && echo end; } > within.txt &&"
         " { echo header && cat a.mid && echo end; } | cmp - within.txt");
    RUNS("echo header > more.csv && $F $M -q music.wav -o d.mid --csv - >> more.csv &&"
         " { echo header && cat a.csv; } | cmp - more.csv");
    static const char *const appended[] = {"/dev/stdout >>", "/dev/fd/1 >>", "/proc/self/fd/1 >>", "/dev/fd/3 3>>",
                                           "/dev/stderr 2>>"};
    for (int i = 0; i < 5; i++)
        RUNS("echo header > more.csv && $F $M -q music.wav -o d.mid --csv %s more.csv &&"
             " { echo header && cat a.csv; } | cmp - more.csv", appended[i]);
    CHECK(run("$F $M music.wav -o d.mid --csv /dev/fd/1 | cmp - a.csv") == 0, "the summary is in the table");
    check_refused(1, "$F $M -q music.wav -o d.mid --csv /dev/fd/77", "/dev/fd/77: cannot be written: Bad file descriptor");
    RUNS("mkfifo pipe && { cat pipe > from_pipe.mid & } && $F $M -q music.wav -o pipe && wait");
    CHECK(are_equal("a.mid", "from_pipe.mid"), "a pipe gives another MIDI file");
    RUNS("$F $M -q music.wav -o d.mid --csv - | cmp - a.csv");
    check_refused(1, "$F $M -q music.wav -o - --csv -",
                  "music.wav: its output /dev/stdout is one of music.wav already");
}

// Standard output may be a socket, as that of inetd's servers, which has no name to open it by.
static void test_socket(void)
{
    static char bytes[1 << 16];
    int ends[2];
    const int failed = socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    REQUIRE(!failed, "no sockets");
    RUNS("$F $M -q music.wav -o - >&%d", ends[1]);
    close(ends[1]);
    const ssize_t n = recv(ends[0], bytes, sizeof bytes, MSG_WAITALL);
    close(ends[0]);
    write_bytes("socket.mid", bytes, n > 0 ? (size_t)n : 0);
    CHECK(are_equal("a.mid", "socket.mid"), "a socket gives another MIDI file");
}

// Who closes what it does not want loses nothing else.
static void test_closed(void)
{
    static const char *const closed[] = {"<&-", ">&-", "2>&-", "<&- >&- 2>&-"};
    for (int i = 0; i < 4; i++) {
        RUNS("$F $M music.wav -o closed.mid --csv closed.csv %s", closed[i]);
        CHECK(are_equal("a.mid", "closed.mid") && are_equal("a.csv", "closed.csv"), "%s: other notes", closed[i]);
        RUNS("rm closed.mid closed.csv && $F --help %s", closed[i]);
    }
    const int status = run("$F $M -q music.wav -o - >&-");
    CHECK(status == 1 && strstr(errors, "/dev/stdout: cannot be written: "), "exit %d: %s", status, errors);
    check_refused(1, "$F $M -q - -o closed.mid <&-", "standard input: is an empty file");
}

// Where files go: beside the input, into a folder, several at once.
static void test_places(void)
{
    RUNS("mkdir album && touch album/cover.jpg && cp music.wav album/one.WAV && cp music.flac album/two.flac");
    RUNS("$F $M album/one.WAV");
    check_midi("album/one.mid");
    RUNS("$F $M album -o notes/ --csv notes --plot notes");
    CHECK(exists("notes/one.mid") && exists("notes/one.csv") && exists("notes/one.png"), "one is not there");
    CHECK(exists("notes/two.mid") && exists("notes/two.csv") && exists("notes/two.png"), "two is not there");
    RUNS("$F $M -q album/ music.wav -o more/");
    CHECK(exists("more/one.mid") && exists("more/two.mid") && exists("more/music.mid"), "one is missing");
    RUNS("mkdir mac && cp music.wav mac/one.wav && cp music.wav mac/.two.wav && echo Mac OS X > mac/._one.wav");
    RUNS("$F $M -q mac");
    CHECK(exists("mac/one.mid") && !exists("mac/.two.mid") && !exists("mac/._one.mid"), "hidden files count");
    RUNS("$F $M -q mac/.two.wav");
    check_midi("mac/.two.mid");
    RUNS("rm -f real.mid && touch real.mid && ln -sf real.mid link.mid && $F $M -q music.wav -o link.mid");
    RUNS("mkdir mac/Live.flac && $F $M -q mac && rmdir mac/Live.flac");
    RUNS("mkfifo mac/pipe.wav && timeout 20 $F $M -q mac && rm mac/pipe.wav");
    struct stat status;
    CHECK(!lstat(path_of("link.mid"), &status) && S_ISLNK(status.st_mode), "the link was replaced");
    check_midi("real.mid");
    check_refused(1, "ln -s nothing.mid lost.mid && $F $M -q music.wav -o lost.mid",
                  "lost.mid: cannot be written: No such file or directory");
    CHECK(!lstat(path_of("lost.mid"), &status) && S_ISLNK(status.st_mode), "the link to nothing was replaced");

    // A file that fails is reported, the others go on.
    const int exit_status = run("$F $M missing.wav music.wav text.wav album/two.flac -o rest/");
    CHECK(exit_status == 1, "exit %d", exit_status);
    CHECK(!strcmp(errors, "fenby: missing.wav: No such file or directory\n"
                          "fenby: text.wav: is no sound file that libsndfile knows (WAV, FLAC, Ogg, MP3, AIFF "
                          "and others)\n"), "%s", errors);
    CHECK(exists("rest/music.mid") && exists("rest/two.mid"), "the others did not go on");
    CHECK(!exists("rest/text.mid") && !exists("rest/missing.mid"), "there is something of nothing");
}

// After an interruption only what is missing is done.
static void test_only_new(void)
{
    RUNS("mkdir part && echo one >part/one.mid && echo two >part/two.mid && echo two >part/two.csv");
    RUNS("$F $M --new album -o part --csv part");
    CHECK(strstr(output, "\n1 input left out, as the outputs are there\n"), "%s", output);
    check_midi("part/one.mid");
    CHECK(exists("part/one.csv"), "the table is missing");
    RUNS("$F $M -n album -o part --csv part");
    CHECK(!strcmp(output, "2 inputs left out, as the outputs are there\n"), "%s", output);
    RUNS("echo two | cmp - part/two.mid && echo two | cmp - part/two.csv");
    RUNS("touch -d '1 hour' album/two.flac && $F $M -n album -o part --csv part");
    CHECK(strstr(output, "two.flac: ") && strstr(output, "\n1 input left out"), "%s", output);
    check_midi("part/two.mid");
    RUNS("touch -d '1 hour' part/two.mid && $F $M -n album -o part --csv part");
    CHECK(strstr(output, "two.flac: ") && strstr(output, "\n1 input left out"), "one output is older: %s", output);
    RUNS("touch -r part/two.mid album/two.flac && touch -d '2 hours' part/two.csv && $F $M -n album -o part --csv part");
    CHECK(!strcmp(output, "2 inputs left out, as the outputs are there\n"), "no output is older: %s", output);
    RUNS("$F $M -nq - -o part/two.mid <music.wav && $F $M -n - -o part/two.mid <music.wav");
    CHECK(!strcmp(output, "1 input left out, as the outputs are there\n"), "%s", output);
    RUNS("$F $M -nq music.wav -o - >part/standard.mid && cmp part/standard.mid a.mid");
}

// --- settings ------------------------------------------------------------------------------------------------

static void test_settings(void)
{
    static row before[1000];
    const int n = read_csv("a.csv");
    memcpy(before, rows, sizeof before);
    RUNS("$F $M -q music.wav -o s.mid --csv s.csv --set transpose=12 -s midi_channel=16 -s velocity_mode=fixed"
         " -s velocity_fixed=99");
    CHECK(read_csv("s.csv") == n, "%d notes before", n);
    for (int r = 0; r < n; r++)
        CHECK(rows[r].key == before[r].key + 12 && rows[r].velocity == 99, "row %d: key %d", r, rows[r].key);
    check_midi("s.mid");
    CHECK(contents.count > 0 && contents.event[0].status == 0x9f, "status %x", contents.event[0].status);

    static const char preset[] =
        "@prefix lv2: <http://lv2plug.in/ns/lv2core#> . @prefix pset: <http://lv2plug.in/ns/ext/presets#> .\n"
        "<> a pset:Preset ; lv2:appliesTo <urn:fenby:fenby> ;\n"
        "<http://www.w3.org/2000/01/rdf-schema#label> \"Up\" ; lv2:port\n"
        "[ lv2:symbol \"transpose\" ; pset:value 12 ] , [ lv2:symbol \"midi_channel\" ; pset:value 3 ] .\n";
    write_bytes("up.ttl", preset, sizeof preset - 1);
    RUNS("$F $M -q music.wav -o s.mid --set transpose=0 --preset up.ttl");
    check_midi("s.mid");
    CHECK(contents.count > 0 && contents.event[0].status == 0x92, "status %x", contents.event[0].status);
    bool found = false;
    for (size_t e = 0; e < contents.count; e++) found |= contents.event[e].key == before[0].key;
    CHECK(found, "--set does not win over a preset that comes after it");

    RUNS("$F $M -q music.wav -o s.mid --csv s.csv -p voice");
    const int n_voice = read_csv("s.csv");
    for (int r = 1; r < n_voice; r++)
        CHECK(rows[r].emitted_s >= rows[r - 1].emitted_s && rows[r - 1].offset_s <= rows[r].onset_s,
              "two notes at once with one voice, row %d", r);
}

static void test_lists(void)
{
    RUNS("$F --list-params");
    for (int i = 0; i < FENBY_N_PARAMETERS; i++) {
        char expected[100];
        snprintf(expected, sizeof expected, "%s=", fenby_parameter_table[i].symbol);
        CHECK(strstr(output, expected) && strstr(output, fenby_parameter_table[i].help), "%s", expected);
    }
    RUNS("$F --list-presets");
    static const char *const names[] = {"bass",  "default", "guitar",           "piano",
                                        "tight", "voice",   "winds-and-strings"};
    for (int i = 0; i < 7; i++) CHECK(strstr(output, names[i]), "%s is not in\n%s", names[i], output);
    RUNS("$F --help");
    CHECK(!strncmp(output, "Usage: fenby ", 13) && strstr(output, "--list-params"), "%s", output);
    RUNS("$F --version");
    CHECK(!strncmp(output, "fenby ", 6) && strchr(output, '\n') == output + strlen(output) - 1, "%s", output);
    RUNS("$F $M --version -v");
    CHECK(strstr(output, "model: test, ") && strstr(output, "arithmetic: ") && strstr(output, ", a look each "), "%s", output);
    CHECK(strstr(output, "mode tight: ") && strstr(output, "mode live: "), "%s", output);
    CHECK(strstr(output, "mode studio: "), "%s", output);
}

// --- what may come in ----------------------------------------------------------------------------------------

// Strange but sound: a right result and a file that is whole.
static void check_accepted(const char *name, int rate_hz, int n_channels, const float *samples, int n)
{
    write_sound(name, FLOAT_WAV, rate_hz, n_channels, samples, n);
    RUNS("$F $M -q %s -o strange.mid --csv strange.csv", name);
    check_midi("strange.mid");
    const int n_notes = read_csv("strange.csv");
    for (int r = 0; r < n_notes; r++)
        CHECK(isfinite(rows[r].onset_s) && rows[r].onset_s < (double)n / rate_hz, "%s: row %d", name, r);
    const int64_t excess = contents.end_tick - 2000LL * n / rate_hz;
    CHECK(excess >= 0 && excess < 400, "%s: ends %ld ticks after its sound", name, (long)excess);
}

static void test_strange_sounds(void)
{
    enum { N = RATE };
    static const float strange[] = {NAN, INFINITY, -INFINITY, 3e38f};
    static float samples[N];
    check_accepted("silence.wav", 44100, 1, samples, N);
    CHECK(midi_count_notes(&contents) == 0, "%d notes in silence", midi_count_notes(&contents));
    check_accepted("none.wav", 44100, 1, samples, 0);
    CHECK(midi_count_notes(&contents) == 0 && contents.end_tick == 0, "notes in nothing");
    for (int i = 0; i < N; i++) samples[i] = music[i] * 1000;
    check_accepted("loud.wav", RATE, 1, samples, N);
    for (int i = 0; i < N; i++) samples[i] = i % 100 ? music[i] : strange[i / 100 % 4];
    check_accepted("nan.wav", RATE, 1, samples, N);
    for (int i = 0; i < N; i++) samples[i] = i % 2 ? NAN : 3e38f;
    check_accepted("worst.wav", RATE, 2, samples, N);
    check_accepted("many.wav", 48000, 64, music, N);
    check_accepted("fast.wav", 384000, 1, music, N_FRAMES);
    check_accepted("slow.wav", 8000, 1, music, N);

    write_sound("slower.wav", FLOAT_WAV, 4000, 1, music, N);
    check_refused(1, "$F $M slower.wav", "slower.wav: sample rate 4000 Hz: expected 8000 .. 384000");
    CHECK(!exists("slower.mid"), "there is something of nothing");
}

static void test_damaged_files(void)
{
    static char bytes[1 << 20];
    const size_t size = read_bytes("music.wav", bytes, sizeof bytes);
    write_bytes("cut.wav", bytes, size / 2);
    check_refused(1, "$F $M -q cut.wav", "cut.wav: ends after 1.5 s, expected 3.0 s");
    check_midi("cut.mid");
    CHECK(midi_count_notes(&contents) > 0, "nothing of the half that is there");
    write_bytes("header.wav", bytes, 44);
    check_refused(1, "$F $M header.wav", "header.wav: no sound could be read from it");
    check_refused(1, "$F $M empty.wav", "empty.wav: is an empty file");
    check_refused(1, "$F $M text.wav",
                  "text.wav: is no sound file that libsndfile knows (WAV, FLAC, Ogg, MP3, AIFF and others)");
    check_refused(1, "cat empty.wav | $F $M - ", "standard input: is an empty file");
    check_refused(1, "$F $M -q - -o x.mid <cut.wav", "standard input: ends after 1.5 s, expected 3.0 s");
    CHECK(!exists("header.mid") && !exists("empty.mid") && !exists("text.mid"), "something of nothing");

    static const char *const names[] = {"music.flac", "music.ogg", "music.mp3", "music.aiff"};
    for (int i = 0; i < 4; i++) {
        RUNS("$F $M -q %s -o x.mid", names[i]);
        const size_t n = read_bytes(names[i], bytes, sizeof bytes);
        write_bytes("half", bytes, n / 2);
        CHECK(run("$F $M -q half -o x.mid") == 1, "%s: exit 0", names[i]);
        CHECK(!strncmp(errors, "fenby: half: ", 13) && strchr(errors, '\n') == errors + strlen(errors) - 1,
              "%s: %s", names[i], errors);
        memset(bytes + n / 2, 0x55, n / 8);
        write_bytes("noise", bytes, n);
        const int status = run("$F $M -q noise -o x.mid");
        const bool good = status == 0 || (status == 1 && !strncmp(errors, "fenby: noise: ", 14));
        CHECK(good, "%s: exit %d: %s", names[i], status, errors);
    }
}

// --- what cannot be done -------------------------------------------------------------------------------------

static void test_bad_commands(void)
{
    check_refused(2, "$F", "expected a sound file, see --help");
    check_refused(2, "$F --nope x", "--nope: no such option, see --help");
    check_refused(2, "$F --nope=3 x", "--nope=3: no such option, see --help");
    check_refused(2, "$F x -y", "-y: no such option, see --help");
    check_refused(2, "$F -xq x", "-x: no such option, see --help");
    check_refused(2, "$F -qxv x", "-x: no such option, see --help");
    check_refused(2, "$F x -qy", "-y: no such option, see --help");
    check_refused(2, "$F x -o", "-o: expected a value");
    check_refused(2, "$F x --output", "--output: expected a value");
    check_refused(2, "$F --quiet=3 x", "--quiet=3: expected no value");
    check_refused(2, "$F --list-params=3", "--list-params=3: expected no value");
    check_refused(2, "$F --list", "--list: several options begin so, see --help");
    check_refused(2, "$F --list=3", "--list=3: several options begin so, see --help");
    check_refused(2, "$F x --block 0", "--block 0: expected a whole number, 1 .. 1048576");
    check_refused(2, "$F x --block 1e3", "--block 1e3: expected a whole number, 1 .. 1048576");
    check_refused(2, "$F x --format 2", "--format 2: expected a whole number, 0 .. 1");
    check_refused(2, "$F x --channel 0", "--channel 0: expected a whole number, 1 .. 256");
    check_refused(2, "$F x --set loud", "--set loud: expected NAME=VALUE");
    check_refused(2, "$F x --set loud=1", "--set loud=1: there is no parameter 'loud', see --list-params");
    check_refused(2, "$F x --set mode=fast", "mode: 'fast' is not a choice, expected tight, live, studio");
    check_refused(2, "$F x --set tuning=500", "tuning: '500' is out of range, expected 415 .. 466 Hz");
    check_refused(2, "$F x --preset Zither",
                  "preset 'Zither' is not known, expected bass, default, guitar, piano, tight, voice, "
                  "winds-and-strings");
    check_refused(2, "$F x -s lowest_key=60 -p bass -s highest_key=59",
                  "lowest_key 60 is above highest_key 59");
    check_refused(2, "$F x -s velocity_minimum=100 -s velocity_maximum=20",
                  "velocity_minimum 100 is above velocity_maximum 20");
    check_refused(2, "$F x --preset no.ttl", "no.ttl: cannot be opened: No such file or directory");
    check_refused(2, "$F music.wav stereo.wav -o one.mid",
                  "-o one.mid: expected a folder for several inputs (end it with '/')");
    check_refused(2, "mkdir -p single && cp music.wav single && $F single -o none",
                  "-o none: expected a folder for a folder's files (end it with '/')");
    CHECK(!exists("none"), "it was written nevertheless");
    check_refused(2, "$F music.wav --csv no/such/", "no/such/: cannot be made: No such file or directory");
    CHECK(run("$F music.wav --model text.wav") == 2 && strstr(errors, "text.wav"), "%s", errors);
    CHECK(run("$F music.wav --model missing.fnw") == 2 && strstr(errors, "missing.fnw"), "%s", errors);
}

static void test_bad_outputs(void)
{
    check_refused(1, "$F $M music.wav --channel 2", "music.wav: there is no channel 2, expected 1 .. 1");
    check_refused(1, "$F $M music.wav -o no/such/place.mid",
                  "no/such/place.mid: cannot be written: No such file or directory");
    check_refused(1, "$F $M music.wav -o music.wav",
                  "music.wav: its output would overwrite the input music.wav");
    check_refused(1, "ln -f music.wav same.wav && $F $M music.wav -o same.wav",
                  "music.wav: its output would overwrite the input music.wav");
    check_refused(1, "$F $M music.wav -o x.mid --csv x.mid",
                  "music.wav: its output x.mid is one of music.wav already");
    check_refused(1, "$F $M -q album/one.WAV album/../album/one.WAV -o once/",
                  "album/../album/one.WAV: its output once/one.mid is one of album/one.WAV already");
    // An option's value was forgotten.
    RUNS("cp music.wav kept.wav");
    check_refused(1, "$F $M --plot kept.wav music.wav", "kept.wav: is a recording, expected a name for the picture");
    check_refused(1, "$F $M --csv ./kept.wav music.wav", "./kept.wav: is a recording, expected a name for the table");
    check_refused(1, "$F $M music.wav -o kept.wav", "kept.wav: is a recording, expected a name for the MIDI file");
    CHECK(are_equal("kept.wav", "music.wav"), "the recording was overwritten");
    check_refused(1, "mkdir -p bare && $F $M bare", "bare: no sound files in this folder");
    const int status = run("$F $M music.wav -o /proc/no.mid");
    CHECK(status == 1 && strstr(errors, "/proc/no.mid: cannot be written"), "exit %d: %s", status, errors);
}

// Who may write to a folder could replace each file in it, also those that are protected. Root may write to all.
static void test_protected(void)
{
    static const char lower[] = "if [ $(id -u) = 0 ]; then set -- setpriv --reuid=65534 --clear-groups; fi; \"$@\" ./fenby";
    RUNS("mkdir -m 777 protected && echo precious >protected/kept.mid && chmod 444 protected/kept.mid");
    RUNS("chmod 755 . && cp $F fenby");
    const int status = run("%s $M -q music.wav -o protected/kept.mid", lower);
    CHECK(status == 1 && !strcmp(errors, "fenby: protected/kept.mid: cannot be written: Permission denied\n"),
          "exit %d: %s", status, errors);
    RUNS("echo precious | cmp - protected/kept.mid");
    RUNS("%s $M -q music.wav -o protected/new.mid", lower);
}

// Two ways to write the name of one file, there or not, or of standard input: nothing is lost.
static void test_other_names(void)
{
    check_refused(1, "mkdir same && cp music.wav same/song.wav && cp music.aiff same/song.aif && cd same &&"
                     " $F --model ../tiny.fnw -q ./song.wav song.aif",
                  "song.aif: its output song.mid is one of ./song.wav already");
    check_midi("same/song.mid");
    CHECK(!strcmp(contents.title, "song.wav"), "'%s' was written over the first", contents.title);
    check_refused(1, "ln -s same other && $F $M -q music.wav -o same/new --csv other/new",
                  "music.wav: its output other/new is one of music.wav already");
    CHECK(!exists("same/new"), "there is something of it");
    check_refused(1, "$F $M -q - -o same/song.wav <same/song.wav",
                  "standard input: its output would overwrite the input standard input");
    CHECK(are_equal("music.wav", "same/song.wav"), "the input was overwritten");
    RUNS("$F $M -q music.wav -o same/one --csv other/two && $F $M -q music.wav -o same/two --csv two");
    RUNS("$F $M -q music.wav -o /dev/null --csv other/one");
}

static double seconds(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           1e-6 * (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

// To compare each name with each took a minute.
static void test_many_files(void)
{
    enum { N_FILES = 8000 };
    struct rusage before, after;
    RUNS("mkdir many && cd many && seq -f %%g.wav %d | xargs touch", N_FILES);
    getrusage(RUSAGE_CHILDREN, &before);
    const int status = run("$F $M many -o many --csv many --plot many 2>&1 | wc -l");
    getrusage(RUSAGE_CHILDREN, &after);
    const double spent_s = seconds(&after) - seconds(&before);
    CHECK(status == 0 && atoi(output) == N_FILES, "%d of %d errors", atoi(output), N_FILES);
    CHECK(spent_s < 5, "%.1f s of the processor", spent_s);
}

// Who interrupts while the list is made need not wait for its end.
static void test_stopped_list(void)
{
    char many[300], error[200];
    char *const inputs[] = {many};
    const char *const wanted[FENBY_N_OUTPUTS] = {NULL};
    snprintf(many, sizeof many, "%s", path_of("many"));
    for (int stopped = 0; stopped < 2; stopped++) {
        fenby_jobs jobs;
        const sig_atomic_t stop = stopped;
        CHECK(fenby_jobs_make(&jobs, inputs, 1, wanted, &stop, error, sizeof error), "%s", error);
        size_t n_ready = 0;
        for (size_t i = 0; i < jobs.count; i++) n_ready += jobs.job[i].outputs[FENBY_MIDI_OUTPUT] != NULL;
        CHECK(jobs.count == 8000 && n_ready == (stopped ? 0 : 8000), "%zu of %zu", n_ready, jobs.count);
        fenby_jobs_free(&jobs);
    }
}

// Messages are whole, however long the names in them are.
static void test_long_names(void)
{
    static const char deep[] = "deep=$(printf '%0240d/' 1 2 3 4 5 6 7 8 9 10 11 12)";
    static const struct {
        const char *command, *expected;
    } cases[] = {{"$F $M -q ${deep}missing.wav", "missing.wav: No such file or directory\n"},
                 {"$F $M -q ${deep}empty.wav", "/empty.wav: is an empty file\n"},
                 {"$F $M -q ${deep}music.wav -o ${deep}no/x.mid", "/no/x.mid: cannot be written: No such file or directory\n"},
                 {"$F $M -q ${deep}music.wav -o ${deep}same --csv ${deep}same", "/music.wav already\n"},
                 {"$F $M -q ${deep}none", "/none: no sound files in this folder\n"},
                 {"$F $M -q music.wav empty.wav -o ${deep}x", " for several inputs (end it with '/')\n"}};
    RUNS("%s; mkdir -p ${deep}none && cp music.wav empty.wav $deep", deep);
    for (int i = 0; i < 6; i++) {
        const int status = run("%s; %s", deep, cases[i].command);
        const size_t length = strlen(errors), expected = strlen(cases[i].expected);
        CHECK(status == (i == 5 ? 2 : 1) && length > 2900 && !strcmp(errors + length - expected, cases[i].expected),
              "exit %d: %s", status, errors);
    }
}

// Names are bytes; this is one from before UTF-8.
static void test_old_name(void)
{
    RUNS("old=$(printf 'F\\374r Elise') && cp music.wav \"$old.wav\" && $F $M -q \"$old.wav\" --csv old.csv"
         " --plot old.png && test -s \"$old.mid\"");
    unsigned char png[8] = {0};
    CHECK(read_bytes("old.png", png, 8) == 8 && !memcmp(png, "\x89PNG\r\n\x1a\n", 8), "no picture");
    CHECK(are_equal("a.csv", "old.csv"), "another name gives other notes");
}

// With no room in /tmp only what comes out of a pipe cannot be done, and the message says where the room is missing.
static void test_full_temporary(void)
{
    static const char without[] = "mount -t tmpfs -o ro none /tmp";
    check_refused(1, "cat music.wav | { ulimit -f 8; $F $M -q - -o d.mid; }",
                  "standard input: cannot be copied into a temporary file in /tmp: No space left on device");
    if (run("unshare -m sh -c '%s'", without) != 0) return;  // who is not root may not be able to do that
    RUNS("cp $F fenby && unshare -m sh -c '%s && ./fenby $M -q music.wav -o -' | cmp - a.mid", without);
}

// A name may hold line ends and a terminal's commands: each message stays one line.
static void test_unprintable_names(void)
{
    static const char name[] = "odd=$(printf 'a\\nb\\033[2Jc')", high[] = "odd=$(printf '\\302\\2332J\\302\\240\\303\\233')";
    RUNS("%s; cp music.wav \"$odd.wav\" && $F $M \"$odd.wav\"", name);
    CHECK(!strncmp(output, "a b [2Jc.wav: ", 14) && strstr(output, ": a b [2Jc.mid\n"), "%s", output);
    RUNS("%s; test -s \"$odd.mid\"", name);
    CHECK(run("%s; $F $M \"$odd\"", high) == 1 && !strcmp(errors, "fenby:   2J\302\240\303\233: No such file or directory\n"),
          "%s", errors);
    CHECK(run("%s; $F $M \"$odd.flac\"", name) == 1 && !strcmp(errors, "fenby: a b [2Jc.flac: No such file or directory\n"),
          "%s", errors);
    CHECK(run("%s; $F $M --preset \"$odd\" x", name) == 2 && !strncmp(errors, "fenby: preset 'a b [2Jc' is not known", 37),
          "%s", errors);
    RUNS("%s; cp crossed.wav \"$odd\" && $F $M -q \"$odd\"", name);
    CHECK(run("%s; $F $M \"$odd\"", name) == 0 && !strncmp(errors, "fenby: a b [2Jc: its channels", 29), "%s", errors);
}

// Who reads only the first lines of what is said loses no file; a result that nobody reads is an error.
static void test_left_pipe(void)
{
    RUNS("mkdir left && for i in 1 2 3 4; do cp music.wav left/$i.wav; done;"
         " { { $F $M left; echo $? >left/status; } | head -1; } && grep -qx 0 left/status");
    for (int i = 1; i <= 4; i++) {
        char name[30];
        snprintf(name, sizeof name, "left/%d.mid", i);
        CHECK(are_equal(name, name), "%s is missing", name);
    }
    RUNS("{ sleep 1; $F --list-params; echo $? >left/status; } | true; grep -qx 0 left/status");
    CHECK(run("{ sleep 1; $F $M -q music.wav -o -; echo $? >left/status; } | true; grep -qx 1 left/status") == 0 &&
              !strcmp(errors, "fenby: /dev/stdout: cannot be written: Broken pipe\n"), "%s", errors);
}

// A full disk: an error, and neither the file nor a part of it.
static void test_full_disk(void)
{
    static const char *const full = "/dev/full: cannot be written: No space left on device";
    check_refused(1, "$F $M -q music.wav -o /dev/full", full);
    check_refused(1, "$F $M -q music.wav -o d.mid --csv /dev/full", full);
    check_refused(1, "$F $M -q music.wav -o d.mid --plot /dev/full", full);
    struct stat status;
    CHECK(!stat("/dev/full", &status) && S_ISCHR(status.st_mode), "/dev/full was replaced");
    write_bytes("old.png", "old", 3);
    check_refused(1, "ulimit -f 8; $F $M -q music.wav -o d.mid --plot old.png",
                  "old.png: cannot be written: File too large");
    CHECK(read_bytes("old.png", errors, 10) == 3 && !memcmp(errors, "old", 3), "the old file is gone");
    check_refused(1, "ulimit -f 8; $F $M -q music.wav -o d.mid --plot never.png",
                  "never.png: cannot be written: File too large");
    CHECK(!exists("never.png"), "a part of a picture was left");
}

// What is printed may be what somebody wants, too. Lists are longer than stdio keeps back, a line is not.
static void test_full_output(void)
{
    static const char *const wanted[] = {"--help", "--list-params", "--list-presets", "--version", "$M --version -v",
                                         "$M music.wav -o e.mid"};
    for (int i = 0; i < 6; i++) {
        char command[100];
        snprintf(command, sizeof command, "$F %s >/dev/full", wanted[i]);
        check_refused(1, command, "standard output: cannot be written");
    }
    CHECK(are_equal("a.mid", "e.mid"), "the MIDI file is not there");
    RUNS("$F $M -q music.wav -o e.mid >/dev/full");
}

static void test_interrupt(void)
{
    const int status = run("timeout --preserve-status -s INT 1 $F $M -q long.wav --csv long.csv");
    CHECK(status == 130, "exit %d", status);
    CHECK(!strcmp(errors, "fenby: long.wav: interrupted\n"), "%s", errors);
    CHECK(!exists("long.mid") && !exists("long.csv"), "there is something of it");
}

static void test_nohup(void)
{
    RUNS("{ sleep 1; cat music.wav; } | nohup $F $M -q - -o hup.mid --csv hup.csv &"
         " sleep 0.5; kill -HUP $! && wait $!");
    CHECK(are_equal("a.csv", "hup.csv"), "the end of the terminal was the end of the work");
}

static int is_temporary(const struct dirent *entry)
{
    return !strncmp(entry->d_name, ".fenby-", 7);
}

static void test_leftovers(void)
{
    static const char *const names[] = {".", "album", "notes", "rest", "once"};
    for (int i = 0; i < 5; i++) {
        struct dirent **entries = NULL;
        const int n = scandir(path_of(names[i]), &entries, is_temporary, NULL);
        CHECK(n == 0, "%d temporary files in %s", n, names[i]);
        for (int e = 0; e < n; e++) free(entries[e]);
        free(entries);
    }
}

// --- all -----------------------------------------------------------------------------------------------------

static void find_program(int argc, char **argv)
{
    char path[PATH_MAX], program[PATH_MAX], presets[PATH_MAX];
    const char *const build = getenv("BUILD");
    snprintf(path, sizeof path, "%s/fenby", build ? build : "build");
    const char *const found = realpath(argc > 1 ? argv[1] : path, program);
    REQUIRE(found, "there is no program %s", argc > 1 ? argv[1] : path);
    const char *const there = realpath("presets", presets);
    REQUIRE(there, "there is no folder presets here");
    setenv("FENBY_PRESETS", presets, 1);
    setenv("F", program, 1);
    setenv("M", "--model tiny.fnw", 1);
    // fontconfig keeps what it read; libsndfile forgets something when it refuses a broken Ogg file.
    write_bytes("leaks", "leak:libfontconfig\nleak:vorbis_info_init\n", 41);
    snprintf(path, sizeof path, "print_suppressions=0:suppressions=%s/leaks", folder);
    setenv("LSAN_OPTIONS", path, 1);
}

static void make_files(void)
{
    char error[200];
    tiny_model(0, error, sizeof error);
    n_true = tiny_music(music, N_FRAMES, RATE, 3, true_onset_s, true_key);
    write_sound("music.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, music, N_FRAMES);
    write_sound("stereo.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 2, music, N_FRAMES);
    write_channels("crossed.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 2, -1, music, N_FRAMES);
    write_sound("music.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, RATE, 1, music, N_FRAMES);
    write_sound("music.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, RATE, 1, music, N_FRAMES);
    write_sound("music.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, RATE, 1, music, N_FRAMES);
    write_sound("music.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, RATE, 1, music, N_FRAMES);
    write_bytes("empty.wav", "", 0);
    write_bytes("text.wav", "Milk, bread, butter, honey, and a set of strings, the light ones, please.\n", 74);
    static float silence[8000 * 1200];
    write_sound("long.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1, silence, 8000 * 1200);
}

int main(int argc, char **argv)
{
    make_folder();
    find_program(argc, argv);
    make_files();
    test_outputs();
    test_block_sizes();
    test_inputs();
    test_pipes();
    test_socket();
    test_closed();
    test_places();
    test_only_new();
    test_settings();
    test_lists();
    test_strange_sounds();
    test_damaged_files();
    test_bad_commands();
    test_bad_outputs();
    test_protected();
    test_other_names();
    test_many_files();
    test_long_names();
    test_old_name();
    test_unprintable_names();
    test_left_pipe();
    test_stopped_list();
    test_full_temporary();
    test_full_disk();
    test_full_output();
    test_interrupt();
    test_nohup();
    test_leftovers();
    return test_report();
}
