# SPDX-License-Identifier: Apache-2.0
"""Columns of text as a Parquet file, by Polars where it is installed. What the columns mean is the caller's business."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence


class NoParquet(ImportError):
    """The library is not installed; whoever asked says what would cure that."""


def parquet_bytes(columns: Mapping[str, Sequence[str]]) -> bytes:
    """Return the columns, each of one length and all of text, as a Parquet file."""
    try:
        import polars as pl
    except ImportError as error:
        raise NoParquet(str(error)) from error
    target = io.BytesIO()
    frame = pl.DataFrame(dict(columns), schema=dict.fromkeys(columns, pl.String))
    frame.write_parquet(target)
    return target.getvalue()
