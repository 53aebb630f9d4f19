# SPDX-License-Identifier: Apache-2.0
"""The reference pages of commands and settings are what the source says today."""

from __future__ import annotations

import pytest

from tests.docs import reference


@pytest.mark.parametrize("name", sorted(reference.PAGES))
def test_the_reference_page_is_what_the_source_says(name: str) -> None:
    written = (reference.FOLDER / name).read_text(encoding="utf-8")
    assert written == reference.PAGES[name](), "run: python -m tests.docs.reference"
