# SPDX-License-Identifier: Apache-2.0
"""Sanctions lists: their three shapes, how names are compared, and that a hit leads to a person's decision, never to a silent no.

Every name here is invented.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.access.errors import NotPermitted
from muniment.access.model import Role
from muniment.parties import commands
from muniment.parties.errors import BadSanctionsList, HitNotFound, HitReasonMissing, HitsOpen, OwnClearance, OwnSubmission
from muniment.parties.model import ListedName, ListEntry, Referred, Strength
from muniment.parties.model.sanctions import SanctionsHit, compare, matches, read_list, words_of
from muniment.parties.process import screen_investors
from muniment.units.ids import InvestorId
from tests.access.unit import Installation, an_actor
from tests.parties.file import LIST, Desk

OFAC = (
    b'36,"SANCTIONOV, Igor Petrovich",individual,"SDGT","-0- ","-0- ","-0- ","-0- ","-0- ","-0- ","-0- ",'
    b"\"DOB 12 Mar 1960; alt. DOB 1961; a.k.a. 'IGOR THE INVENTED'; nationality Nowhere.\"\r\n"
    b'37,"INVENTED TRADING LTD",-0- ,"CUBA",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'
    b'38,"INVENTED STAR",vessel,"CUBA",-0- ,"XYZ1",-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n\x1a'
)
EUROPEAN = (
    "\ufefffileGenerationDate;Entity_LogicalId;Entity_Regulation_Programme;NameAlias_WholeName;BirthDate_BirthDate;BirthDate_Year;"
    "Citizenship_CountryIso2Code\n"
    "01/07/2026;13;XYZ;Erfundene Gräfin;1970-02-03;1970;LI\n"
    "01/07/2026;13;XYZ;Invented Countess;;;\n"
    "01/07/2026;14;XYZ;Maison Inventée SARL;;;\n"
).encode()


@pytest.fixture
def desk(installation: Installation) -> Desk:
    """A new organisation."""
    return Desk.of(installation)


def load(desk: Desk, *rows: str, source: str = "own") -> None:
    with desk.begin() as unit:
        raw = (LIST + "\n".join(rows) + "\n").encode()
        commands.import_sanctions(desk.officer, raw, source=source, file_name="list.csv", unit=unit)
    screen_investors(units=desk.begin)


def hits(desk: Desk, investor_id: InvestorId) -> list[SanctionsHit]:
    with desk.begin() as unit:
        return list(commands.list_hits(desk.officer, investor_id, unit=unit))


def clear(desk: Desk, hit_id: UUID, reason: str = "born on another day") -> None:
    with desk.begin() as unit:
        commands.clear_hit(desk.officer, hit_id, reason, unit=unit)


# Names


@pytest.mark.parametrize(
    ("left", "right", "strength"),
    [
        ("Igor Sanctionov", "SANCTIONOV, Igor", Strength.SAME),
        ("Łukasz Müller-Ørsted", "lukasz muller orsted", Strength.SAME),
        ("O’Invent, Seán", "Sean O'Invent", Strength.SAME),
        ("Blocked Holdings Ltd", "BLOCKED HOLDINGS LIMITED", Strength.SAME),
        ("Igor Sanctionov", "Igor Petrovich Sanctionov", Strength.CONTAINED),
        ("Igor Petrovich Sanctionov", "Igor Sanctionov", Strength.CONTAINED),
        ("Igor", "Igor Sanctionov", None),
        ("Igor Example", "Igor Sanctionov", None),
        ("Ltd", "Ltd", Strength.SAME),
        ("…", "…", None),
    ],
)
def test_names_are_compared_as_sets_of_plain_words(left: str, right: str, strength: Strength | None) -> None:
    assert compare(words_of(left), words_of(right)) is strength


@given(st.lists(st.text(alphabet="abcdeéèßøłŽž'-.", min_size=1, max_size=8), min_size=1, max_size=6), st.randoms())
def test_order_accents_and_capitals_never_tell_a_name_from_itself(parts: list[str], chance: random.Random) -> None:
    name = " ".join(parts)
    turned = list(parts)
    chance.shuffle(turned)
    assert words_of(name) == words_of(" ".join(turned).upper()) or "ß" in name.lower()
    assert compare(words_of(name), words_of(name)) in {Strength.SAME, None}
    assert (compare(words_of(name), words_of(name)) is None) == (not words_of(name))


def listed(name: str, *births: str, reference: str = "1") -> ListedName:
    return ListedName("own", reference, name, words_of(name), births, "P", b"\0" * 32)


def test_a_date_of_birth_rules_out_a_contained_name_and_never_an_equal_one() -> None:
    born = dt.date(1960, 3, 12)
    longer, same = listed("Igor Petrovich Sanctionov", "1971"), listed("Sanctionov Igor", "1971", reference="2")
    assert [match.listed.reference for match in matches("Igor Sanctionov", born, [longer, same])] == ["2"]
    assert [match.listed.reference for match in matches("Igor Sanctionov", None, [longer, same])] == ["1", "2"]
    assert matches("Igor Sanctionov", born, [listed("Igor Petrovich Sanctionov", "1960-03")])
    (strongest,) = matches("Igor Sanctionov", None, [listed("Igor P. Sanctionov"), listed("Igor Sanctionov")])
    assert strongest.strength is Strength.SAME


# Files


def test_our_own_list_is_read() -> None:
    raw = (LIST + '7,"Igor Sanctionov","Igor the Invented; I. Sanctionov",1960-03-12;1961,LI,TEST\n').encode()
    assert read_list(raw, file_name="own.csv") == [
        ListEntry("7", ("Igor Sanctionov", "Igor the Invented", "I. Sanctionov"), ("1960-03-12", "1961"), ("LI",), "TEST")
    ]


def test_the_treasurys_list_is_read_without_ships() -> None:
    assert read_list(OFAC, file_name="sdn.csv") == [
        ListEntry("36", ("SANCTIONOV, Igor Petrovich", "IGOR THE INVENTED"), ("1960-03-12", "1961"), (), "SDGT"),
        ListEntry("37", ("INVENTED TRADING LTD",), (), (), "CUBA"),
    ]


def test_the_unions_list_gathers_the_names_of_one_entry() -> None:
    first, second = read_list(EUROPEAN, file_name="eu.csv")
    assert first == ListEntry("13", ("Erfundene Gräfin", "Invented Countess"), ("1970-02-03",), ("LI",), "XYZ")
    assert second.names == ("Maison Inventée SARL",)


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"", None),
        (b"one,two\n", 1),
        (LIST.encode(), None),
        (b"entry_id,name,height\n1,A,2\n", 1),
        ((LIST + "1,Igor\n").encode(), 2),
        ((LIST + "1,Igor,,12 March,,\n").encode(), 2),
        ((LIST + ",Igor,,,,\n").encode(), 2),
        ((LIST + '1,"Igor,,,,\n').encode(), None),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_its_line(raw: bytes, line: int | None) -> None:
    with pytest.raises(BadSanctionsList) as refusal:
        read_list(raw, file_name="list.csv")
    assert refusal.value.place is not None and refusal.value.place.line == line


@given(st.binary(max_size=400))
def test_any_bytes_are_a_list_or_a_refusal(raw: bytes) -> None:
    with contextlib.suppress(BadSanctionsList):
        assert read_list(raw, file_name="list.csv")


# Screening


def test_whoever_is_cleared_but_listed_goes_into_review_and_is_not_rejected(desk: Desk) -> None:
    load(desk, "7,Igor Invented,,,,TEST")
    investor_id = desk.onboard(name="Invented Igor")
    investor, answer = desk.verify(investor_id)
    assert investor.status == "in_review"
    assert isinstance(answer, Referred) and [reason.code for reason in answer.reasons] == ["parties.sanctions_hit"]
    (hit,) = hits(desk, investor_id)
    assert (hit.source, hit.reference, hit.strength, hit.state) == ("own", "7", Strength.SAME, "open")


def test_a_new_list_suspends_a_verified_investor_until_somebody_decides(desk: Desk) -> None:
    investor_id, other = desk.verified(name="Igor Invented"), desk.verified("A-2")
    load(desk, "7,Igor Invented,,,,TEST")
    assert (desk.investor(investor_id).status, desk.investor(other).status) == ("in_review", "verified")
    assert desk.events()[-1] == "parties.investor_suspended"
    (hit,) = hits(desk, investor_id)
    with desk.begin() as unit, pytest.raises(HitsOpen):
        commands.decide_review(desk.second, investor_id, accepted=True, unit=unit)
    clear(desk, hit.hit_id)
    with desk.begin() as unit, pytest.raises(OwnClearance):
        commands.decide_review(desk.officer, investor_id, accepted=True, unit=unit)
    with desk.begin() as unit:
        assert commands.decide_review(desk.second, investor_id, accepted=True, unit=unit).status == "verified"


def test_whoever_submitted_does_not_decide_about_a_hit(desk: Desk) -> None:
    load(desk, "7,Igor Invented,,,,TEST")
    investor_id = desk.onboard(name="Igor Invented")
    desk.verify(investor_id, by=desk.second)
    clear(desk, hits(desk, investor_id)[0].hit_id)
    with desk.begin() as unit, pytest.raises(OwnSubmission):
        commands.decide_review(desk.second, investor_id, accepted=True, unit=unit)


def test_a_false_positive_is_remembered_for_the_entry_as_it_stands(desk: Desk) -> None:
    investor_id = desk.verified(name="Igor Invented")
    load(desk, "7,Igor Invented,,1950,,TEST")
    clear(desk, hits(desk, investor_id)[0].hit_id)
    with desk.begin() as unit:
        commands.decide_review(desk.second, investor_id, accepted=True, unit=unit)
    load(desk, "7,Igor Invented,,1950,,ANOTHER", "8,Somebody Else,,,,TEST")
    assert desk.investor(investor_id).status == "verified"
    assert [(hit.state, hit.reason) for hit in hits(desk, investor_id)] == [("cleared", "born on another day")]
    load(desk, "7,Igor Invented,,1950;1984,,TEST")
    assert desk.investor(investor_id).status == "in_review"
    assert [hit.state for hit in hits(desk, investor_id)] == ["open"]


def test_a_name_that_left_the_list_is_no_hit_any_more(desk: Desk) -> None:
    investor_id = desk.verified(name="Igor Invented")
    load(desk, "7,Igor Invented,,,,TEST", source="one")
    load(desk, "9,Igor Invented,,,,TEST", source="other")
    assert [hit.source for hit in hits(desk, investor_id)] == ["one", "other"]
    load(desk, "8,Somebody Else,,,,TEST", source="one")
    assert [hit.state for hit in hits(desk, investor_id)] == ["withdrawn", "open"]
    with desk.begin() as unit:
        assert [(found.source, found.screened_at is not None) for found in unit.sanctions.lists()] == [("one", True), ("other", True)]


def test_a_list_that_came_while_everybody_was_screened_does_not_count_as_screened(desk: Desk) -> None:
    load(desk, "7,Somebody Else,,,,", source="one")
    started_at = desk.installation.clock.now()
    desk.installation.clock.advance(dt.timedelta(seconds=5))
    with desk.begin() as unit:
        commands.import_sanctions(desk.officer, f"{LIST}8,Another One,,,,\n".encode(), source="two", file_name="b", unit=unit)
        assert commands.screen_page(desk.officer, cursor=None, rows=10, started_at=started_at, unit=unit) is None
    with desk.begin() as unit:
        assert [(found.source, found.screened_at) for found in unit.sanctions.lists()] == [("one", started_at), ("two", None)]


def test_screening_goes_through_every_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muniment.parties.process.SCREEN_PAGE_ROWS", 2)
    listed_ones = [desk.verified(f"L-{number}", name=f"Igor Invented{number}") for number in range(3)]
    others = [desk.verified(f"O-{number}") for number in range(2)]
    load(desk, *(f"{number},Igor Invented{number},,,," for number in range(3)))
    assert {desk.investor(investor_id).status for investor_id in listed_ones} == {"in_review"}
    assert {desk.investor(investor_id).status for investor_id in others} == {"verified"}


def test_a_hit_is_cleared_once_by_an_officer_with_a_reason(desk: Desk) -> None:
    investor_id = desk.verified(name="Igor Invented")
    load(desk, "7,Igor Invented,,,,TEST")
    (hit,) = hits(desk, investor_id)
    with desk.begin() as unit, pytest.raises(NotPermitted):
        commands.clear_hit(an_actor(desk.owner.tenant_id, Role.TRANSFER_AGENT), hit.hit_id, "a reason", unit=unit)
    for reason in (" ", "x" * 501):
        with pytest.raises(HitReasonMissing):
            clear(desk, hit.hit_id, reason)
    clear(desk, hit.hit_id)
    with pytest.raises(HitNotFound):
        clear(desk, hit.hit_id)


def test_another_organisation_has_neither_our_list_nor_our_hits(desk: Desk) -> None:
    investor_id = desk.verified(name="Igor Invented")
    load(desk, "7,Igor Invented,,,,TEST")
    (hit,) = hits(desk, investor_id)
    stranger = Desk.of(desk.installation)
    assert stranger.investor(stranger.verified(name="Igor Invented")).status == "verified"
    with pytest.raises(HitNotFound):
        clear(stranger, hit.hit_id)


def test_erasing_a_person_takes_the_hits_away(desk: Desk) -> None:
    investor_id = desk.verified(name="Igor Invented")
    load(desk, "7,Igor Invented,,,,TEST")
    clear(desk, hits(desk, investor_id)[0].hit_id, "a canary in the reason")
    with desk.installation.database.worker_transaction() as connection:
        row = connection.exec_driver_sql("SELECT * FROM parties.sanctions_hit WHERE investor_id = %s", (investor_id,)).one()
    text = b"|".join(part if isinstance(part, bytes) else str(part).encode() for part in row)
    assert b"canary" not in text and b"Igor" not in text
    with desk.begin() as unit:
        commands.erase_investor(desk.officer, investor_id, unit=unit)
    assert hits(desk, investor_id) == []
