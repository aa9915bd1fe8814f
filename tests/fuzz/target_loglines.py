"""Target: any octets as the values of a log line, which is as that of support/loglines.py.

An input is how often each value is repeated (one octet; LONGEST is the end), then values,
each ended by 0x1E.
"""

from __future__ import annotations

from struct import unpack

from support.loglines import Value, json_line, plain_line

from senderid_fast._core.loglines import LINE_MOST, VALUE_MOST, write_line

__all__ = ["loglines"]

END = b"\x1e"
VISIBLE = bytes(range(0x20, 0x7F))
LONGEST = 5 * VALUE_MOST  # octets: too long a value even with four of them for each character
# The octets themselves; text with octets that are none; text of one, of two and of four octets.
READINGS = (None, "utf-8", "latin-1", "utf-16-le", "utf-32-le")


def loglines(data: bytes) -> None:
    """One line of visible ASCII, within its bound."""
    times, values = data[0] if data else 1, data[1:].split(END)
    for reading in READINGS:
        fields: dict[str, Value] = {"level": "info"}
        for number, value in enumerate(values):
            fields[f"value_{number}"] = _read((value * times)[:LONGEST], reading)
        rest = {key: value for key, value in fields.items() if key != "level"}
        line = write_line(None, "info", rest, False)
        assert line == plain_line(fields)
        assert len(line) <= LINE_MOST
        assert not line.translate(None, VISIBLE)
        assert write_line(None, "info", rest, True) == json_line(fields)


def _read(value: bytes, reading: str | None) -> Value:
    if reading is None:
        return value
    if reading == "utf-32-le":  # halves of surrogate pairs, too, and no character beyond the last
        codes = unpack(f"<{len(value) // 4}I", value[: len(value) // 4 * 4])
        return "".join(chr(code % 0x110000) for code in codes)
    return value.decode(reading, "surrogateescape" if reading == "utf-8" else "replace")
