# The menu. `make help` lists it; what each line does is in scripts/ and CMakeLists.txt.

PREFIX    ?= /usr/local
FUZZ_RUNS ?= 20000
PORT      ?= 8080
SUITES    ?=

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ZIG_GLOBAL_CACHE_DIR ?= $(CURDIR)/build/zig-cache
WASM_PRESETS := wasm wasm-relaxed wasm-threads wasm-relaxed-threads

.DEFAULT_GOAL := all
.PHONY: help setup all wasm demo test conformance bench bench-gpu serve lint format fuzz dist install clean

help:       ## this list
	@sed -n 's/^\([a-z-]*\): .*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name text; do \
	    printf '  make %-12s %s\n' "$$name" "$$text"; done

setup:      ## fetch and install what everything else needs (a second run has nothing to do)
	@scripts/setup.sh

all: build/release/build.ninja ## the native library and the command, build/brink
	@cmake --build --preset release

build/release/build.ninja:
	@cmake --preset release

wasm:       ## the engine for browsers, build/web/brink*.wasm
	@scripts/wasm.sh $(WASM_PRESETS)

demo:       ## set up, build, and let a language model answer in the terminal and in a browser tab
	@$(MAKE) --no-print-directory setup
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory wasm
	@scripts/demo.sh

test:       ## every test; SUITES="unit layers" runs some, SUITES=list names them
	@python3 scripts/test.py $(SUITES)

conformance: all ## the graphs of BRINK_FIXTURES against their reference outputs
	@scripts/conformance.sh

bench: all wasm ## measurements beside peers (bench/run), written to docs/benchmarks
	@bench/run

bench-gpu: all wasm ## measurements on a GPU beside peers (bench/gpu/run), to build/bench/gpu.md
	@[ -d build/bench/gpu/pack ] || bench/gpu/pack build/bench/gpu/pack --parts peers,onnxruntime,dawn
	@python3 bench/gpu/run --peers build/bench/gpu/pack

serve:      ## the browser demo on http://127.0.0.1:PORT (8080), isolated so that threads work
	@cd web && npm run --silent build && node demo/serve.mjs --port $(PORT)

lint:       ## clang-format and clang-tidy; changes nothing
	@scripts/lint.sh

format:     ## let clang-format rewrite the C files
	@scripts/lint.sh --fix

fuzz:       ## run the fuzz targets, FUZZ_RUNS inputs each
	@scripts/fuzz.sh $(FUZZ_RUNS)

dist: wasm  ## source and wasm archives in build/dist
	@scripts/dist.sh

install: all ## library, header, command, pkg-config and CMake files, to PREFIX (DESTDIR is kept)
	@cmake --install build/release --prefix $(PREFIX)

clean:      ## remove what was built; keep what setup fetched
	@scripts/clean.sh
