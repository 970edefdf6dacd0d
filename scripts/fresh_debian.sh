#!/usr/bin/env bash
# Proves that a fresh Debian 12 needs nothing but git, make, gcc and Python 3.11: makes one with
# debootstrap, clones this repository's HEAD into it, and runs commands there, timed.
#
#   sudo scripts/fresh_debian.sh DIRECTORY [--copy-config] [--keep] [COMMAND...]
#
# Commands are shell lines, by default "make demo" and "make test". A DIRECTORY that already holds
# a system made by this script is used again (its clone is renewed). --copy-config gives the new
# system this machine's way to the package registries: proxy variables, certificates, pip's, npm's
# and apt's configuration. With --keep the mounts stay, to look around with chroot.
set -euo pipefail
source_tree=$(cd "$(dirname "$0")/.." && pwd)
directory='' copy_config=0 keep=0 commands=()
for argument in "$@"; do
    case $argument in
        --copy-config) copy_config=1 ;;
        --keep) keep=1 ;;
        -*) echo "unknown option $argument" >&2; exit 2 ;;
        *) if [ -z "$directory" ]; then directory=$argument; else commands+=("$argument"); fi ;;
    esac
done
[ -n "$directory" ] || { sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2; }
[ "$(id -u)" -eq 0 ] || { echo "debootstrap and chroot need root" >&2; exit 2; }
[ ${#commands[@]} -gt 0 ] || commands=("make demo" "make test")
command -v debootstrap >/dev/null || { echo "debootstrap is missing" >&2; exit 2; }

# the mirror that this machine uses for Debian, else debootstrap's own choice
repositories=$(apt-get indextargets --format '$(CREATED_BY) $(REPO_URI)' 2>/dev/null || true)
mirror=$(sed -n 's/^Packages \(.*debian\/\{0,1\}\)$/\1/p' <<<"$repositories" | head -n 1)
mirror=${DEBIAN_MIRROR:-$mirror}
security=$(sed -n 's/^Packages \(.*debian-security\/\{0,1\}\)$/\1/p' <<<"$repositories" | head -n 1)
security=${DEBIAN_SECURITY_MIRROR:-$security}

mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
if [ ! -e "$directory/etc/brink-fresh" ]; then
    echo "fresh: debootstrap of bookworm into $directory"
    start=$SECONDS
    # mount points inside are made by debootstrap; --variant=minbase is the smallest Debian
    debootstrap --variant=minbase --include=ca-certificates,git,make,gcc,libc6-dev,python3 \
        bookworm "$directory" ${mirror:+"$mirror"} >"$directory.log" 2>&1 ||
        { tail -n 20 "$directory.log" >&2; exit 1; }
    touch "$directory/etc/brink-fresh"
    echo "fresh: debootstrap took $((SECONDS - start)) s"
fi

mounted=()
unmount() {
    local i
    for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do umount "${mounted[i]}" 2>/dev/null ||
        umount -l "${mounted[i]}" || true; done
}
[ $keep -eq 1 ] || trap unmount EXIT
attach() {      # attach KIND SOURCE PLACE
    mkdir -p "$directory/$3"
    mountpoint -q "$directory/$3" && return
    case $1 in
        proc) mount -t proc proc "$directory/$3" 2>/dev/null || mount --rbind /proc "$directory/$3" ;;
        bind) mount --bind "$2" "$directory/$3" ;;
        tmpfs) mount -t tmpfs -o "$2" tmpfs "$directory/$3" ;;
    esac
    mounted+=("$directory/$3")
}
attach proc proc proc
attach bind /sys sys
attach bind /dev dev
attach bind /dev/pts dev/pts
attach tmpfs mode=1777 dev/shm
cp -L /etc/resolv.conf "$directory/etc/resolv.conf"
[ ! -e /etc/hosts ] || cp -L /etc/hosts "$directory/etc/hosts"

environment=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    LANG=C.UTF-8 TERM=dumb CI=true)
if [ $copy_config -eq 1 ]; then
    # what the ordinary clients read; each only where this machine has it
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY SSL_CERT_FILE \
        SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS GIT_SSL_CAINFO \
        "${!PIP_@}" "${!NPM_CONFIG_@}" "${!npm_config_@}"; do
        [ "$name" != PIP_FIND_LINKS ] || continue      # a folder of this machine
        [ -z "${!name-}" ] || environment+=("$name=${!name}")
    done
    for file in /etc/pip.conf /etc/npmrc /usr/etc/npmrc "$HOME/.npmrc" "$HOME/.config/pip/pip.conf" \
        "$HOME/.pip/pip.conf" /etc/ssl/certs/ca-certificates.crt "${SSL_CERT_FILE-}" \
        "${PIP_CERT-}"; do
        if [ -n "$file" ] && [ -f "$file" ]; then
            target=${file/#$HOME//root}
            mkdir -p "$directory$(dirname "$target")"
            cp -L "$file" "$directory$target"
        fi
    done
    # npm's and pip's global files lie below the prefix of each client: say them by name
    [ ! -f /usr/etc/npmrc ] || environment+=("NPM_CONFIG_GLOBALCONFIG=/usr/etc/npmrc")
    for file in $(grep -liE 'proxy|acquire::https?::' /etc/apt/apt.conf.d/* 2>/dev/null || true); do
        cp -L "$file" "$directory$file"
    done
fi
[ -z "${BRINK_FIXTURES-}" ] || {
    attach bind "$BRINK_FIXTURES" fixtures
    environment+=(BRINK_FIXTURES=/fixtures)
}
# the release and its security and stable updates, as an installer leaves them
if [ -n "$mirror" ]; then
    {
        printf 'deb %s bookworm main\ndeb %s bookworm-updates main\n' "$mirror" "$mirror"
        [ -z "$security" ] || printf 'deb %s bookworm-security main\n' "$security"
    } >"$directory/etc/apt/sources.list"
fi

rm -rf "$directory/root/brink" "$directory/tmp/brink.bundle"
git -C "$source_tree" bundle create --quiet "$directory/tmp/brink.bundle" HEAD
inside() { env -i "${environment[@]}" chroot "$directory" /bin/bash -c "$1" </dev/null; }
inside 'git clone --quiet /tmp/brink.bundle /root/brink 2>&1'
status=0
for command in "${commands[@]}"; do
    echo "fresh: $command"
    start=$SECONDS
    inside "cd /root/brink && $command" || status=$?
    echo "fresh: $command took $((SECONDS - start)) s, exit status $status"
    [ $status -eq 0 ] || break
done
exit $status
