# SPDX-License-Identifier: ISC
#
#   make                 the programs and the plugin, in build/
#   make demo            transcribe the demo music, live and as a file, from nothing: installs what is missing
#   make check           all tests, likewise; ends with "N passed, N failed"
#   make check-asan      the tests under the address and undefined behaviour sanitizers
#   make check-tsan      the tests under the thread sanitizer
#   make check-realtime  that nothing on the audio thread can wait: clang follows its calls
#   make check-ardour    the plugin in Ardour
#   make check-alsa      MIDI to hardware, in a small virtual machine with ALSA
#   make check-train     the way through nn/train on a small scale
#   make check-arm64     the core's tests for arm64, under qemu; what a Raspberry Pi needs
#   make coverage        what part of the code the tests reach
#   make analyse         gcc's, clang's and cppcheck's analysers, the plugin under valgrind
#   make fuzz MINUTES=n  the fuzzers, each for n minutes (1)
#   make bench           what each stage costs
#   make bench-peers     what other transcribers cost
#   make accuracy EVAL=DIR SCORE=score.py   transcribe a folder of recordings and score it
#   make dist            the sources as an archive, in build/
#   make package         a Debian package, in build/package/
#   make install         to PREFIX (/usr/local), LV2DIR; honours DESTDIR
#   make uninstall       takes that away, and leaves what others put there
#
# Switches: JACK=no, LV2=no leave out what needs those libraries. LOOKS=1 or 2: how often the network listens in a hop
# (dsp/looks.h). BUILD names the build folder.

VERSION = 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
LV2DIR  ?= $(PREFIX)/lib/lv2
DATADIR ?= $(PREFIX)/share/fenby
JACK    ?= yes
LV2     ?= yes

CC      ?= cc
AR      ?= ar
PYTHON  ?= /usr/bin/python3
CFLAGS  ?= -O3 -g
PKG_CONFIG ?= pkg-config

# The packages of Debian 12: to build, to demonstrate, to test.
BUILD_PACKAGES = gcc make pkg-config libfftw3-dev libsndfile1-dev libcairo2-dev libserd-dev
ifeq ($(JACK),yes)
BUILD_PACKAGES += libjack-jackd2-dev liblo-dev libportmidi-dev
endif
ifeq ($(LV2),yes)
BUILD_PACKAGES += lv2-dev libx11-dev
endif
DEMO_PACKAGES  = $(BUILD_PACKAGES) fluidsynth fluid-soundfont-gm $(if $(filter yes,$(JACK)),jackd2 libsamplerate0-dev)
CHECK_PACKAGES = $(DEMO_PACKAGES) sox libsox-fmt-mp3 python3 $(if $(filter yes,$(JACK)),pipewire pipewire-jack) \
                 $(if $(filter yes,$(LV2)),liblilv-dev lilv-utils sordi jalv xvfb fonts-dejavu-core)

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(if $(WERROR),-Werror)
FLAGS = -std=c11 -D_GNU_SOURCE -I. -MMD -MP -fPIC -fvisibility=hidden -pthread $(WARNINGS) \
        -DFENBY_VERSION='"$(VERSION)"' -DFENBY_DATADIR='"$(DATADIR)"' \
        $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)

# Asked of pkg-config when a rule runs, so that `make setup` can come first.
pkg = $(shell $(PKG_CONFIG) --$(1) $(2))
CORE_PKGS  = fftw3f
FENBY_PKGS = sndfile cairo serd-0

LIB_SOURCES = $(wildcard dsp/*.c nn/*.c)
LIB_OBJECTS = $(LIB_SOURCES:%.c=$(BUILD)/%.o)
LIBRARY     = $(BUILD)/libfenby.a
LV2_TESTS   = $(patsubst tests/%.c,$(BUILD)/tests/%,tests/test_ttl.c $(wildcard tests/system/test_lv2_*.c))
TESTS       = $(filter-out $(LV2_TESTS),$(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))) \
              $(if $(filter yes,$(LV2)),$(LV2_TESTS)) $(if $(filter yes,$(JACK)),$(JACK_TESTS)) \
              $(if $(filter yesyes,$(LV2)$(JACK)$(SANITIZE)),tests/system/test_lv2_jalv.sh) \
              tests/test_music.sh
# TSan does not see how PipeWire's library hands over its buffers.
JACK_SCRIPTS = $(filter-out $(if $(filter-out yes,$(LV2)),%_ui.sh) $(if $(filter thread,$(SANITIZE)),%_pipewire.sh), \
                            $(wildcard tests/system/test_jack*.sh))
JACK_TESTS  = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/system/test_jack_*.c)) $(JACK_SCRIPTS)
PRELOADED   = $(addprefix $(BUILD)/tests/system/jack_,witness.so portmidi.so slow_disk.so)
JACK_TOOLS  = $(addprefix $(BUILD)/tests/system/jack_,player ports inputs) $(PRELOADED)
TEST_MODULES = $(addprefix plugin/,messages.c ports.c recent_notes.c view_data.c ui/view.c ui/window.c)

# What the programs in jack_client/ are made of: main file, and the modules that each one wants.
FENBY_SOURCES = $(filter-out jack_client/fenby_jack%.c,$(wildcard jack_client/*.c))

# fenby-jack has the plugin's window where that is built.
JACK_SOURCES = $(filter-out jack_client/fenby_jack_$(if $(filter yes,$(LV2)),no_window,window).c, \
                            $(wildcard jack_client/fenby_jack*.c))
JACK_OBJECTS = $(JACK_SOURCES:%.c=$(BUILD)/%.o)
JACK_PKGS    = $(FENBY_PKGS) jack liblo $(if $(filter yes,$(LV2)),x11)
ifeq ($(LV2),yes)
WINDOW_OBJECTS = $(addprefix $(BUILD)/plugin/,notes_saver.o recent_notes.o view_data.o ui/view.o ui/window.o)
endif

PROGRAMS = $(BUILD)/fenby $(if $(filter yes,$(JACK)),$(BUILD)/fenby-jack)

.PHONY: all plugin setup setup-demo setup-check setup-realtime setup-alsa setup-fuzz setup-analyse setup-coverage \
        setup-arm64 setup-package setup-peers setup-train demo check check-run check-asan check-tsan check-realtime \
        check-ardour check-alsa check-train check-arm64 coverage analyse fuzz fuzz-run bench bench-peers accuracy dist \
        package install uninstall clean train-library always
.DELETE_ON_ERROR:

all: $(PROGRAMS) $(if $(filter yes,$(LV2)),plugin)

# --- the core ---------------------------------------------------------------------------------------------------

# Says in one line what is missing, before the compiler says it in a hundred.
ALL_PKGS = $(CORE_PKGS) $(FENBY_PKGS) $(if $(filter yes,$(JACK)),$(JACK_PKGS)) $(if $(filter yes,$(LV2)),lv2 x11)
$(BUILD)/packages: Makefile
	@mkdir -p $(@D)
	@$(PKG_CONFIG) --exists --print-errors $(ALL_PKGS) || { \
	    echo "fenby: what is named above is missing; \"make setup\" installs (Debian): $(BUILD_PACKAGES)"; exit 1; }
	@touch $@

$(BUILD)/%.o: %.c Makefile | $(BUILD)/packages
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CFLAGS) $(call pkg,cflags,$(CORE_PKGS) $(FENBY_PKGS)) -c $< -o $@

# Where there are vectors, sums are of fused multiply-adds.
$(BUILD)/dsp/sums.o: CFLAGS += -ffp-contract=fast

# Made anew when what they were built with changes: LOOKS, or where presets are installed.
BUILT_WITH = $(BUILD)/built_with
$(BUILD)/dsp/looks.o: FLAGS += $(if $(LOOKS),-DFENBY_LOOKS=$(LOOKS))
$(BUILD)/dsp/looks.o $(BUILD)/jack_client/preset.o: $(BUILT_WITH)
$(BUILT_WITH): always
	@mkdir -p $(@D)
	@echo '$(LOOKS) $(DATADIR)' | cmp -s - $@ || echo '$(LOOKS) $(DATADIR)' >$@
always:

# The default model is part of the library: its bytes are included by the assembler.
$(BUILD)/nn/default_weights.o: nn/weights/default.fnw

$(LIBRARY): $(LIB_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

# fftw3f_threads: for the lock around its planner alone.
FFTW_LIBS = -lfftw3f_threads $(call pkg,libs,$(CORE_PKGS)) -lm
CORE_LIBS = $(LIBRARY) $(FFTW_LIBS)

# --- the programs -------------------------------------------------------------------------------------------------

$(BUILD)/fenby: $(FENBY_SOURCES:%.c=$(BUILD)/%.o) $(LIBRARY)
	$(CC) $(FLAGS) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) -o $@ $(CORE_LIBS) $(call pkg,libs,$(FENBY_PKGS))

# PortMIDI has no pkg-config file in Debian.
$(BUILD)/fenby-jack: $(JACK_OBJECTS) $(WINDOW_OBJECTS) $(BUILD)/libprograms.a $(LIBRARY)
	$(CC) $(FLAGS) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) -o $@ $(BUILD)/libprograms.a $(CORE_LIBS) \
	    $(call pkg,libs,$(JACK_PKGS)) -lportmidi
$(JACK_OBJECTS): FENBY_PKGS := $(JACK_PKGS)

# --- the plugin ---------------------------------------------------------------------------------------------------

BUNDLE         = $(BUILD)/lv2/fenby.lv2
PRESETS        = $(wildcard presets/*.ttl)
PLUGIN_SOURCES = $(wildcard plugin/*.c) jack_client/midi_file.c jack_client/notes.c jack_client/output_file.c
UI_SOURCES     = $(wildcard plugin/ui/*.c) plugin/messages.c plugin/ports.c

plugin: $(BUNDLE)/fenby.so $(BUNDLE)/fenby_ui.so $(BUNDLE)/manifest.ttl

# Never unloaded: a host's worker may be on its way out of our code when the host lets go of the plugin, and the FFTW
# that a host shares with it keeps calling the locks it was given (dsp/cqt.c), which would go with it.
PLUGIN_LDFLAGS = -shared -Wl,-z,nodelete $(if $(SANITIZE),,-Wl,--no-undefined)

$(BUNDLE)/fenby.so: $(PLUGIN_SOURCES:%.c=$(BUILD)/%.o) $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CFLAGS) $(LDFLAGS) $(PLUGIN_LDFLAGS) $(filter %.o,$^) -o $@ $(CORE_LIBS)

$(BUNDLE)/fenby_ui.so: $(UI_SOURCES:%.c=$(BUILD)/%.o) $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CFLAGS) $(LDFLAGS) $(PLUGIN_LDFLAGS) $(filter %.o,$^) -o $@ $(LIBRARY) $(call pkg,libs,cairo x11) -lm

$(BUILD)/ttl/make_ttl: $(BUILD)/ttl/make_ttl.o $(BUILD)/plugin/ports.o $(LIBRARY)
	$(CC) $(FLAGS) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) -o $@ $(LIBRARY) -lm

$(BUNDLE)/manifest.ttl: $(BUILD)/ttl/make_ttl $(PRESETS)
	@mkdir -p $(@D)/presets
	cp $(PRESETS) $(@D)/presets
	$< $(@D) $(PRESETS)

# For training: the CQT, and the loops that PyTorch is slow at. Runs where it is built, hence -march=native.
train-library: $(BUILD)/libfenby-train.so
$(BUILD)/libfenby-train.so: dsp/cqt.c dsp/cqt_kernels.c dsp/sliding_dft.c dsp/sums.c dsp/pitch.c nn/train/batch_norm.c nn/train/gru.c \
                            $(wildcard dsp/*.h nn/train/*.h) Makefile
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(FLAGS)) -fvisibility=default -O3 -march=native -fopenmp-simd -fno-math-errno \
	    -fno-trapping-math -ffp-contract=fast -shared $(filter %.c,$^) -o $@ $(FFTW_LIBS)

# --- tests --------------------------------------------------------------------------------------------------------

# A test may use the modules of the programs, but not their main.
PROGRAM_MODULES = $(filter-out $(BUILD)/jack_client/fenby.o,$(FENBY_SOURCES:%.c=$(BUILD)/%.o))

$(BUILD)/libprograms.a: $(PROGRAM_MODULES)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/tests/%: tests/%.c $(BUILD)/libprograms.a $(LIBRARY) Makefile
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -fno-builtin-malloc $(CFLAGS) $(LDFLAGS) \
	    $(call pkg,cflags,$(CORE_PKGS) $(FENBY_PKGS) $(TEST_PKGS)) $< $(TEST_OBJECTS) -o $@ \
	    $(BUILD)/libprograms.a $(CORE_LIBS) $(call pkg,libs,$(FENBY_PKGS) $(TEST_PKGS))

$(BUILD)/tests/test_batch_norm: TEST_OBJECTS = $(BUILD)/nn/train/batch_norm.o
$(BUILD)/tests/test_batch_norm: $(BUILD)/nn/train/batch_norm.o
$(BUILD)/tests/test_gru: TEST_OBJECTS = $(BUILD)/nn/train/gru.o
$(BUILD)/tests/test_gru: $(BUILD)/nn/train/gru.o
$(BUILD)/nn/train/batch_norm.o $(BUILD)/nn/train/gru.o: CFLAGS += -fopenmp-simd

# Tests of the plugin are hosts: they know its ports and messages.
LV2_LIFE = $(BUILD)/tests/system/life_lv2
$(LV2_TESTS) $(LV2_LIFE): TEST_PKGS = lilv-0 x11
$(LV2_TESTS) $(LV2_LIFE): TEST_OBJECTS = $(TEST_MODULES:%.c=$(BUILD)/%.o)
$(LV2_TESTS) $(LV2_LIFE): $(TEST_MODULES:%.c=$(BUILD)/%.o)

# Tests of fenby-jack use its modules; tools are what tests/system/test_jack.sh works with.
$(BUILD)/tests/system/test_jack_recorder: TEST_OBJECTS = $(BUILD)/jack_client/fenby_jack_queue.o
$(BUILD)/tests/system/test_jack_recorder: $(BUILD)/jack_client/fenby_jack_queue.o
$(BUILD)/tests/system/test_jack_packet: TEST_PKGS = liblo
$(BUILD)/tests/system/test_jack_packet: TEST_OBJECTS = $(BUILD)/jack_client/fenby_jack_packet.o
$(BUILD)/tests/system/test_jack_packet: $(BUILD)/jack_client/fenby_jack_packet.o
JACK_STATE_OBJECTS = $(patsubst %,$(BUILD)/jack_client/fenby_jack_%.o,state links)
$(BUILD)/tests/system/test_jack_state: TEST_OBJECTS = $(JACK_STATE_OBJECTS)
$(BUILD)/tests/system/test_jack_state: $(JACK_STATE_OBJECTS)
JACK_OSC_OBJECTS = $(patsubst %,$(BUILD)/jack_client/fenby_jack_%.o,client control links packet portmidi queue recorder rt state)
$(BUILD)/tests/system/test_jack_osc: TEST_PKGS = jack liblo
$(BUILD)/tests/system/test_jack_osc: TEST_OBJECTS = $(JACK_OSC_OBJECTS) -lportmidi
$(BUILD)/tests/system/test_jack_osc: $(JACK_OSC_OBJECTS)
$(BUILD)/tests/system/jack_player: TEST_PKGS = jack samplerate
$(BUILD)/tests/system/jack_ports $(BUILD)/tests/system/jack_inputs: TEST_PKGS = jack
$(BUILD)/tests/system/jack_window: TEST_PKGS = x11
tests/system/test_jack_ui.sh: $(BUILD)/tests/system/jack_window
$(BUILD)/tests/system/jack_tiny: $(wildcard tests/*.h)
$(PRELOADED): $(BUILD)/%.so: %.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -fsanitize% -fno-sanitize%,$(FLAGS)) $(CFLAGS) -fvisibility=default -shared $< -o $@
$(JACK_SCRIPTS): $(JACK_TOOLS) $(BUILD)/tests/system/test_jack_recorder
$(BUILD)/tests/system/lv2_seen: TEST_PKGS = x11
tests/system/test_lv2_jalv.sh: $(BUILD)/tests/system/jack_player $(BUILD)/tests/system/lv2_seen

# Ardour is large, so this is apart.
check-ardour: setup-check
	@.ci/setup ardour
	+$(MAKE) --no-print-directory all $(BUILD)/tests/music/compose $(BUILD)/tests/system/lv2_witness.so
	@BUILD=$(BUILD) tests/system/test_lv2_ardour.sh

$(BUILD)/tests/system/lv2_witness.so: $(BUILD)/tests/system/lv2_witness.o
	$(CC) $(FLAGS) $(CFLAGS) $(LDFLAGS) -shared $< -o $@

check: setup-check
	+$(MAKE) --no-print-directory check-run WERROR=1

check-run: all $(TESTS) $(BUILD)/tests/music/compose
	@$(if $(SANITIZE),echo 'left out under a sanitizer: jalv$(if $(filter thread,$(SANITIZE)), and PipeWire)')
	@BUILD=$(BUILD) tests/run.sh $(TESTS)

# -O2: with less of it the worker is late in live tests.
check-asan: setup-check
	+$(MAKE) --no-print-directory check-run BUILD=$(BUILD)/asan SANITIZE=address,undefined CFLAGS="-O2 -g"

# Under it Fenby is so slow that in live tests it needs the machine for itself.
check-tsan: export JACK_ALONE = yes
check-tsan: setup-check
	+$(MAKE) --no-print-directory check-run BUILD=$(BUILD)/tsan SANITIZE=thread CFLAGS="-O2 -g"

# A clang that knows the effects of functions; Debian 12 has it among its security updates.
REALTIME_CLANG ?= clang-22
check-realtime: setup-realtime
	@tests/realtime.sh $(REALTIME_CLANG) $(filter-out -MMD -MP -W%,$(FLAGS)) $(call pkg,cflags,$(ALL_PKGS))

check-alsa: setup-alsa
	+$(MAKE) --no-print-directory $(BUILD)/fenby-jack $(JACK_TOOLS) $(BUILD)/tests/system/jack_tiny
	@BUILD=$(BUILD) tests/system/jack_alsa.sh

check-train: setup-train
	+$(MAKE) --no-print-directory $(BUILD)/fenby $(BUILD)/tests/music/compose train-library
	@PYTHON=$(PYTHON) tests/train.sh $(BUILD)

check-arm64: setup-arm64
	@tests/arm64.sh $(BUILD)/arm64

# Counts from an earlier run would count for this one.
COVERED = dsp nn jack_client
coverage: setup-coverage
	@mkdir -p $(BUILD)/coverage && find $(BUILD)/coverage -name '*.gcda' -delete
	+$(MAKE) --no-print-directory check-run BUILD=$(BUILD)/coverage CFLAGS="-O1 -g --coverage -fprofile-update=atomic"
	@gcovr --root . --object-directory $(BUILD)/coverage $(COVERED:%=--filter '%/') --sort-uncovered \
	    --fail-under-line 90

# gcc 12 does not see that fread and loops fill arrays; valgrind looks for that instead.
ANALYSED = $(wildcard dsp/*.c nn/*.c jack_client/*.c plugin/*.c plugin/ui/*.c ttl/*.c)
analyse: setup-analyse
	+$(MAKE) --no-print-directory all BUILD=$(BUILD)/analyse WERROR=1 \
	    CFLAGS="-O2 -fanalyzer -Wno-analyzer-use-of-uninitialized-value"
	cppcheck --quiet --std=c11 -D_GNU_SOURCE -D__x86_64__ -I. --enable=warning,performance,portability --inline-suppr \
	    --error-exitcode=1 $(ANALYSED)
	clang-tidy --quiet $(ANALYSED) -- $(filter-out -MMD -MP,$(FLAGS)) $(call pkg,cflags,$(ALL_PKGS)) \
	    2>$(BUILD)/analyse/clang-tidy.log
	+$(MAKE) --no-print-directory all $(LV2_LIFE)
	BUILD=$(BUILD) valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect --error-exitcode=1 $(LV2_LIFE)

# libFuzzer comes with clang. Witnesses in the fuzzers stand for what would touch files or the network.
FUZZERS = weights note_tracker audio_file midi_file preset $(if $(filter yes,$(JACK)),osc state) \
          $(if $(filter yes,$(LV2)),lv2_atoms)
FUZZ    = $(FUZZERS:%=$(BUILD)/tests/fuzz/fuzz_%)
MINUTES ?= 1
FUZZ_OSC_OBJECTS   = $(patsubst %,$(BUILD)/jack_client/fenby_jack_%.o,osc packet state links)
FUZZ_LV2_OBJECTS   = $(filter-out %/model_store.o,$(patsubst %.c,$(BUILD)/%.o,$(wildcard plugin/*.c)))
$(FUZZ): LDFLAGS += -fsanitize=fuzzer
$(FUZZ): $(wildcard tests/*.h tests/fuzz/*.h)
$(BUILD)/tests/fuzz/fuzz_state: TEST_OBJECTS = $(JACK_STATE_OBJECTS)
$(BUILD)/tests/fuzz/fuzz_state: $(JACK_STATE_OBJECTS)
$(BUILD)/tests/fuzz/fuzz_osc: TEST_PKGS = liblo
$(BUILD)/tests/fuzz/fuzz_osc: TEST_OBJECTS = $(FUZZ_OSC_OBJECTS)
$(BUILD)/tests/fuzz/fuzz_osc: $(FUZZ_OSC_OBJECTS)
$(BUILD)/tests/fuzz/fuzz_lv2_atoms: TEST_OBJECTS = $(FUZZ_LV2_OBJECTS)
$(BUILD)/tests/fuzz/fuzz_lv2_atoms: $(FUZZ_LV2_OBJECTS)

fuzz: setup-fuzz
	+$(MAKE) --no-print-directory fuzz-run BUILD=$(BUILD)/fuzz CC=clang CFLAGS="-O1 -g" \
	    SANITIZE=address,undefined,fuzzer-no-link

fuzz-run: $(FUZZ)
	@tests/fuzz/run.sh $(BUILD) $(MINUTES) $(FUZZERS)

bench: setup
	+$(MAKE) --no-print-directory $(BUILD)/tests/bench/bench $(BUILD)/tests/bench/hops
	@$(BUILD)/tests/bench/bench
	@tests/bench/instructions.sh $(BUILD)/tests/bench/hops
ifeq ($(LV2),yes)
	+$(MAKE) --no-print-directory plugin
	@tests/bench/lv2bench.sh $(BUNDLE)
endif

bench-peers: setup-peers
	+$(MAKE) --no-print-directory all $(BUILD)/tests/music/compose
	@BUILD=$(BUILD) PYTHON=$(PYTHON) tests/peers.sh

accuracy: setup
	+$(MAKE) --no-print-directory all
	@tests/accuracy.sh $(BUILD)/fenby "$(EVAL)" "$(SCORE)"

# --- demo ---------------------------------------------------------------------------------------------------------

demo: setup-demo
	+$(MAKE) --no-print-directory all $(BUILD)/tests/music/compose \
	    $(if $(filter yes,$(JACK)),$(BUILD)/tests/system/jack_player)
	@BUILD=$(BUILD) tests/demo.sh

# --- set-up, installation -----------------------------------------------------------------------------------------

setup:
	@.ci/setup $(BUILD_PACKAGES)
setup-demo:
	@.ci/setup $(DEMO_PACKAGES)
setup-alsa:
	@.ci/setup $(CHECK_PACKAGES) qemu-system-x86 busybox-static alsa-utils cpio
setup-train:
	@.ci/setup $(DEMO_PACKAGES) python3-torch python3-scipy python3-soundfile python3-mir-eval python3-matplotlib \
	    libopenblas0-openmp
setup-realtime:
	@.ci/setup $(BUILD_PACKAGES) $(REALTIME_CLANG)
setup-fuzz:
	@.ci/setup $(CHECK_PACKAGES) clang
setup-analyse:
	@.ci/setup $(CHECK_PACKAGES) clang-tidy cppcheck valgrind
setup-coverage:
	@.ci/setup $(CHECK_PACKAGES) gcovr
setup-arm64:
	@.ci/setup $(BUILD_PACKAGES) gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
setup-peers:
	@.ci/setup $(DEMO_PACKAGES) sox aubio-tools
setup-package:
	@.ci/setup $(BUILD_PACKAGES) git debhelper dpkg-dev fakeroot lintian
setup-check:
	@.ci/setup $(CHECK_PACKAGES)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(DATADIR)/presets
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(PROGRAMS:$(BUILD)/%=jack_client/%.1) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(wildcard presets/*.ttl) $(DESTDIR)$(DATADIR)/presets
ifeq ($(LV2),yes)
	install -d $(DESTDIR)$(LV2DIR)/fenby.lv2/presets
	install -m 755 $(BUNDLE)/fenby.so $(BUNDLE)/fenby_ui.so $(DESTDIR)$(LV2DIR)/fenby.lv2
	install -m 644 $(BUNDLE)/manifest.ttl $(BUNDLE)/fenby.ttl $(DESTDIR)$(LV2DIR)/fenby.lv2
	install -m 644 $(BUNDLE)/presets/*.ttl $(DESTDIR)$(LV2DIR)/fenby.lv2/presets
endif

# What is committed.
DIST = $(BUILD)/fenby-$(VERSION).tar.gz
dist:
	@mkdir -p $(BUILD)
	git archive --prefix=fenby-$(VERSION)/ -o $(DIST) HEAD

package: setup-package dist
	@tests/package.sh $(DIST) $(BUILD)/package

uninstall:
	rm -f $(patsubst $(BUILD)/%,$(DESTDIR)$(PREFIX)/bin/%,$(PROGRAMS))
	rm -f $(patsubst jack_client/%,$(DESTDIR)$(PREFIX)/share/man/man1/%,$(wildcard jack_client/*.1))
	rm -f $(patsubst %,$(DESTDIR)$(DATADIR)/%,$(PRESETS))
	for folder in "$(DESTDIR)$(DATADIR)/presets" "$(DESTDIR)$(DATADIR)"; do \
	    [ ! -d "$$folder" ] || rmdir --ignore-fail-on-non-empty "$$folder"; done
	rm -rf $(DESTDIR)$(LV2DIR)/fenby.lv2

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)
