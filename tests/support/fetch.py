"""Fetches the OpenSPF test suites (RFC 7208 and RFC 4408): used here, but not ours to keep.

Their origin is the source distribution of pyspf. It is taken from the package index that pip is
set to, as a file: nothing in it is run. Every file is held to a SHA-256, so its way here does not
matter: .cache/ of the checkout, the index, or the folder "shared" next to the checkout, in this
order.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import ssl
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

from support.shared import CHECKOUT, SHARED

__all__ = ["FetchError", "openspf_suite"]

PROJECT = "pyspf"
SDIST = "pyspf-2.0.14.tar.gz"
SDIST_SHA256 = "57a7ef01bda090173aafb6af0106251686ed73f03db4e911fcd34c57fc347186"
SUITES = {
    "rfc7208-tests.yml": "901f561a6e2b1c1590a40a61b1ac7601226fd7045a7aae591a4d25421358d6f9",
    "rfc4408-tests.yml": "82b7d1840745d1249f1fe7055be7e1b536ed38eeaeac40c481d7f1825da4415c",
}
DEFAULT_INDEX = "https://pypi.org/simple"
CACHE = CHECKOUT / ".cache" / "openspf"
MAX_OCTETS = 1 << 20  # the sdist has 70 kB, a suite 80 kB, the index page 20 kB
TIMEOUT = 30.0


class FetchError(Exception):
    """A test suite could not be had from anywhere."""


def _has_sha256(data: bytes, wanted: str) -> bool:
    return hashlib.sha256(data).hexdigest() == wanted


def _read_suite(path: Path) -> bytes | None:
    """The file, if it is there and is the right one."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data if _has_sha256(data, SUITES[path.name]) else None


def _pip_setting(name: str) -> str:
    """A setting as pip sees it: the environment comes before the files."""
    value = os.environ.get(f"PIP_{name.upper().replace('-', '_')}", "")
    if value:
        return value
    command = [sys.executable, "-m", "pip", "config", "get", f"global.{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else ""


class _Links(HTMLParser):
    """The links of a page of the simple API (PEP 503), by file name."""

    def __init__(self) -> None:
        super().__init__()
        self.links: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href")
        if tag == "a" and target:
            path = urllib.parse.urlsplit(target).path
            self.links[urllib.parse.unquote(path.rsplit("/", 1)[-1])] = target


def _get(url: str, context: ssl.SSLContext) -> tuple[bytes, str]:
    """The body of a page and the address it came from in the end."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https":
        raise FetchError(f"the package index must be reached by https, not {parts.scheme}")
    host = parts.hostname or ""
    netloc = f"{host}:{parts.port}" if parts.port else host
    request = urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=netloc)))
    if parts.username is not None:
        user = urllib.parse.unquote(parts.username)
        login = f"{user}:{urllib.parse.unquote(parts.password or '')}".encode()
        # Unredirected: what belongs to the index is not shown to the host it sends us to.
        request.add_unredirected_header(
            "Authorization", "Basic " + base64.b64encode(login).decode()
        )
    with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as response:
        body: bytes = response.read(MAX_OCTETS + 1)
        if len(body) > MAX_OCTETS:
            raise FetchError(f"{parts.path} has more than {MAX_OCTETS} octets")
        return body, response.geturl()


def _download_sdist() -> bytes:
    index = (_pip_setting("index-url") or DEFAULT_INDEX).rstrip("/")
    context = ssl.create_default_context(cafile=_pip_setting("cert") or None)
    page, address = _get(f"{index}/{PROJECT}/", context)
    links = _Links()
    links.feed(page.decode("utf-8", "replace"))
    if SDIST not in links.links:
        raise FetchError(f"the package index has no {SDIST}")
    data, _ = _get(urllib.parse.urljoin(address, links.links[SDIST]), context)
    if not _has_sha256(data, SDIST_SHA256):
        raise FetchError(f"{SDIST} from the package index has another SHA-256")
    return data


def _member(sdist: bytes, name: str) -> bytes:
    """One file of the archive, read by its exact name; nothing is written where a member says."""
    with tarfile.open(fileobj=io.BytesIO(sdist), mode="r:gz") as archive:
        for info in archive:
            if info.name == f"{SDIST.removesuffix('.tar.gz')}/test/{name}" and info.isreg():
                stream = archive.extractfile(info)
                if stream is None or info.size > MAX_OCTETS:
                    break
                data = stream.read(MAX_OCTETS)
                if _has_sha256(data, SUITES[name]):
                    return data
                break
    raise FetchError(f"{SDIST} has no proper {name}")


def _keep(path: Path, data: bytes) -> None:
    """Writes beside and renames, as several test processes may come here at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    Path(name).replace(path)


def openspf_suite(name: str) -> Path:
    """The path of "rfc7208-tests.yml" or "rfc4408-tests.yml". Raises FetchError."""
    cached = CACHE / name
    if _read_suite(cached) is not None:
        return cached
    try:
        data = _member(_download_sdist(), name)
    except (FetchError, OSError, tarfile.TarError, subprocess.SubprocessError) as error:
        copy = _read_suite(SHARED / "conformance" / "openspf" / name)
        if copy is None:
            raise FetchError(
                f"{name} is not in {CACHE}, could not be had from the package index ({error}), "
                "and there is no proper copy in ../shared/conformance/openspf"
            ) from error
        data = copy
    _keep(cached, data)
    return cached
