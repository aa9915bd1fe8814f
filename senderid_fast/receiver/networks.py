"""Networks: a list of addresses, networks and ranges, as an administrator writes it.

What may live here: reading such lists, and the question whether an address is on one. No list has a
meaning here. Nothing of ours but errors and the core is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from senderid_fast._core.ranges import AddressRanges, address_number
from senderid_fast.errors import InputError

__all__ = ["Networks", "Range", "listed", "number_of", "parse_range"]

Range = tuple[int, int, int]
"""The IP version, the first and the last address as numbers."""


def listed(field: str, value: object) -> list[str]:
    """The entries of a list: several strings, or one string with commas between the entries.

    Blanks around an entry do not count. Nothing between two commas is no entry, an empty string an
    empty list; in a list of strings, an empty one is an error.
    """
    if isinstance(value, str):
        return [entry for entry in (part.strip() for part in value.split(",")) if entry]
    if not isinstance(value, Iterable) or isinstance(value, (bytes, bytearray, dict)):
        raise InputError(field, f"must be a list of text, is {value!r}")
    entries = list(value)
    for at, entry in enumerate(entries):
        if not isinstance(entry, str) or not entry.strip():
            raise InputError(f"{field}[{at}]", f"must be text, is {entry!r}")
    return [entry.strip() for entry in entries]


def _address(text: str) -> tuple[int, int]:
    """The version and the number of an address; an IPv4-mapped one (RFC 4291 2.5.5.2) is IPv4."""
    if "%" in text:
        raise ValueError("a zone index has no meaning here")
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.version, int(address)


def _network(text: str) -> Range:
    start, _, length = text.partition("/")
    address = ip_address(start)
    if not (length.isascii() and length.isdigit() and int(length) <= address.max_prefixlen):
        raise ValueError(f"the prefix length must be from 0 to {address.max_prefixlen}")
    network = ip_network((address, int(length)), strict=False)
    if network.network_address != address:
        # Was the one address meant, or its whole network? To guess would let strangers in.
        raise ValueError(f"has bits beyond its prefix; the network is {network}")
    # ::ffff:192.0.2.0/120 is 192.0.2.0/24. A shorter prefix than 96 is of IPv6 addresses: ::/0 does
    # not hold what is IPv4.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if mapped is not None and int(length) >= 96:
        network = ip_network((mapped, int(length) - 96))
    return network.version, int(network.network_address), int(network.broadcast_address)


def parse_range(entry: str) -> Range:
    """The addresses of an entry: "192.0.2.1", "192.0.2.0/24" or "192.0.2.1-192.0.2.9".

    IPv4-mapped addresses are IPv4. Raises ValueError, which says what is wrong.
    """
    first, dash, last = entry.partition("-")
    if not dash:
        if "/" in entry:
            return _network(entry)
        version, number = _address(entry)
        return version, number, number
    version, low = _address(first.strip())
    other, high = _address(last.strip())
    if version != other:
        raise ValueError("the ends of the range are of different IP versions")
    if low > high:
        raise ValueError("the range ends before it begins")
    return version, low, high


def number_of(ip: object) -> tuple[int, int] | None:
    """As _address, of a client's address in any form that an engine takes; None if it is none."""
    text = _text(ip)
    return None if text is None else address_number(text)


def _text(ip: object) -> str | None:
    if isinstance(ip, str):
        return str(ip)
    try:
        if isinstance(ip, (IPv4Address, IPv6Address, bytes)):
            return str(ip_address(ip))
    except ValueError:
        pass
    return None


class Networks:
    """A list of addresses. ``ip in networks`` asks whether an address is on it.

        Networks(["192.0.2.25", "198.51.100.0/24", "2001:db8::/32", "192.0.2.1-192.0.2.9"])

    entries  a list of text, or one text with commas between the entries
    field    how errors name the list

    192.0.2.25 and ::ffff:192.0.2.25 are the same address. An address that cannot be read is on no
    list. Raises InputError, which names the entry.
    """

    __slots__ = ("_merged", "_ranges", "entries")

    entries: tuple[str, ...]

    def __init__(self, entries: str | Iterable[str] = (), field: str = "networks") -> None:
        found = listed(field, entries)
        ranges: list[Range] = []
        for entry in found:
            try:
                ranges.append(parse_range(entry))
            except ValueError as error:
                raise InputError(field, f"{entry!r} is no address or network: {error}") from None
        self.entries = tuple(found)
        self._merged = _merged(ranges)
        self._ranges = AddressRanges(self._merged)

    def __contains__(self, ip: object) -> bool:
        text = ip if type(ip) is str else _text(ip)
        return text is not None and text in self._ranges

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Networks):
            return NotImplemented
        return self._merged == other._merged

    def __hash__(self) -> int:
        return hash(self._merged)

    def __repr__(self) -> str:
        return f"Networks({list(self.entries)!r})"

    def __reduce__(self) -> tuple[type[Networks], tuple[tuple[str, ...]]]:
        return type(self), (self.entries,)


def _merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """In order; those that touch or overlap are one."""
    merged: list[Range] = []
    for version, first, last in sorted(ranges):
        if merged and merged[-1][0] == version and first <= merged[-1][2] + 1:
            merged[-1] = version, merged[-1][1], max(merged[-1][2], last)
        else:
            merged.append((version, first, last))
    return tuple(merged)
