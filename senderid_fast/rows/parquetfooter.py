"""The footer of a Parquet file, moved: every offset in it grows by the same number.

What may live here: reading and writing Thrift's compact protocol, as far as Parquet's FileMetaData
needs it, and the fields of that structure which say where something is. No file is opened.

A file that can be resumed is written as stretches, each with a footer of its own that counts from
the start of the stretch. pyarrow can join footers, but not move one; so that is done here. The
names and numbers of fields are those of parquet.thrift in the format's specification.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["moved"]

# Types of the compact protocol: true and false stand for the values of a bool field.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)

# FileMetaData and RowGroup
_ROW_GROUPS, _COLUMNS, _GROUP_OFFSET, _ORDINAL = 4, 1, 5, 7
# ColumnChunk: file_offset, meta_data, offset_index_offset, column_index_offset
_CHUNK_OFFSETS, _META_DATA = (2, 4, 6), 3
# ColumnMetaData: data_page_, index_page_, dictionary_page_, bloom_filter_offset
_PAGE_OFFSETS = (9, 10, 11, 14)


class _Sequence(NamedTuple):
    kind: int
    values: list[object]


class _Field(NamedTuple):
    kind: int
    value: object


_Fields = dict[int, _Field]


class _Reader:
    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def take(self, size: int) -> bytes:
        end = self.at + size
        if size < 0 or end > len(self.octets):
            raise ValueError("the footer ends within a value")
        taken, self.at = self.octets[self.at : end], end
        return taken

    def varint(self) -> int:
        number = shift = 0
        while True:
            octet = self.take(1)[0]
            number |= (octet & 0x7F) << shift
            if octet < 0x80:
                return number
            shift += 7

    def integer(self) -> int:
        number = self.varint()
        return (number >> 1) ^ -(number & 1)

    def value(self, kind: int) -> object:
        if kind in (_TRUE, _FALSE):  # of a list; a field has its value in its type
            return self.take(1)[0]
        if kind == _BYTE:
            return self.take(1)
        if kind in (_I16, _I32, _I64):
            return self.integer()
        if kind == _DOUBLE:
            return self.take(8)
        if kind == _BINARY:
            return self.take(self.varint())
        if kind in (_LIST, _SET):
            head = self.take(1)[0]
            size = self.varint() if head >> 4 == 15 else head >> 4
            return _Sequence(head & 15, [self.value(head & 15) for _ in range(size)])
        if kind == _STRUCT:
            return self.fields()
        raise ValueError(f"the footer has a value of type {kind}")

    def fields(self) -> _Fields:
        found: _Fields = {}
        number = 0
        while head := self.take(1)[0]:
            number = number + (head >> 4) if head >> 4 else self.integer()
            kind = head & 15
            found[number] = _Field(kind, None if kind <= _FALSE else self.value(kind))
        return found


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def _integer(number: int) -> bytes:
    return _varint(number << 1 if number >= 0 else (-number << 1) - 1)


def _written(kind: int, value: object) -> bytes:
    if isinstance(value, dict):
        return _written_fields(value)
    if isinstance(value, _Sequence):
        size = len(value.values)
        head = bytes([size << 4 | value.kind]) if size < 15 else bytes([0xF0 | value.kind])
        items = b"".join(_written(value.kind, item) for item in value.values)
        return head + (b"" if size < 15 else _varint(size)) + items
    if isinstance(value, bytes):
        return _varint(len(value)) + value if kind == _BINARY else value
    assert isinstance(value, int)
    return bytes([value]) if kind in (_TRUE, _FALSE) else _integer(value)


def _written_fields(fields: _Fields) -> bytes:
    parts, last = [], 0
    for number, (kind, value) in fields.items():
        step = number - last
        parts.append(
            bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + _integer(number)
        )
        if kind > _FALSE:
            parts.append(_written(kind, value))
        last = number
    return b"".join(parts) + b"\0"


def _shift(fields: _Fields, numbers: tuple[int, ...], by: int) -> None:
    for number in numbers:
        field = fields.get(number)
        if field is not None and isinstance(field.value, int) and field.value > 0:
            fields[number] = _Field(field.kind, field.value + by)


def moved(footer: bytes, by: int) -> bytes:
    """FileMetaData in the compact protocol, of row groups that lie `by` octets further on.

    The ordinals of row groups are left out, as they change when footers are joined.
    Raises ValueError if the octets are no such structure.
    """
    fields = _Reader(footer).fields()
    groups = fields[_ROW_GROUPS].value
    assert isinstance(groups, _Sequence)
    for group in groups.values:
        assert isinstance(group, dict)
        group.pop(_ORDINAL, None)
        _shift(group, (_GROUP_OFFSET,), by)
        chunks = group[_COLUMNS].value
        for chunk in chunks.values:
            _shift(chunk, _CHUNK_OFFSETS, by)
            _shift(chunk[_META_DATA].value, _PAGE_OFFSETS, by)
    return _written_fields(fields)
