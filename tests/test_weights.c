// SPDX-License-Identifier: ISC
// The weights file: what a good one gives, and that nothing else is taken.
#include "tests/failing_malloc.h"

#include "nn/weights.c"

#include "dsp/cqt.h"
#include "nn/net.h"
#include "tests/folder.h"
#include "tests/make_fnw.h"
#include "tests/test.h"

static const char golden_path[] = "tests/golden/net_small.fnw";
static const uint64_t golden_features = 0x676f6c64656e;

static fnw file;
static char error[256];

// An error is one line that begins with the file's name.
static void check_error(const char *name, const char *expected)
{
    CHECK(strncmp(error, name, strlen(name)) == 0 && strncmp(error + strlen(name), ": ", 2) == 0, "%s", error);
    CHECK(strstr(error, expected), "\"%s\" does not say \"%s\"", error, expected);
    CHECK(!strchr(error, '\n'), "%s", error);
}

static fenby_weights *parse(const unsigned char *bytes, size_t size)
{
    error[0] = 0;
    return fenby_weights_parse(bytes, size, "x.fnw", fnw_features, error, sizeof error);
}

static void check_refused(const char *expected)
{
    fenby_weights *weights = parse(file.bytes, file.size);
    CHECK(!weights, "accepted, expected: %s", expected);
    fenby_weights_free(weights);
    check_error("x.fnw", expected);
}

// 3 positions x 2 channels, a conv of 2 frames, a GRU of two groups, a head with outputs a[1] and b[2]; about 700 bytes.
// In a file of version 1 nothing says how many groups: each layer is one.
static void make_small_of(uint8_t version)
{
    const float values[64] = { 0.5f, -0.25f, 0.125f };
    const int32_t says_groups = version > 1, groups = says_groups ? 2 : 1;
    fnw_begin(&file, 3, 2, 3);
    file.bytes[8] = version;
    fnw_ints(&file, (int32_t[]){ 1, 2, 2, 3, 1, 1, 1, 0, 1, 1 }, 9 + says_groups);
    fnw_ints(&file, (int32_t[]){ 2, 2, groups }, 2 + says_groups);
    fnw_ints(&file, (int32_t[]){ 3, 2 }, 2);
    fnw_text(&file, "a");
    fnw_ints(&file, (int32_t[]){ 1, 1 }, 2);
    fnw_text(&file, "b");
    fnw_ints(&file, (int32_t[]){ 2, 0 }, 2);
    fnw_int(&file, 9);
    fnw_array(&file, "0.weight", values, 2 * 2 * 2 * 3);
    fnw_array(&file, "0.bias", values, 2);
    fnw_array(&file, "1.weight", values, 12 / groups);
    fnw_array(&file, "1.bias", values, 6);
    fnw_array(&file, "1.weight_hh", values, 12 / groups);
    fnw_array(&file, "1.bias_hh", values, 6);
    fnw_array(&file, "2.weight", values, 6);
    fnw_array(&file, "2.bias", values, 3);
    fnw_array(&file, "extra", values, 3);
    fnw_end(&file);
}

static void make_small(void)
{
    make_small_of(2);
}

static void test_good(void)
{
    make_small();
    fenby_weights *w = parse(file.bytes, file.size);
    REQUIRE(w, "%s", error);
    memset(file.bytes, 0, sizeof file.bytes);  // the bytes were copied
    CHECK(strcmp(fenby_weights_name(w), "test") == 0, "%s", fenby_weights_name(w));
    CHECK(strcmp(fenby_weights_card(w), "A card.\n") == 0, "%s", fenby_weights_card(w));
    CHECK(fenby_weights_input_width(w) == 3 && fenby_weights_input_channels(w) == 2, "input shape");
    CHECK(fenby_weights_macs(w) == 3 * (24 + 12 + 6), "%zu", fenby_weights_macs(w));
    REQUIRE(fenby_weights_n_outputs(w) == 2, "%zu", fenby_weights_n_outputs(w));
    fenby_output b = fenby_weights_output(w, 1);
    CHECK(strcmp(b.name, "b") == 0 && b.width == 3 && b.channels == 2, "%s %d %d", b.name, b.width, b.channels);
    CHECK(fenby_weights_find_output(w, "b") == 1 && fenby_weights_find_output(w, "c") == -1, "find_output");
    size_t n;
    const float *extra = fenby_weights_array(w, "extra", &n);
    CHECK(n == 3 && extra && extra[1] == -0.25f, "array of %zu", n);
    CHECK(!fenby_weights_array(w, "none", &n) && n == 0, "array of %zu", n);
    fenby_weights_free(w);
}

static void test_golden(void)
{
    fenby_weights *w = fenby_weights_load(golden_path, golden_features, error, sizeof error);
    REQUIRE(w, "%s", error);
    CHECK(strcmp(fenby_weights_name(w), "net_small") == 0, "%s", fenby_weights_name(w));
    CHECK(fenby_weights_input_width(w) == 72 && fenby_weights_input_channels(w) == 2, "input shape");
    CHECK(fenby_weights_find_output(w, "velocity") == 2, "%d", fenby_weights_find_output(w, "velocity"));
    size_t stem = 22 * 32 * 150, block = 22 * 32 * 32 * (9 + 5), head = 22 * 32 * 8;
    CHECK(fenby_weights_macs(w) == stem + block + head, "%zu", fenby_weights_macs(w));
    fenby_weights_free(w);
}

static void test_default(void)
{
    fenby_weights *w = fenby_weights_default(fenby_cqt_features_hash(), error, sizeof error);
    CHECK(w, "%s", error);
    if (w) CHECK(fenby_weights_input_width(w) == FENBY_N_BINS, "%d", fenby_weights_input_width(w));
    if (w) CHECK(fenby_weights_input_channels(w) == FENBY_N_RESOLUTIONS, "%d", fenby_weights_input_channels(w));
    fenby_weights_free(w);
    CHECK(!fenby_weights_default(0, error, sizeof error), "other features");
    check_error("built-in model", "made for other features");
}

static void test_header(void)
{
    make_small();
    CHECK(!fenby_weights_parse(file.bytes, file.size, "x.fnw", 0xabc, error, sizeof error), "other features");
    check_error("x.fnw", "hash 0123456789abcdef, expected 0000000000000abc");
    file.bytes[8] = 3;
    fnw_reseal(file.bytes, file.size);
    check_refused("format version 3, expected 1 or 2");
    file.bytes[0] = 'F';
    check_refused("not a weights file (.fnw)");
    make_small();
    file.size--;
    check_refused("cut or has something added");
    file.size += 2;
    check_refused("cut or has something added");
    file.size = 0;
    check_refused("0 bytes are too few");
}

static void test_files(void)
{
    char path[256];
    const int free_before = dup(0);
    close(free_before);
    CHECK(!fenby_weights_load("tests/none.fnw", 0, error, sizeof error), "no such file");
    check_error("tests/none.fnw", "No such file");
    CHECK(!fenby_weights_load("tests", 0, error, sizeof error), "a folder");
    check_error("tests", "is no file");
    snprintf(path, sizeof path, "%s/pipe.fnw", folder);
    REQUIRE(!mkfifo(path, 0600), "%s", path);
    CHECK(!fenby_weights_load(path, 0, error, sizeof error), "a pipe that nobody writes to");
    check_error(path, "is no file");
    snprintf(path, sizeof path, "%s/empty.fnw", folder);
    FILE *empty = fopen(path, "wb");
    REQUIRE(empty, "%s", path);
    fclose(empty);
    CHECK(!fenby_weights_load(path, 0, error, sizeof error), "an empty file");
    check_error(path, "0 bytes are too few");
    REQUIRE(!truncate(path, FENBY_MAX_FILE + 1), "%s", path);
    CHECK(!fenby_weights_load(path, 0, error, sizeof error), "a file that is too large");
    check_error(path, "67108865 bytes are too many, expected at most 67108864");
    const int after = dup(0);
    close(after);
    CHECK(after == free_before, "descriptor %d is the next one, before it was %d", after, free_before);

    // An error that does not fit its buffer is cut, and no buffer is fine.
    for (size_t size = 0; size < 40; size++) {
        memset(error, '!', sizeof error);
        CHECK(!fenby_weights_load("tests/none.fnw", 0, error, size), "no such file");
        CHECK(error[size] == '!' && (size == 0 || memchr(error, 0, size)), "buffer of %zu", size);
    }
    CHECK(!fenby_weights_load("tests/none.fnw", 0, NULL, 0), "no such file");
}

// Every cut and every flipped bit of a file.
static void test_damage(void)
{
    make_small();
    size_t size = file.size;
    unsigned accepted = 0;
    for (size_t cut = 0; cut < size; cut++) {
        fenby_weights *w = parse(file.bytes, cut);
        accepted += w != NULL;
        fenby_weights_free(w);
        check_error("x.fnw", "");
    }
    for (size_t bit = 0; bit < 8 * size; bit++) {
        file.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        fenby_weights *w = parse(file.bytes, size);
        accepted += w != NULL;
        fenby_weights_free(w);
        check_error("x.fnw", "");
        file.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    CHECK(accepted == 0, "%u damaged files accepted", accepted);
}

// The same with ill will: size and checksum made right again. A cut is refused all the same; a changed bit may
// give a network, which must run.
static void test_resealed(void)
{
    static unsigned char bytes[4096];
    enum { n_input = 4096 };
    const float input[n_input] = { 1.0f };
    unsigned ran = 0;
    make_small();
    REQUIRE(file.size <= sizeof bytes, "%zu", file.size);
    for (size_t cut = FNW_BODY_AT + FNW_CHECKSUM_SIZE; cut < file.size; cut++) {
        memcpy(bytes, file.bytes, cut);
        fnw_reseal(bytes, cut);
        CHECK(!parse(bytes, cut), "cut at %zu", cut);
        check_error("x.fnw", "");
    }
    for (size_t bit = 8 * FNW_BODY_AT; bit < 8 * (file.size - FNW_CHECKSUM_SIZE); bit++) {
        memcpy(bytes, file.bytes, file.size);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        fnw_reseal(bytes, file.size);
        fenby_weights *w = parse(bytes, file.size);
        if (!w) {
            check_error("x.fnw", "");
        } else if (fenby_weights_input_width(w) * fenby_weights_input_channels(w) <= n_input) {
            fenby_net *net = fenby_net_new(w, 1, FENBY_SIMD_BEST);
            REQUIRE(net, "bit %zu", bit);
            for (int hop = 0; hop < 3; hop++) fenby_net_process(net, input);
            ran++;
            fenby_net_free(net);
        }
        fenby_weights_free(w);
    }
    CHECK(ran > 1000, "only %u changed files were accepted: the weights' own bits should be", ran);
}

// Layer lists that make no network: input shape, layers as integers, and what the error says.
static void test_layers(void)
{
    enum { HEAD = 3, A = 'a' };
    static const struct {
        int width, channels, n_layers, n_ints, ints[24];
        const char *expected;
    } cases[] = {
        { 0, 1, 1, 0, { 0 }, "input width is 0, expected 1 .. 4096" },
        { 4097, 1, 1, 0, { 0 }, "input width is 4097" },
        { 4, -1, 1, 0, { 0 }, "input channels is -1" },
        { 4, 1, 0, 0, { 0 }, "number of layers is 0" },
        { 4, 1, 65, 0, { 0 }, "number of layers is 65, expected 1 .. 64" },
        { 4, 1, 1, 1, { 4 }, "layer kind is 4, expected 0 .. 3" },
        { 4, 1, 1, 1, { -1 }, "layer kind is -1" },
        { 4, 1, 1, 3, { 0, 0, 1 }, "stack width is 0" },
        { 4, 1, 1, 3, { 0, 4, 65 }, "number of shifts is 65" },
        { 4, 1, 1, 4, { 0, 4, 1, 4097 }, "shift is 4097" },
        { 4, 1, 1, 10, { 1, 0, 1, 1, 1, 1, 1, 0, 1, 1 }, "conv channels is 0" },
        { 4, 1, 1, 10, { 1, 1025, 1, 1, 1, 1, 1, 0, 1, 1 }, "conv channels is 1025" },
        { 4, 1, 1, 10, { 1, 1, 65, 1, 1, 1, 1, 0, 1, 1 }, "conv kt is 65" },
        { 4, 1, 1, 10, { 1, 1, 1, 0, 1, 1, 1, 0, 1, 1 }, "conv kf is 0" },
        { 4, 1, 1, 10, { 1, 1, 1, 1, 257, 1, 1, 0, 1, 1 }, "conv dt is 257" },
        { 4, 1, 1, 10, { 1, 1, 1, 1, 1, -5, 1, 0, 1, 1 }, "conv df is -5" },
        { 4, 1, 1, 10, { 1, 1, 1, 1, 1, 1, 0, 0, 1, 1 }, "conv sf is 0" },
        { 4, 1, 1, 10, { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, "conv skip is 1, expected 0 .. 0" },
        { 4, 1, 1, 10, { 1, 1, 1, 1, 1, 1, 1, 0, 2, 1 }, "conv relu is 2" },
        { 4, 1, 1, 10, { 1, 1, 1, 1, 1, 1, 1, 0, 1, 0 }, "groups is 0, expected 1 .. 1024" },
        { 4, 1, 1, 2, { 2, 0 }, "gru channels is 0" },
        { 4, 1, 1, 3, { 2, 1, 1025 }, "groups is 1025, expected 1 .. 1024" },
        { 4, 1, 1, 2, { HEAD, 33 }, "number of outputs is 33" },
        { 4, 1, 1, 4, { HEAD, 1, 4, 0 }, "output name is empty" },
        { 4, 1, 1, 4, { HEAD, 1, 4, 27 }, "output name has control characters" },
        { 4, 1, 1, 4, { HEAD, 1, 4, 0x419bc2 }, "output name has control characters" },
        { 4, 1, 1, 6, { HEAD, 1, 4, 0xa9c3, 0, 0 }, "output channels is 0" },
        { 4, 1, 1, 4, { HEAD, 1, 4, 0x61616161 }, "output name is not text" },
        { 4, 1, 1, 3, { HEAD, 1, 2000000000 }, "output name is 2000000000" },
        { 4, 1, 1, 6, { HEAD, 1, 4, A, 0, 0 }, "output channels is 0" },
        { 4, 1, 1, 6, { HEAD, 1, 4, A, 1, 2 }, "output activation is 2" },
        { 4, 1, 1, 3, { 2, 1, 1 }, "layer 0 of 1: a head is expected at the end" },
        { 4, 1, 2, 6, { HEAD, 1, 4, A, 1, 1 }, "layer 0 of 2: a head is expected at the end and only there" },
        { 4, 1, 1, 7, { HEAD, 1, 4, A, 1, 1, 513 }, "number of arrays is 513" },
        { 4, 1, 1, 10, { HEAD, 1, 4, A, 1, 1, 1, 4, A, 2000000000 }, "array size is 2000000000" },
        { 4, 1, 1, 10, { HEAD, 1, 4, A, 1, 1, 1, 4, A, 3 }, "a needs 12 bytes" },
        { 4, 1, 1, 11, { HEAD, 1, 4, A, 1, 1, 1, 4, A, 1, 0x7fc00000 }, "a[0] is not a number" },
        { 4, 1, 1, 14, { HEAD, 1, 4, A, 1, 1, 2, 4, A, 1, 0, 4, A, 0 }, "a occurs twice" },
        { 4, 1, 1, 8, { HEAD, 1, 4, A, 1, 1, 0, 7 }, "4 bytes too many" },
        { 4, 1, 1, 7, { HEAD, 1, 4, A, 1, 1, 0 }, "array 0.weight is missing" },
        { 4, 1, 2, 15, { 0, 4, 1, 0, 0, 4, 1, 0, HEAD, 1, 4, A, 1, 1, 0 }, "head is expected" },
        { 4, 1, 3, 15, { 0, 4, 1, 0, 0, 4, 1, 0, HEAD, 1, 4, A, 1, 1, 0 }, "a stack cannot follow a stack" },
        { 4, 1, 2, 17, { 1, 1, 1, 6, 1, 1, 2, 0, 1, 1, HEAD, 1, 4, A, 1, 1, 0 }, "array 0.weight is missing" },
        { 4, 1, 2, 17, { 1, 1, 1, 2, 1, 256, 64, 0, 1, 1, HEAD, 1, 4, A, 1, 1, 0 }, "array 0.weight is missing" },
        { 4, 1, 2, 17, { 1, 1, 1, 1, 1, 1, 2, 0, 1, 1, HEAD, 1, 4, A, 1, 1, 0 }, "do not fit 4 positions" },
        { 4, 1, 2, 17, { 1, 1, 1, 3, 1, 1, 64, 0, 1, 1, HEAD, 1, 4, A, 1, 1, 0 }, "do not fit 4 positions" },
        { 4, 4, 2, 17, { 1, 4, 1, 1, 1, 1, 1, 0, 1, 3, HEAD, 1, 4, A, 1, 1, 0 }, "layer 0: 3 groups, expected 1" },
        { 4, 4, 2, 10, { 2, 6, 1, HEAD, 1, 4, A, 1, 1, 0 }, "array 0.weight is missing" },
        { 4, 4, 2, 10, { 2, 6, 2, HEAD, 1, 4, A, 1, 1, 0 }, "layer 0: 2 groups, expected 1" },
        { 4, 4, 3, 15, { 0, 4, 2, 0, 1, 2, 6, 2, HEAD, 1, 4, A, 1, 1, 0 }, "layer 1: 2 groups, expected 1" },
        { 4096, 1, 2, 17, { 1, 1, 1, 2, 1, 1, 1, 0, 1, 1, HEAD, 1, 4, A, 1, 1, 0 }, "do not fit 4096 positions" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fnw_begin(&file, cases[i].width, cases[i].channels, cases[i].n_layers);
        fnw_ints(&file, cases[i].ints, (size_t)cases[i].n_ints);
        fnw_end(&file);
        check_refused(cases[i].expected);
    }
}

// What reads the input, two convolutions in groups, maybe with a stack between them, and a head.
static fenby_weights *parse_groups(int channels, int first_kind, int groups, bool stack, int more_groups)
{
    static const float values[3 * 12 * 12];
    const int n = channels, gates = first_kind == 2 ? 3 : 1, last = 3 + stack;
    fnw_begin(&file, 4, 1, 4 + stack);
    fnw_int(&file, first_kind);
    if (first_kind == 2) fnw_ints(&file, (int32_t[]){ n, 1 }, 2);
    else fnw_ints(&file, (int32_t[]){ n, 1, 1, 1, 1, 1, 0, 1, 1 }, 9);
    fnw_ints(&file, (int32_t[]){ 1, n, 1, 1, 1, 1, 1, 0, 1, groups }, 10);
    if (stack) fnw_ints(&file, (int32_t[]){ 0, 4, 1, 0 }, 4);
    fnw_ints(&file, (int32_t[]){ 1, n, 1, 1, 1, 1, 1, 0, 1, more_groups }, 10);
    fnw_ints(&file, (int32_t[]){ 3, 1 }, 2);
    fnw_text(&file, "a");
    fnw_ints(&file, (int32_t[]){ 1, 1, first_kind == 2 ? 10 : 8 }, 3);
    fnw_array(&file, "0.weight", values, (size_t)(gates * n));
    fnw_array(&file, "0.bias", values, (size_t)(gates * n));
    if (first_kind == 2) fnw_array(&file, "0.weight_hh", values, (size_t)(gates * n * n));
    if (first_kind == 2) fnw_array(&file, "0.bias_hh", values, (size_t)(gates * n));
    fnw_array(&file, "1.weight", values, (size_t)(n * n / groups));
    fnw_array(&file, "1.bias", values, (size_t)n);
    fnw_array(&file, stack ? "3.weight" : "2.weight", values, (size_t)(n * n / more_groups));
    fnw_array(&file, stack ? "3.bias" : "2.bias", values, (size_t)n);
    fnw_array(&file, last == 4 ? "4.weight" : "3.weight", values, (size_t)n);
    fnw_array(&file, last == 4 ? "4.bias" : "3.bias", values, 1);
    fnw_end(&file);
    return parse(file.bytes, file.size);
}

// Networks side by side: as many groups in each layer but the one that reads the input and the head.
static void test_groups(void)
{
    enum { CONV = 1, GRU = 2 };
    static const struct {
        int channels, first_kind, groups;
        bool stack;
        int more_groups;
        const char *expected;  // NULL: accepted
    } cases[] = {
        { 6, CONV, 1, false, 1, NULL }, { 6, CONV, 2, false, 2, NULL }, { 6, CONV, 6, false, 6, NULL },
        { 6, GRU, 1, false, 1, NULL }, { 6, CONV, 1, true, 1, NULL },
        { 6, CONV, 2, false, 3, "layer 2: 3 groups, expected 2" },
        { 6, CONV, 2, false, 1, "layer 2: 1 groups, expected 2" },
        { 6, CONV, 1, false, 2, "layer 2: 2 groups, expected 1" },
        { 6, CONV, 4, false, 4, "layer 1: 6 inputs and 6 channels are no 4 groups" },
        { 6, GRU, 2, false, 2, "layer 1: groups cannot follow a GRU of all inputs" },
        { 6, CONV, 2, true, 2, "layer 3: groups cannot follow a stack" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fenby_weights *w = parse_groups(cases[i].channels, cases[i].first_kind, cases[i].groups, cases[i].stack, cases[i].more_groups);
        if (cases[i].expected)
            check_refused(cases[i].expected);
        else
            CHECK(w && w->parts == cases[i].groups, "%d groups: %s", cases[i].groups, w ? "other parts" : error);
        fenby_weights_free(w);
    }
}

// A head after one conv whose numbers are right but for what each case is about.
static void make_conv(int width, int32_t conv[9], int n_weights)
{
    static const float values[1 << 19];
    fnw_begin(&file, width, 1, 2);
    fnw_int(&file, 1);
    fnw_ints(&file, conv, 9);
    fnw_ints(&file, (int32_t[]){ 3, 1 }, 2);
    fnw_text(&file, "a");
    fnw_ints(&file, (int32_t[]){ 1, 1, 4 }, 3);
    fnw_array(&file, "0.weight", values, (size_t)n_weights);
    fnw_array(&file, "0.bias", values, (size_t)conv[0]);
    fnw_array(&file, "1.weight", values, (size_t)conv[0]);
    fnw_array(&file, "1.bias", values, 1);
    fnw_end(&file);
}

static void test_sizes(void)
{
    make_conv(4, (int32_t[]){ 3, 2, 3, 1, 1, 1, 0, 1, 1 }, 18);
    fenby_weights *w = parse(file.bytes, file.size);
    CHECK(w, "%s", error);
    fenby_weights_free(w);
    make_conv(4, (int32_t[]){ 3, 2, 3, 1, 1, 1, 0, 1, 1 }, 17);
    check_refused("array 0.weight has 17 values, expected 18");
    make_conv(4, (int32_t[]){ 3, 2, 3, 1, 1, 1, 0, 1, 1 }, 19);
    check_refused("array 0.weight has 19 values, expected 18");
    make_conv(4096, (int32_t[]){ 1024, 64, 1, 256, 1, 1, 0, 1, 1 }, 65536);
    check_refused("values, expected at most 16777216");
    make_conv(4096, (int32_t[]){ 256, 32, 63, 1, 1, 1, 0, 1, 1 }, 516096);
    check_refused("more than 1073741824 multiply-adds a hop");
}

static void test_version_1(void)
{
    make_small_of(1);
    fenby_weights *w = parse(file.bytes, file.size);
    CHECK(w, "%s", error);
    if (w) CHECK(fenby_weights_macs(w) == 3 * (24 + 24 + 6), "%zu", fenby_weights_macs(w));
    fenby_weights_free(w);
}

static void test_skip(void)
{
    fnw_begin(&file, 4, 1, 3);
    fnw_ints(&file, (int32_t[]){ 1, 3, 1, 1, 1, 1, 1, 0, 1, 1 }, 10);
    fnw_ints(&file, (int32_t[]){ 1, 2, 1, 1, 1, 1, 1, 1, 1, 1 }, 10);
    fnw_ints(&file, (int32_t[]){ 3, 1, 4, 'a', 1, 1, 2 }, 7);
    fnw_array(&file, "0.weight", (float[3]){ 0 }, 3);
    fnw_array(&file, "0.bias", (float[3]){ 0 }, 3);
    fnw_end(&file);
    check_refused("layer 1: 1 layers back is no output of 4 x 2 to add");
}

static void test_allocations(void)
{
    make_small();
    int n = 0;
    for (fenby_weights *w = NULL; !w; n++) {
        allocations_before_failure = n;
        w = parse(file.bytes, file.size);
        if (!w) check_error("x.fnw", "not enough memory");
        fenby_weights_free(w);
    }
    CHECK(n == 3, "%d allocations", n - 1);
    for (n = 0;; n++) {
        allocations_before_failure = n;
        fenby_weights *w = fenby_weights_load(golden_path, golden_features, error, sizeof error);
        if (w) {
            fenby_weights_free(w);
            break;
        }
        check_error(golden_path, "not enough memory");
    }
    CHECK(n == 2, "%d allocations", n);
    allocations_before_failure = -1;
}

int main(void)
{
    make_folder();
    test_good();
    test_golden();
    test_default();
    test_header();
    test_files();
    test_damage();
    test_resealed();
    test_layers();
    test_groups();
    test_sizes();
    test_version_1();
    test_skip();
    test_allocations();
    return test_report();
}
