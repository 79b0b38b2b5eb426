// SPDX-License-Identifier: ISC
// The including file defines LANES, the width of its vectors (4, 8 or 16 floats); TARGET, the functions' attribute; VECTORS,
// how many vectors of complex sums stay in registers; and NAME, which makes names of this width.
#define VEC NAME(vector)
typedef float VEC __attribute__((vector_size(sizeof(float) * LANES)));

#define VECTORS_AT(from) ((const VEC *)(const void *)(from))

// Half onto half: the compiler would take lanes out one by one.
TARGET static inline __attribute__((always_inline)) float NAME(add_up)(const VEC *lanes)
{
    typedef float quarter __attribute__((vector_size(16)));
#if LANES == 16
    typedef float half __attribute__((vector_size(32)));
    const half h = __builtin_shufflevector(*lanes, *lanes, 0, 1, 2, 3, 4, 5, 6, 7) +
                   __builtin_shufflevector(*lanes, *lanes, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    const VEC h = *lanes;
#endif
#if LANES >= 8
    const quarter q = __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7);
#else
    const quarter q = h;
#endif
    const quarter pairs = q + __builtin_shufflevector(q, q, 2, 3, 0, 1);
    return pairs[0] + pairs[1];
}

TARGET static float NAME(power)(const float *x_re, const float *x_im, const float *k, int n)
{
    VEC re = { 0 }, im = { 0 };
    for (int i = 0; i < n; i += LANES) {
        const VEC xr = *VECTORS_AT(x_re + i), xi = *VECTORS_AT(x_im + i);
        const VEC kr = *VECTORS_AT(k + i), ki = *VECTORS_AT(k + n + i);
        re += xr * kr;
        re += xi * ki;
        im += xi * kr;
        im -= xr * ki;
    }
    const float total_re = NAME(add_up)(&re), total_im = NAME(add_up)(&im);
    return total_re * total_re + total_im * total_im;
}

TARGET static void NAME(transform)(const float *samples, const float *of_pair, const float *of_row, size_t n_bins, int first,
                                   int end, float *bins)
{
    for (int row = first; row < end; row++) {
        const float *later = samples + row * FENBY_TRANSFORM_ROW + FENBY_TRANSFORM_PAIRS, *earlier = later - 1;
        float sum[FENBY_TRANSFORM_PAIRS], difference[FENBY_TRANSFORM_PAIRS];
        for (int i = 0; i < FENBY_TRANSFORM_PAIRS; i++) {
            sum[i] = later[i] + earlier[-i];
            difference[i] = later[i] - earlier[-i];
        }
        for (size_t bin = 0; bin < n_bins; bin += VECTORS * LANES) {
            VEC row_re[VECTORS] = { 0 }, row_im[VECTORS] = { 0 };
            for (int i = 0; i < FENBY_TRANSFORM_PAIRS; i++) {
                const float *turn = of_pair + (size_t)i * 2 * n_bins + bin;
                for (int v = 0; v < VECTORS; v++) {
                    row_re[v] += sum[i] * VECTORS_AT(turn)[v];
                    row_im[v] += difference[i] * VECTORS_AT(turn + n_bins)[v];
                }
            }
            VEC *re = (VEC *)(void *)(bins + bin), *im = (VEC *)(void *)(bins + n_bins + bin);
            const float *turn = of_row + (size_t)row * 2 * n_bins + bin;
            for (int v = 0; v < VECTORS; v++) {
                const VEC turn_re = VECTORS_AT(turn)[v], turn_im = VECTORS_AT(turn + n_bins)[v];
                re[v] += row_re[v] * turn_re - row_im[v] * turn_im;
                im[v] += row_re[v] * turn_im + row_im[v] * turn_re;
            }
        }
    }
}

#undef VEC
#undef VECTORS_AT
#undef LANES
#undef VECTORS
#undef TARGET
#undef NAME
