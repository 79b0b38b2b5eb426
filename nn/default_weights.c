// SPDX-License-Identifier: ISC
// The default model, compiled in: the assembler takes the file in as it is. The path is relative to the
// repository's root, where the compiler must run.
#include "weights.h"

__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        ".hidden fenby_default_fnw, fenby_default_fnw_end\n"
        ".globl fenby_default_fnw, fenby_default_fnw_end\n"
        "fenby_default_fnw:\n"
        ".incbin \"nn/weights/default.fnw\"\n"
        "fenby_default_fnw_end:\n"
        ".popsection\n");

extern const unsigned char fenby_default_fnw[] __attribute__((visibility("hidden")));
extern const unsigned char fenby_default_fnw_end[] __attribute__((visibility("hidden")));

fenby_weights *fenby_weights_default(uint64_t features_hash, char *error, size_t error_size)
{
    // cppcheck-suppress comparePointers ; to the linker both lie in one object
    size_t size = (size_t)(fenby_default_fnw_end - fenby_default_fnw);
    return fenby_weights_parse(fenby_default_fnw, size, "built-in model", features_hash, error, error_size);
}
