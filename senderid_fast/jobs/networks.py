"""The network that a client's address lies in, for whole columns: /24 for IPv4, /48 for IPv6.

What may live here: from addresses, as a source has them, to networks as text.

Almost all addresses are IPv4 in dotted form: their network is what stands before the last number,
and one operation on the column makes it. The first three groups of an IPv6 address mostly tell its
network, too. Whatever else there is, is counted first, so that each address is read once.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["count_networks", "network_name"]

MAPPED = "::ffff:"  # before an IPv4 address (RFC 4291 2.5.5.2)
# Two groups, and a third one that may be empty: "::" is at least one group of zeros (RFC 4291 2.2).
GROUPS = r"^[ \t]*([0-9A-Fa-f]+:[0-9A-Fa-f]+:[0-9A-Fa-f]*:).*$"


def count_networks(column: pa.Array) -> list[tuple[pa.Array, pa.Array]]:
    """Keys of networks with their counts, such as "192.0.2." and "2001:db8:1:".

    column  addresses that were checked, as text or as 4 or 16 octets; nulls are left out

    A key becomes the name of a network by network_name(). A network may have several keys, if its
    addresses are not all written in the same form.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    column = column.drop_null()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return [_of_each(pc.value_counts(column))] if len(column) else []
    # The last number of an address says nothing of its network, in either form.
    counted = pc.value_counts(pc.ascii_rtrim(column, "0123456789 \t"))
    dotted = pc.ends_with(counted.field(0), ".")
    found = [_of_dotted(counted.filter(dotted))]
    if dotted.true_count < len(counted):
        found += _of_groups(counted.filter(pc.invert(dotted)))
    return [(keys, counts) for keys, counts in found if len(keys)]


def _of_dotted(counted: pa.StructArray) -> tuple[pa.Array, pa.Array]:
    import pyarrow.compute as pc

    keys = pc.ascii_ltrim(counted.field(0), " \t")
    mapped = pc.starts_with(keys, MAPPED)
    if mapped.true_count:
        keys = pc.if_else(mapped, pc.utf8_slice_codeunits(keys, len(MAPPED)), keys)
    return keys, counted.field(1)


def _of_groups(counted: pa.StructArray) -> list[tuple[pa.Array, pa.Array]]:
    """Keys of IPv6 addresses whose last digits are cut off."""
    import pyarrow.compute as pc

    matched = pc.match_substring_regex(counted.field(0), GROUPS)
    many = counted.filter(matched)
    keys = pc.replace_substring_regex(many.field(0), GROUPS, r"\1")
    few = counted.filter(pc.invert(matched))
    return [(keys, many.field(1)), _of_each(few)]


def _of_each(counted: pa.StructArray) -> tuple[pa.Array, pa.Array]:
    """Keys of addresses that were counted."""
    import pyarrow as pa

    counts: dict[str, int] = {}
    pairs = zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True)
    for address, rows in pairs:
        key = _key_of(address)
        counts[key] = counts.get(key, 0) + rows
    return pa.array(list(counts), pa.string()), pa.array(list(counts.values()), pa.int64())


def _key_of(address: str | bytes) -> str:
    if isinstance(address, str):
        address = address.strip()
        if address.endswith(":") and not address.endswith("::"):
            address += "0"  # its last number was cut off
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is None:
            return f"{IPv6Address(int(found) >> 80 << 80)}/48"
        found = found.ipv4_mapped
    return str(found).rpartition(".")[0] + "."


def network_name(key: str) -> str:
    """The network of a key in the usual form: "192.0.2.0/24", "2001:db8:1::/48"."""
    if key.endswith("."):
        return f"{key}0/24"
    if key.endswith("::"):
        return _key_of(key)
    return _key_of(f"{key}:") if key.endswith(":") else key
