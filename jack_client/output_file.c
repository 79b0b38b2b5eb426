// SPDX-License-Identifier: ISC
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

int fenby_output_file_descriptor(const char *path)
{
    static const char *const names[] = {"/dev/stdin", FENBY_STANDARD_OUTPUT, "/dev/stderr"};
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(path, names[i])) return i;
    for (int i = 0; i < 2; i++) {
        const size_t length = strlen(folders[i]);
        if (strncmp(path, folders[i], length) != 0) continue;
        const char *const number = path + length;
        const size_t n_digits = strspn(number, "0123456789");
        if (n_digits > 0 && n_digits < 10 && !number[n_digits]) return atoi(number);
    }
    return -1;
}

const char *fenby_split_path(const char *path, char folder[PATH_MAX])
{
    const char *const slash = strrchr(path, '/'), *const name = slash ? slash + 1 : path;
    snprintf(folder, PATH_MAX, "%.*s", slash ? (int)(name - path) : 1, slash ? path : ".");
    return name;
}

static bool folder_is_writable(const char *path)
{
    char folder[PATH_MAX];
    fenby_split_path(path, folder);
    return !access(folder, W_OK);
}

// A file is replaced by its folder's rights, but who may not write it is to leave it; a link to nothing stays what it is.
bool fenby_output_file_is_writable(const char *path)
{
    char file[PATH_MAX];
    struct stat status;
    if (fenby_output_file_descriptor(path) >= 0) return true;
    if (stat(path, &status)) return errno == ENOENT && lstat(path, &status) && folder_is_writable(path);
    if (S_ISDIR(status.st_mode)) errno = EISDIR;
    if (!S_ISREG(status.st_mode)) return !S_ISDIR(status.st_mode);
    return !access(path, W_OK) && realpath(path, file) && folder_is_writable(file);
}

// A pipe gets all of it at the close: until then it is kept in memory, for there may be no folder to write to.
static FILE *open_memory(void)
{
    const int descriptor = memfd_create("fenby", MFD_CLOEXEC);
    return descriptor >= 0 ? fdopen(descriptor, "w+") : NULL;
}

bool fenby_output_file_open(fenby_output_file *output, const char *path, char *error, size_t error_size)
{
    // Who gave us a descriptor may write to it before and after us: it must stay the same file.
    const int descriptor = fenby_output_file_descriptor(path);
    struct stat status;
    const bool exists = descriptor < 0 && !stat(path, &status);
    *output = (fenby_output_file){0};
    if (!fenby_output_file_is_writable(path)) return fail(path, "written", error, error_size);
    // A symbolic link is followed, so that the file it points to is replaced and the link stays.
    if (!exists || !realpath(path, output->path))
        snprintf(output->path, sizeof output->path, "%s", path);
    if (descriptor >= 0 || (exists && !S_ISREG(status.st_mode))) {
        output->pipe = descriptor >= 0 ? fdopen(dup(descriptor), "w") : fopen(path, "w");
        output->file = output->pipe ? open_memory() : NULL;
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
