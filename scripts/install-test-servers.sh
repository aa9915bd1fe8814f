#!/bin/sh
# Install what tests/integration needs and Python packages cannot bring: the DNS server knot.
# Does nothing when it is there. For Debian and the like; as root, or where sudo asks no password.
set -eu

PATH="$PATH:/usr/sbin:/sbin"
if command -v knotd >/dev/null; then
    exit 0
fi
sudo=
if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "the tests start the DNS server knot; install it first: sudo apt-get install knot" >&2
        exit 1
    fi
    sudo=sudo
fi
$sudo apt-get update -qq
# Debian's package would start a server of its own; the tests start theirs, on a free port.
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends knot >/dev/null
if [ -d /run/systemd/system ]; then
    $sudo systemctl disable --now knot.service
fi
