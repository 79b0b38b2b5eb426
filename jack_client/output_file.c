// SPDX-License-Identifier: ISC
#include "output_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(const char *path, const char *what, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s: cannot be %s: %s", path, what, strerror(errno));
    return false;
}

// A new file beside the one it will replace, with the rights that a file made by fopen would have.
static FILE *open_temporary(fenby_output_file *output)
{
    const char *const slash = strrchr(output->path, '/');
    const int folder_length = slash ? (int)(slash + 1 - output->path) : 0;
    const int length = snprintf(output->temporary, sizeof output->temporary, "%.*s.fenby-XXXXXX", folder_length,
                                output->path);
    if (length >= (int)sizeof output->temporary) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    const int descriptor = mkstemp(output->temporary);
    if (descriptor < 0) return NULL;
    const mode_t mask = umask(0);
    umask(mask);
    fchmod(descriptor, 0666 & ~mask);
    return fdopen(descriptor, "w");
}

bool fenby_output_file_open(fenby_output_file *output, const char *path, char *error, size_t error_size)
{
    struct stat status;
    const bool exists = !stat(path, &status);
    *output = (fenby_output_file){0};
    if (exists && S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return fail(path, "written", error, error_size);
    }
    // A symbolic link is followed, so that the file it points to is replaced and the link stays.
    if (!exists || !realpath(path, output->path))
        snprintf(output->path, sizeof output->path, "%s", path);
    if (exists && !S_ISREG(status.st_mode)) {
        output->pipe = fopen(path, "w");
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
