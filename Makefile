# SPDX-License-Identifier: Apache-2.0
# A thin front over the presets of CMakePresets.json. Every target first installs the Debian packages that it lacks.

JOBS ?= $(shell nproc 2>/dev/null || echo 2)

PACKAGES_BUILD := g++ cmake ninja-build pkg-config make libxtensor-dev libhwy-dev nlohmann-json3-dev librandom123-dev \
                  zlib1g-dev libmbedtls-dev libcli11-dev libtomlplusplus-dev
PACKAGES_TEST  := $(PACKAGES_BUILD) catch2 libxtensor-blas-dev libopenblas-dev libhunspell-dev hunspell-en-us hunspell-es \
                  git python3
PACKAGES_BENCH := $(PACKAGES_BUILD) libbenchmark-dev libxtensor-blas-dev libopenblas-dev python3
PACKAGES_LINT  := $(PACKAGES_TEST) clang-14 clang-format-14 clang-tidy-14

INSTALL   := @sh cmake/debian_packages.sh
CONFIGURE := cmake -Wno-dev $(if $(shell command -v ccache),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
# GCC's ThreadSanitizer needs the short address randomisation that kernels from 6.6 on no longer have.
FIXED_ADDRESSES := $(shell setarch -R true 2>/dev/null && echo setarch -R)

.DEFAULT_GOAL := help
.PHONY: help setup build test demo bench lint asan tsan test-long clean

help:  ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

setup:  ## install every Debian package that any target below uses
	$(INSTALL) $(PACKAGES_LINT) $(PACKAGES_BENCH)

build:  ## library and program: build/lib/ and build/bin/minimoe
	$(INSTALL) $(PACKAGES_BUILD)
	@test -f build/build.ninja || $(CONFIGURE) --preset program
	@cmake --build build --parallel $(JOBS) --target minimoe_core minimoe_shared minimoe

test:  ## build everything, run the test suite (without the long tests)
	$(INSTALL) $(PACKAGES_TEST)
	@$(CONFIGURE) --preset release
	@cmake --build --preset release --parallel $(JOBS)
	@ctest --preset release --parallel $(JOBS)

demo: build  ## train dense and MoE side by side on the embedded corpus; results in build/demo/
	@build/bin/minimoe compare --steps 600 --seeds 3 --out build/demo --force

bench:  ## time a training step beside PyTorch's (when installed), then the operations one by one
	$(INSTALL) $(PACKAGES_BENCH)
	@$(CONFIGURE) --preset bench
	@cmake --build --preset bench --parallel $(JOBS)
	@python3 bench/step_bench.py build/bin/minimoe
	@for program in build/bin/*_bench; do OPENBLAS_NUM_THREADS=1 $$program --benchmark_min_time=0.1; done

lint:  ## clang-format on all files, clang-tidy on those changed since main (all: make lint ALL=1)
	$(INSTALL) $(PACKAGES_LINT)
	@$(CONFIGURE) --preset dev
	@sh cmake/lint.sh build/dev $(JOBS) $(ALL)

asan:  ## run the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(INSTALL) $(PACKAGES_TEST)
	@$(CONFIGURE) --preset asan
	@cmake --build --preset asan --parallel $(JOBS)
	@ctest --preset asan --parallel $(JOBS)

tsan:  ## run the tests that use threads under ThreadSanitizer
	$(INSTALL) $(PACKAGES_TEST)
	@$(CONFIGURE) --preset tsan
	@$(FIXED_ADDRESSES) cmake --build --preset tsan --parallel $(JOBS)
	@$(FIXED_ADDRESSES) ctest --preset tsan --parallel $(JOBS)

test-long:  ## run the outcome runs and slow oracles (docs/testing.md has their last results)
	$(INSTALL) $(PACKAGES_TEST)
	@$(CONFIGURE) --preset release
	@cmake --build --preset release --parallel $(JOBS)
	@ctest --preset long

clean:  ## remove build/
	rm -rf build
