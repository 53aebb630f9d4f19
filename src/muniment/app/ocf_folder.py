# SPDX-License-Identifier: Apache-2.0
"""Reads the files of an Open Cap Table package from this machine's disk, within limits. What they say is read in `instruments`."""

from __future__ import annotations

from pathlib import Path

from muniment.instruments.errors import PackageTooLarge, PackageUnreadable
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
