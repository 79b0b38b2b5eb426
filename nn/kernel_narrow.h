// SPDX-License-Identifier: ISC
// How narrow kernels without instructions of their own for it make bytes of floats; after kernel_body.h. The including
// file defines LEAST_BYTE and MOST_BYTE, between which they lie.
enum { AT_ONCE = 4 };  // vectors

KERNEL_CODE float largest(const float *values, size_t n)
{
    VEC most[AT_ONCE];
    float lanes[LANES], result = 0;
    UNROLL
    for (size_t v = 0; v < AT_ONCE; v++) most[v] = SET1(0.0f);
    size_t i = 0;
    for (; i + AT_ONCE * LANES <= n; i += AT_ONCE * LANES) {
        UNROLL
        for (size_t v = 0; v < AT_ONCE; v++) most[v] = MAX(LOAD(values + i + v * LANES), most[v]);
    }
    STORE(lanes, MAX(MAX(most[0], most[1]), MAX(most[2], most[3])));
    for (size_t lane = 0; lane < LANES; lane++) result = lanes[lane] > result ? lanes[lane] : result;
    for (; i < n; i++) result = values[i] > result ? values[i] : result;
    return result;
}

// Left to the compiler, which makes vectors of it.
KERNEL_CODE void narrow(const float *restrict from, size_t n, float steps, int zero, uint8_t *restrict to)
{
    for (size_t i = 0; i < n; i++) {
        const float value = from[i] * steps, not_above = value < MOST_BYTE ? value : MOST_BYTE;
        const int whole = (int)__builtin_rintf(not_above > -256 ? not_above : -256) + zero;
        const int not_below = whole > LEAST_BYTE ? whole : LEAST_BYTE;
        to[i] = (uint8_t)(not_below < MOST_BYTE ? not_below : MOST_BYTE);
    }
}
