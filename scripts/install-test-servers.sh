#!/bin/sh
# Install what tests/integration needs and Python packages cannot bring: the DNS server knot, a
# server of Redis (or Valkey), Postfix with its smtp-source, swaks, and Sendmail. Does nothing when
# they are there. For Debian and the like; as root, or where sudo asks no password.
#
# Debian lets only one mail server be installed. Sendmail is therefore unpacked into .cache/sendmail
# and runs from there; nothing of it is installed but the libraries that it needs.
set -eu
cd "$(dirname "$0")/.."

PATH="$PATH:/usr/sbin:/sbin"
sendmail=.cache/sendmail
missing=
command -v knotd >/dev/null || missing="$missing knot"
command -v redis-server >/dev/null || command -v valkey-server >/dev/null ||
    missing="$missing redis-server"
command -v smtp-source >/dev/null || missing="$missing postfix"
command -v swaks >/dev/null || missing="$missing swaks"
command -v m4 >/dev/null || missing="$missing m4"
[ -n "$missing" ] || [ ! -e "$sendmail/ready" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        [ -z "$missing" ] ||
            echo "the tests start servers of their own; install first: sudo apt-get install$missing" >&2
        [ -e "$sendmail/ready" ] ||
            echo "the tests want Sendmail in $sendmail; run once as root: scripts/install-test-servers.sh" >&2
        exit 1
    fi
    sudo=sudo
fi

# Debian's packages would start servers of their own; the tests start theirs, on free ports.
policy=/usr/sbin/policy-rc.d
ours=
restore() {
    [ -z "$ours" ] || $sudo rm -f "$policy"
}
trap restore EXIT
if [ ! -e "$policy" ]; then
    ours=1
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 755 "$policy"
fi

# Postfix must not drive out a mail server that somebody uses.
other=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Provides}\n' 2>/dev/null |
    sed -n '/ postfix /!s/^ii *\([^ ]*\) .*mail-transport-agent.*/\1/p')
case "$missing" in
*postfix*)
    if [ -n "$other" ]; then
        echo "the tests need Postfix, which would remove your $other: install it yourself if you want that" >&2
        exit 1
    fi
    ;;
esac

install() { # package...
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

$sudo apt-get update -qq
if [ -n "$missing" ]; then
    # It asks for the kind of server; "no configuration" also leaves /etc/postfix/main.cf alone.
    case "$missing" in
    *postfix*)
        echo "postfix postfix/main_mailer_type select No configuration" | $sudo debconf-set-selections
        ;;
    esac
    # shellcheck disable=SC2086 # words
    install $missing
    if [ -d /run/systemd/system ]; then
        for each in $missing; do
            $sudo systemctl disable --now "$each.service" 2>/dev/null || true
        done
    fi
fi

if [ ! -e "$sendmail/ready" ]; then
    rm -rf "$sendmail"
    mkdir -p "$sendmail"
    # shellcheck disable=SC2046 # words
    install $(apt-cache depends sendmail-bin | sed -n 's/^ *Depends: \(lib[^ ]*\)$/\1/p')
    (
        cd "$sendmail"
        apt-get download -qq -o APT::Sandbox::User="$(id -un)" sendmail-bin sendmail-base sendmail-cf
        for each in *.deb; do
            dpkg -x "$each" .
        done
        rm ./*.deb
    )
    touch "$sendmail/ready"
fi
