// SPDX-License-Identifier: ISC
// OSC packets as they should be, in bundles, cut off at every byte and with wrong bytes: what is read lies within them.
#include "jack_client/fenby_jack_packet.h"

#include "tests/guarded.h"
#include "tests/test.h"

static int n_taken;
static double sum;  // of numbers and lengths of texts

static void take(void *user, const fenby_jack_message *message)
{
    (void)user;
    n_taken++;
    for (int i = 0; i < message->n_arguments; i++) {
        const char *text;
        double number;
        if (fenby_jack_message_text(message, i, &text)) sum += (double)strlen(text);
        if (fenby_jack_message_number(message, i, &number)) sum += number;
    }
}

static bool read_bytes(const void *bytes, size_t size)
{
    void *const packet = guarded_copy(bytes, size);
    REQUIRE(packet, "no memory");
    n_taken = 0;
    sum = 0;
    return fenby_jack_packet_read(packet, size, take, NULL);
}

#define READ(literal) read_bytes(literal, sizeof literal - 1)

static const char good[] = "/a/b\0\0\0\0,ifsdhT\0\0\0\0\7\x40\x20\0\0four\0\0\0\0\x3f\xf0\0\0\0\0\0\0\0\0\0\0\0\0\0\3";

static void test_messages(void)
{
    CHECK(READ("/a\0\0,\0\0\0") && n_taken == 1 && sum == 0, "no arguments: %d taken, sum %g", n_taken, sum);
    CHECK(read_bytes(good, sizeof good - 1) && n_taken == 1, "%d taken", n_taken);
    CHECK(sum == 7 + 2.5 + 4 + 1 + 3 + 1, "sum %g", sum);
}

#define BUNDLE "#bundle\0\0\0\0\0\0\0\0\1"
#define MESSAGE "\0\0\0\x0c/a\0\0,i\0\0\0\0\0\2"

// A message in so many bundles in each other.
static bool read_deep(int bundles)
{
    enum { HEAD = 16, LENGTH = 4, MOST = 20 };
    char deep[MOST * (HEAD + LENGTH) + sizeof MESSAGE];
    const size_t message = sizeof MESSAGE - 1, size = (size_t)bundles * (HEAD + LENGTH) - LENGTH + message;
    size_t at = 0;
    for (int i = 0; i < bundles; i++, at += HEAD) {
        if (i > 0) {
            memcpy(deep + at, "\0\0", 2);
            deep[at + 2] = (char)((size - at - LENGTH) >> 8);
            deep[at + 3] = (char)(size - at - LENGTH);
            at += LENGTH;
        }
        memcpy(deep + at, BUNDLE, HEAD);
    }
    memcpy(deep + at, MESSAGE, message);
    return read_bytes(deep, size);
}

static void test_bundles(void)
{
    CHECK(READ(BUNDLE MESSAGE MESSAGE) && n_taken == 2 && sum == 4, "%d taken, sum %g", n_taken, sum);
    CHECK(READ(BUNDLE "\0\0\0\x20" BUNDLE MESSAGE) && n_taken == 1, "a bundle in a bundle: %d taken", n_taken);
    CHECK(!READ(BUNDLE "\0\0\0\x10/a\0\0,i\0\0\0\0\0\2") && n_taken == 0, "a length beyond the end: %d", n_taken);
    CHECK(!READ(BUNDLE "\xff\xff\xff\xfc" MESSAGE), "a length below zero");
    CHECK(read_deep(8) && n_taken == 1 && sum == 2, "8 bundles in each other: %d taken, sum %g", n_taken, sum);
    CHECK(!read_deep(9) && n_taken == 0, "9 bundles in each other: %d taken", n_taken);
    CHECK(!read_deep(20) && n_taken == 0, "20 bundles in each other: %d taken", n_taken);
}

static void test_malformed(void)
{
    for (size_t size = 0; size < sizeof good - 1; size++)
        CHECK(!read_bytes(good, size) && n_taken == 0, "cut off after %zu bytes", size);
    CHECK(!READ("/a b\0\0\0\0,\0\0\0"), "a space in the address");
    CHECK(!READ("/a\n\0,\0\0\0"), "a line end in the address");
    CHECK(!READ("a\0\0\0,\0\0\0"), "no slash");
    CHECK(!READ("/abc"), "an address without end");
    CHECK(!READ("/a\0\0,s\0\0four"), "a text without end");
    CHECK(!READ("/a\0\0,b\0\0") && !READ("/a\0\0,ib\0\0\0\0\1"), "a blob without length");
    CHECK(!READ("/a\0\0,b\0\0\x7f\xff\xff\xff\0\0\0\0") && !READ("/a\0\0,b\0\0\0\0\0\4\0\0\0\0"), "a blob");
}

// Those that could break a line, or tell a terminal what to do.
static void test_texts(void)
{
    CHECK(READ("/a\0\0,s\0\0s\xc3\xa4gt\0\0\0") && sum == 5, "sum %g", sum);
    CHECK(READ("/a\0\0,s\0\0a\nb\0") && sum == 0, "a line end: %g", sum);
    CHECK(READ("/a\0\0,S\0\0\x1b[J\0") && sum == 0, "an escape: %g", sum);
    CHECK(READ("/a\0\0,s\0\0ab\x7f\0") && sum == 0, "a delete: %g", sum);
}

int main(void)
{
    test_messages();
    test_bundles();
    test_malformed();
    test_texts();
    return test_report();
}
