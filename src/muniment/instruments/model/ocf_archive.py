# SPDX-License-Identifier: Apache-2.0
"""A zip archive's files, put in, and taken out within limits and without trust. What the files say is read in `ocf`."""

from __future__ import annotations

import io
import lzma
import posixpath
import stat
import zipfile
import zlib
from collections.abc import Mapping

from muniment.instruments.errors import PackageTooLarge, PackageUnreadable, PackageUnsafe
from muniment.units.errors import Place

ARCHIVE_BYTES_MAX = 20_000_000
FILES_MAX = 500
FILE_BYTES_MAX = 20_000_000
PACKAGE_BYTES_MAX = 60_000_000
INFLATION_MAX = 200
"""Times that a file may grow when it is unpacked; text grows ten- to thirty-fold."""
SMALL_FILE_BYTES = 100_000
"""Below this the growth does not matter: a short file of blanks is no bomb."""
_ENCRYPTED_FLAG = 0x1
# What Python's zip reader and its four decompressors (bzip2's says OSError) raise for bytes that are not sound.
_DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    EOFError,
    ValueError,
    OSError,
    zlib.error,
    lzma.LZMAError,
)


def unpack(archive: bytes) -> dict[str, bytes]:
    """Return the regular files of a zip archive by their path; nothing is written anywhere.

    Sizes are counted while unpacking: what the archive says of itself is not believed.

    Raises:
        PackageUnreadable: no zip archive, or a damaged one.
        PackageUnsafe: a path outside the archive, a link, a repeated name, encryption, or a file that grows beyond reason.
        PackageTooLarge: more files or bytes than the limits of this module.

    """
    if len(archive) > ARCHIVE_BYTES_MAX:
        raise PackageTooLarge(found=len(archive), unit="bytes", allowed=ARCHIVE_BYTES_MAX)
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return _files_of(opened)
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        NotImplementedError,
        EOFError,
        ValueError,
        OSError,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        raise PackageUnreadable(problem=f"no sound zip archive ({type(error).__name__})") from None


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the files as a zip archive; the same files give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _files_of(opened: zipfile.ZipFile) -> dict[str, bytes]:
    entries = [entry for entry in opened.infolist() if not entry.is_dir()]
    if len(entries) > FILES_MAX:
        raise PackageTooLarge(found=len(entries), unit="files", allowed=FILES_MAX)
    files: dict[str, bytes] = {}
    bytes_left = PACKAGE_BYTES_MAX
    for entry in entries:
        path = _safe_path(entry)
        if path in files:
            raise PackageUnsafe(problem="two files have one name", place=Place(file=path))
        content = _inflate(opened, entry, bytes_max=min(FILE_BYTES_MAX, bytes_left))
        bytes_left -= len(content)
        files[path] = content
    return files


def _safe_path(entry: zipfile.ZipInfo) -> str:
    path = entry.filename
    if entry.flag_bits & _ENCRYPTED_FLAG:
        raise PackageUnsafe(problem="a file is encrypted", place=Place(file=path))
    mode = entry.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        raise PackageUnsafe(problem="a link or device is in it", place=Place(file=path))
    normal = posixpath.normpath(path)
    if path.startswith("/") or "\\" in path or ":" in path or normal.split("/")[0] == ".." or not path.isprintable():
        raise PackageUnsafe(problem="a path leads outside the archive", place=Place(file=path))
    return normal


def _inflate(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, *, bytes_max: int) -> bytes:
    with opened.open(entry) as packed:
        content = packed.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise PackageTooLarge(found=f"more than {bytes_max}", unit="bytes unpacked", allowed=bytes_max, place=Place(file=entry.filename))
    if len(content) > SMALL_FILE_BYTES and len(content) > INFLATION_MAX * max(entry.compress_size, 1):
        raise PackageUnsafe(problem="a file grows beyond reason when it is unpacked", place=Place(file=entry.filename))
    return content
