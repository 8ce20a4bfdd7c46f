# SPDX-License-Identifier: Apache-2.0
# A thin front over the presets of CMakePresets.json. Every target first installs the Debian packages that it lacks.

PREFIX ?= /usr/local
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

PACKAGES_BUILD := g++ cmake ninja-build pkg-config make libxtensor-dev libhwy-dev nlohmann-json3-dev librandom123-dev \
                  zlib1g-dev libmbedtls-dev libcli11-dev libtomlplusplus-dev
PACKAGES_TEST  := $(PACKAGES_BUILD) catch2 libxtensor-blas-dev libopenblas-dev libhunspell-dev hunspell-en-us hunspell-es \
                  git python3 python3-venv python3-dev gnuplot-nox
PACKAGES_DEMO  := $(PACKAGES_BUILD) gnuplot-nox
PACKAGES_BENCH := $(PACKAGES_BUILD) libbenchmark-dev libxtensor-blas-dev libopenblas-dev python3 gnuplot-nox
PACKAGES_LONG  := $(PACKAGES_TEST) chromium
PACKAGES_DOCS  := make python3 doxygen
PACKAGES_ABI   := $(PACKAGES_TEST) abigail-tools
PACKAGES_RUST  := $(PACKAGES_TEST) libclang1-14
PACKAGES_CLANG := $(PACKAGES_TEST) clang-14
PACKAGES_LINT  := $(PACKAGES_CLANG) clang-format-14 clang-tidy-14

INSTALL   := @sh cmake/debian_packages.sh
CONFIGURE := cmake -Wno-dev $(if $(shell command -v ccache),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
# GCC's ThreadSanitizer needs the short address randomisation that kernels from 6.6 on no longer have.
FIXED_ADDRESSES := $(shell setarch -R true 2>/dev/null && echo setarch -R)

.DEFAULT_GOAL := help
.PHONY: help setup build test test-build demo lab bench bench-build install dist lint clang asan tsan abidiff docs python go rust test-long clean

help:  ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

setup:  ## install every Debian package that any target below uses
	$(INSTALL) $(PACKAGES_LINT) $(PACKAGES_BENCH) $(PACKAGES_DOCS) $(PACKAGES_ABI) $(PACKAGES_RUST)

build:  ## library and program: build/lib/ and build/bin/minimoe
	$(INSTALL) $(PACKAGES_BUILD)
	@test -f build/build.ninja || $(CONFIGURE) --preset program
	@cmake --build build --parallel $(JOBS) --target minimoe_static minimoe_shared minimoe minimoe_completions

test-build:
	$(INSTALL) $(PACKAGES_TEST)
	@options=$$(sh tests/python/environment.sh build) && $(CONFIGURE) --preset release $$options
	@cmake --build --preset release --parallel $(JOBS)

test: test-build  ## build everything, run the test suite (without the long tests)
	@ctest --preset release --parallel $(JOBS)

demo: build  ## train dense and MoE side by side on the embedded corpus; results in build/demo/
	$(INSTALL) $(PACKAGES_DEMO)
	@build/bin/minimoe compare --steps 600 --seeds 3 --out build/demo --force

lab: build  ## the whole lab protocol (about 10 minutes), then docs/lab-00/ from it: figures, findings, pictures, ranges
	$(INSTALL) gnuplot-nox python3
	@build/bin/minimoe compare --lab --force --out build/lab
	@python3 docs/make_lab.py build/lab

bench-build:  ## build the benchmarks, without running them
	$(INSTALL) $(PACKAGES_BENCH)
	@$(CONFIGURE) --preset bench
	@cmake --build --preset bench --parallel $(JOBS)

bench: bench-build  ## time training steps beside PyTorch's (when installed), busy, growing, then the operations; results in build/bench/
	@mkdir -p build/bench
	@python3 bench/step_bench.py build/bin/minimoe --mid --json build/bench/steps.json
	@python3 bench/step_bench.py build/bin/minimoe --mid --threads 2 --json build/bench/steps-2.json
	@python3 bench/load.py build/bin/minimoe --json build/bench/load.json
	@python3 bench/scaling.py build/bin/minimoe --out build/bench
	@build/bin/capi_overhead
	@for program in build/bin/*_bench; do OPENBLAS_NUM_THREADS=1 $$program --benchmark_min_time=0.1; done

install: build  ## install library and program under PREFIX (/usr/local), below DESTDIR when that is set
	@cmake --install build --prefix "$(PREFIX)"

dist:  ## source tarball of the last commit, the same bytes every time: build/libminimoe-VERSION.tar.gz
	@sh cmake/dist.sh build

lint:  ## clang-format on all files, clang-tidy on those changed since main (all: make lint ALL=1)
	$(INSTALL) $(PACKAGES_LINT)
	@$(CONFIGURE) --preset clang
	@sh cmake/lint.sh build/clang $(JOBS) $(ALL)

clang:  ## build everything with clang 14, warnings are errors
	$(INSTALL) $(PACKAGES_CLANG)
	@$(CONFIGURE) --preset clang
	@cmake --build --preset clang --parallel $(JOBS)

asan:  ## run the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(INSTALL) $(PACKAGES_TEST)
	@$(CONFIGURE) --preset asan
	@cmake --build --preset asan --parallel $(JOBS)
	@ctest --preset asan --parallel $(JOBS)

tsan:  ## run the tests that use threads under ThreadSanitizer
	$(INSTALL) $(PACKAGES_TEST)
	@$(CONFIGURE) --preset tsan
	@$(FIXED_ADDRESSES) cmake --build --preset tsan --parallel $(JOBS) --target minimoe_tests
	@$(FIXED_ADDRESSES) ctest --preset tsan --parallel $(JOBS)

abidiff:  ## hold the binary interface of the library against its committed baseline
	$(INSTALL) $(PACKAGES_ABI)
	@$(CONFIGURE) --preset release
	@cmake --build --preset release --parallel $(JOBS) --target minimoe_abi
	@tests/capi/abi/abi.sh check build

docs:  ## the reference of the C interface: build/docs/html/index.html and docs/reference.md
	$(INSTALL) $(PACKAGES_DOCS)
	@mkdir -p build/docs/strict
	@(cat docs/Doxyfile; echo INPUT = capi/minimoe.h; echo EXTRACT_ALL = NO; echo OUTPUT_DIRECTORY = build/docs/strict) | doxygen -
	@doxygen docs/Doxyfile
	@python3 docs/make_reference.py

python: test-build  ## the Python package at length: from its sources in a clean environment, sanitizer, other versions
	@cmake --install build --prefix build/prefix >/dev/null
	@PREFIX=$(CURDIR)/build/prefix tests/python/ci.sh build/python-ci

go: test-build  ## the Go module at length: race detector, cgo checks, position-independent programs
	@PKG_CONFIG_PATH=$(CURDIR)/build/bindings/go LD_LIBRARY_PATH=$(CURDIR)/build/lib SWIG=$(CURDIR)/build/venv/bin/swig \
	  bindings/go/check.sh

rust: test-build  ## the Rust crates at length: clippy, documents, the library built from the packaged sources
	$(INSTALL) $(PACKAGES_RUST)
	@bindings/rust/check.sh $(CURDIR)/build

test-long: test-build  ## run the outcome runs, slow oracles and the report in a browser (docs/testing.md has their last results)
	$(INSTALL) $(PACKAGES_LONG)
	@ctest --preset long

clean:  ## remove build/
	rm -rf build
