// SPDX-License-Identifier: ISC
// A recording is a whole MIDI file at every moment: the program is killed at each of its writes, before it and
// in its middle, and what is left must be well-formed and hold every note that was written before.
//
// test_jack_recorder FILE.mid only checks that file: prints its notes, ends with 1 when it is not well-formed. With
// "onsets" it prints when each of them begins, in seconds.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static ssize_t dying_pwrite(int descriptor, const void *bytes, size_t size, off_t offset);
static int quick_fdatasync(int descriptor);
static int refusing_link(const char *from, const char *to);
static int refusing_rename(const char *from, const char *to);

// A recorder with small tracks, whose writes are counted and whose syncs cost nothing, on a disk that may refuse names.
#define FENBY_JACK_TRACK_BYTES (1 << 16)
#define FENBY_JACK_FLUSH_MS 1
#define pwrite dying_pwrite
#define fdatasync quick_fdatasync
#define link refusing_link
#define rename refusing_rename
#include "jack_client/fenby_jack_recorder.c"
#undef pwrite
#undef fdatasync
#undef link
#undef rename

#include "tests/folder.h"
#include "tests/read_midi.h"
#include "tests/test.h"

enum { N_NOTES = 6000, NOTES_AT_ONCE = 400, UNCOVERING = 3, COUNTING_TRACKS = 2 };

static char path[sizeof folder + 16];
static midi_contents contents;

// In the child: which write is the last one, and whether half of it is done.
static int writes_left = -1;
static bool half;
static atomic_int *uncovered;  // shared with the parent: how many stretches of notes have become part of the file

// What has been written but not synced, and how often something became part of the file that might not have been on the
// disk.
static atomic_int unsynced, n_too_early;

static ssize_t dying_pwrite(int descriptor, const void *bytes, size_t size, off_t offset)
{
    if ((size == UNCOVERING || size == COUNTING_TRACKS) && unsynced > 0) atomic_fetch_add(&n_too_early, 1);
    atomic_fetch_add(&unsynced, 1);
    if (writes_left == 0) {
        // Three bytes within a sector are written as one.
        if (half && size > UNCOVERING) (void)!pwrite(descriptor, bytes, size / 2, offset);
        raise(SIGKILL);
    }
    if (writes_left > 0) writes_left--;
    const ssize_t n = pwrite(descriptor, bytes, size, offset);
    if (size == UNCOVERING) atomic_fetch_add(uncovered, 1);
    return n;
}

static atomic_bool stands_still;  // the disk

static int quick_fdatasync(int descriptor)
{
    (void)descriptor;
    while (stands_still) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    unsynced = 0;
    return 0;
}

static bool has_no_links, has_no_renames;  // the disk

static int refusing_link(const char *from, const char *to)
{
    errno = EPERM;  // as FAT says it
    return has_no_links ? -1 : link(from, to);
}

static int refusing_rename(const char *from, const char *to)
{
    errno = EACCES;
    return has_no_renames ? -1 : rename(from, to);
}

static fenby_jack_note note_at(int i, bool on)
{
    return (fenby_jack_note){.sound_s = 1 + 0.02 * i + (on ? 0 : 0.015),
                             .type = on ? FENBY_NOTE_ON : FENBY_NOTE_OFF,
                             .key = (uint8_t)(i % 128),
                             .velocity = (uint8_t)(1 + i % 127),
                             .channel = (uint8_t)(1 + i % 16)};
}

static void wait_until_written(int n_before)
{
    for (int ms = 0; ms < 5000 && *uncovered == n_before; ms++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

// Plays all notes into a recorder, faster than they sound, and ends it.
static bool play(void)
{
    char error[256];
    fenby_jack_recorder *recorder = fenby_jack_recorder_new(path, true, 1, "a test", error, sizeof error);
    if (!recorder) return false;
    for (int i = 0; i < N_NOTES; i++) {
        const int n_before = *uncovered;
        const fenby_jack_note on = note_at(i, true), off = note_at(i, false);
        fenby_jack_recorder_put(recorder, &on);
        fenby_jack_recorder_put(recorder, &off);
        if (i % NOTES_AT_ONCE == 0) wait_until_written(n_before);
    }
    return fenby_jack_recorder_free(recorder, 200, error, sizeof error);
}

// Returns true when the child came through alive.
static bool play_and_die(int writes, bool in_half)
{
    int status;
    *uncovered = 0;
    const pid_t child = fork();
    if (child == 0) {
        writes_left = writes;
        half = in_half;
        _exit(play() ? 0 : 1);
    }
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) return false;
    CHECK(WEXITSTATUS(status) == 0, "the recorder failed");
    return true;
}

static void check_what_is_left(int writes)
{
    if (access(path, F_OK)) return;  // killed before there was a file: nothing half-written lies there
    midi_read_file(&contents, path);
    // A track that does not count yet may follow.
    const bool good = !*contents.error || !strcmp(contents.error, "bytes after the last track");
    CHECK(good, "killed at write %d: %s", writes, contents.error);
    CHECK(contents.count > 0 || *uncovered == 0, "killed at write %d: %d stretches are lost", writes,
          *uncovered);
    int on = 0;
    for (size_t i = 0; i < contents.count; i++) {
        const midi_event *e = &contents.event[i];
        if ((e->status & 0xf0) != 0x90) continue;
        if (e->key != on % 128 || e->velocity != 1 + on % 127 || e->tick != 40 * on) {
            CHECK(false, "killed at write %d: note %d is key %d at tick %d", writes, on, e->key, (int)e->tick);
            return;
        }
        on++;
    }
}

static void test_kill_at_every_write(void)
{
    bool is_alive = false;
    int writes = 0;
    for (; !is_alive && writes < 2000; writes++) {
        remove(path);
        is_alive = play_and_die(writes / 2, writes % 2);
        if (!is_alive) check_what_is_left(writes / 2);
    }
    CHECK(is_alive, "the recorder never came to its end");
    CHECK(writes > 40, "only %d writes", writes);
}

static void test_whole(void)
{
    remove(path);
    n_too_early = 0;
    REQUIRE(play(), "the recorder failed");
    CHECK(n_too_early == 0, "%d times something counted before it was on the disk", n_too_early);
    CHECK(unsynced == 0, "the last %d writes were not synced", unsynced);
    midi_read_file(&contents, path);
    CHECK(!*contents.error, "%s", contents.error);
    CHECK(midi_count_notes(&contents) == N_NOTES, "%d notes of %d", midi_count_notes(&contents), N_NOTES);
    CHECK(contents.n_tracks > 2, "%d tracks: a second one was to be begun", contents.n_tracks);
    CHECK(contents.format == 1 && contents.division == 1000 && contents.tempo == 500000, "header");
    CHECK(!strcmp(contents.text, "a test"), "text '%s'", contents.text);
}

// A bend of it changes nothing.
static void test_sounding_notes_end(void)
{
    remove(path);
    char error[256];
    fenby_jack_recorder *recorder = fenby_jack_recorder_new(path, true, 1, "", error, sizeof error);
    REQUIRE(recorder, "%s", error);
    const fenby_jack_note on = note_at(3, true);
    fenby_jack_note bend = on;
    bend.type = FENBY_BEND;
    bend.message = fenby_midi_message_of(0xe0, on.channel, 0, 80);
    fenby_jack_recorder_put(recorder, &on);
    fenby_jack_recorder_put(recorder, &bend);
    CHECK(fenby_jack_recorder_free(recorder, 5, error, sizeof error), "%s", error);
    midi_read_file(&contents, path);
    CHECK(!*contents.error && contents.count == 3, "%s, %zu events", contents.error, contents.count);
    CHECK(contents.event[2].tick == 8000 && contents.event[2].status == 0x83, "the end at tick %d, status %x",
          (int)contents.event[2].tick, (unsigned)contents.event[2].status);
}

// No room for a second track: what is in the first one stays.
static void test_no_room(void)
{
    remove(path);
    static char error[PATH_MAX + 256];
    struct rlimit before, tight;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    tight = before;
    tight.rlim_cur = 100000;
    fenby_jack_recorder *recorder = fenby_jack_recorder_new(path, true, 1, "", error, sizeof error);
    REQUIRE(recorder, "%s", error);
    setrlimit(RLIMIT_FSIZE, &tight);
    for (int i = 0; i < N_NOTES && !fenby_jack_recorder_failed(recorder, error, sizeof error); i++) {
        const fenby_jack_note on = note_at(i, true), off = note_at(i, false);
        fenby_jack_recorder_put(recorder, &on);
        fenby_jack_recorder_put(recorder, &off);
        if (i % 100 == 0) nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
    CHECK(!fenby_jack_recorder_free(recorder, 200, error, sizeof error), "no error");
    CHECK(strstr(error, "live.mid: cannot be written: File too large"), "%s", error);
    setrlimit(RLIMIT_FSIZE, &before);
    midi_read_file(&contents, path);
    CHECK(!*contents.error, "%s", contents.error);
    CHECK(midi_count_notes(&contents) > 1000, "%d notes are left", midi_count_notes(&contents));
}

// More notes than can wait, so many at a time: some are left out, whole, and counted.
static void test_slow_disk(int chord)
{
    remove(path);
    char error[256];
    fenby_jack_recorder *recorder = fenby_jack_recorder_new(path, true, 1, "", error, sizeof error);
    REQUIRE(recorder, "%s", error);
    stands_still = true;
    for (int i = 0; i < 2 * N_NOTES; i++) {
        const int n_whole = i / (2 * chord) * chord, in_chord = i % (2 * chord);
        fenby_jack_note note = note_at(n_whole + in_chord % chord, in_chord < chord);
        note.sound_s = 1 + 0.01 * i;
        fenby_jack_recorder_put(recorder, &note);
    }
    const int n_lost = (int)fenby_jack_recorder_lost_notes(recorder);
    stands_still = false;
    CHECK(fenby_jack_recorder_free(recorder, 200, error, sizeof error), "%s", error);
    midi_read_file(&contents, path);
    CHECK(!*contents.error, "%s", contents.error);
    CHECK(n_lost > 0 && midi_count_notes(&contents) == N_NOTES - n_lost, "chords of %d: %d notes of %d, %d were lost",
          chord, midi_count_notes(&contents), N_NOTES, n_lost);
}

// Far more bends than can wait take no note's place.
static void test_many_bends(void)
{
    remove(path);
    enum { BENDS = 10 };
    char error[256];
    fenby_jack_recorder *recorder = fenby_jack_recorder_new(path, true, 1, "", error, sizeof error);
    REQUIRE(recorder, "%s", error);
    stands_still = true;
    for (int i = 0; i < NOTES_AT_ONCE; i++) {
        const fenby_jack_note on = note_at(i, true), off = note_at(i, false);
        fenby_jack_note bend = on;
        bend.type = FENBY_BEND;
        bend.message = fenby_midi_message_of(0xe0, on.channel, i, i);
        fenby_jack_recorder_put(recorder, &on);
        for (int k = 0; k < BENDS; k++) fenby_jack_recorder_put(recorder, &bend);
        fenby_jack_recorder_put(recorder, &off);
    }
    stands_still = false;
    CHECK(fenby_jack_recorder_lost_notes(recorder) == 0, "notes were lost");
    CHECK(fenby_jack_recorder_free(recorder, 200, error, sizeof error), "%s", error);
    midi_read_file(&contents, path);
    CHECK(!*contents.error, "%s", contents.error);
    CHECK(midi_count_notes(&contents) == NOTES_AT_ONCE, "%d notes", midi_count_notes(&contents));
    const int n_bends = (int)contents.count - 2 * NOTES_AT_ONCE;
    CHECK(n_bends > NOTES_AT_ONCE && n_bends < BENDS * NOTES_AT_ONCE, "%d bends", n_bends);
}

// The take before is kept, whatever it was called.
static void check_kept(const char *name, const char *first, const char *second)
{
    char error[256] = "", now[sizeof folder + 16], expected[sizeof folder + 16];
    snprintf(now, sizeof now, "%s/%s", folder, name);
    for (int take = 0; take < 3; take++) {
        fenby_jack_recorder *recorder = fenby_jack_recorder_new(now, true, 1, "", error, sizeof error);
        REQUIRE(recorder, "%s", error);
        for (int i = 0; i <= take; i++) {
            const fenby_jack_note on = note_at(i, true), off = note_at(i, false);
            fenby_jack_recorder_put(recorder, &on);
            fenby_jack_recorder_put(recorder, &off);
        }
        *expected = 0;
        if (take > 0) snprintf(expected, sizeof expected, "%s/%s", folder, take == 1 ? first : second);
        CHECK(!strcmp(fenby_jack_recorder_kept(recorder), expected), "take %d: '%s' is kept", take,
              fenby_jack_recorder_kept(recorder));
        CHECK(fenby_jack_recorder_free(recorder, 200, error, sizeof error), "%s", error);
        midi_read_file(&contents, take > 0 ? expected : now);
        CHECK(midi_count_notes(&contents) == (take > 0 ? take : 1), "take %d: %d notes", take, midi_count_notes(&contents));
        if (take > 0) remove(expected);
        // The number after the one that is taken.
        if (take == 1) fclose(fopen(expected, "w"));
    }
    snprintf(expected, sizeof expected, "%s/%s", folder, first);
    remove(expected);
    remove(now);
}

// A take without a note makes room.
static void test_empty_take(void)
{
    char error[256] = "";
    remove(path);
    for (int take = 0; take < 2; take++) {
        fenby_jack_recorder *recorder = fenby_jack_recorder_new(path, true, 1, "", error, sizeof error);
        REQUIRE(recorder, "%s", error);
        CHECK(!*fenby_jack_recorder_kept(recorder), "'%s' is kept", fenby_jack_recorder_kept(recorder));
        CHECK(fenby_jack_recorder_free(recorder, 200, error, sizeof error), "%s", error);
    }
}

// Nothing can be kept there: it is not replaced either.
static void test_cannot_be_kept(void)
{
    char error[PATH_MAX + 256] = "";
    remove(path);
    REQUIRE(play(), "the recorder failed");
    has_no_renames = true;
    CHECK(!fenby_jack_recorder_new(path, true, 1, "", error, sizeof error), "a take was replaced");
    has_no_renames = false;
    CHECK(strstr(error, "live.mid: cannot be kept: Permission denied"), "%s", error);
    midi_read_file(&contents, path);
    CHECK(midi_count_notes(&contents) == N_NOTES, "%d notes of %d are left", midi_count_notes(&contents), N_NOTES);
}

static void test_kept(void)
{
    test_empty_take();
    check_kept("take.mid", "take-1.mid", "take-2.mid");
    check_kept("take", "take-1", "take-2");
    check_kept(".mid", ".mid-1", ".mid-2");
    has_no_links = true;
    check_kept("take.mid", "take-1.mid", "take-2.mid");
    test_cannot_be_kept();
    has_no_links = false;
}

static void check_refused(const char *where, bool may_replace, const char *expected)
{
    char error[256] = "";
    fenby_jack_recorder *recorder = fenby_jack_recorder_new(where, may_replace, 0, "", error, sizeof error);
    CHECK(!recorder, "%s: accepted", where);
    CHECK(strstr(error, expected), "%s: '%s' and not '%s'", where, error, expected);
}

static void test_refusals(void)
{
    char pipe_path[sizeof folder + 16];
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", folder);
    REQUIRE(mkfifo(pipe_path, 0600) == 0, "no pipe");
    check_refused(path, false, "is there already");
    check_refused(folder, true, "is no regular file");
    check_refused(pipe_path, true, "is no regular file");
    check_refused("/nowhere/at/all.mid", true, "No such file");
    remove(pipe_path);
}

// How many channels are told a range of bends before their first bend or note.
static int count_ranges(void)
{
    int n = 0;
    bool has_begun[16] = {false};
    for (const midi_event *e = contents.event; e < contents.event + contents.count; e++) {
        const int channel = e->status & 0xf;
        const bool is_range = e->status >> 4 == 0xb && e->key == 6 && channel > 0;
        if (is_range && !has_begun[channel]) n++;
        if (is_range || e->status >> 4 != 0xb) has_begun[channel] = true;
    }
    return n;
}

static int check_file(const char *given)
{
    midi_read_file(&contents, given);
    int n_bends = 0;
    for (size_t i = 0; i < contents.count; i++) n_bends += contents.event[i].status >> 4 == 0xe;
    printf("%d notes ", midi_count_notes(&contents));
    if (n_bends) printf("%d bends, %d ranges ", n_bends, count_ranges());
    puts(contents.error);
    return *contents.error != 0;
}

static int print_onsets(const char *given)
{
    midi_read_file(&contents, given);
    for (const midi_event *e = contents.event; e < contents.event + contents.count; e++)
        if (e->status >> 4 == 0x9) printf("%.4f\n", (double)e->tick / FENBY_TICKS_PER_SECOND);
    return *contents.error != 0;
}

// Killed before the file had its name, the program leaves a temporary one.
static void remove_leavings(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -f %s/.fenby-*", folder);
    CHECK(system(command) == 0, "%s", command);
}

int main(int argc, char **argv)
{
    if (argc == 2) return check_file(argv[1]);
    if (argc == 3 && !strcmp(argv[2], "onsets")) return print_onsets(argv[1]);
    make_folder();
    snprintf(path, sizeof path, "%s/live.mid", folder);
    uncovered = mmap(NULL, sizeof *uncovered, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(uncovered != MAP_FAILED, "no shared memory");
    test_kill_at_every_write();
    test_whole();
    test_sounding_notes_end();
    test_no_room();
    test_slow_disk(1);
    test_slow_disk(100);
    test_many_bends();
    test_kept();
    test_refusals();
    remove(path);
    remove_leavings();
    CHECK(rmdir(folder) == 0 && mkdir(folder, 0700) == 0, "something was left in %s", folder);
    return test_report();
}
