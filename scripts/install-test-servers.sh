#!/bin/sh
# Install what tests/integration needs and Python packages cannot bring: the DNS server knot, and a
# server of Redis (or Valkey). Does nothing when they are there. For Debian and the like; as root, or where sudo asks no password.
set -eu

PATH="$PATH:/usr/sbin:/sbin"
missing=
command -v knotd >/dev/null || missing="$missing knot"
command -v redis-server >/dev/null || command -v valkey-server >/dev/null ||
    missing="$missing redis-server"
[ -n "$missing" ] || exit 0
sudo=
if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "the tests start servers of their own; install first: sudo apt-get install$missing" >&2
        exit 1
    fi
    sudo=sudo
fi
$sudo apt-get update -qq
# Debian's packages would start servers of their own; the tests start theirs, on free ports.
# shellcheck disable=SC2086 # words
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
if [ -d /run/systemd/system ]; then
    for each in $missing; do
        $sudo systemctl disable --now "$each.service"
    done
fi
