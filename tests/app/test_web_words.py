# SPDX-License-Identifier: Apache-2.0
"""How numbers, ids, instants, pipelines and the ownership chart look; what a form may lead to. No server needed."""

from __future__ import annotations

import datetime as dt
import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.app.web.forms import fingerprint, own_path
from muniment.app.web.reading import pipeline
from muniment.app.web.render import environment, fact_text, mark_of
from muniment.app.web.words import count, headed, percent, permille, short, when

WHOLE = st.integers(min_value=1, max_value=2**104)


def test_a_share_that_somebody_has_is_never_shown_as_nothing_and_never_rounded_up_to_all() -> None:
    assert percent(1, 10**9) == "< 0.01 %"
    assert percent(999_999, 1_000_000) == "99.99 %"
    assert percent(1_000_000, 1_000_000) == "100.00 %"
    assert percent(0, 5) == "0.00 %"
    assert percent(0, 0) == "–"


@given(WHOLE, WHOLE)
def test_percentages_never_say_more_than_the_exact_share(part: int, whole: int) -> None:
    part = min(part, whole)
    text = percent(part, whole)
    if text != "< 0.01 %":
        hundredths = int(text.removesuffix(" %").replace(".", ""))
        assert hundredths * whole <= part * 10_000 < (hundredths + 1) * whole


@given(WHOLE, WHOLE)
def test_a_bar_never_leaves_its_scale(part: int, whole: int) -> None:
    width = permille(part, whole)
    assert width.endswith("%")
    assert 0 <= float(width.removesuffix("%")) <= 100


def test_long_ids_keep_their_ends() -> None:
    assert short("0x71C7656EC7ab88b098defB751B7401B5f6d8976F") == "0x71C765…d8976F"
    assert short("short") == "short"


def test_instants_carry_utc_and_the_exact_second_on_hover() -> None:
    shown = when(dt.datetime(2026, 7, 1, 12, 0, 5, tzinfo=dt.timezone(dt.timedelta(hours=2))))
    assert shown == '<time datetime="2026-07-01T10:00:05Z" title="2026-07-01 10:00:05 UTC" data-instant>1 Jul 2026, 10:00 UTC</time>'
    assert when(None) == "–"


def test_numbers_are_grouped_and_names_are_headed() -> None:
    assert count(1_234_567) == "1,234,567"
    assert headed("from_wallet") == "From wallet"
    assert fact_text(["CU", "KP"]) == "CU, KP"
    assert fact_text(None) == "–"
    assert [fact_text(fact) for fact in (True, False)] == ["yes", "no"]


@pytest.mark.parametrize(
    ("state", "now", "passed"), [("signed", "signed", 0), ("sent", "sent", 1), ("mined", "mined", 2), ("final", "final", 3)]
)
def test_a_transaction_stands_at_one_station(state: str, now: str, passed: int) -> None:
    steps = pipeline(state, block_number=7 if state in {"mined", "final"} else None, succeeded=True)
    assert [step.word for step in steps if step.is_now] == [now]
    assert [step.tone for step in steps].count("passed") == passed
    assert [step.block for step in steps if step.word == "mined"] == ["block 7" if state in {"mined", "final"} else ""]


def test_a_reverted_transaction_ends_red_whatever_its_finality() -> None:
    for state, succeeded in (("reverted", False), ("final", False)):
        last = pipeline(state, block_number=7, succeeded=succeeded)[-1]
        assert (last.word, last.tone, last.is_now) == ("reverted", "failed", True)


def test_a_state_is_a_word_and_an_icon_and_never_a_colour_alone() -> None:
    states = (mark_of("open", good=("open",)), mark_of("in_review", warn=("in_review",)), mark_of("gone", bad=("gone",)), mark_of("new"))
    for mark in states:
        assert mark.word
        assert mark.icon


@given(st.text(max_size=60))
def test_a_form_never_leads_to_another_host(text: str) -> None:
    path = own_path(text)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    assert path.isprintable()


@given(st.dictionaries(st.sampled_from(["wallet", "shares", "amount"]), st.text(max_size=20)), st.text(min_size=1, max_size=5))
def test_a_preview_fits_only_what_it_was_made_from(values: dict[str, str], more: str) -> None:
    changed = {**values, "shares": values.get("shares", "") + more}
    assert fingerprint(values) == fingerprint(dict(reversed(values.items())))
    assert fingerprint(values) != fingerprint(changed)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=80))
def test_whatever_somebody_is_called_is_shown_as_text(name: str) -> None:
    drawn = environment().from_string("{{ name }}").render(name=name)
    assert html.unescape(drawn) == name
    assert "<" not in drawn
    assert '"' not in drawn
