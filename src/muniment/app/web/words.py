# SPDX-License-Identifier: Apache-2.0
"""How numbers, ids and instants look on a page: exact, grouped, with their unit. Knows no request and no row."""

from __future__ import annotations

import datetime as dt

from markupsafe import Markup

from muniment.units.errors import instant_text
from muniment.units.money import group_thousands

BPS_PER_WHOLE = 10_000


def count(number: int) -> str:
    """Return a whole number with commas between its thousands."""
    return f"{number:,}"


def grouped(amount: str) -> str:
    """Return a decimal text with commas between its thousands."""
    return group_thousands(amount)


def percent(part: int, whole: int) -> str:
    """Return part of whole in percent with two decimals, cut (never rounded up to a share that nobody has): `12.34 %`."""
    if whole <= 0:
        return "–"
    bps = part * BPS_PER_WHOLE // whole
    if bps == 0 and part > 0:
        return "< 0.01 %"
    return f"{bps // 100}.{bps % 100:02d} %"


def permille(part: int, whole: int) -> str:
    """Return part of whole as the width of a bar: a percentage with one decimal, for an SVG attribute."""
    if whole <= 0:
        return "0%"
    tenths = min(1000, part * 1000 // whole)
    return f"{tenths // 10}.{tenths % 10}%"


def short(text: str, *, head: int = 8, tail: int = 6) -> str:
    """Return a long id with its middle left out: `0x71C765…976F`."""
    return text if len(text) <= head + tail + 1 else f"{text[:head]}…{text[-tail:]}"


def when(instant: dt.datetime | None) -> Markup:
    """Return an instant as a `<time>`: UTC in the text and on hover; the viewer's zone comes from an island."""
    if instant is None:
        return Markup("–")
    utc = instant.astimezone(dt.UTC)
    text = f"{utc.day} {utc:%b %Y, %H:%M} UTC"
    exact = f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}" data-instant>{}</time>').format(instant_text(utc), exact, text)


def day(date: dt.date | None) -> Markup:
    """Return a calendar day, which has no zone."""
    if date is None:
        return Markup("–")
    return Markup('<time datetime="{}">{}</time>').format(date.isoformat(), f"{date.day} {date:%b %Y}")


def headed(code: str) -> str:
    """Return a fact's name as a heading: `from_wallet` becomes `From wallet`."""
    text = code.replace("_", " ")
    return text[:1].upper() + text[1:]


def words_of(code: str) -> str:
    """Return a state's or action's name as words: `forced_transfer` becomes `forced transfer`."""
    return code.replace("_", " ")
