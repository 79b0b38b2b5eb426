// SPDX-License-Identifier: ISC
#include "audio_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sndfile.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_FRAMES = 1024, LOG_SIZE = 4096 };

struct fenby_audio_file {
    int descriptor;
    int64_t n_bytes;
    SNDFILE *sound;
    SF_INFO info;
    int channel;
    int64_t n_read;
    bool has_last;
    float last[FENBY_MAXIMUM_CHANNELS];  // the frame before
    double energy, mixed_energy;         // of the channels' steps from it, each on average, and of their mean's
    char reason[128];                    // what is wrong with it
    float *block;  // float[BLOCK_FRAMES][channels]
};

// libsndfile's MP3 decoder prints what it dislikes, which would break our own lines.
static int silence_stderr(void)
{
    const int kept = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (kept >= 0 && null >= 0) dup2(null, STDERR_FILENO);
    if (null >= 0) close(null);
    return kept;
}

static void restore_stderr(int kept)
{
    if (kept < 0) return;
    dup2(kept, STDERR_FILENO);
    close(kept);
}

// --- opening -------------------------------------------------------------------------------------------------

// Copies what comes out of a pipe into a file without a name. -1 with errno.
static int spool(int pipe)
{
    FILE *file = tmpfile();
    if (!file) return -1;
    char bytes[1 << 16];
    ssize_t n;
    while ((n = read(pipe, bytes, sizeof bytes)) > 0) {
        errno = ENOSPC;  // what a short write means
        if (write(fileno(file), bytes, (size_t)n) != n) break;
    }
    const int spooled = n == 0 ? dup(fileno(file)) : -1;
    const int reason = errno;
    fclose(file);
    if (spooled >= 0) lseek(spooled, 0, SEEK_SET);
    errno = reason;
    return spooled;
}

// A descriptor that can seek. NULL, or why there is none.
static const char *open_seekable(fenby_audio_file *file, const char *path)
{
    struct stat status;
    file->descriptor = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
    if (file->descriptor >= 0 && lseek(file->descriptor, 0, SEEK_CUR) < 0) {
        const int pipe = file->descriptor;
        file->descriptor = spool(pipe);
        snprintf(file->reason, sizeof file->reason, "cannot be copied into a temporary file in " P_tmpdir ": %s",
                 strerror(errno));
        close(pipe);
        if (file->descriptor < 0) return file->reason;
    }
    if (file->descriptor < 0 || fstat(file->descriptor, &status)) return strerror(errno);
    file->n_bytes = status.st_size;
    return S_ISDIR(status.st_mode) ? "is a folder" : status.st_size == 0 ? "is an empty file" : NULL;
}

static const char *open_sound(fenby_audio_file *file, const char *path)
{
    const char *const reason = open_seekable(file, path);
    if (reason) return reason;
    const int kept = silence_stderr();
    file->sound = sf_open_fd(file->descriptor, SFM_READ, &file->info, SF_FALSE);
    restore_stderr(kept);
    if (!file->sound && sf_error(NULL) == SF_ERR_UNRECOGNISED_FORMAT)
        return "is no sound file that libsndfile knows (WAV, FLAC, Ogg, MP3, AIFF and others)";
    if (!file->sound) return sf_strerror(NULL);
    if (file->info.channels > FENBY_MAXIMUM_CHANNELS) return "has too many channels";
    file->block = malloc(sizeof *file->block * BLOCK_FRAMES * (size_t)file->info.channels);
    return file->block ? NULL : "not enough memory";
}

const char *fenby_audio_file_name(const char *path)
{
    return strcmp(path, "-") ? path : "standard input";
}

fenby_audio_file *fenby_audio_file_open(const char *path, int channel, char *error, size_t error_size)
{
    fenby_audio_file *file = calloc(1, sizeof *file);
    const char *const reason = file ? open_sound(file, path) : "not enough memory";
    const char *const name = fenby_audio_file_name(path);
    if (reason) {
        snprintf(error, error_size, "%s: %s", name, reason);
    } else if (channel > file->info.channels) {
        snprintf(error, error_size, "%s: there is no channel %d, expected 1 .. %d", name, channel,
                 file->info.channels);
    } else {
        file->channel = channel;
        return file;
    }
    fenby_audio_file_close(file);
    return NULL;
}

void fenby_audio_file_close(fenby_audio_file *file)
{
    if (!file) return;
    if (file->sound) sf_close(file->sound);
    if (file->descriptor >= 0) close(file->descriptor);
    free(file->block);
    free(file);
}

// --- reading -------------------------------------------------------------------------------------------------

double fenby_audio_file_rate(const fenby_audio_file *file)
{
    return file->info.samplerate;
}

int64_t fenby_audio_file_frames(const fenby_audio_file *file)
{
    return file->info.frames == SF_COUNT_MAX ? 0 : file->info.frames;
}

static int type_of(const fenby_audio_file *file)
{
    return file->info.format & SF_FORMAT_TYPEMASK;
}

// The energies are those of steps from frame to frame: an offset that a channel has is no sound.
static void mix(fenby_audio_file *file, float *samples, size_t n_frames)
{
    const size_t n_channels = (size_t)file->info.channels;
    const size_t first = file->channel ? (size_t)file->channel - 1 : 0;
    const size_t end = file->channel ? first + 1 : n_channels;
    const float part = 1 / (float)(end - first);
    for (size_t i = 0; i < n_frames; i++) {
        float sum = 0, steps = 0, squares = 0;
        for (size_t c = first; c < end; c++) {
            const float sample = file->block[i * n_channels + c], step = file->has_last ? sample - file->last[c] : 0;
            sum += sample;
            steps += step;
            squares += step * step;
            file->last[c] = sample;
        }
        file->has_last = true;
        samples[i] = sum * part;
        file->energy += squares * part;
        file->mixed_energy += steps * part * steps * part;
    }
}

// Of n channels that have nothing to do with each other the mean has an n-th of the energy.
bool fenby_audio_file_cancels(const fenby_audio_file *file)
{
    return file->mixed_energy < 0.05 / file->info.channels * file->energy;
}

size_t fenby_audio_file_read(fenby_audio_file *file, float *samples, size_t n)
{
    size_t done = 0;
    while (done < n) {
        const size_t wanted = n - done < BLOCK_FRAMES ? n - done : BLOCK_FRAMES;
        const int kept = type_of(file) == SF_FORMAT_MPEG ? silence_stderr() : -1;
        const sf_count_t got = sf_readf_float(file->sound, file->block, (sf_count_t)wanted);
        restore_stderr(kept);
        if (got <= 0) break;
        mix(file, samples + done, (size_t)got);
        done += (size_t)got;
    }
    file->n_read += (int64_t)done;
    return done;
}

// --- damage --------------------------------------------------------------------------------------------------

static const char end_is_missing[] = "its end is missing";

// libsndfile corrects the length of a file that was cut, and only notes it here.
static void read_log(const fenby_audio_file *file, char log[LOG_SIZE])
{
    *log = 0;
    sf_command(file->sound, SFC_GET_LOG_INFO, log, LOG_SIZE);
}

// A WAV, AIFF, IFF, W64 or RF64 file that was cut: "data : 441000 (should be 220479)"; for the last two this is the
// whole file's. The greatest sizes, near 2 or 4 GiB where there are 32 bits, are what programs write that stream into
// a pipe and cannot know the length (sox: 0x7f000000 in AIFF). Returns how much of the promised sound is there, 1 when
// all of it is.
static double part_in_log(const fenby_audio_file *file)
{
    char log[LOG_SIZE];
    read_log(file, log);
    static const struct {
        const char *name;
        double streams;  // sizes from here on
        double slack;    // bytes: programs differ in what they count to the whole file
    } sizes[] = {{"data : ", 0x7fff0000, 0},
                 {"SSND : ", 0x7f000000, 0},
                 {"BODY : ", 0x7fff0000, 0},
                 {"Data Size   : ", 0x7fff0000, 0},
                 {"riff : ", 0x1p62, 64},
                 {"Riff size : ", 0x1p62, 64}};
    for (int i = 0; i < 6; i++) {
        double promised, there;
        const char *const line = strstr(log, sizes[i].name);
        if (!line || sscanf(line + strlen(sizes[i].name), "%lf (should be %lf)", &promised, &there) != 2) continue;
        if (promised < sizes[i].streams && promised > there + sizes[i].slack) return there / promised;
    }
    return 1;
}

// VOC: the log has no sizes to compare.
static const char *voc_damage(const fenby_audio_file *file)
{
    char log[LOG_SIZE];
    read_log(file, log);
    return strstr(log, "truncated file") ? end_is_missing : NULL;
}

// Where the first MP3 frame begins: behind the ID3v2 tags, whose sizes have 7 bits a byte and leave out head and foot.
static off_t first_mp3_frame(int descriptor)
{
    enum { HEAD = 10, HAS_FOOT = 0x10 };
    unsigned char head[HEAD];
    off_t at = 0;
    while (pread(descriptor, head, HEAD, at) == HEAD && !memcmp(head, "ID3", 3)) {
        at += HEAD + (head[5] & HAS_FOOT ? HEAD : 0);
        at += (head[6] & 0x7f) << 21 | (head[7] & 0x7f) << 14 | (head[8] & 0x7f) << 7 | (head[9] & 0x7f);
    }
    return at;
}

// Of an MP3 file only a tag in its first frame says how long it is, within what a frame has before its sound (4 + 2 +
// 32 bytes at most); without it libsndfile guesses. All other headers say it.
static bool tells_length(const fenby_audio_file *file)
{
    static const char *const tags[] = {"Xing", "Info", "VBRI"};
    unsigned char frame[44];
    if (type_of(file) != SF_FORMAT_MPEG) return true;
    const ssize_t size = pread(file->descriptor, frame, sizeof frame, first_mp3_frame(file->descriptor));
    for (int i = 0; i < 3; i++)
        if (size > 0 && memmem(frame, (size_t)size, tags[i], strlen(tags[i]))) return true;
    return false;
}

// An MP3 file of varying bit rate for which libsndfile's guess is too short: it stops there.
static bool is_misjudged(const fenby_audio_file *file)
{
    return !tells_length(file) && lseek(file->descriptor, 0, SEEK_CUR) < file->n_bytes * 9 / 10;
}

// Ogg: libsndfile takes it for whole wherever it ends, and reads only the first of several recordings.

// RFC 3533, 6: a page's head, and after it the lengths of its segments, a byte each.
enum { PAGE_FLAGS = 5, PAGE_SERIAL = 14, PAGE_SEGMENTS = 26, PAGE_HEAD = 27, MOST_SEGMENTS = 255 };
enum { LONGEST_PAGE = PAGE_HEAD + MOST_SEGMENTS + MOST_SEGMENTS * 255 };
enum { BEGINS_STREAM = 2, ENDS_STREAM = 4 };

static bool is_page(const unsigned char *bytes)
{
    return !memcmp(bytes, "OggS", 5);  // with its version, 0
}

static ssize_t page_size(const unsigned char *head)
{
    ssize_t size = PAGE_HEAD + head[PAGE_SEGMENTS];
    for (int i = 0; i < head[PAGE_SEGMENTS]; i++) size += head[PAGE_HEAD + i];
    return size;
}

// Streams that sound at the same time begin together, one page after the other: is this one of them? True as well where
// the file does not begin with a page.
static bool begins_with_stream(int descriptor, const unsigned char *serial)
{
    unsigned char head[PAGE_HEAD + MOST_SEGMENTS];
    off_t at = 0;
    while (pread(descriptor, head, sizeof head, at) == (ssize_t)sizeof head && is_page(head) &&
           head[PAGE_FLAGS] & BEGINS_STREAM) {
        if (!memcmp(head + PAGE_SERIAL, serial, 4)) return true;
        at += page_size(head);
    }
    return at == 0;
}

// What its last page says; tags may follow that.
static const char *ogg_damage(const fenby_audio_file *file)
{
    static const char chained[] = "it holds several recordings, one after the other";
    enum { MOST = 2 * LONGEST_PAGE };
    unsigned char tail[MOST + MOST_SEGMENTS];
    const off_t begin = file->n_bytes > MOST ? file->n_bytes - MOST : 0;
    const ssize_t size = pread(file->descriptor, tail, MOST, begin);
    ssize_t at = size - PAGE_HEAD;
    while (at >= 0 && !is_page(tail + at)) at--;
    if (at < 0) return NULL;
    memset(tail + size, 0xff, MOST_SEGMENTS);  // the lengths, where they were cut off
    if (!(tail[at + PAGE_FLAGS] & ENDS_STREAM) || at + page_size(tail + at) > size) return end_is_missing;
    return begins_with_stream(file->descriptor, tail + at + PAGE_SERIAL) ? NULL : chained;
}

const char *fenby_audio_file_damage(fenby_audio_file *file)
{
    const double seconds = (double)file->n_read / file->info.samplerate;
    const double part_by_log = part_in_log(file), promised = (double)fenby_audio_file_frames(file);
    const double part = file->n_read < promised && tells_length(file) ? (double)file->n_read / promised : part_by_log;
    const char *const reason = type_of(file) == SF_FORMAT_OGG   ? ogg_damage(file)
                               : type_of(file) == SF_FORMAT_VOC ? voc_damage(file)
                                                                : NULL;
    // A large file whose header promises no sound is what a recorder leaves that crashed.
    const bool is_mute = file->n_read == 0 && (part < 1 || file->info.frames != 0 || file->n_bytes > 1 << 16);
    file->reason[0] = 0;
    if (is_mute)
        snprintf(file->reason, sizeof file->reason, "no sound could be read from it");
    else if (part < 1)
        snprintf(file->reason, sizeof file->reason, "ends after %.1f s, expected %.1f s", seconds,
                 seconds / part);
    else if (is_misjudged(file))
        snprintf(file->reason, sizeof file->reason, "has no Xing header, only %.1f s could be read", seconds);
    else if (reason)
        snprintf(file->reason, sizeof file->reason, "ends after %.1f s: %s", seconds, reason);
    else if (sf_error(file->sound))
        snprintf(file->reason, sizeof file->reason, "%s", sf_strerror(file->sound));
    return file->reason[0] ? file->reason : NULL;
}
