# SPDX-License-Identifier: Apache-2.0
"""The files of an Open Cap Table package on this machine's disk, read within limits and written. What they say is read in `instruments`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from muniment.instruments.errors import PackageTooLarge, PackageUnreadable
from muniment.instruments.model.ocf import FILE_KINDS
from muniment.instruments.model.ocf_archive import ARCHIVE_BYTES_MAX, FILE_BYTES_MAX, FILES_MAX, PACKAGE_BYTES_MAX, unpack
from muniment.units.errors import Place


def files_of_package(package: Path) -> dict[str, bytes]:
    """Return the files of a package's folder or zip archive by their path inside it.

    Raises:
        PackageUnreadable, PackageUnsafe, PackageTooLarge: nothing is there, it is no sound archive, or it is beyond the limits.

    """
    if package.is_dir():
        return files_of_folder(package)
    try:
        size = package.stat().st_size
        if size > ARCHIVE_BYTES_MAX:
            raise PackageTooLarge(found=size, unit="bytes", allowed=ARCHIVE_BYTES_MAX, place=Place(file=package.name))
        return unpack(package.read_bytes())
    except OSError as error:
        raise PackageUnreadable(problem=error.strerror or type(error).__name__, place=Place(file=str(package))) from None


def files_of_folder(folder: Path) -> dict[str, bytes]:
    """Return the JSON files of a package's folder by their path inside it, within the limits of an archive; links are not followed."""
    if not folder.is_dir():
        raise PackageUnreadable(problem="there is no such folder", place=Place(file=folder.name))
    files: dict[str, bytes] = {}
    bytes_left = PACKAGE_BYTES_MAX
    for path in sorted(folder.rglob("*.json")):
        if path.is_symlink() or not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        size = path.stat().st_size
        if size > min(FILE_BYTES_MAX, bytes_left):
            raise PackageTooLarge(found=size, unit="bytes in one file", allowed=min(FILE_BYTES_MAX, bytes_left), place=Place(file=name))
        if len(files) == FILES_MAX:
            raise PackageTooLarge(found=f"more than {FILES_MAX}", unit="files", allowed=FILES_MAX)
        bytes_left -= size
        files[name] = path.read_bytes()
    return files


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a package's files, for nobody else to read; a file of an earlier export that this one does not have is removed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for kind in FILE_KINDS:
        if kind.file_name not in files:
            (folder / kind.file_name).unlink(missing_ok=True)
    for name, content in files.items():
        # Written beside and moved: a reader finds the old file or the new one, whole.
        beside = folder / f".{name}.new"
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(content)
        beside.replace(folder / name)
