"""How progress is written, on a terminal and elsewhere."""

from __future__ import annotations

import io
import os
import pty

from senderid_fast.jobs.progress import (
    Figures,
    LineProgress,
    Progress,
    TerminalProgress,
    progress_for,
)


def lines(*shown: tuple[float, Figures]) -> list[str]:
    stream = io.StringIO()
    progress = LineProgress(stream)
    for now, figures in shown:
        progress.show(figures, now)
    progress.end()
    return stream.getvalue().splitlines()


def test_figures_of_rows() -> None:
    assert lines(
        (5.0, Figures(0, 4_000_000)),
        (10.0, Figures(1_000_000, 4_000_000, asked=1_234, open=5)),
        (20.0, Figures(3_999_999, 4_000_000, asked=1_300)),
        (20.5, Figures(4_000_000, 4_000_000, asked=1_300)),
    ) == [
        "0 %  0 rows  0 questions asked, 0 open",
        "25 %  1,000,000 rows  200,000 rows/s  0:15 left  1,234 questions asked, 5 open",
        "99 %  3,999,999 rows  300,000 rows/s  0:00 left  1,300 questions asked, 0 open",
        "100 %  4,000,000 rows  285,714 rows/s  1,300 questions asked, 0 open",
    ]


def test_the_rate_is_a_recent_one() -> None:
    shown = [(float(second), Figures(min(second, 100) * 1_000)) for second in range(0, 131, 5)]
    found = lines(*shown)
    assert "1,000 rows/s" in found[20]
    assert "500 rows/s" in found[21]
    assert "0 rows/s" in found[-1].split("  ")


def test_a_resumed_job_begins_with_what_was_done() -> None:
    assert lines((0.0, Figures(900, 1_000)), (1.0, Figures(950, 1_000))) == [
        "90 %  900 rows  0 questions asked, 0 open",
        "95 %  950 rows  50 rows/s  0:01 left  0 questions asked, 0 open",
    ]


def test_part() -> None:
    assert Figures(5, None, 30, 120).part == 0.25
    assert Figures(5, None, 130, 120).part == 1.0
    assert Figures(5, 10, 30, 120).part == 0.5
    assert Figures(5).part is None
    assert Figures(0, 0).part is None


def test_long_times() -> None:
    found = lines((0.0, Figures(0, 1_000_000)), (1.0, Figures(10, 1_000_000)))
    assert "1 d 3 h left" in found[1]
    found = lines((0.0, Figures(0, 100_000)), (1.0, Figures(10, 100_000)))
    assert "2:46:39 left" in found[1]


def test_a_terminal_line_is_drawn_over() -> None:
    stream = io.StringIO()
    progress = TerminalProgress(stream)
    progress.show(Figures(1_000_000, 1_000_000), 0.0)
    progress.show(Figures(1), 0.0)
    progress.end()
    progress.end()
    first, second, rest = [*stream.getvalue().split("\r")[1:], ""]
    assert first == "100 %  1,000,000 rows  0 questions asked, 0 open"
    assert second.rstrip() == "1 rows  0 questions asked, 0 open"
    assert len(second) == len(first) + 1
    assert second.endswith("\n")
    assert rest == ""


def test_a_narrow_terminal() -> None:
    main, side = pty.openpty()
    try:
        os.set_blocking(main, False)
        import fcntl
        import struct
        import termios

        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
        with open(os.dup(side), "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
            progress = progress_for(stream)
            assert isinstance(progress, TerminalProgress)
            progress.show(Figures(1_000_000_000), 0.0)
            assert os.read(main, 1_000) == b"\r1,000,000,000 rows "
    finally:
        os.close(main)
        os.close(side)


def test_what_suits_a_stream() -> None:
    assert isinstance(progress_for(io.StringIO()), LineProgress)
    quiet = progress_for(io.StringIO(), quiet=True)
    assert type(quiet) is Progress
    quiet.show(Figures(), 0.0)
    quiet.end()
    closed = io.StringIO()
    closed.close()
    assert type(progress_for(closed)) is Progress


def test_a_stream_that_breaks_stops_no_job() -> None:
    stream = io.StringIO()
    progress = LineProgress(stream)
    stream.close()
    progress.show(Figures(), 0.0)
