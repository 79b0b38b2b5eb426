// SPDX-License-Identifier: ISC
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 100 };  // to find a name that no file has

static bool fail(const char *path, const char *what, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s: cannot be %s: %s", path, what, strerror(errno));
    return false;
}

// A new file beside the one it will replace, with the rights that a file made by fopen would have. Not by mkstemp:
// its rights are others, and to ask for the mask is to change it, for all threads of a host.
static FILE *open_temporary(fenby_output_file *output)
{
    const char *const slash = strrchr(output->path, '/');
    const int folder_length = slash ? (int)(slash + 1 - output->path) : 0;
    int descriptor = -1;
    errno = EEXIST;
    for (int tries = 0; tries < TRIES && descriptor < 0 && errno == EEXIST; tries++) {
        uint32_t number;
        if (getrandom(&number, sizeof number, 0) != sizeof number) break;
        const int length = snprintf(output->temporary, sizeof output->temporary, "%.*s.fenby-%08x",
                                    folder_length, output->path, number);
        if (length < (int)sizeof output->temporary)
            descriptor = open(output->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        else
            errno = ENAMETOOLONG;
    }
    if (descriptor >= 0) return fdopen(descriptor, "w");
    *output->temporary = 0;  // it is not ours to remove
    return NULL;
}

bool fenby_output_file_open(fenby_output_file *output, const char *path, char *error, size_t error_size)
{
    // Who gave us standard output may write to it before and after us: it must stay the same file.
    const bool is_standard = !strcmp(path, FENBY_STANDARD_OUTPUT);
    struct stat status;
    const bool exists = !is_standard && !stat(path, &status);
    *output = (fenby_output_file){0};
    if (exists && S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return fail(path, "written", error, error_size);
    }
    // A symbolic link is followed, so that the file it points to is replaced and the link stays.
    if (!exists || !realpath(path, output->path))
        snprintf(output->path, sizeof output->path, "%s", path);
    if (is_standard || (exists && !S_ISREG(status.st_mode))) {
        output->pipe = is_standard ? fdopen(dup(STDOUT_FILENO), "w") : fopen(path, "w");
        output->file = output->pipe ? tmpfile() : NULL;
    } else {
        output->file = open_temporary(output);
    }
    if (output->file) return true;
    fail(path, "written", error, error_size);
    fenby_output_file_discard(output);
    return false;
}

void fenby_output_file_discard(fenby_output_file *output)
{
    if (output->file) fclose(output->file);
    if (output->pipe) fclose(output->pipe);
    if (*output->temporary) unlink(output->temporary);
    output->file = output->pipe = NULL;
}

static bool pour(FILE *from, FILE *into)
{
    char bytes[4096];
    size_t n;
    rewind(from);
    while ((n = fread(bytes, 1, sizeof bytes, from)) > 0)
        if (fwrite(bytes, 1, n, into) != n) return false;
    return !ferror(from) && !fflush(into);
}

bool fenby_output_file_close(fenby_output_file *output, char *error, size_t error_size)
{
    bool good = !fflush(output->file) && !ferror(output->file);
    if (*output->temporary) good = good && !fsync(fileno(output->file));
    if (output->pipe) good = good && pour(output->file, output->pipe);
    good = !fclose(output->file) && good;
    output->file = NULL;
    if (output->pipe) good = !fclose(output->pipe) && good;
    output->pipe = NULL;
    if (*output->temporary) good = good && !rename(output->temporary, output->path);
    if (good) return true;
    fail(output->path, "written", error, error_size);
    fenby_output_file_discard(output);
    return false;
}
