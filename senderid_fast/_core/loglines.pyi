from collections.abc import Mapping

VALUE_MOST: int
LINE_MOST: int

def write_line(
    time: str | None,
    level: str,
    fields: Mapping[str, str | bytes | float | None],
    as_json: bool,
) -> bytes: ...
