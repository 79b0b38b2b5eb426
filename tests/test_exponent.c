// SPDX-License-Identifier: ISC
// Logarithm and power against the library's, over their ranges.
#include "dsp/exponent.h"

#include "tests/test.h"

int main(void)
{
    double worst_log = 0, worst_exp = 0;
    for (double x = -126; x <= 127; x += 1e-3) {
        const float power = (float)exp2(x), of = (float)x;
        worst_log = fmax(worst_log, fabs(fenby_log2(power) - log2((double)power)) / fmax(1, fabs(x)));
        worst_exp = fmax(worst_exp, fabs(fenby_exp2(of) / exp2((double)of) - 1));
    }
    CHECK(worst_log < 2e-7, "logarithm: %g", worst_log);
    CHECK(worst_exp < 2e-7, "power: %g", worst_exp);
    CHECK(fenby_log2(1) == 0 && fenby_exp2(0) == 1, "%g and %g", fenby_log2(1), fenby_exp2(0));
    return test_report();
}
