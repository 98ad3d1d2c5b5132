# SPDX-License-Identifier: GPL-2.0
#
# `make help` says what there is. The kernel's build system reads Kbuild, not
# this file.

SRC := $(CURDIR)
Q := $(if $(V),,@)
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

# The kernel to build against: KDIR, or the running kernel if modules in Rust can
# be built against it here, or else Debian's stock kernel, which the scripts in
# qemu/ fetch and prepare, with the compilers that go with it.
CHECK_KDIR = $(if $(RUSTC),RUSTC="$(RUSTC)") $(if $(BINDGEN),BINDGEN="$(BINDGEN)") qemu/check-kdir
KDIR_ERROR = $(shell $(CHECK_KDIR) "$(KDIR)" 2>&1)
ifeq ($(origin KDIR),undefined)
# ARCH, by Debian's name, is that of the guest and its kernel.
ifneq ($(filter-out $(patsubst aarch64,arm64,$(patsubst x86_64,amd64,$(shell uname -m))),$(ARCH)),)
STOCK := y
else
RUNNING := /lib/modules/$(shell uname -r)/build
KDIR := $(shell $(CHECK_KDIR) --quiet $(RUNNING) && echo $(RUNNING))
ifeq ($(KDIR),)
STOCK := y
endif
endif
endif

# What the user gave on the command line, for the make in the build root. That
# has its own kernel tree and compilers.
PASS = $(filter-out ARCH=% KDIR=% LLVM=% CC=% RUSTC=% BINDGEN=%,$(MAKEOVERRIDES))
STOCK_MAKE = qemu/kernel ensure && \
	qemu/root run -- make $(JOBS) $(PASS) KDIR="$$(qemu/kernel path)"

# Each kernel has its own directory of objects.
RELEASE = $(shell cat "$(KDIR)/include/config/kernel.release")
OBJ = $(SRC)/build/$(RELEASE)
KBUILD = $(Q)mkdir -p "$(OBJ)" && $(MAKE) $(JOBS) -C "$(KDIR)" M="$(SRC)" MO="$(OBJ)"

RUST_FILES = $(wildcard rust_lo.rs steering.rs net/*.rs net/tests/*.rs samples/*.rs)
SHELL_FILES = $(shell find qemu tests .ci tools debian dkms samples upstream -name target -prune -o -type f -print 2> /dev/null | \
	xargs -r awk 'FNR == 1 && (/^\#!.*(bash|busybox sh|\/sh)/ || FILENAME ~ /\.sh$$/) { print FILENAME } { nextfile }')

MAKEFLAGS += --no-print-directory

.PHONY: all module clean modules_install install-built rust-analyzer fmt fmt-check clippy clippy-debug clippy-module \
	shellcheck unit compile-fail compile-fail-module tools kselftests kselftests-table stock-module samples rustdoc rustdoc-module debug-kernel kcsan-kernel run \
	demo-shaping shell \
	test recipes deb deb-test release-check test-debug test-kcsan kunit fuzz chaos services suites addresses bench bench-full bench-compare xmit mutants matrix in-tree series series-test update distclean help check-kdir

ifdef STOCK

all rust-analyzer:
	@$(STOCK_MAKE) $@

# It goes to this system, not into the build root.
modules_install: stock-module
	$(Q)$(MAKE) STOCK= KDIR="$$(qemu/kernel path)" install-built

else

all: module
	@cp "$(OBJ)/rust_lo.ko" rust_lo.ko

modules_install: module install-built

# Without looking whether there are compilers: they have done their part. A
# kernel's signing key is hardly ever there, and its System.map, without which
# kbuild does not run depmod, often is not.
install-built:
	$(KBUILD) $(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=) modules_install
	$(Q)if [ ! -e "$(KDIR)/System.map" ]; then \
		PATH="$$PATH:/sbin:/usr/sbin"; \
		if command -v depmod > /dev/null; then \
			depmod -b "$(or $(INSTALL_MOD_PATH),/)" "$(RELEASE)"; \
		else \
			echo 'Warning: there is no depmod here, modprobe will not find rust_lo' >&2; \
		fi; \
	fi

# The paths of the standard library are the build root's, if it is built there.
rust-analyzer: module
	$(KBUILD) rust-analyzer
	@sed "s,\"/usr/lib/rustlib,\"$$(if [ -e /etc/rust_lo-root ]; then qemu/root path; fi)/usr/lib/rustlib,g" \
		"$(OBJ)/rust-project.json" > rust-project.json

endif

# Said by make itself, to be one line.
check-kdir:
	$(if $(KDIR_ERROR),$(error $(KDIR_ERROR)))@:

module: check-kdir
	$(KBUILD) modules

# clippy-driver says the same as rustc and more. Objects of its own, as nothing
# is said about what is built already.
clippy-module: OBJ := $(SRC)/build/clippy
clippy-module: check-kdir
	@rm -rf "$(OBJ)"
	@mkdir -p "$(OBJ)"
	@$(MAKE) $(JOBS) -C "$(KDIR)" M="$(SRC)" MO="$(OBJ)" CLIPPY=1 RUST_LO_SAMPLES=m modules > "$(OBJ)/log" 2>&1 || \
		{ cat "$(OBJ)/log"; exit 1; }
	@if grep -q '^warning' "$(OBJ)/log"; then cat "$(OBJ)/log"; exit 1; fi

# The module for the kernel of the guest.
stock-module:
	@$(STOCK_MAKE) module

# The same with the sample driver.
samples:
	@$(STOCK_MAKE) RUST_LO_SAMPLES=m module

# Drivers that must not compile.
compile-fail:
	@$(STOCK_MAKE) RUST_LO_SAMPLES=m compile-fail-module

compile-fail-module: module
	@tests/compile-fail/run "$(KDIR)" "$(OBJ)"

# The kernels that look for faults while they run, with the module for each.
debug-kernel kcsan-kernel:
	@qemu/debug-kernel ensure $(@:-kernel=)
	@qemu/root run -- make $(JOBS) $(PASS) LLVM=-19 KDIR="$$(qemu/debug-kernel path $(@:-kernel=))" RUST_LO_SAMPLES=m module

# Of the module and the abstractions.
rustdoc-module: check-kdir
	$(KBUILD) RUST_LO_RUSTDOC=y modules
	@echo 'written: $(patsubst $(SRC)/%,%,$(OBJ))/doc/rust_lo/net/index.html'

rustdoc:
	@$(STOCK_MAKE) rustdoc-module

clippy:
	@$(STOCK_MAKE) clippy-module
	@qemu/root run -- cargo clippy --quiet --workspace --all-targets -- -D warnings

# The KUnit tests as well, which only a kernel with KUnit has.
clippy-debug:
	@qemu/debug-kernel ensure debug
	@qemu/root run -- make $(JOBS) $(PASS) LLVM=-19 KDIR="$$(qemu/debug-kernel path debug)" clippy-module

fmt:
	@qemu/root run -- rustfmt $(RUST_FILES)
	@qemu/root run -- cargo fmt --all

fmt-check:
	@qemu/root run -- rustfmt --check $(RUST_FILES)
	@qemu/root run -- cargo fmt --all --check

# Of what needs no kernel, and whether README.md, the mutants and their like fit.
unit:
	@qemu/root run -- cargo test --quiet --workspace
	@tests/mutants/run --check
	@upstream/port --check
	@tests/readme/check
	@tests/release/test
	@tests/check-kdir

shellcheck:
	@printf '%s\n' $(SHELL_FILES) | qemu/root run -- xargs -P "$$(nproc)" -n 8 shellcheck -x

# Static, so that they run on any machine, whatever its C library. Only with
# --target does that leave procedural macros alone, which cannot be static.
tools:
	@qemu/root run -- sh -ec 'host=$$(rustc -vV | sed -n "s/^host: //p"); target=$${RUST_LO_TARGET:-$$host}; \
		RUSTFLAGS="-C target-feature=+crt-static" \
			cargo build --quiet --release --workspace --target "$$target"; \
		mkdir -p target/release; \
		[ "$$target" = "$$host" ] || { [ -e tools/rust-lo ] || : > tools/rust-lo; exit; }; \
		find "target/$$host/release" -maxdepth 1 -type f -executable -exec cp -u -t target/release {} +; \
		cp target/release/rust-lo tools/rust-lo'

run: stock-module
	@qemu/vm --no-module qemu/demo

# One localhost as it is, another one slow and lossy.
demo-shaping: stock-module
	@qemu/vm --no-module qemu/demo-shaping

shell: stock-module
	@qemu/vm

# The kernel's own network selftests, to be compared on lo and on rust_lo.
kselftests: stock-module
	@qemu/root run -- tests/kselftests/build "$$(qemu/kernel source)"

# The same as a table: docs/kselftests.md. TESTS="--all" for those that take long
# as well, TESTS="WORD..." are only those with one of the words.
kselftests-table: TESTS =
kselftests-table: kselftests
	@qemu/vm --timeout 7200 tests/kselftests/table $(TESTS)

test: COUNT =
test: samples tools kselftests
	@qemu/vm --timeout 3600 "FUZZ_COUNT=$(COUNT) tests/run"

# The Debian packages rust-lo-dkms and rust-lo, and what becomes of them in a fresh Debian. In
# roots of their own, as the build root is the guest's in all other tests.
deb:
	@ROOT_FOR=deb qemu/root run -- debian/package

deb-test: deb
	@debian/test

# What README.md prints and takes too long for .ci/run. STEPS of them, or all.
release-check: STEPS =
release-check:
	@tests/release/run $(STEPS)

# The KUnit tests of the abstractions, when the module is loaded.
kunit: debug-kernel
	@qemu/vm --kernel debug --autorun tests/run kunit

# Messages of rtnetlink: COUNT of them, from SEED if one is given.
fuzz: COUNT = 100000
fuzz: SEED = any
fuzz: stock-module tools
	@qemu/vm --timeout 7200 "FUZZ_COUNT=$(COUNT) FUZZ_SEED=$(SEED) TEST_TIMEOUT=7000 tests/run fuzz"

# Without the kernel's own selftests, which would take hours there. Of the
# allocations of insmod each EVERY-th fails, chaos lasts SECONDS, and COUNT messages
# are fuzzed. SMP=1 is for a guest beside another one.
test-debug test-kcsan: EVERY = 20
test-debug test-kcsan: SECONDS = 30
test-debug test-kcsan: COUNT = 2000
TESTS = $(filter-out lib kselftests,$(patsubst tests/%.sh,%,$(wildcard tests/*.sh)))
test-debug test-kcsan: $(if $(filter kselftests,$(TESTS)),kselftests)
test-debug test-kcsan: test-%: %-kernel tools
	@qemu/vm --kernel $* $(SMP:%=--smp %) --timeout 21600 env KSFT_MACHINE_SLOW=yes TEST_TIMEOUT=3600 \
		FAULTS_EVERY=$(EVERY) CHAOS_SECONDS=$(SECONDS) FUZZ_COUNT=$(COUNT) tests/run $(TESTS)

# On the kernel that looks for faults while it runs.
chaos: SECONDS = 600
chaos: debug-kernel tools
	@qemu/vm --kernel debug --timeout $$(($(SECONDS) + 1800)) \
		env CHAOS_SECONDS=$(SECONDS) CHAOS_SEED=$(SEED) TEST_TIMEOUT=$$(($(SECONDS) + 1500)) tests/run chaos

# Debian's services, in a root of their own that has them: all, or SERVICES.
services: SERVICES =
services: stock-module tools
	@qemu/vm --root services --memory 4G --timeout 14400 env PREFER=$(PREFER) tests/services/run $(SERVICES)

# What docs/recipes.md shows, all of it, in a root of its own that has the programs.
recipes: POINTS =
recipes: stock-module tools
	@qemu/vm --root recipes --timeout 3600 env RECIPES=all TYPE=$(TYPE) tests/run recipes$(if $(POINTS),:$(POINTS))

# Test suites of others, in a root of their own: all, or SUITES="NAME...". With --all
# among them what takes longer than ten minutes as well.
suites: SUITES =
suites: stock-module tools
	@ROOT_FOR=suites qemu/root run -- tests/suites/build "$$(qemu/kernel source)" $(filter-out --all,$(SUITES))
	@qemu/vm --root suites --memory 4G --timeout 14400 env PREFER=$(PREFER) tests/suites/run $(SUITES)

# What an address is good for on lo, a dummy and rust_lo: docs/addresses.md.
addresses: stock-module tools
	@qemu/vm --timeout 3600 tests/address/table

# What it costs, against lo and others: tests/bench. BENCH="WORD..." is only what
# has one of the words in its name.
BENCH_ABOUT = env BENCH_COMMIT="$(shell git describe --always --dirty 2> /dev/null)" \
	BENCH_CONFIG_SHA256="$(shell sha256sum < "$$(qemu/kernel path)/.config" | cut -d ' ' -f 1)" \
	BENCH_COMPILERS="$(shell sed -n 's/^CONFIG_\(CC\|RUSTC\)_VERSION_TEXT="\(.*\)"/\2/p' "$$(qemu/kernel path)/.config" | paste -sd ';')" \
	BENCH_QEMU="$(shell qemu/root run -- qemu-system-x86_64 --version | head -n 1)"
bench: stock-module tools
	@mkdir -p build/bench
	@qemu/vm --icount --timeout 5400 $(BENCH_ABOUT) target/release/bench instructions --out build/bench/instructions.json $(BENCH_FULL) $(BENCH)
	@qemu/vm --timeout 5400 $(BENCH_ABOUT) target/release/bench wall --out build/bench/wall.json $(BENCH_FULL) $(BENCH)
	@qemu/vm --icount --timeout 14400 $(BENCH_ABOUT) target/release/bench scale --out build/bench/scale.json $(BENCH_FULL) $(BENCH)
	@target/release/bench report --docs docs build/bench/instructions.json build/bench/wall.json build/bench/scale.json
bench-full:
	@$(MAKE) bench BENCH_FULL=--full

# The module of another commit, and the one of now.
bench-compare: stock-module tools
	@tests/bench/compare "$(BASE)" $(BENCH)

xmit: stock-module
	@qemu/vm --smp 1 tests/bench/xmit > build/xmit.md
	@mv build/xmit.md docs/xmit.md
	@echo 'written: docs/xmit.md'

# Do the tests catch bugs?
mutants: stock-module tools
	@tests/mutants/run $(MUTANTS)

# The tests as a part of the kernel's selftests: TESTS of them, or all.
in-tree: TESTS =
in-tree: debug-kernel tools
	@qemu/in-tree $(TESTS:%=%.sh)

# Patches for a kernel tree, of the same sources: TREE, or the source of the stock
# kernel. SENDER is whom they are from.
SENDER = $(shell git var GIT_AUTHOR_IDENT 2> /dev/null | sed 's/>.*/>/')
series: TREE =
series:
	@qemu/kernel ensure
	@tree="$(TREE)"; tree="$${tree:-$$(qemu/kernel source)}"; \
		[ -d "$$tree" ] || { echo "TREE=$$tree: there is no such directory" >&2; exit 1; }; \
		qemu/root run --bind "$$tree" -- env SENDER="$(SENDER)" upstream/series "$$tree"

# What they are good for there: STAGES of upstream/test, or all.
series-test: STAGES =
series-test: series tools
	@upstream/test $(STAGES)

# On all of Debian's kernels.
matrix:
	@qemu/matrix

update:
	@qemu/kernel update
	@qemu/kernel ensure

clean:
	rm -rf build target tools/rust-lo rust_lo.ko rust-project.json

distclean: clean
	qemu/kernel clean
	for arch in amd64 arm64; do ARCH=$$arch qemu/root clean || exit 1; done
	debian/test clean
	for root in deb debian services recipes series suites; do ROOT_FOR=$$root qemu/root clean || exit 1; done

help:
	@sed -n 's/^#? \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

#? For users. Guests are virtual machines with Debian's stock kernel; none of this needs root.
#?   all (default)     rust_lo.ko, for KDIR if given, else the running kernel if it can be, else the stock kernel
#?   modules_install   install it (INSTALL_MOD_PATH and the like are the kernel's own)
#?   deb               the Debian packages rust-lo-dkms and rust-lo, in build/deb
#?   run, demo-shaping a demonstration; another: a second localhost, slow and lossy, for one application
#?   shell             an interactive shell in a guest
#?   test              all tests (COUNT=2000 messages of rtnetlink among them)
#?   clean, distclean  remove what was built; the build roots and stock kernels as well
#? For contributors.
#?   tools, samples    the command-line tools; the drivers in samples/ (RUST_LO_SAMPLES=m: with every target)
#?   fmt, clippy, clippy-debug, shellcheck, rustdoc    formatting (fmt-check only looks), lints, documentation
#?   unit, compile-fail, kunit    tests without a guest; drivers that must not compile; KUnit, on the debug kernel
#?   test-debug, test-kcsan       the tests on a kernel with KASAN, lockdep, kmemleak and more, or on one that
#?                     finds data races. TESTS="NAME...", EVERY=20: of the allocations of insmod each 20th fails,
#?                     SECONDS=30 of chaos, COUNT=2000 messages. debug-kernel, kcsan-kernel: 15 minutes, once
#?   chaos, fuzz       everything at once for SECONDS=600 (SEED for the same again); COUNT=100000 messages (SEED=N)
#?   mutants           plant each bug of tests/mutants/list and see the tests catch it (MUTANTS="NAME...")
#?   bench-compare     BASE=COMMIT: the module of that commit and the one of now, in instructions
#?   in-tree           TESTS="NAME..." (or all) in a kernel tree, by make -C tools/testing/selftests
#?   series            patches for a kernel tree, made of the same sources, in build/series (TREE=DIR: for that one)
#?   series-test       build them there one by one, boot the kernel, checkpatch (STAGES="style|patches|module|builtin")
#?   rust-analyzer     rust-project.json for editors
#?   update            look for a newer stock kernel now (else once a day)
#? For a release: these write pages of docs/.
#?   addresses         what an address is good for on lo, a dummy and rust_lo: addresses.md
#?   bench, bench-full what it costs, against lo, veth and others: performance.md (12 minutes; BENCH="WORD...")
#?   xmit              the code of the transmit function beside that of lo: xmit.md
#?   kselftests-table  the kernel's own selftests on lo and on rust_lo: kselftests.md (15 minutes; TESTS="--all|WORD...")
#?   matrix            the quick tests on every stock kernel that Debian has: matrix.md
#?   services          servers and their clients on rust_lo's localhost and addresses: services.md (SERVICES="NAME...")
#?   suites            test suites of others, on lo and on rust_lo: suites.md (SUITES="NAME...", --all for the long ones)
#?   recipes           what docs/recipes.md shows (POINTS="NAME,...")
#?   deb-test          install, boot, upgrade, sign and purge the packages, in a fresh Debian (an hour)
#?   release-check     all that README.md prints and .ci/run does not run: testing.md (half a day; STEPS="NAME...")
#? Variables.
#?   KDIR=DIR          kernel tree to build against, with the compilers it was built with (LLVM=1: by clang)
#?   KERNEL=RELEASE    another stock kernel than the newest; KERNEL_SUITE=trixie-backports (default), sid, experimental
#?   ARCH=amd64|arm64  that of the guest and its kernel (default: this machine's; the other one is emulated)
#?   KERNEL_FLAVOUR=   amd64, cloud-amd64, rt-amd64, arm64, arm64-16k, cloud-arm64 or rt-arm64
#?   INLINE_HELPERS=n  call the C helpers instead of inlining them into the Rust code
#?   V=1               show the commands
