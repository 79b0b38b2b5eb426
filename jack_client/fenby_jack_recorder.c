// SPDX-License-Identifier: ISC
#include "fenby_jack_recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../dsp/event.h"
#include "midi_file.h"
#include "output_file.h"

// Tests have smaller ones.
#ifndef FENBY_JACK_TRACK_BYTES
#define FENBY_JACK_TRACK_BYTES (1 << 19)
#define FENBY_JACK_FLUSH_MS 500
#endif

enum {
    KEYS = 128,
    FLUSH_MS = FENBY_JACK_FLUSH_MS,
    TRACK_BYTES = FENBY_JACK_TRACK_BYTES,  // of a track's events, filling and end
    FLUSH_BYTES = 1 << 14,    // of events at once
    LONGEST_NOTE = 64,        // bytes of an event with a long pause before it
    LEAST_FILLING = 1 << 14,  // fewer bytes would have a shorter head
    MOST_FILLING = (1 << 21) - 1,
    SECTOR = 512,
    N_TRACKS_OFFSET = 10,     // in the file: the header's number of tracks, 2 bytes
    FILLING_HEAD = 6,         // bytes: delta time, what kind of event, length
    FILLING_LENGTH = 3,       // where in the head the length stands, 3 bytes
    MOST_KEPT = 999,
    LENGTH_BYTES = 3,
    TRACK_HEAD = 8,
    TRACK_END = 4,
    META = 0xff,
    META_TEXT = 0x01,
    META_SEQUENCER = 0x7f,
    META_END = 0x2f,
};
_Static_assert(TRACK_BYTES < MOST_FILLING, "the filling's head has room for its length");

struct fenby_jack_recorder {
    char path[PATH_MAX], kept[PATH_MAX];
    fenby_jack_queue *queue;
    pthread_t thread;
    bool has_thread;
    sem_t end;
    uint8_t channel_of_key[KEYS];  // control thread: what sounds, 0: nothing
    double begin_s;

    // The thread's own while it runs.
    int descriptor;
    int n_tracks;
    off_t track, filling;  // where the open track's head and its filling's head lie in the file
    fenby_midi_file midi;  // writes into `bytes`
    FILE *stream;
    unsigned char bytes[FLUSH_BYTES + 16 + FILLING_HEAD];  // 16: to align the next head

    atomic_bool has_failed;
    char error[PATH_MAX + 128];
};

// --- the file: the thread, or neither running ----------------------------------------------------------------

static bool write_at(fenby_jack_recorder *recorder, const void *bytes, size_t size, off_t offset)
{
    for (size_t done = 0; done < size;) {
        const ssize_t n =
            pwrite(recorder->descriptor, (const char *)bytes + done, size - done, offset + (off_t)done);
        if (n < 0 && errno != EINTR) return false;
        if (n > 0) done += (size_t)n;
    }
    return true;
}

static void put_big_endian(unsigned char *bytes, uint32_t value, int n)
{
    for (int i = 0; i < n; i++) bytes[i] = (unsigned char)(value >> 8 * (n - 1 - i));
}

static void put_filling_head(unsigned char bytes[FILLING_HEAD], uint32_t length)
{
    bytes[0] = 0;  // delta time
    bytes[1] = META;
    bytes[2] = META_SEQUENCER;
    for (int i = 0; i < LENGTH_BYTES; i++)
        bytes[FILLING_LENGTH + i] = (unsigned char)((length >> 7 * (2 - i) & 0x7f) | (i < 2 ? 0x80 : 0));
}

static off_t track_end(const fenby_jack_recorder *recorder)
{
    return recorder->track + TRACK_HEAD + TRACK_BYTES;
}

// The bytes of filling when its head lies there.
static off_t filling_bytes(const fenby_jack_recorder *recorder, off_t head)
{
    return track_end(recorder) - TRACK_END - (head + FILLING_HEAD);
}

// Writes a track's head and end and all filling between; `first` is where its events will go.
static bool write_track(fenby_jack_recorder *recorder, off_t track, off_t first)
{
    static const unsigned char end[TRACK_END] = {0, META, META_END, 0};
    unsigned char head[TRACK_HEAD] = "MTrk", filling[FILLING_HEAD];
    recorder->track = track;
    recorder->filling = first;
    put_big_endian(head + 4, TRACK_BYTES, 4);
    put_filling_head(filling, (uint32_t)filling_bytes(recorder, first));
    const int error = posix_fallocate(recorder->descriptor, track, TRACK_HEAD + TRACK_BYTES);
    if (error) errno = error;
    return !error && write_at(recorder, filling, sizeof filling, first) &&
           write_at(recorder, end, sizeof end, track_end(recorder) - TRACK_END) &&
           write_at(recorder, head, sizeof head, track) && !fdatasync(recorder->descriptor);
}

// The notes' times are absolute in each track, so the clock starts anew.
static bool begin_track(fenby_jack_recorder *recorder)
{
    unsigned char n_tracks[2];
    const off_t track = track_end(recorder);
    if (!write_track(recorder, track, track + TRACK_HEAD)) {
        const int error = errno;
        errno = ftruncate(recorder->descriptor, track) ? errno : error;
        return false;
    }
    put_big_endian(n_tracks, (uint32_t)++recorder->n_tracks, 2);
    return write_at(recorder, n_tracks, sizeof n_tracks, N_TRACKS_OFFSET) && !fdatasync(recorder->descriptor);
}

// Empty texts, until the next filling's length does not lie across two sectors.
static size_t align(const fenby_jack_recorder *recorder, unsigned char *bytes, size_t size)
{
    static const unsigned char nothing[4] = {0, META, META_TEXT, 0};
    const off_t start = recorder->filling + FILLING_HEAD;
    while ((start + (off_t)size + FILLING_LENGTH) % SECTOR > SECTOR - LENGTH_BYTES) {
        memcpy(bytes + size, nothing, sizeof nothing);
        size += sizeof nothing;
    }
    return size;
}

static bool write_events(fenby_jack_recorder *recorder, size_t size)
{
    static const unsigned char uncovered[LENGTH_BYTES] = {2, 0, 0};  // an event of two bytes, and these
    const off_t old = recorder->filling;
    size = align(recorder, recorder->bytes, size);
    recorder->filling = old + FILLING_HEAD + (off_t)size;
    put_filling_head(recorder->bytes + size, (uint32_t)filling_bytes(recorder, recorder->filling));
    return write_at(recorder, recorder->bytes, size + FILLING_HEAD, old + FILLING_HEAD) &&
           !fdatasync(recorder->descriptor) &&
           write_at(recorder, uncovered, sizeof uncovered, old + FILLING_LENGTH) &&
           !fdatasync(recorder->descriptor);
}

static void put_note(fenby_jack_recorder *recorder, const fenby_jack_note *note)
{
    const double time_s = note->sound_s - recorder->begin_s;
    const int64_t tick = time_s > 0 ? (int64_t)(time_s * FENBY_TICKS_PER_SECOND + 0.5) : 0;
    if (note->type == FENBY_BEND)
        fenby_midi_file_message(&recorder->midi, tick, &note->message);
    else if (note->type == FENBY_NOTE_ON)
        fenby_midi_file_note_on(&recorder->midi, tick, note->channel, note->key, note->velocity);
    else
        fenby_midi_file_note_off(&recorder->midi, tick, note->channel, note->key);
}

// Takes up to a flush of notes. Returns the bytes.
static size_t collect(fenby_jack_recorder *recorder)
{
    fenby_jack_note note;
    rewind(recorder->stream);
    while (ftell(recorder->stream) < FLUSH_BYTES - 2 * LONGEST_NOTE &&
           fenby_jack_queue_get(recorder->queue, &note))
        put_note(recorder, &note);
    fflush(recorder->stream);
    return (size_t)ftell(recorder->stream);
}

static bool has_room(const fenby_jack_recorder *recorder)
{
    return filling_bytes(recorder, recorder->filling) >= LEAST_FILLING + (off_t)sizeof recorder->bytes;
}

static bool flush(fenby_jack_recorder *recorder)
{
    if (!has_room(recorder)) {
        if (!begin_track(recorder)) return false;
        recorder->midi.last_tick = 0;
    }
    size_t size;
    while (has_room(recorder) && (size = collect(recorder)) > 0)
        if (!write_events(recorder, size)) return false;
    return true;
}

static void fail(fenby_jack_recorder *recorder, const char *what)
{
    snprintf(recorder->error, sizeof recorder->error, "%s: cannot be %s: %s", recorder->path, what,
             strerror(errno));
    atomic_store(&recorder->has_failed, true);
}

static void *record(void *user)
{
    fenby_jack_recorder *recorder = user;
    bool is_ending = false;
    while (!is_ending && !atomic_load(&recorder->has_failed)) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += FLUSH_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        is_ending = sem_timedwait(&recorder->end, &until) == 0;
        if (!flush(recorder)) fail(recorder, "written");
    }
    return NULL;
}

// --- beginning and ending: control ---------------------------------------------------------------------------

// Another take, after a crash perhaps: "a.mid" becomes "a-1.mid", or has the next number that is free. One without a note
// is no loss.
static bool keep_old(fenby_jack_recorder *recorder, const char *path, off_t empty_size)
{
    struct stat status;
    const char *const slash = strrchr(path, '/'), *const name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    if (stat(path, &status) || status.st_size <= empty_size) return true;
    if (!dot || dot == name) dot = name + strlen(name);
    for (int n = 1; n <= MOST_KEPT; n++) {
        const int length = snprintf(recorder->kept, PATH_MAX, "%.*s-%d%s", (int)(dot - path), path, n, dot);
        errno = ENAMETOOLONG;
        if (length >= PATH_MAX) break;
        if (!link(path, recorder->kept)) return true;
        if (errno == EEXIST || !access(recorder->kept, F_OK)) continue;
        return !rename(path, recorder->kept);  // no file has two names there
    }
    return false;
}

// The whole file as it is at first: what is there under its name is never less.
static bool make_file(fenby_jack_recorder *recorder, const char *path, const char *text, char *error,
                      size_t error_size)
{
    fenby_output_file output;
    fenby_midi_file midi;
    if (!fenby_output_file_open(&output, path, error, error_size)) return false;
    snprintf(recorder->path, sizeof recorder->path, "%s", output.path);
    fenby_midi_file_begin(&midi, output.file, 1, "Fenby", text);
    const off_t track = midi.track_start - 4, first = ftell(output.file);
    recorder->descriptor = fflush(output.file) ? -1 : dup(fileno(output.file));
    const bool is_written = recorder->descriptor >= 0 && write_track(recorder, track, first);
    if (!is_written || !keep_old(recorder, output.path, first + TRACK_HEAD + TRACK_END)) {
        snprintf(error, error_size, "%s: cannot be %s: %s", path, is_written ? "kept" : "written", strerror(errno));
        fenby_output_file_discard(&output);
        return false;
    }
    recorder->n_tracks = 2;
    return fenby_output_file_close(&output, error, error_size);
}

static bool begin(fenby_jack_recorder *recorder, const char *path, const char *text, char *error,
                  size_t error_size)
{
    if (!make_file(recorder, path, text, error, error_size)) return false;
    recorder->queue = fenby_jack_queue_new();
    recorder->stream = fmemopen(recorder->bytes, FLUSH_BYTES, "w+");
    recorder->midi.stream = recorder->stream;
    recorder->has_thread = recorder->queue && recorder->stream &&
                           pthread_create(&recorder->thread, NULL, record, recorder) == 0;
    if (!recorder->has_thread) snprintf(error, error_size, "%s: not enough memory to record", path);
    return recorder->has_thread;
}

static void release(fenby_jack_recorder *recorder)
{
    if (recorder->stream) fclose(recorder->stream);
    if (recorder->descriptor >= 0) close(recorder->descriptor);
    fenby_jack_queue_free(recorder->queue);
    sem_destroy(&recorder->end);
    free(recorder);
}

fenby_jack_recorder *fenby_jack_recorder_new(const char *path, bool may_replace, double begin_s,
                                             const char *text, char *error, size_t error_size)
{
    struct stat status;
    if (!lstat(path, &status) && (!may_replace || !S_ISREG(status.st_mode))) {
        snprintf(error, error_size, "%s: %s", path, may_replace ? "is no regular file" : "is there already");
        return NULL;
    }
    fenby_jack_recorder *recorder = calloc(1, sizeof *recorder);
    if (!recorder) {
        snprintf(error, error_size, "%s: not enough memory to record", path);
        return NULL;
    }
    recorder->descriptor = -1;
    recorder->begin_s = begin_s;
    sem_init(&recorder->end, 0, 0);
    if (begin(recorder, path, text, error, error_size)) return recorder;
    release(recorder);
    return NULL;
}

void fenby_jack_recorder_put(fenby_jack_recorder *recorder, const fenby_jack_note *note)
{
    fenby_jack_queue_put(recorder->queue, note);
    if (note->type == FENBY_BEND) return;
    recorder->channel_of_key[note->key] = note->type == FENBY_NOTE_ON ? note->channel : 0;
}

uint64_t fenby_jack_recorder_lost_notes(const fenby_jack_recorder *recorder)
{
    return fenby_jack_queue_lost(recorder->queue);
}

static void end_notes(fenby_jack_recorder *recorder, double end_s)
{
    for (int key = 0; key < KEYS; key++) {
        const fenby_jack_note note = {.sound_s = end_s, .type = FENBY_NOTE_OFF, .key = (uint8_t)key,
                                      .channel = recorder->channel_of_key[key]};
        if (note.channel) fenby_jack_recorder_put(recorder, &note);
    }
}

static bool copy(FILE *to, int from, off_t n_bytes)
{
    char bytes[4096];
    for (off_t done = 0; done < n_bytes;) {
        const off_t wanted = n_bytes - done < (off_t)sizeof bytes ? n_bytes - done : (off_t)sizeof bytes;
        const ssize_t n = pread(from, bytes, (size_t)wanted, done);
        if (n <= 0 || fwrite(bytes, 1, (size_t)n, to) != (size_t)n) return false;
        done += n;
    }
    return true;
}

// Somebody moved this file away and put another one in its place.
static bool is_replaced(const fenby_jack_recorder *recorder)
{
    struct stat ours, there;
    return !fstat(recorder->descriptor, &ours) && !lstat(recorder->path, &there) &&
           (ours.st_dev != there.st_dev || ours.st_ino != there.st_ino);
}

// The same file without the last track's filling, in place of this one. Where that cannot be, as on a full
// disk, the file stays as it is: whole, but longer.
static void tidy(fenby_jack_recorder *recorder)
{
    char error[PATH_MAX + 128];
    fenby_output_file output;
    if (is_replaced(recorder)) return;
    if (!fenby_output_file_open(&output, recorder->path, error, sizeof error)) return;
    fenby_midi_file midi = {.stream = output.file, .track_start = (long)recorder->track + 4};
    if (copy(output.file, recorder->descriptor, recorder->filling) && fenby_midi_file_end(&midi, 0))
        fenby_output_file_close(&output, error, sizeof error);
    else fenby_output_file_discard(&output);
}

bool fenby_jack_recorder_free(fenby_jack_recorder *recorder, double end_s, char *error, size_t error_size)
{
    if (!recorder) return true;
    end_notes(recorder, end_s);
    sem_post(&recorder->end);
    pthread_join(recorder->thread, NULL);
    const bool good = !fenby_jack_recorder_failed(recorder, error, error_size);
    if (good) tidy(recorder);
    release(recorder);
    return good;
}

const char *fenby_jack_recorder_path(const fenby_jack_recorder *recorder)
{
    return recorder->path;
}

const char *fenby_jack_recorder_kept(const fenby_jack_recorder *recorder)
{
    return recorder->kept;
}

bool fenby_jack_recorder_failed(const fenby_jack_recorder *recorder, char *error, size_t error_size)
{
    if (!atomic_load(&recorder->has_failed)) return false;
    snprintf(error, error_size, "%s", recorder->error);
    return true;
}
