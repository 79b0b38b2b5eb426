// SPDX-License-Identifier: ISC
// Preloaded into fenby-jack (LD_PRELOAD): a disk that takes as long as there is a file of the name JACK_SLOW_DISK,
// and fails then where it finds something in it.
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int fsync(int descriptor)
{
    struct stat status = {.st_size = 0};
    (void)descriptor;
    while (stat(getenv("JACK_SLOW_DISK"), &status) == 0 && status.st_size == 0)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    errno = EIO;
    return status.st_size ? -1 : 0;
}
