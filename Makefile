# Daybreak. `make help` lists the targets. GNU make 3.81 (what macOS ships) is enough.
NAME    = daybreak
VERSION = 0.1.0
# The reverse-DNS identifier stands here alone; jobs, profiles, pages and the program take it from here.
DOMAIN  = io.daybreak

CC      ?= cc
BUILD   ?= build
PREFIX  ?= /usr/local
SAN     ?=
V       ?=
Q       = $(if $(V),,@)
OS      := $(shell uname -s | sed -e 's/Darwin/darwin/' -e 's/Linux/linux/')

# A sanitizer build lives in a folder of its own: make SAN=address,undefined check-unit
ifneq ($(SAN),)
ifeq ($(BUILD),build)
BUILD   := build/san
endif
# What was freed is watched for its last 16 MB, not 256: most of a test's system time went into pages for that.
export ASAN_OPTIONS ?= quarantine_size_mb=16
endif

PKGS    = libcurl libplist-2.0 openssl libarchive zlib expat libutf8proc jansson liblzma
ifeq ($(OS),darwin)
BREW    := $(shell brew --prefix 2>/dev/null)
export PKG_CONFIG_PATH := $(BREW)/opt/curl/lib/pkgconfig:$(BREW)/opt/openssl@3/lib/pkgconfig:$(BREW)/opt/libarchive/lib/pkgconfig:$(BREW)/opt/zlib/lib/pkgconfig:$(BREW)/opt/expat/lib/pkgconfig:$(PKG_CONFIG_PATH)
endif

# Without it the same sums are made by tables and gzip is left to zlib, several times slower. A sanitizer does not
# see into its assembly: there, and on a Mac, it is not used.
ifeq ($(SAN)$(shell pkg-config --exists libisal 2>/dev/null && echo yes),yes)
PKGS    += libisal
FAST    = -DHAVE_ISAL
endif
ifeq ($(filter deps help clean lint fmt macos macos-%,$(MAKECMDGOALS)),)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lbz2 -lm
CMOCKA     := $(shell pkg-config --cflags --libs cmocka 2>/dev/null)
endif

# Shared libcurl and libarchive are opened when a URL or an archive needs them (core/library.h), and so not linked.
ifeq ($(OS),linux)
LAZY     = -DLIBCURL='"libcurl.so.4"' -DLIBARCHIVE='"libarchive.so.13"'
PKG_LIBS := $(filter-out -lcurl -larchive,$(PKG_LIBS))
endif

WARN    = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
          -Wformat=2 -Wundef -Wwrite-strings -Wcast-qual -Werror
HARDEN  = -fstack-protector-strong -fPIE
ifeq ($(SAN),)
OPT     ?= -O2 -g
HARDEN  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else
OPT     ?= -O1 -g1 -fno-omit-frame-pointer
SANFLAGS = -fsanitize=$(SAN) -fno-sanitize-recover=all
endif
ifeq ($(OS),linux)
LDHARD  = -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
endif
COMPILE = $(CC) -std=c11 -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -D_XOPEN_SOURCE=700 \
          -DDAYBREAK_VERSION='"$(VERSION)"' -DDAYBREAK_DOMAIN='"$(DOMAIN)"' \
          -I. -include core/banned.h $(WARN) $(HARDEN) $(OPT) $(SANFLAGS) $(FAST) $(LAZY) $(PKG_CFLAGS) $(CFLAGS)
# Test programs themselves are compiled quickly: what they test is in the library, built as it is shipped. Lines for a
# debugger and for a sanitizer stay; fortifying is left out because it needs the optimizer.
TESTING = $(COMPILE) -Wno-missing-prototypes -O0 -g1 -U_FORTIFY_SOURCE
LINK    = $(CC) $(HARDEN) $(SANFLAGS) $(LDHARD) $(LDFLAGS)

FLOORS  = core manifests installer agent
OTHER_OS := $(if $(filter darwin,$(OS)),linux,darwin)
SRCS    := $(filter-out core/os_$(OTHER_OS).c,$(foreach f,$(FLOORS),$(sort $(wildcard $(f)/*.c))))
OBJS    := $(SRCS:%.c=$(BUILD)/obj/%.o)
LIBOBJS := $(filter-out $(BUILD)/obj/agent/main.o,$(OBJS))
LIB     = $(BUILD)/lib$(NAME).a
PROGRAM = $(BUILD)/$(NAME)

UNITS     := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS := $(UNITS:tests/unit/%.c=$(BUILD)/unit/%)
FUZZERS   := $(sort $(wildcard tests/fuzz/fuzz_*.c))
REPLAYS   := $(FUZZERS:tests/fuzz/%.c=$(BUILD)/replay/%)

# what has a line of help makes no file
.PHONY: check-now fuzz-ready macos-objects-now test-programs replay-programs $(shell sed -n 's/^\([a-z0-9-]*\):.*## .*/\1/p' Makefile)
all: $(PROGRAM) ## build the program: build/daybreak

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1	\2/p' Makefile | awk -F '\t' '{printf "  make %-14s %s\n", $$1, $$2}'

deps: ## install what is missing (apt-get or brew), saying so
	@sh pkg/deps.sh

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(dir $@)
	$(if $(V),,@echo "  CC    $<")
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# What goes beyond POSIX is seen by the file that hides it. Apple's headers hide O_NOFOLLOW, O_DIRECTORY and other words
# of POSIX from whoever asks for POSIX alone, so on macOS all files see everything; Linux keeps them honest.
$(BUILD)/obj/core/os_linux.o: COMPILE += -D_GNU_SOURCE
ifeq ($(OS),darwin)
COMPILE += -D_DARWIN_C_SOURCE
endif

$(LIB): $(LIBOBJS)
	$(if $(V),,@echo "  AR    $@")
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIBOBJS)

$(PROGRAM): $(BUILD)/obj/agent/main.o $(LIB)
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(LINK) -o $@ $(BUILD)/obj/agent/main.o $(LIB) $(PKG_LIBS)

# --- tests ------------------------------------------------------------------------------------------------
$(BUILD)/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(dir $@)
	$(if $(V),,@echo "  UNIT  $*")
	$(Q)$(TESTING) -MMD -MP -MF $@.d -o $@ $< $(LDHARD) $(LIB) $(PKG_LIBS) -larchive $(CMOCKA)

unit-%: $(BUILD)/unit/test_% ## run one unit test: make unit-version
	@$<

$(BUILD)/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(LIB)
	@mkdir -p $(dir $@)
	$(if $(V),,@echo "  REPLAY $*")
	$(Q)$(TESTING) -o $@ $< tests/fuzz/replay.c $(LDHARD) $(LIB) $(PKG_LIBS)

$(BUILD)/bench: tests/bench/bench.c $(LIB)
	@mkdir -p $(dir $@)
	$(if $(V),,@echo "  BENCH $@")
	$(Q)$(COMPILE) -Wno-missing-prototypes -o $@ $< $(LDHARD) $(LIB) $(PKG_LIBS)

test-programs: $(BUILD)/bench $(UNIT_BINS)
replay-programs: $(REPLAYS)

check: deps ## every test there is, in about five minutes; prints a table
	@$(MAKE) -s check-now

check-now:
	@MAKE='$(MAKE)' exec python3 tests/check.py

check-unit: $(UNIT_BINS) $(PROGRAM) ## unit tests and small decision cases
	@DAYBREAK_PROGRAM=$(abspath $(PROGRAM)) sh tests/unit/run.sh $(UNIT_BINS)

check-plan: $(BUILD)/unit/test_plan ## only the small decision cases of tests/plan
	@sh tests/unit/run.sh $(BUILD)/unit/test_plan

check-cases: $(PROGRAM) ## whole recorded repositories
	@python3 tests/cases/run.py --program $(PROGRAM)

check-property: $(PROGRAM) ## random repositories: what must hold of every decision (sampled; ten minutes in sweep)
	@python3 tests/property/property.py --program $(PROGRAM)

check-samples: $(PROGRAM) ## real repositories, each manifest as the client of four Macs
	@python3 tests/property/samples.py --program $(PROGRAM)

check-e2e: $(PROGRAM) ## the program against a real web server
	@python3 tests/e2e/run.py --program $(PROGRAM)

check-around: $(PROGRAM) ## hooks, hand-off, reports and waits
	@python3 tests/e2e/around.py --program $(PROGRAM)

check-stages: $(PROGRAM) ## who is at the Mac: stages, waits, Munki beside us
	@python3 tests/e2e/stages.py --program $(PROGRAM)

check-firstboot: $(PROGRAM) ## a first boot from power-on to a finished Mac, in virtual time
	@python3 tests/e2e/firstboot.py --program $(PROGRAM)

check-watchers: $(PROGRAM) ## those who watch: absent, late, restarted, stuck, hostile; every line by its reader
	@python3 tests/e2e/watchers.py --program $(PROGRAM)

check-launchd: $(PROGRAM) ## days of launchd: starts are counted, and the runs that come of them
	@python3 tests/e2e/launchd.py --program $(PROGRAM)

check-trust: $(PROGRAM) ## whom it trusts: the keychain's authorities, client certificates
	@python3 tests/e2e/trust.py --program $(PROGRAM)

check-bootstrap: $(PROGRAM) ## a bootstrap.json of InstallApplications, of each dialect, with each failure
	@python3 tests/e2e/bootstrap.py --program $(PROGRAM)

check-why: $(PROGRAM) ## every class of decision, explained
	@python3 tests/e2e/why.py --program $(PROGRAM)

check-doctor: $(PROGRAM) ## one planted fault after the other
	@python3 tests/e2e/doctor.py --program $(PROGRAM)

check-package: $(PROGRAM) ## packages, real and hostile, through the program
	@python3 tests/e2e/package.py --program $(PROGRAM)

check-product: $(PROGRAM) ## the package that Macs get: modes, jobs, scripts, profiles
	@python3 tests/e2e/product.py --program $(PROGRAM)

check-lifecycle: $(PROGRAM) ## installed, upgraded, reinstalled, removed: exactly what receipts say
	@python3 tests/e2e/lifecycle.py --program $(PROGRAM)

check-trees: $(PROGRAM) ## trees by chance, packed here and read by others
	@python3 tests/e2e/trees.py --program $(PROGRAM)

check-hostile: $(PROGRAM) ## a package for every trap we know of: refused or tamed, and nothing outside touched
	@python3 tests/hostile/run.py --program $(PROGRAM)

check-fault: $(PROGRAM) ## kills, full disks and broken networks; sampled (whole in sweep)
	@python3 tests/e2e/fault.py --program $(PROGRAM)

check-fuzz: $(REPLAYS) ## replay the fuzzing corpora
	@sh tests/fuzz/replay.sh $(REPLAYS)

sweep: deps ## what is too long for check: all samples whole, ten minutes of fuzzing a target, clang
	@SWEEP=1 $(MAKE) -s check-now
	@$(MAKE) -s CC=clang BUILD=build/clang all test-programs check-unit
	@$(MAKE) -s fuzz-ready
	@$(MAKE) -s -j$$(getconf _NPROCESSORS_ONLN) $(FUZZERS:tests/fuzz/fuzz_%.c=fuzz-%) SECONDS=600

T       ?= props
SECONDS ?= 60
fuzz: ## fuzz one target with libFuzzer: make fuzz T=props SECONDS=60
	@$(MAKE) -s fuzz-ready
	@$(MAKE) -s fuzz-$(T)

fuzz-ready:
	@$(MAKE) -s CC=clang BUILD=build/fuzz SAN=address,undefined CFLAGS=-fsanitize=fuzzer-no-link build/fuzz/libdaybreak.a
	@$(MAKE) -s all

fuzz-%:
	@test -d build/fuzz/corpus/$* || python3 tests/fuzz/seed.py $* build/fuzz/corpus/$* build/daybreak
	@clang -std=c11 -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700 -I. -include core/banned.h -g -O1 \
	    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	    -o build/fuzz/fuzz_$* tests/fuzz/fuzz_$*.c build/fuzz/libdaybreak.a $(PKG_LIBS)
	@echo "fuzz: $*, $(SECONDS) s: build/fuzz/$*.log"
	@build/fuzz/fuzz_$* $(if $(wildcard tests/fuzz/$*.dict),-dict=tests/fuzz/$*.dict) -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix=build/fuzz/$*- build/fuzz/corpus/$* tests/fuzz/corpus/$* 2>build/fuzz/$*.log \
	    || { tail -40 build/fuzz/$*.log; exit 1; }
	@grep -E 'stat::number_of_executed_units|cov:' build/fuzz/$*.log | tail -2 | sed 's/^/$*: /'

# --- the rest ---------------------------------------------------------------------------------------------
demo: deps ## the main job on a sample repository, from nothing: REPO=http (nginx, default) or file
	@$(MAKE) -s all
	@sh tests/demo/demo.sh

bench: all ## timings as ratios to peers measured in the same run; ROW=name for one
	@$(MAKE) -s $(BUILD)/bench
	@python3 tests/bench/bench.py --program $(PROGRAM) $(if $(ROW),--row $(ROW))

lint: ## the rules of the house
	@WARN='$(WARN)' python3 tests/lint/house.py $(BUILD)

fmt: ## format the code
	@clang-format -i $(wildcard $(FLOORS:%=%/*.[ch]) tests/unit/*.[ch] tests/fuzz/*.[ch] tests/bench/*.[ch])

pkg: all ## build/daybreak-VERSION.pkg from build/macos/daybreak (without it: a test package of this program)
	@VERSION=$(VERSION) DOMAIN=$(DOMAIN) sh pkg/make.sh

macos: ## build/macos/daybreak: the universal program for macOS, cross-built (on a Mac: from Xcode and Homebrew, for that Mac)
	+@MAKE='$(MAKE)' VERSION=$(VERSION) sh pkg/macos/build.sh program

macos-objects: ## compile every file for both slices of macOS, no more
	+@MAKE='$(MAKE)' sh pkg/macos/build.sh objects

macos-objects-now:
	+@MAKE='$(MAKE)' sh pkg/macos/build.sh check

macos-check: ## prove the macOS program: slices, floors, imports, flags, signature, the same bytes when built twice
	+@MAKE='$(MAKE)' VERSION=$(VERSION) sh pkg/macos/check.sh

macos-repro: ## once a release: build the libraries for macOS a second time and compare
	+@MAKE='$(MAKE)' sh pkg/macos/repro.sh

macos-deps: ## install what cross-building for macOS needs
	@sh pkg/deps.sh macos

COV     ?= $(UNITS)
SEEDED  := package xar payload bom packageinfo distribution
cov: all ## line coverage of unit tests and corpora, file by file, lowest first; those under 90 % are marked (COV= some tests)
	@$(MAKE) -s BUILD=build/cov OPT='-O0 -g --coverage' LDFLAGS=--coverage UNITS='$(COV)' check-unit check-fuzz || echo "cov: tests have failed"
	@for t in $(SEEDED); do python3 tests/fuzz/seed.py $$t build/cov/seed/$$t build/daybreak && \
	    build/cov/replay/fuzz_$$t build/cov/seed/$$t >/dev/null || echo "cov: $$t: replay failed"; done
	@for f in $(SRCS); do gcov -n -o build/cov/obj/$$(dirname $$f) $$f 2>/dev/null | \
	    awk -v f=$$f '/^File/{k=index($$0, "\x27" f "\x27")} /^Lines/&&k{split($$2,a,"[:%]"); \
	    printf "%6.2f %5d %s%s\n", a[2], $$4, f, a[2] < 90 ? "  UNDER 90" : ""; k=0}'; done | sort -n | \
	    awk '{print} {n+=$$2; h+=$$1*$$2/100} /UNDER/{u++} END{printf "cov: %.1f %% of %d lines; %d files under 90 %%\n", n ? 100*h/n : 0, n, u}'

install: all ## install the program and its pages: DESTDIR= PREFIX=
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 0755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/$(NAME)
	install -m 0644 docs/daybreak.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 0644 docs/daybreak.plist.5 docs/daybreak-repo.5 docs/daybreak-bootstrap.5 $(DESTDIR)$(PREFIX)/share/man/man5/

-include $(OBJS:.o=.d) $(UNIT_BINS:=.d)

clean: ## remove build/
	rm -rf build
