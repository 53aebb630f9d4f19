# SPDX-License-Identifier: Apache-2.0
"""The reading of console blocks, and that a page which shows something else than what was printed is found out."""

from __future__ import annotations

import pytest

from tests.docs.transcript import Typed, commands_of, difference, with_known_ids

ID, OTHER_ID = "01a207f3-921d-7060-8650-824a0091e409", "01a207f3-bed1-7cc7-bde1-bd06960f5c6d"

PAGE = """# A page

```console
$ first --option
one
two
$ second \\
  --more
```

```
$ not one of ours
```
"""


def test_commands_are_read_with_what_is_shown_below_them() -> None:
    assert commands_of(PAGE) == [Typed(4, "first --option", ("one", "two")), Typed(7, "second \\\n  --more", ())]


def test_a_block_that_begins_with_no_command_is_refused() -> None:
    with pytest.raises(AssertionError, match="line 2"):
        commands_of("```console\noutput\n```\n")


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ([], ["anything"]),
        (["a", "b"], ["a", "b  "]),
        (["…", "b"], ["x", "a", "b"]),
        (["a", "…"], ["a", "b", "c"]),
        (["a", "…", "z"], ["a", "z"]),
        (["wrote … bytes"], ["wrote 1,234 bytes"]),
        (["moved in block 7, 0xabcdef12"], ["moved in block 41, 0x0123456789"]),
        (["at 2026-11-23T10:50:00Z in 5.5 s"], ["at 2027-01-01T00:00:00Z in 12.0 s"]),
        (["up at http://127.0.0.1:8470"], ["up at http://127.0.0.1:41234"]),
        ([f"asked {ID}", f"done {ID}"], [f"asked {OTHER_ID}", f"done {OTHER_ID}"]),
    ],
)
def test_what_only_differs_from_run_to_run_is_equal(shown: list[str], printed: list[str]) -> None:
    assert difference(shown, printed, {}) is None


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (["a"], []),
        (["a"], ["b"]),
        (["a"], ["a", "b"]),
        (["a", "b"], ["a"]),
        (["a", "…", "z"], ["a", "b"]),
        (["4,500 shares"], ["4,800 shares"]),
        (["paid … USD"], ["paid 12 EUR"]),
        ([f"asked {ID}", f"done {ID}"], [f"asked {OTHER_ID}", f"done {ID}"]),
        ([f"{ID} and {ID}"], [f"{ID} and {OTHER_ID}"]),
    ],
)
def test_a_page_that_shows_something_else_is_found_out(shown: list[str], printed: list[str]) -> None:
    assert difference(shown, printed, {}) is not None


def test_an_id_on_the_page_stands_for_the_one_of_the_run_in_later_commands() -> None:
    known: dict[str, str] = {}
    assert difference([f"approval {ID}"], [f"approval {OTHER_ID}"], known) is None
    assert with_known_ids(f"approve {ID} --now", known) == f"approve {OTHER_ID} --now"
    assert with_known_ids("approve 0x1234567", known) == "approve 0x1234567"
