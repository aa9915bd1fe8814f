"""Configuration: files and variables that can be used, and what is told of those that cannot."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import senderid_fast as sf
from senderid_fast.config import Config, load
from senderid_fast.errors import ConfigError
from senderid_fast.receiver.actions import Action
from senderid_fast.receiver.exchange import ExchangeAction
from senderid_fast.receiver.networks import Networks

NO_VARIABLES: Mapping[str, str] = {}


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Writes a file, and gives its name."""

    def write(text: str | bytes) -> str:
        file = tmp_path / "c.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(file)

    return write


def problems(file: str | None, environ: Mapping[str, str] = NO_VARIABLES) -> list[str]:
    """What is wrong, with the file's name cut off."""
    with pytest.raises(ConfigError) as caught:
        load(file, environ)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return [each.removeprefix(f"{file}:").strip() for each in caught.value.problems]


def told(written: Any, text: str | bytes, environ: Mapping[str, str] = NO_VARIABLES) -> list[str]:
    return problems(written(text), environ)


# ---- what can be used ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "# nothing\n", "[milter]\n[policy]\n", "\r\n[limits]\r\n"])
def test_nothing_is_the_default(written: Any, text: str) -> None:
    assert load(written(text), NO_VARIABLES) == Config() == load(None, NO_VARIABLES)


def test_every_section(written: Any) -> None:
    file = written(
        """
        [milter]
        listen = "inet:127.0.0.1:8891, inet6:[::1]:8891"
        [policyd]
        listen = ["systemd:policyd"]
        [process]
        workers = 4
        socket_mode = 0o600
        grace_seconds = 5
        [receiver]
        authserv_id = "mx.example.com"
        checks = "pra, helo"
        internal = "127.0.0.1, ::1,192.0.2.0/24"
        relays = { networks = ["192.0.2.1"], depth = 3 }
        submitter.no_pra = "mark"
        on_trouble = "defer"
        [policy]
        mailfrom.fail = "reject"
        [[policy.override]]
        client = "192.0.2.0/24"
        skip = true
        [exchange]
        enabled = true
        spoofeddomainaction = "reject"
        [dns]
        servers = ["127.0.0.1:5353"]
        rate = 100
        [limits]
        lookups = 12
        [engine]
        failure_ttl = 0
        [cache]
        url = "lmdb:/var/cache/x"
        [log]
        format = "json"
        to = "/var/log/x"
        [metrics]
        listen = "inet:127.0.0.1:9436"
        """
    )
    config = load(file, NO_VARIABLES)
    assert [str(each) for each in config.milter.listen] == [
        "inet:127.0.0.1:8891",
        "inet6:[::1]:8891",
    ]
    assert config.policyd.listen[0].name == "policyd"
    assert config.process.socket_mode == 0o600
    assert config.receiving.internal == Networks(["127.0.0.1", "::1", "192.0.2.0/24"])
    assert config.receiving.checks == ("helo", "pra")
    assert config.receiving.submitter is not None
    assert config.exchange.spoofed_domain_action is ExchangeAction.REJECT
    assert str(config.metrics.listen) == "inet:127.0.0.1:9436"
    receiver = config.receiver()
    assert receiver.authserv_id == "mx.example.com"
    assert receiver.relays.depth == 3
    assert receiver.submitter is not None
    assert receiver.submitter.no_pra is Action.MARK
    assert receiver.on_trouble is Action.DEFER
    assert receiver.exchange is config.exchange
    assert receiver.policy.skipped("192.0.2.9") == "client 192.0.2.0/24"
    assert config.sources["process.socket_mode"] == f"{file}:8"
    assert config.sources["exchange.SpoofedDomainAction"] == f"{file}:24"
    assert config.sources["receiver.relays.depth"] == f"{file}:14"
    assert config.sources["policy.override[0]"] == f"{file}:19"
    assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize(
    ("written_as", "mode"),
    [('"0660"', 0o660), ('"660"', 0o660), ("0o600", 0o600), ('"0o666"', 0o666), ("0o0", 0)],
)
def test_socket_mode(written: Any, written_as: str, mode: int) -> None:
    config = load(written(f"process.socket_mode = {written_as}"), NO_VARIABLES)
    assert config.process.socket_mode == mode


def test_settings_of_an_engine(written: Any, tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    file = written(
        f"""
        receiver.authserv_id = "mx.example.com"
        dns = {{ servers = "127.0.0.1:5353", tries = 2, rate = 50 }}
        limits.seconds = 3
        engine.max_ttl = 60
        cache = {{ url = "lmdb:{tmp_path}/cache", max_octets = 2_097_152 }}
        """
    )
    settings = load(file, NO_VARIABLES).settings()
    assert settings.resolver == sf.UdpResolver(["127.0.0.1:5353"], tries=2, rate=50)
    assert settings.limits == sf.Limits(seconds=3)
    assert settings.max_ttl == 60
    assert settings.receiver == "mx.example.com"
    assert repr(settings.cache).endswith("/cache', max_octets=2097152)")


def test_the_resolver_follows_what_is_known(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 192.0.2.53\nnameserver 2001:db8::53\n")
    variables = {"SENDERID_FAST_DNS_CONFIG_FILE": str(file)}
    fast = sf.UdpResolver(["192.0.2.53", "[2001:db8::53]:53"])
    assert load(None, variables).settings().resolver == fast
    slow = load(None, variables | {"SENDERID_FAST_DNS_FAST": "false"}).settings().resolver
    assert isinstance(slow, sf.SystemResolver)
    file.write_text("# nothing\n")
    assert isinstance(
        load(None, {"SENDERID_FAST_DNS_CONFIG_FILE": f"{file}.gone"}).settings().resolver,
        sf.SystemResolver,
    )


def test_no_answer_is_asked_of_a_cache_that_is_not_set() -> None:
    assert Config().settings().cache is None


# ---- what is wrong ------------------------------------------------------------------------------


def test_everything_is_told_at_once(written: Any) -> None:
    text = """[milter]
listen = "inet:8891@localhost"
[proces]
x = 1
[process]
socket_mode = 660
workers = "2"
idle_second = 3
[receiver]
relays = { depth = 0, networks = "10.0.0.1/8" }
[[policy.override]]
client = "foo"
mailfrom = { fail = "accept" }
[[policy.override]]
sender = "a.example"
mailfrom = { failure = "accept" }
[exchange]
spoofeddomainaction = "bounce"
[engine]
min_ttl = 100
max_ttl = 5
"""
    assert told(written, text, {"SENDERID_FAST_DNS_TRIES": "99"}) == [
        "2: milter.listen: 'inet:8891@localhost' is in Sendmail's form; write inet:localhost:8891",
        "3: proces: unknown; did you mean process?",
        '6: process.socket_mode: must be "0660" (text) or 0o660 (octal); a bare number is '
        "decimal, is 660",
        "7: process.workers: must be a whole number from 1 to 256, is '2'",
        "8: process.idle_second: unknown; did you mean idle_seconds?",
        "10: receiver.relays.networks: '10.0.0.1/8' is no address or network: has bits beyond its "
        "prefix; the network is 10.0.0.0/8",
        "10: receiver.relays.depth: must be a whole number from 1 to 100, is 0",
        "12: policy.override[0].client: 'foo' is no address or network: 'foo' does not appear to "
        "be an IPv4 or IPv6 address",
        "16: policy.override[1].mailfrom.failure: unknown; did you mean fail?",
        "18: exchange.SpoofedDomainAction: must be one of StampStatus, Reject, Delete, is 'bounce'",
        "20: engine.min_ttl: must not be above max_ttl, which is 5",
        "SENDERID_FAST_DNS_TRIES: dns.tries: must be a whole number from 1 to 10, is 99",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = 1\na = 2\n", "2: a: is there twice; the first is in line 1"),
        ("[x]\n[y]\n[x]\n", "3: x: is there twice; the first is in line 1"),
        (
            "[log]\nto = 'stderr'\n\nto = 'syslog'\n",
            "4: log.to: is there twice; the first is in line 2",
        ),
        ("log = { to = 'a', to = 'b' }", "1: log.to: is there twice; the first is in line 1"),
        ("[milter\n", "1: is no TOML: expected ']' at the end of a table declaration"),
        ("x = \n", "1: is no TOML: invalid value"),
        ("x = '''", "is no TOML at the end of the file: expected \"'''\""),
        (b"\xef\xbb\xbfx = 1", "1: begins with a byte order mark: save it as UTF-8 without one"),
        (b"# a\n\x00", "2: holds a NUL octet: save it as UTF-8 text"),
        ("[log]\n".encode("utf-16-le"), "1: holds a NUL octet: save it as UTF-8 text"),
        (b"# a\n# \xff", "2: is no UTF-8 (octet ff): save the file as UTF-8"),
        ("x = " + "[" * 5_000 + "]" * 5_000, "has values more than 20 levels deep"),
        ("x = " + "9" * 5_000, "is no TOML: exceeds the limit"),
        ("x = 0x" + "f" * 100, "1: x: is a number of more than 64 bits"),
        (".".join("a" * 100) + " = 1", "levels deep"),
        ("milter = 3", "1: milter: must be a table: write [milter]"),
        ("[receiver]\nrelays = 3", "2: receiver.relays: must be a table: write [receiver.relays]"),
        ("[policy.override]\n", "must be a list of tables: write [[policy.override]]"),
        ("[policy]\noverride = [1]", "2: policy.override[0]: must be a table of settings, is 1"),
        ("[milter]\nworkers = 3", "2: milter.workers: unknown here; there is one in [process]"),
        ("[foo]\n", "1: foo: unknown; sections are milter, policyd, process"),
        ("[metrics]\nx = 1", "2: metrics.x: unknown; it may be listen"),
        ('[log]\n"\\u001b[31m" = 1', '2: log."\\x1b[31m": unknown'),
        ("[milter]\nlisten = []", "2: milter.listen: must name one address at least"),
        ("[milter]\nlisten = 'unix:run/x'", "must have an absolute path behind unix:"),
        ("[milter]\nlisten = 'unix:/" + "x" * 107 + "'", "more than 107 octets"),
        ("[milter]\nlisten = 'local:/x'", "is in Sendmail's form; write unix:/x"),
        ("[milter]\nlisten = 'inet:8891'", "must be like inet:127.0.0.1:8891"),
        ("[milter]\nlisten = 'inet:1.2.3:80'", "'1.2.3', which is no IPv4 address"),
        ("[milter]\nlisten = 'inet:[::1]:80'", "must be like inet6:[::1]:8891"),
        ("[milter]\nlisten = 'inet:localhost:x'", "must end in a port from 1 to 65535"),
        ("[milter]\nlisten = ['systemd', 'systemd']", "'systemd' is there twice"),
        ("[process]\nsocket_mode = 400", 'must be "0660" (text) or 0o660'),
        ("[process]\nsocket_mode = '0888'", "digits 0 to 7"),
        ("[process]\nuser = 'a b'", "must be a name such as mail"),
        ('[receiver]\nauthserv_id = "a\\nb"', "must be printable text in one line"),
        ("[receiver]\nchecks = []", "2: receiver.checks: must hold one of helo, mailfrom, pra"),
        ("[receiver]\nsubmitter = { enabled = 1 }", "2: receiver.submitter.enabled: must be true"),
        (
            "[receiver]\nchecks = 'helo'\n[exchange]\nEnabled = true",
            "2: receiver.checks: must hold pra: exchange decides about it",
        ),
        ("[exchange]\nEnabled = true\nenabled = true", "is there twice, in different case"),
        ("[cache]\nurl = 'redis://:hidden@'", "2: cache.url: must be valkey://host:port"),
        ("[cache]\nmax_octets = 5", "2: cache.max_octets: must be a whole number"),
        ("[cache]\ntimeout = nan", "2: cache.timeout: must be above 0 to 10 seconds"),
        ("[dns]\nservers = ['localhost']", '2: dns.servers: must hold "ip"'),
        ("[dns]\nstrategy = 'x'", '2: dns.strategy: must be one of "first"'),
        ("[dns]\nedns_payload = 1", "2: dns.edns_payload: must be a whole number"),
        ("[log]\nto = 'x'", "2: log.to: must be stderr, syslog or an absolute path"),
        ("[metrics]\nlisten = 'systemd, unix:/x'", "2: metrics.listen: must be one address"),
    ],
)
def test_one_thing_is_wrong(written: Any, text: str | bytes, words: str) -> None:
    (found,) = told(written, text)
    assert words in found
    assert "hidden" not in found
    assert len(found) < 600


def test_overrides_that_contradict_each_other(written: Any) -> None:
    text = """[[policy.override]]
name = "a"
sender = "shop.example"
skip = true
[[policy.override]]
name = "b"
sender = "shop.example"
mailfrom.fail = "reject"
"""
    (found,) = told(written, text)
    assert found == (
        "1: policy.override: 'a' and 'b' contradict each other: sender shop.example, mailfrom.fail"
    )


def test_many_problems_are_not_all_told(written: Any) -> None:
    found = told(written, "[log]\n" + "".join(f"key{number} = 1\n" for number in range(1_000)))
    assert len(found) == 101
    assert found[-1].endswith("900 more problems")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert problems(str(tmp_path / "none")) == ["cannot be read: No such file or directory"]
    assert problems(str(tmp_path)) == ["cannot be read: is no regular file"]
    assert problems("/dev/zero") == ["cannot be read: is no regular file"]
    assert problems("") == ["'': is no path of a file"]
    assert problems("a\0b") == ["'a\\x00b': is no path of a file"]
    big = tmp_path / "big"
    big.write_bytes(b"#" * ((1 << 20) + 1))
    assert "more than 1,048,576 octets" in problems(str(big))[0]
    os.mkfifo(tmp_path / "pipe")
    assert problems(str(tmp_path / "pipe")) == ["cannot be read: is no regular file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission(written: Any) -> None:
    file = written("")
    Path(file).chmod(0)
    assert problems(file) == ["cannot be read: Permission denied"]


# ---- the environment ----------------------------------------------------------------------------


def test_variables_come_before_the_file(written: Any) -> None:
    file = written("[limits]\nlookups = 5\n[exchange]\ntemperroraction = 'Reject'\n")
    variables = {
        "SENDERID_FAST_LIMITS_LOOKUPS": "7",
        "SENDERID_FAST_RECEIVER_AUTHSERV_ID": "mx.example.com",
        "SENDERID_FAST_RECEIVER_RELAYS_NETWORKS": "192.0.2.1, 192.0.2.2",
        "SENDERID_FAST_RECEIVER_SUBMITTER_ENABLED": "true",
        "SENDERID_FAST_POLICY_MAILFROM_FAIL": "reject",
        "SENDERID_FAST_EXCHANGE_TEMPERRORACTION": "Delete",
        "SENDERID_FAST_PROCESS_SOCKET_MODE": "0600",
        "SENDERID_FAST_MILTER_LISTEN": '["unix:/run/a", "unix:/run/b"]',
        "SENDERID_FAST_LOG_TO": '"syslog"',
        "SENDERID_FAST_TRACE": "1",  # of the build
        "HOME": "/",
    }
    config = load(file, variables)
    assert config.limits.lookups == 7
    assert config.receiving.relays.networks == ("192.0.2.1", "192.0.2.2")
    assert config.receiving.submitter is not None
    assert config.policy.mailfrom.fail is Action.REJECT
    assert config.exchange.temp_error_action is ExchangeAction.DELETE
    assert config.process.socket_mode == 0o600
    assert len(config.milter.listen) == 2
    assert config.log.to == "syslog"
    assert config.sources["limits.lookups"] == "SENDERID_FAST_LIMITS_LOOKUPS"
    assert config.sources["exchange.TempErrorAction"] == "SENDERID_FAST_EXCHANGE_TEMPERRORACTION"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("LIMIT_LOOKUPS", "1", "unknown variable; did you mean SENDERID_FAST_LIMITS_LOOKUPS?"),
        ("", "1", "unknown variable"),
        ("POLICY_OVERRIDE", "[]", "unknown variable"),
        ("LIMITS_LOOKUPS", "x", "limits.lookups: must be a value of TOML: whole number"),
        ("LIMITS_LOOKUPS", "", "must be a value of TOML"),
        ("LIMITS_LOOKUPS", "1\nx = 2", "must be a value of TOML"),
        ("LIMITS_LOOKUPS", "0x" + "f" * 400, "is a number of more than 64 bits"),
        ("LIMITS_LOOKUPS", "1" * 70_000, "has more than 65,536 characters"),
        ("RECEIVER_REMOVE_FORGED", "True", "must be a value of TOML: true or false"),
        ("RECEIVER_CHECKS", "[1]", "receiver.checks[0]: must be text, is 1"),
        ("RECEIVER_AUTHSERV_ID", "\udcff", "is no UTF-8"),
        ("POLICY_NO_PRA", "drop", "policy.no_pra: must be one of accept"),
        ("CACHE_URL", '"redis://:hidden@h', "cache.url: must be a value of TOML: text"),
    ],
)
def test_a_variable_that_cannot_be_used(name: str, value: str, words: str) -> None:
    (found,) = problems(None, {f"SENDERID_FAST_{name}": value})
    assert found.startswith(f"SENDERID_FAST_{name}: ")
    assert words in found
    assert "hidden" not in found


# ---- what a reload can change -------------------------------------------------------------------


def test_what_needs_a_restart(written: Any) -> None:
    old = Config()
    new = load(
        written(
            """
            milter.listen = "systemd"
            process = { workers = 2, user = "x", grace_seconds = 1 }
            limits.lookups = 3
            metrics.listen = "unix:/run/m"
            """
        ),
        NO_VARIABLES,
    )
    assert old.needs_restart(old) == ()
    changed = ("milter.listen", "process.workers", "process.user", "metrics.listen")
    assert old.needs_restart(new) == new.needs_restart(old) == changed
    kept = new.kept(old)
    assert kept.needs_restart(old) == ()
    assert kept.limits.lookups == 3
    assert kept.process.grace_seconds == 1
