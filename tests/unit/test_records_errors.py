"""Each way a record can be broken: where the error is, in which term, and of which section."""

from __future__ import annotations

import pytest

import senderid_fast as sf

# record, offset, term, section
BROKEN: list[tuple[str, int, str, str]] = [
    # version (RFC 7208 4.5)
    ("", 0, "", "RFC 7208 4.5"),
    ("v=spf10 a", 0, "v=spf10", "RFC 7208 4.5"),
    ("v=spf1\ta", 0, "v=spf1\ta", "RFC 7208 4.5"),
    (" v=spf1", 0, "", "RFC 7208 4.5"),
    ("spf2.0 a", 0, "spf2.0", "RFC 7208 4.5"),
    # terms and what is between them
    ("v=spf1 a\tmx", 8, "a\tmx", "RFC 7208 12"),
    ("v=spf1 a mx\n", 11, "mx\n", "RFC 7208 12"),
    ("v=spf1 a:b\xff.example", 10, "a:b\xff.example", "RFC 7208 12"),
    ("v=spf1 -all\0", 11, "-all\0", "RFC 7208 12"),
    ("v=spf1 x=caf\xe9", 12, "x=caf\xe9", "RFC 7208 12"),
    ("v=spf1 - all", 8, "-", "RFC 7208 4.6.1"),
    ("v=spf1 +-all", 8, "+-all", "RFC 7208 4.6.1"),
    ("v=spf1 a all4 mx", 9, "all4", "RFC 7208 4.6.1"),
    ("v=spf1 ip:192.0.2.1", 7, "ip:192.0.2.1", "RFC 7208 4.6.1"),
    ("v=spf1 192.0.2.1", 7, "192.0.2.1", "RFC 7208 4.6.1"),
    # modifiers
    ("v=spf1 -exp=b.example", 7, "-exp=b.example", "RFC 7208 4.6.1"),
    ("v=spf1 +x=y", 7, "+x=y", "RFC 7208 4.6.1"),
    ("v=spf1 =x", 7, "=x", "RFC 7208 4.6.1"),
    ("v=spf1 1x=y", 7, "1x=y", "RFC 7208 4.6.1"),
    ("v=spf1 redirect=b.example redirect=b.example", 26, "redirect=b.example", "RFC 7208 6"),
    ("v=spf1 exp=b.example -all EXP=c.example", 26, "EXP=c.example", "RFC 7208 6"),
    ("v=spf1 redirect=", 16, "redirect=", "RFC 7208 7.1"),
    ("v=spf1 exp=example", 11, "exp=example", "RFC 7208 7.1"),
    ("v=spf1 x=%", 9, "x=%", "RFC 7208 7.1"),
    ("v=spf1 x=ab%(c", 11, "x=ab%(c", "RFC 7208 7.1"),
    # arguments
    ("v=spf1 all:x", 10, "all:x", "RFC 7208 5"),
    ("v=spf1 -all/8", 11, "-all/8", "RFC 7208 5"),
    ("v=spf1 include", 14, "include", "RFC 7208 5"),
    ("v=spf1 include:", 15, "include:", "RFC 7208 7.1"),
    ("v=spf1 include/24", 14, "include/24", "RFC 7208 5"),
    ("v=spf1 exists", 13, "exists", "RFC 7208 5"),
    ("v=spf1 ptr/24", 10, "ptr/24", "RFC 7208 5"),
    ("v=spf1 ip4", 10, "ip4", "RFC 7208 5"),
    # domain-spec
    ("v=spf1 a:", 9, "a:", "RFC 7208 7.1"),
    ("v=spf1 a:localhost", 9, "a:localhost", "RFC 7208 7.1"),
    ("v=spf1 a:b.1", 11, "a:b.1", "RFC 7208 7.1"),
    ("v=spf1 mx:b.example:25", 12, "mx:b.example:25", "RFC 7208 7.1"),
    ("v=spf1 a:b.example-", 11, "a:b.example-", "RFC 7208 7.1"),
    ("v=spf1 exists:b.example/24", 16, "exists:b.example/24", "RFC 7208 7.1"),
    ("v=spf1 ptr:.", 11, "ptr:.", "RFC 7208 7.1"),
    # CIDR lengths
    ("v=spf1 a/33", 9, "a/33", "RFC 7208 5.6"),
    ("v=spf1 a/032", 9, "a/032", "RFC 7208 5.6"),
    ("v=spf1 a/", 9, "a/", "RFC 7208 5.6"),
    ("v=spf1 mx//129", 11, "mx//129", "RFC 7208 5.6"),
    ("v=spf1 mx:b.example/24//0128", 24, "mx:b.example/24//0128", "RFC 7208 5.6"),
    ("v=spf1 ip4:192.0.2.0/33", 21, "ip4:192.0.2.0/33", "RFC 7208 5.6"),
    ("v=spf1 ip4:192.0.2.0/", 21, "ip4:192.0.2.0/", "RFC 7208 5.6"),
    ("v=spf1 ip6:2001:db8::/129", 22, "ip6:2001:db8::/129", "RFC 7208 5.6"),
    # networks
    ("v=spf1 ip4:192.0.2", 11, "ip4:192.0.2", "RFC 7208 5.6"),
    ("v=spf1 ip4:192.0.2.256", 11, "ip4:192.0.2.256", "RFC 7208 5.6"),
    ("v=spf1 ip4:192.0.2.01", 11, "ip4:192.0.2.01", "RFC 7208 5.6"),
    ("v=spf1 ip4:192.0.2.1:25", 11, "ip4:192.0.2.1:25", "RFC 7208 5.6"),
    ("v=spf1 ip4:", 11, "ip4:", "RFC 7208 5.6"),
    ("v=spf1 ip4:2001:db8::", 11, "ip4:2001:db8::", "RFC 7208 5.6"),
    ("v=spf1 ip6:192.0.2.1", 11, "ip6:192.0.2.1", "RFC 7208 5.6"),
    ("v=spf1 ip6:[2001:db8::]", 11, "ip6:[2001:db8::]", "RFC 7208 5.6"),
    ("v=spf1 ip6:fe80::1%eth0", 11, "ip6:fe80::1%eth0", "RFC 7208 5.6"),
    # macros
    ("v=spf1 a:%{x}.example", 9, "a:%{x}.example", "RFC 7208 7.2"),
    ("v=spf1 a:b.%{c}", 11, "a:b.%{c}", "RFC 7208 7.2"),
    ("v=spf1 exp=%{R}.example", 11, "exp=%{R}.example", "RFC 7208 7.2"),
    ("v=spf1 a:%{d0}", 9, "a:%{d0}", "RFC 7208 7.3"),
    ("v=spf1 a:%{d000r}", 9, "a:%{d000r}", "RFC 7208 7.3"),
    ("v=spf1 a:%{d", 9, "a:%{d", "RFC 7208 7.1"),
    ("v=spf1 a:%{", 9, "a:%{", "RFC 7208 7.1"),
    ("v=spf1 a:%{dr2}", 9, "a:%{dr2}", "RFC 7208 7.1"),
    ("v=spf1 a:%{d-2}", 9, "a:%{d-2}", "RFC 7208 7.1"),
    ("v=spf1 a:%{d.!}", 9, "a:%{d.!}", "RFC 7208 7.1"),
    ("v=spf1 a:b.example% ~all", 18, "a:b.example%", "RFC 7208 7.1"),
    # behind what decides, too (4.6)
    ("v=spf1 +all a:b", 14, "a:b", "RFC 7208 7.1"),
    ("v=spf1 redirect=b.example ip4:x", 30, "ip4:x", "RFC 7208 5.6"),
]


@pytest.mark.parametrize(("text", "offset", "term", "section"), BROKEN)
def test_where_a_record_is_broken(text: str, offset: int, term: str, section: str) -> None:
    octets = text.encode("latin-1")
    with pytest.raises(sf.RecordSyntaxError) as caught:
        sf.parse_record(octets)
    error = caught.value
    assert (error.offset, error.term, error.section) == (offset, term, section)
    assert error.record == octets
    assert 0 <= error.offset <= len(octets)
    assert error.problem in str(error)
    assert section in str(error)
    assert f"octet {offset}" in str(error)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("size", [65_536, 70_000, 1 << 20])
def test_a_record_that_no_message_can_hold(size: int) -> None:
    """RFC 7208 3.4."""
    octets = b"v=spf1 x=" + b"y" * (size - 9)
    with pytest.raises(sf.RecordSyntaxError) as caught:
        sf.parse_record(octets)
    assert (caught.value.offset, caught.value.section) == (65_535, "RFC 7208 3.4")
    assert caught.value.record == octets
    assert sf.parse_record(octets[:65_535]).terms[0].name == "x"
