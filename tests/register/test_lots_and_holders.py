# SPDX-License-Identifier: Apache-2.0
"""Lots and the register of holders over a real token: what people may ask, what they may say, and what both look like on the wire."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from muniment.access.errors import NotPermitted
from muniment.access.model import Action, Role
from muniment.access.ports import Page
from muniment.register import commands
from muniment.register.errors import AcquiredLater, NotACode, NothingToSay, NotTheGiversLot, UnknownMovement
from muniment.register.http import ROUTES, holders_bytes
from muniment.register.model import Consideration, DifferenceKind, Lot, LotAnnotation, Movement, PickingRule
from muniment.register.model.holders import COLUMNS, HolderLine, RegisterOfHolders, csv_lines
from muniment.register.process import rebuild
from muniment.units.ids import InvestorId, LotId, SecurityId, TransactionHash, new_id
from muniment.units.money import Money, Price
from tests.access.unit import an_actor
from tests.settlement.scene import Scene
from tests.settlement.wire import a_client

pytestmark = pytest.mark.slow


def movements(scene: Scene) -> list[Movement]:
    with scene.begin() as unit:
        return list(commands.view_movements(scene.owner, scene.security_id, unit=unit).movements)


def lots(scene: Scene, investor_id: InvestorId, **asked: Any) -> list[Lot]:
    with scene.begin() as unit:
        return list(commands.view_lots(scene.owner, scene.security_id, investor_id=investor_id, unit=unit, **asked).lots)


def say(scene: Scene, movement: Movement, annotation: LotAnnotation, *, position: int = 0) -> list[Lot]:
    request = commands.Annotate(scene.security_id, movement.transaction_hash, position, annotation)
    with scene.begin() as unit:
        return list(commands.annotate(scene.owner, request, unit=unit))


def moved(scene: Scene, sender: Any, receiver: Any, shares: int) -> Movement:
    instruction: Any = scene.transfer(sender, receiver, shares)
    scene.settle(instruction.instruction_id)
    return movements(scene)[0]


def test_what_is_issued_and_sold_is_in_lots_that_verification_bears_out(scene: Scene) -> None:
    (anna, annas), (bela, belas) = scene.holders(2, managed=True)
    scene.issue({annas: 100, belas: 20})
    sale = moved(scene, annas, belas, 30)
    assert [lot.quantity for lot in lots(scene, anna)] == [70]
    issued, bought = lots(scene, bela)
    assert (issued.quantity, issued.acquired_from, bought.quantity, bought.acquired_from) == (20, None, 30, anna)
    assert bought.holding_since == sale.occurred_at

    gift = say(scene, sale, LotAnnotation(consideration=Consideration.GIFT, exemption="us.regd.506c", paid=Money(0, "USD")))
    assert [(lot.holding_since, lot.exemption) for lot in gift] == [(issued.holding_since, "us.regd.506c")]
    assert lots(scene, bela)[1:] == gift
    with scene.begin() as unit:
        (entry,) = [entry for entry in unit.audit.page(Page(limit=5)) if entry.action == Action.REGISTER_ANNOTATE.value]
    assert entry.facts["consideration"] == "gift"
    verification = rebuild(scene.security_id, begin=scene.begin)
    assert verification.equal, verification.differences

    # A lot changed by hand shows, what it was opened with as well as what is left of it.
    for column in ("opened_quantity", "quantity"):
        with scene.begin() as unit:
            unit.connection.execute(sa.text(f"UPDATE register.lot SET {column} = {column} + 1 WHERE opened_quantity > quantity"))
            if column == "opened_quantity":
                unit.connection.execute(sa.text("UPDATE register.lot SET quantity = quantity + 1 WHERE opened_quantity > quantity + 1"))
        kinds = {difference.kind for difference in rebuild(scene.security_id, begin=scene.begin).differences}
        assert kinds == {DifferenceKind.MISSING_LOT, DifferenceKind.EXTRA_LOT}
        with scene.begin() as unit:
            commands.make_lots_again(unit.register.movements(scene.security_id)[0].token, store=unit.lots)
    assert rebuild(scene.security_id, begin=scene.begin).equal


def test_a_recovered_wallet_keeps_the_lots_and_an_earlier_instant_still_answers(scene: Scene) -> None:
    ((anna, annas), (_, belas)) = scene.holders(2, managed=True)
    scene.issue({annas: 40})
    before = lots(scene, anna)
    scene.pass_time(60)
    moved(scene, annas, belas, 15)
    assert [lot.quantity for lot in lots(scene, anna)] == [25]
    assert lots(scene, anna, at=before[0].occurred_at) == before
    assert lots(scene, anna, at=before[0].occurred_at - dt.timedelta(seconds=1)) == []


def test_what_cannot_be_said_is_refused_and_changes_nothing(scene: Scene) -> None:
    ((anna, annas), (bela, belas)) = scene.holders(2, managed=True)
    scene.issue({annas: 40, belas: 5})
    sale = moved(scene, annas, belas, 15)
    before = lots(scene, bela)
    later = sale.occurred_at + dt.timedelta(seconds=1)
    foreign = next(lot.lot_id for lot in before if lot.quantity == 5)
    for annotation, refusal in [
        (LotAnnotation(), NothingToSay),
        (LotAnnotation(exemption="Rule 506(c)"), NotACode),
        (LotAnnotation(buyer_category="x" * 81), NotACode),
        (LotAnnotation(acquired_at=later), AcquiredLater),
        (LotAnnotation(holding_since=later), AcquiredLater),
        (LotAnnotation(lots=(foreign,)), NotTheGiversLot),
        (LotAnnotation(lots=(LotId(new_id(later)),)), NotTheGiversLot),
    ]:
        with pytest.raises(refusal):
            say(scene, sale, annotation)
    with pytest.raises(UnknownMovement):
        say(scene, sale, LotAnnotation(exemption="us.regs"), position=1)
    assert lots(scene, bela) == before
    (own,) = lots(scene, anna)
    assert say(scene, sale, LotAnnotation(lots=(own.lot_id,), picking=PickingRule.LIFO))[0].quantity == 15
    auditor = an_actor(scene.tenant_id, Role.AUDITOR)
    request = commands.Annotate(scene.security_id, sale.transaction_hash, 0, LotAnnotation(exemption="us.regs"))
    with pytest.raises(NotPermitted), scene.begin() as unit:
        commands.annotate(auditor, request, unit=unit)


def test_a_price_a_share_holds_for_every_movement_of_a_transaction(scene: Scene) -> None:
    ((anna, annas), (bela, belas)) = scene.holders(2, managed=True)
    scene.issue({annas: 300, belas: 7})
    issue = movements(scene)[0]
    annotation = LotAnnotation(exemption="us.regd.506c", buyer_category="accredited")
    request = commands.Annotate(scene.security_id, issue.transaction_hash, None, annotation, Price(Decimal("0.015"), "USD"))
    with scene.begin() as unit:
        opened = commands.annotate(scene.owner, request, unit=unit)
        page = commands.view_acquisitions(scene.owner, scene.security_id, since=issue.occurred_at, unit=unit)
    assert {lot.holder: lot.exemption for lot in opened} == {anna: "us.regd.506c", bela: "us.regd.506c"}
    # A cent and a half a share: 4.50, and 10.5 cents, the half to the even one.
    told = {each.buyer: each.annotation.paid for each in page.acquisitions if each.movement.transaction_hash == issue.transaction_hash}
    assert told == {anna: Money(450, "USD"), bela: Money(10, "USD")}


def test_who_acquired_what_comes_in_pages_and_windows(scene: Scene) -> None:
    ((_, annas), (_, belas)) = scene.holders(2, managed=True)
    scene.issue({annas: 20})
    scene.pass_time(30)
    sale = moved(scene, annas, belas, 5)
    home = f"/v1/securities/{scene.security_id}/acquisitions"
    with a_client(scene, scene.owner, ROUTES) as client:
        page = client.get(home, params={"limit": "1"}).json()
        seen = page["acquisitions"]
        while page["next_cursor"]:
            page = client.get(home, params={"limit": "3", "cursor": page["next_cursor"]}).json()
            seen += page["acquisitions"]
        assert [(each["transaction_hash"], each["shares"], each["said"]) for each in seen[-1:]] == [(sale.transaction_hash, "5", {})]
        assert len({(each["transaction_hash"], each["position"]) for each in seen}) == len(seen)
        since = client.get(home, params={"since": sale.occurred_at.isoformat()}).json()["acquisitions"]
        until = client.get(home, params={"until": sale.occurred_at.isoformat(), "limit": "200"}).json()["acquisitions"]
    assert since == seen[-1:]
    assert until == seen[:-1]


def test_the_register_of_holders_names_people_for_those_who_may_see_them_and_the_log_says_so(scene: Scene) -> None:
    ((anna, annas), (_, belas)) = scene.holders(2, managed=True)
    scene.issue({annas: 300, belas: 100})
    scene.pass_time(10)
    final = movements(scene)[0].block_number
    with scene.begin() as unit:
        named = commands.view_holders(scene.owner, scene.security_id, block_number=final, unit=unit)
        entries = [entry.action for entry in unit.audit.page(Page(limit=2))]
    assert entries == [Action.REGISTER_EXPORT.value, Action.PARTIES_VIEW_PERSONAL_DATA.value]
    with scene.begin() as unit:
        nameless = commands.view_holders(an_actor(scene.tenant_id, Role.AUDITOR), scene.security_id, block_number=final, unit=unit)
    assert {line.name for line in nameless.lines} == {None}
    (line,) = [line for line in named.lines if line.investor_id == anna]
    assert (line.shares, line.wallets, line.since) == (300, (annas,), lots(scene, anna)[0].acquired_at)
    assert line.name and line.reference and line.country
    assert sum(line.shares for line in named.lines) == named.total_shares
    with pytest.raises(NotPermitted), scene.begin() as unit:
        commands.view_holders(an_actor(scene.tenant_id, Role.SERVICE), scene.security_id, unit=unit)

    # Before the issue the two held nothing, and as of now it is the same as after the last block.
    with scene.begin() as unit:
        earlier = commands.view_holders(scene.owner, scene.security_id, block_number=final - 1, unit=unit)
        now = commands.view_holders(scene.owner, scene.security_id, unit=unit)
    assert anna not in {line.investor_id for line in earlier.lines}
    assert now.lines == named.lines


def test_the_routes_give_lots_and_holders_in_every_format(scene: Scene) -> None:
    ((anna, annas), (_, belas)) = scene.holders(2, managed=True)
    scene.issue({annas: 30, belas: 10})
    issue = movements(scene)[0]
    home = f"/v1/securities/{scene.security_id}"
    with a_client(scene, scene.owner, ROUTES) as client:
        first = client.get(f"{home}/lots", params={"limit": "1"}).json()
        seen = [*first["lots"]]
        while first["next_cursor"]:
            first = client.get(f"{home}/lots", params={"limit": "50", "cursor": first["next_cursor"]}).json()
            seen += first["lots"]
        ids = [lot["lot_id"] for lot in seen]
        assert len(ids) == len(set(ids))
        own = client.get(f"{home}/lots", params={"investor_id": str(anna)}).json()["lots"]
        assert [(lot["quantity"], lot["acquired_from_issuer"], lot["exemption"]) for lot in own] == [("30", True, None)]
        assert client.get(f"{home}/lots", params={"cursor": "nothing"}).json()["code"] == "register.bad_cursor"

        place = f"{home}/movements/{issue.transaction_hash}/0/annotation"
        body = {"exemption": "us.regs", "paid": {"amount": "12.50", "currency": "USD"}, "buyer_category": "accredited"}
        said = client.put(place, json=body)
        assert said.status_code == 200, said.text
        assert [lot["exemption"] for lot in said.json()["lots"]] == ["us.regs"]
        again = client.put(place, json=body)
        assert again.json() == said.json()
        assert client.put(place, json={"consideration": "barter"}).json()["code"] == "register.unknown_term"
        assert client.put(place, json={"paid": {"amount": "1.005", "currency": "USD"}}).json()["code"] == "money.too_precise"

        listed = client.get(f"{home}/holders").json()
        rows = list(csv.DictReader(io.StringIO(client.get(f"{home}/holders", params={"format": "csv"}).text)))
        frame = pl.read_parquet(io.BytesIO(client.get(f"{home}/holders", params={"format": "parquet"}).content))
        assert [row["investor_id"] for row in rows] == [holder["investor_id"] or "" for holder in listed["holders"]]
        assert frame.columns == list(COLUMNS)
        assert frame.rows() == [tuple(row.values()) for row in rows]
        assert client.get(f"{home}/holders", params={"format": "xls"}).json()["code"] == "register.unknown_term"


def test_no_cell_of_the_list_is_a_formula_to_a_spreadsheet() -> None:
    at = dt.datetime(2027, 1, 2, tzinfo=dt.UTC)
    line = HolderLine(InvestorId(new_id(at)), "INV-1", '=HYPERLINK("http://evil.example")', "US", 5, "100.0000", at, ("0xA",))
    holders = RegisterOfHolders(SecurityId(new_id(at)), 0, 7, at, 5, (line,))
    (row,) = csv.DictReader(io.StringIO("".join(csv_lines(holders))))
    assert row["name"] == '\'=HYPERLINK("http://evil.example")'
    assert holders_bytes(holders, "csv").startswith(b"reference,name,country,shares,percentage,since,wallets,investor_id\r\n")


def test_an_unknown_transaction_has_no_movement(scene: Scene) -> None:
    request = commands.Annotate(scene.security_id, TransactionHash("0x" + "5" * 64), 0, LotAnnotation(exemption="us.regs"))
    with pytest.raises(UnknownMovement), scene.begin() as unit:
        commands.annotate(scene.owner, request, unit=unit)
