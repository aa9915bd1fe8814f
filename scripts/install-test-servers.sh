#!/bin/sh
# Installs what tests/integration needs and Python packages cannot bring: the DNS server knot.
# Does nothing when it is there. For Debian and Ubuntu; needs root to install.
set -eu

PATH="$PATH:/usr/sbin:/sbin"
if command -v knotd >/dev/null; then
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends knot
# The package starts a server of its own; the tests start theirs, on a free port.
if [ -d /run/systemd/system ]; then
    systemctl disable --now knot.service
fi
