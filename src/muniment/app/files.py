# SPDX-License-Identifier: Apache-2.0
"""Reading a file that a person names on the command line: a missing or overlong one is refused with its name."""

from __future__ import annotations

import sys
from pathlib import Path

from muniment.units.errors import MunimentError, Place


class FileUnreadable(MunimentError):
    """The file is not there, or may not be read."""

    code = "app.file_unreadable"
    message = "The file {file} cannot be read: {reason}."
    cure = "Give the path of a file that you may read, or - for standard input."


class FileTooLong(MunimentError):
    """The file is larger than the command reads."""

    code = "app.file_too_long"
    message = "The file {file} has more than {bytes_max} bytes."
    cure = "Split it, or leave out what the question does not need."


def read_file(file: Path, *, bytes_max: int) -> bytes:
    """Return a file's bytes; `-` is standard input. Refuses what is not there and what has more than `bytes_max` bytes."""
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(bytes_max + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(bytes_max + 1)
    except OSError as error:
        raise FileUnreadable(file=str(file), reason=error.strerror or type(error).__name__, place=Place(file=str(file))) from None
    if len(content) > bytes_max:
        raise FileTooLong(file=str(file), bytes_max=bytes_max, place=Place(file=str(file)))
    return content
