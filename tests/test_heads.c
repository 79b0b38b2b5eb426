// SPDX-License-Identifier: ISC
// What a weights file says of its heads is believed only when it can be true.
#include "dsp/heads.h"

#include <string.h>

#include "dsp/features.h"
#include "tests/make_fnw.h"
#include "tests/test.h"

// A network that does nothing, and what it says of itself.
typedef struct {
    int resolutions, n_lookahead, n_threshold, n_sounding, n_modes;
    float lookahead, threshold, sounding;
    int onset, contour;  // channels
    float step;          // from each threshold to the next
    float lookahead_step, mode, mode_step;  // likewise; mode: of the first one, 0: they are not told of
} story;

static const story good = {FENBY_N_RESOLUTIONS, 2, 2, 1, 3, 2, 0.5f, 0.5f, 2, FENBY_BINS_PER_KEY, 0, 0, 10, 0};

static void put_output(fnw *file, const char *name, int channels)
{
    fnw_text(file, name);
    fnw_int(file, channels);
    fnw_int(file, 1);
}

static void put_values(fnw *file, const char *name, float value, float step, int count)
{
    float values[2 * FENBY_N_KEYS];
    for (int i = 0; i < count; i++) values[i] = value + (float)i * step;
    fnw_array(file, name, values, (size_t)count);
}

static void put_array(fnw *file, const char *name, float value, int count)
{
    put_values(file, name, value, 0, count);
}

static fenby_weights *tell(const story *s)
{
    static fnw file;
    char error[256] = "";
    const int channels = s->onset + 1 + s->contour;
    fnw_begin(&file, FENBY_N_BINS, s->resolutions, 3);
    fnw_ints(&file, (int32_t[]){0, FENBY_N_CONTOUR, 1, 0}, 4);                  // a stack of one
    fnw_ints(&file, (int32_t[]){1, 1, 1, 3, 1, 1, FENBY_BINS_PER_KEY, 0, 1, 1}, 10);  // to a value a key
    fnw_int(&file, 3);
    fnw_int(&file, 3);
    put_output(&file, "onset", s->onset);
    put_output(&file, "sounding", 1);
    put_output(&file, "contour", s->contour);
    fnw_int(&file, s->mode > 0 ? 8 : 7);
    put_array(&file, "1.weight", 0, s->resolutions * 3);
    put_array(&file, "1.bias", 0, 1);
    put_array(&file, "2.weight", 0, channels);
    put_array(&file, "2.bias", 0, channels);
    put_values(&file, "onset.lookahead", s->lookahead, s->lookahead_step, s->n_lookahead);
    put_values(&file, "onset.threshold", s->threshold, s->step, s->n_threshold);
    put_array(&file, "sounding.threshold", s->sounding, s->n_sounding);
    if (s->mode > 0) put_values(&file, "mode.lookahead", s->mode, s->mode_step, s->n_modes);
    fnw_end(&file);
    fenby_weights *weights = fenby_weights_parse(file.bytes, file.size, "told", fnw_features, error, sizeof error);
    REQUIRE(weights, "%s", error);
    return weights;
}

static fenby_heads read_heads(const story *s)
{
    fenby_heads heads;
    char error[256] = "";
    fenby_weights *weights = tell(s);
    REQUIRE(fenby_heads_read(&heads, weights, error, sizeof error), "%s", error);
    fenby_weights_free(weights);
    return heads;
}

static void check_refused(story s, const char *why)
{
    fenby_heads heads;
    char error[256] = "";
    fenby_weights *weights = tell(&s);
    CHECK(!fenby_heads_read(&heads, weights, error, sizeof error), "accepted, expected: %s", why);
    CHECK(strstr(error, why) && !strchr(error, '\n'), "'%s', expected: %s", error, why);
    fenby_weights_free(weights);
}

// Which of two heads, of lookahead 1 and 4, the modes get.
static void check_modes(float mode, float mode_step, size_t tight, size_t live, size_t studio)
{
    story s = good;
    s.lookahead = 1, s.lookahead_step = 3, s.mode = mode, s.mode_step = mode_step;
    const fenby_heads heads = read_heads(&s);
    CHECK(heads.of_mode[FENBY_MODE_TIGHT] == tight && heads.of_mode[FENBY_MODE_LIVE] == live &&
              heads.of_mode[FENBY_MODE_STUDIO] == studio,
          "%g and on by %g: heads %zu, %zu, %zu", mode, mode_step, heads.of_mode[0], heads.of_mode[1], heads.of_mode[2]);
}

int main(void)
{
    fenby_heads heads = read_heads(&good);
    CHECK(heads.count == 2 && heads.lookahead[1] == 2 && heads.threshold[1][87] == 0.5f, "%zu heads", heads.count);

    story s = good;
    s.n_threshold = 2 * FENBY_N_KEYS, s.threshold = 0.25f, s.step = 1.0f / 512;
    heads = read_heads(&s);
    const float told[] = {heads.threshold[0][0], heads.threshold[0][87], heads.threshold[1][3]};
    CHECK(told[0] == 0.25f && told[1] == 0.25f + 87.0f / 512 && told[2] == 0.25f + 91.0f / 512, "%g %g %g", told[0],
          told[1], told[2]);

    s = good, s.sounding = 0.375f;
    heads = read_heads(&s);
    CHECK(heads.sounding_threshold == 0.375f, "%g", heads.sounding_threshold);
    check_modes(1, 1, 0, 0, 1);   // 1, 2 and 3 hops
    check_modes(5, -2, 1, 1, 0);  // 5, 3 and 1
    check_modes(0, 0, 0, 0, 1);   // the usual ones: 1, 2 and as far as there is

    s = good;
    s.resolutions = 1;
    check_refused(s, "the input is");
    s = good, s.n_lookahead = 0;
    check_refused(s, "onset.lookahead has 0 values, expected 1 to 16");
    s = good, s.n_lookahead = 17;
    check_refused(s, "onset.lookahead has 17 values, expected 1 to 16");
    s = good, s.n_threshold = 1;
    check_refused(s, "onset.threshold has 1 values, expected 2 or 176");
    s = good, s.n_sounding = 2;
    check_refused(s, "sounding.threshold has 2 values, expected 1");
    s = good, s.n_modes = 2;
    check_refused(s, "mode.lookahead has 2 values, expected 3");
    s = good, s.onset = 1;
    check_refused(s, "output onset is 88 x 1, expected 88 x 2");
    s = good, s.contour = 1;
    check_refused(s, "output contour is 88 x 1, expected 88 x 3");
    s = good, s.lookahead = 65;
    check_refused(s, "onset.lookahead holds 65, expected 0 .. 64");
    s = good, s.lookahead = -1;
    check_refused(s, "onset.lookahead holds -1, expected 0 .. 64");
    s = good, s.threshold = 1;
    check_refused(s, "onset.threshold holds 1, expected 0.001 .. 0.999");
    s = good, s.n_threshold = 2 * FENBY_N_KEYS, s.step = 1.0f / 256;
    check_refused(s, "onset.threshold holds 1, expected 0.001 .. 0.999");
    s = good, s.sounding = 0;
    check_refused(s, "sounding.threshold holds 0, expected 0.001 .. 0.999");
    return test_report();
}
