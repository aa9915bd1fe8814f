"""Use an installed senderid_fast as its users do: a verdict, a trace, a record, the types."""

import asyncio
import importlib.resources
import pathlib
import subprocess
import sys

import senderid_fast as sf

ZONE = {
    "example.com": [{"TXT": "v=spf1 ip4:192.0.2.0/24 include:_spf.example.net -all"}],
    "_spf.example.net": [{"TXT": "v=spf1 ip6:2001:db8::/32 ~all"}],
}

installed = pathlib.Path(sf.__file__).parent
assert installed.is_relative_to(pathlib.Path(sys.prefix)), installed

engine = sf.Engine(resolver=sf.ZoneResolver(ZONE))
for ip, result in (("192.0.2.7", "pass"), ("2001:db8::1", "pass"), ("203.0.113.9", "fail")):
    verdict = engine.check_mail_from(ip, "user@example.com", "mail.example.com")
    assert verdict.result == result, verdict
    assert engine.trace_mail_from(ip, "user@example.com").verdict.result == result


async def awaited() -> sf.Verdict:
    async with sf.AsyncEngine(resolver=sf.ZoneResolver(ZONE)) as engine:
        return await engine.check_mail_from("192.0.2.7", "user@example.com", "mail.example.com")


assert asyncio.run(awaited()).result is sf.Result.PASS

# What needs an extra says so by name.
try:
    import pyarrow as pa
except ImportError:
    try:
        engine.check_batch([])
        missing = ""
    except sf.MissingExtraError as error:
        missing = str(error)
    assert "senderid-fast[batch]" in missing
else:
    columns = {"ip": ["192.0.2.7"], "mail_from": ["user@example.com"]}
    assert engine.check_batch(pa.table(columns))["spf_result"].to_pylist() == ["pass"]


def fault(record: bytes) -> tuple[int, str]:
    try:
        sf.parse_record(record)
    except sf.RecordSyntaxError as error:
        return error.offset, error.section
    raise AssertionError("a broken record was accepted")


assert fault(b"v=spf1 ip4:192.0.2.256 -all") == (11, "RFC 7208 5.6")

files = {path.name for path in (importlib.resources.files(sf) / "_core").iterdir()}
assert {"cidr.pxd", "cidr.pyi", "evaluator.pxd"} <= files, files
assert (importlib.resources.files(sf) / "py.typed").is_file()
assert not [name for name in files if name.endswith((".pyx", ".c"))], files

shown = subprocess.run(
    [sys.executable, "-m", "senderid_fast", "record", "v=spf1 -all"],
    capture_output=True,
    text=True,
    check=True,
)
assert "-all" in shown.stdout, shown.stdout
print(f"senderid_fast {sf.__version__} works in {sys.prefix} (Python {sys.version.split()[0]})")
