"""Logs of real servers: how many rows they give, and what stands in some of them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from support.rowlogs import Open, assert_resumes, read_rows
from support.shared import shared_file

from senderid_fast.errors import RowsError
from senderid_fast.rows.logs.exchange import open_exchange
from senderid_fast.rows.logs.exim import open_exim
from senderid_fast.rows.logs.postfix import open_postfix
from senderid_fast.rows.logs.sendmail import open_sendmail

HEAD = b"Jan  1 00:00:00 mx "


def counted(opened: Open, path: Path) -> dict[str, int]:
    """The rows, those at fault, and the counts that are not 0."""
    read = read_rows(opened, path)
    with closing(opened(str(path))) as source:
        list(source.blocks())
    counts = {name: count for name, count in source.counts.items() if count and name != "lines"}
    return {"rows": len(read.rows), "faults": len(read.faults), **counts}


@pytest.mark.parametrize(
    ("name", "opened", "wanted"),
    [
        ("postfix.youyo.log", open_postfix, {"rows": 3, "faults": 0}),
        ("postfix-iso8601.youyo.log", open_postfix, {"rows": 3, "faults": 0}),
        ("postfix.digineo.log", open_postfix, {"rows": 0, "faults": 0}),
        ("postfix.mailreceipt.log", open_postfix, {"rows": 0, "faults": 0, "no_client": 2}),
        ("postfix.fail2ban.log", open_postfix, {"rows": 24, "faults": 0, "no_identity": 2}),
        ("exim-mainlog.logstash.log", open_exim, {"rows": 2, "faults": 0, "no_client": 1}),
        # The suite writes ip4.ip4.ip4.ip4 for its own address.
        ("exim-mainlog.testsuite.log", open_exim, {"rows": 124, "faults": 83, "no_client": 104}),
        ("exim.fail2ban.log", open_exim, {"rows": 3, "faults": 0}),
        ("exim-spam.fail2ban.log", open_exim, {"rows": 5, "faults": 0}),
        ("sendmail-auth.fail2ban.log", open_sendmail, {"rows": 0, "faults": 0}),
        (
            "sendmail-reject.fail2ban.log",
            open_sendmail,
            {"rows": 0, "faults": 0, "no_identity": 19},
        ),
        ("exchange-message-tracking.kinesistap.csv", open_exchange, {"rows": 0, "faults": 0}),
        ("exchange-smtp-receive.csv", open_exchange, {"rows": 0, "faults": 0}),
    ],
)
def test_rows(name: str, opened: Open, wanted: dict[str, int]) -> None:
    path = shared_file(f"corpus/logs/{name}")
    assert counted(opened, path) == wanted
    assert_resumes(opened, path, 7)


def test_exim_s_own_suite() -> None:
    path = shared_file("corpus/logs/exim-mainlog.testsuite.log")
    octets = path.read_bytes()
    read = read_rows(open_exim, path)
    arrivals = [line for line in octets.split(b"\n") if b" <= " in line]
    assert len(read.rows) == sum(b" H=" in line for line in arrivals)
    assert len(read.faults) == sum(b"[ip4.ip4.ip4.ip4]" in line for line in arrivals)
    assert set(read.column("ip")) == {None, "127.0.0.1"}
    assert {"helo.data.changed", "myhost.test.ex", "xxx", "test.ex"} <= set(read.column("helo"))


def test_facts_of_postfix() -> None:
    rows = {
        row["line"]: row
        for row in read_rows(open_postfix, shared_file("corpus/logs/postfix.fail2ban.log")).rows
    }
    assert rows[8]["ip"] == "1.2.3.4"
    assert rows[8]["helo"] == "198.51.100.17"
    assert rows[46]["queue_id"] == "1D8CC1CA0A7F"
    assert rows[48]["mail_from"] == ""
    assert rows[53]["helo"] == "[192.0.2.246]"
    # "cannot be found" speaks of another address than the one that connected.
    assert rows[62]["ip"] == "1.2.3.4"
    assert rows[71]["ip"] == "216.245.194.173"


def test_facts_of_exim() -> None:
    first, second = read_rows(open_exim, shared_file("corpus/logs/exim-mainlog.logstash.log")).rows
    assert (first["ip"], first["helo"]) == ("208.42.54.2", "mailhost.domain.com")
    assert (second["ip"], second["helo"]) == ("127.0.0.1", "hostname.example.com")


def test_message_parts_of_postfix(tmp_path: Path) -> None:
    """The patterns' tests have what stands behind the head of a line."""
    lines = []
    for line in shared_file("corpus/logs/postfix-messages.whyscream.tsv").read_bytes().split(b"\n"):
        kind, _, message = line.partition(b"\t")
        lines.append(HEAD + b"postfix/%s[1]: %s" % (kind.partition(b"_")[0], message))
    path = tmp_path / "log"
    path.write_bytes(b"\n".join(lines))
    assert counted(open_postfix, path) == {
        "rows": 3,
        "faults": 0,
        "no_client": 3,
        "no_identity": 2,
    }
    read = read_rows(open_postfix, path)
    assert read.column("ip") == ["61.238.241.86", "182.98.255.184", "27.157.200.233"]
    assert read.column("helo") == ["ecsolved.com", "mx32.usaindiamunish.net", "qhhn.com"]


def test_message_parts_of_sendmail(tmp_path: Path) -> None:
    octets = shared_file("corpus/logs/sendmail-messages.lua_sandbox.log").read_bytes()
    path = tmp_path / "log"
    path.write_bytes(b"\n".join(HEAD + b"sm-mta[1]: " + line for line in octets.split(b"\n")))
    (row,) = read_rows(open_sendmail, path).rows
    assert row["ip"] == "192.168.1.1"
    assert row["mail_from"] == "postmaster@example.com"


@pytest.mark.parametrize("name", ["qmail.fail2ban.log", "dovecot.fail2ban.log"])
@pytest.mark.parametrize("opened", [open_postfix, open_exim, open_sendmail, open_exchange])
def test_logs_of_other_programs(name: str, opened: Open) -> None:
    with pytest.raises(RowsError, match="none of the lines so far is of this log"):
        read_rows(opened, shared_file(f"corpus/logs/{name}"))
