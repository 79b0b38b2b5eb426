// SPDX-License-Identifier: ISC
// NEON on 64-bit ARM, which always has it.
#include "kernel.h"

#ifdef __aarch64__
#include "kernel_neon.h"

#define TARGET

#include "kernel_body.h"

const fenby_kernel *fenby_kernel_neon(void)
{
    static const fenby_kernel kernel = KERNEL("neon");
    return &kernel;
}
#else
const fenby_kernel *fenby_kernel_neon(void)
{
    return NULL;
}
#endif
