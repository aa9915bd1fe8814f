"""Target: any octets as the values of a log line, which is as that of support/loglines.py.

An input is how often each value is repeated (one octet), then values, each ended by 0x1E.
"""

from __future__ import annotations

from support.loglines import Value, json_line, plain_line

from senderid_fast._core.loglines import LINE_MOST, write_line

__all__ = ["loglines"]

END = b"\x1e"
# The octets themselves; text with octets that are none; text of one, of two and of four octets.
READINGS = (None, "utf-8", "latin-1", "utf-16-le", "utf-32-le")


def loglines(data: bytes) -> None:
    """One line of visible ASCII, within its bound."""
    times, values = data[0] if data else 1, data[1:].split(END)
    for reading in READINGS:
        fields: dict[str, Value] = {"level": "info"}
        for number, value in enumerate(values):
            fields[f"value_{number}"] = _read(value * times, reading)
        rest = {key: value for key, value in fields.items() if key != "level"}
        line = write_line(None, "info", rest, False)
        assert line == plain_line(fields)
        assert len(line) <= LINE_MOST
        assert all(0x20 <= octet < 0x7F for octet in line)
        assert write_line(None, "info", rest, True) == json_line(fields)


def _read(value: bytes, reading: str | None) -> Value:
    if reading is None:
        return value
    if reading == "utf-32-le":  # halves of surrogate pairs, too, and no character beyond the last
        value = b"".join(
            (int.from_bytes(value[at : at + 4], "little") % 0x110000).to_bytes(4, "little")
            for at in range(0, len(value), 4)
        )
        return value.decode(reading, "surrogatepass")
    return value.decode(reading, "surrogateescape" if reading == "utf-8" else "replace")
