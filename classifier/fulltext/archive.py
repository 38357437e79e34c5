"""Unpack what a stranger packed: limits on size, count and path, and nothing but regular files."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from classifier.errors import SourceError

MAX_FILES = 2000
MAX_TOTAL = 100 * 1024 * 1024
MAX_FILE = 10 * 1024 * 1024
"""Bytes unpacked of one file; larger ones (figures) are passed over."""


def unpack(data: bytes, name: str, wanted: tuple[str, ...] = (".tex", ".bbl", ".bib", ".txt", "")) -> dict[str, bytes]:
    """The files of a tar, tar.gz, zip or single gzip by their path, only those with a wanted ending.

    Links, devices, absolute paths and paths with ``..`` are refused with an error; macOS ``._`` files are left out.
    """
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            return _collect(_zip_members(data), name, wanted)
        if data[:2] == b"\x1f\x8b":
            data = _gunzip(data, name)
        if _is_tar(data):
            return _collect(_tar_members(data, name), name, wanted)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise SourceError(f"{name}: cannot be unpacked: {error}") from error
    return {f"{PurePosixPath(name).stem}.tex": data}


def _is_tar(data: bytes) -> bool:
    return data[257:262] == b"ustar"


def _gunzip(data: bytes, name: str) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        unpacked = stream.read(MAX_TOTAL + 1)
    if len(unpacked) > MAX_TOTAL:
        raise SourceError(f"{name}: unpacks to more than {MAX_TOTAL // 2**20} MiB")
    return unpacked


def _tar_members(data: bytes, name: str) -> Iterator[tuple[str, int, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            if member.isdir():
                continue
            if not member.isreg():
                raise SourceError(f"{name}: {member.name!r} is a link or device; such archives are refused")
            stream = archive.extractfile(member) if member.size <= MAX_FILE else None
            yield member.name, member.size, stream.read() if stream else b""


def _zip_members(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                content = b""
                if member.file_size <= MAX_FILE:
                    with archive.open(member) as stream:
                        content = stream.read(MAX_FILE + 1)  # the declared size may lie
                yield member.filename, max(member.file_size, len(content)), content[:MAX_FILE]


def _collect(members: Iterator[tuple[str, int, bytes]], name: str, wanted: tuple[str, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    total = 0
    for count, (path, size, content) in enumerate(members, start=1):
        parts = PurePosixPath(path.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
            raise SourceError(f"{name}: path {path!r} leads out of the archive; such archives are refused")
        if count > MAX_FILES:
            raise SourceError(f"{name}: more than {MAX_FILES} files")
        total += min(size, MAX_FILE)
        if total > MAX_TOTAL:
            raise SourceError(f"{name}: unpacks to more than {MAX_TOTAL // 2**20} MiB")
        if size <= MAX_FILE and parts.suffix.lower() in wanted and not parts.name.startswith("._"):
            found[str(parts)] = content
    return found
