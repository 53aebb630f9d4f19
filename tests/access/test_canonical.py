# SPDX-License-Identifier: Apache-2.0
"""One spelling for a JSON value: equal values have equal hashes, different values have different ones."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.access.model import canonical_json, canonical_value, request_hash

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


@given(JSON, JSON)
def test_values_are_equal_if_and_only_if_their_hashes_are(left: Any, right: Any) -> None:
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert (request_hash(left) == request_hash(right)) == same


@given(JSON)
def test_a_value_read_back_from_its_bytes_has_the_same_bytes(value: Any) -> None:
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


def test_ids_amounts_and_instants_become_text() -> None:
    at = dt.datetime(2026, 7, 1, 14, 0, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    value = {"id": UUID(int=7), "price": Decimal("1.10"), "at": at, "day": dt.date(2026, 7, 1), "units": 10**30, "rows": (1, 2)}
    assert canonical_value(value) == {
        "id": "00000000-0000-0000-0000-000000000007",
        "price": "1.10",
        "at": "2026-07-01T12:00:00Z",
        "day": "2026-07-01",
        "units": "1" + "0" * 30,
        "rows": [1, 2],
    }


@pytest.mark.parametrize("value", [1.5, {"x": float("nan")}, [object()]])
def test_what_has_no_exact_spelling_is_a_bug(value: Any) -> None:
    with pytest.raises(AssertionError):
        canonical_json(value)
