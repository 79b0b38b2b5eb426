// SPDX-License-Identifier: ISC
// A folder for what a test writes, in $TMPDIR, gone when the test ends, also when a REQUIRE ends it. A test that
// cannot remove it fails.
#ifndef FENBY_TEST_FOLDER_H
#define FENBY_TEST_FOLDER_H

#include <stdlib.h>
#include <unistd.h>

#include "test.h"

static char folder[64];
static pid_t folder_owner;  // the children that a test forks leave it alone

static void remove_folder(void)
{
    if (getpid() != folder_owner) return;
    char command[sizeof folder + 8];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    if (system(command) == 0) return;
    fprintf(stderr, "cannot remove %s\n", folder);
    fflush(NULL);
    _exit(1);
}

static inline void make_folder(void)
{
    const char *under = getenv("TMPDIR");
    const int length = snprintf(folder, sizeof folder, "%s/fenby-test-XXXXXX", under ? under : "/tmp");
    REQUIRE(length < (int)sizeof folder, "TMPDIR is too long: %s", under);
    REQUIRE(mkdtemp(folder), "no folder %s", folder);
    folder_owner = getpid();
    atexit(remove_folder);
}

#endif
