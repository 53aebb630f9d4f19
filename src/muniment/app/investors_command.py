# SPDX-License-Identifier: Apache-2.0
"""`muniment investors`: onboarding, the investor's file, the review queue and sanctions lists, by a member of the organisation."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from muniment.access.model import Action, Actor, Pending, permits
from muniment.access.ports import Page
from muniment.app.books import open_units, wait_for
from muniment.app.cli import JsonOption
from muniment.app.shares_command import investor_of
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.app.tokenise_command import CannotRead
from muniment.app.wiring import Units
from muniment.compliance.ports import RegistrationState
from muniment.parties import commands as parties
from muniment.parties.model import Asked, Claim, Cleared, QueueItem, SanctionsHit, SanctionsList, Verified, parse_address
from muniment.parties.model.queue import DUE_DAYS
from muniment.parties.model.sanctions import LIST_BYTES_MAX
from muniment.units.errors import MunimentError, Place, instant_text
from muniment.units.ids import parse_id
from muniment.units.instants import NotADate, parse_date, parse_instant

APP = typer.Typer(no_args_is_help=True, add_completion=False)
CLAIM = typer.Typer(no_args_is_help=True, help="Claim something of an investor, and revoke a claim.")
SANCTIONS = typer.Typer(no_args_is_help=True, help="Sanctions lists and what was found on them.")
APP.add_typer(CLAIM, name="claim")
APP.add_typer(SANCTIONS, name="sanctions")

ROWS_MAX = 200

ReferenceArgument = Annotated[str, typer.Argument(metavar="INVESTOR", help="External reference of the investor.")]
LimitOption = Annotated[int, typer.Option(min=1, max=ROWS_MAX, help="How many rows at most.")]
CursorOption = Annotated[str, typer.Option(help="next_cursor of the page before, as --json shows it.")]


class BadChange(MunimentError):
    """No change of a field."""

    code = "app.bad_change"
    message = "“{text}” is no change."
    cure = "Give FIELD=VALUE, such as country=LI."


class BadFlags(MunimentError):
    """Options that do not go together."""

    code = "app.bad_options"
    message = "{why}."
    cure = "{cure_text}."


@APP.callback()
def investors() -> None:
    """Onboard and verify investors, keep their file, work through the review queue, and erase what identifies one."""


@APP.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV with at least external_reference, name, email and country.")],
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    verify: Annotated[bool, typer.Option("--verify", help="Have the identity provider check each of them at once.")] = False,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Onboard every valid row and say of each other one what is wrong and where; exit 1 when a row was refused."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        try:
            with file.open("rb") as source, units.begin(actor.tenant_id) as unit:
                report = parties.onboard_csv(actor, source, file_name=file.name, unit=unit)
        except OSError as error:
            raise CannotRead(file=file, problem=error.strerror or type(error).__name__, place=Place(file=str(file))) from None
        statuses: dict[str, int] = {}
        if verify:
            for row in track(report.accepted, "verifying", console=Console(stderr=True), disable=as_json):
                with units.begin(actor.tenant_id) as unit:
                    investor, _ = parties.verify_investor(actor, row.investor_id, unit=unit)
                statuses[investor.status] = statuses.get(investor.status, 0) + 1
            _wait_for_registry(units, actor)
    if as_json:
        typer.echo(json.dumps({**report.as_json(), "verification": statuses}))
    else:
        typer.echo(f"{len(report.accepted)} accepted, {len(report.unchanged)} unchanged, {len(report.refused)} refused")
        for refused in report.refused:
            for reason in refused.reasons:
                typer.secho(f"  {reason.place}: {reason.code}: {reason.sentence}", fg="red")
        for status, count in sorted(statuses.items()):
            typer.echo(f"  {count} {status}")
    if report.refused:
        raise typer.Exit(1)


@APP.command()
def erase(
    reference: Annotated[str, typer.Argument(metavar="INVESTOR", help="External reference of the investor.")],
    *,
    member: AsOption,
    confirmed: Annotated[bool, typer.Option("--yes", help="Do not ask; there is no way back.")] = False,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Destroy the key of an investor's personal data; wallets, holdings and payments stay, the person can no longer be read."""
    password = password_from(password_file)
    if not confirmed:
        typer.confirm(f"Erase everything that identifies {reference}, for good?", abort=True, err=True)
    with open_units(components=("database", "chain")) as units:
        actor = actor_of(units, email=member, password=password, organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            erased = parties.erase_investor(actor, investor_of(unit, reference).investor_id, unit=unit)
    body = {"external_reference": reference, "investor_id": str(erased.investor_id), "erased": erased.is_erased}
    typer.echo(json.dumps(body) if as_json else f"{reference}: the key of the personal data is destroyed")


@APP.command("list")
def list_investors(
    *,
    member: AsOption,
    status: Annotated[str, typer.Option(help="Only draft, in_review, verified, rejected or expired.")] = "",
    search: Annotated[str, typer.Option(help="An exact name, e-mail address, tax id, reference or wallet address.")] = "",
    limit: LimitOption = 50,
    cursor: CursorOption = "",
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List investors, newest first; names are shown to those who may see them, which is written into the audit log."""
    with _acting(member, organisation_name, password_file) as (units, actor), units.begin(actor.tenant_id) as unit:
        page = Page(limit=limit, cursor=cursor or None)
        views = parties.list_investors(actor, page, text=search or None, status=status or None, unit=unit)
    rows = [_investor_row(view) for view in views]
    if as_json:
        next_cursor = rows[-1]["investor_id"] if len(rows) == limit else None
        typer.echo(json.dumps({"investors": rows, "next_cursor": next_cursor}))
        return
    for row in rows:
        typer.echo(f"{row['external_reference']}  {row['status']}  {row['kind']}  {row['country']}  {row['name'] or ''}".rstrip())
    if not rows:
        typer.echo("nobody")


@APP.command()
def show(
    reference: ReferenceArgument,
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an investor's file: standing, wallets with their proofs, claims with evidence and end, hits on sanctions lists."""
    with _acting(member, organisation_name, password_file) as (units, actor), units.begin(actor.tenant_id) as unit:
        investor_id = investor_of(unit, reference).investor_id
        view = parties.view_investor(actor, investor_id, unit=unit)
        may_see = permits(actor, Action.PARTIES_VIEW_PERSONAL_DATA)
        hits = parties.list_hits(actor, investor_id, unit=unit) if may_see else ()
    row = _investor_row(view)
    claims = [_claim_row(claim) for claim in view.claims]
    if as_json:
        typer.echo(json.dumps({**row, "claims": claims, "sanctions_hits": [_hit_row(hit) for hit in hits]}))
        return
    until = f" until {row['verified_until']}" if row["verified_until"] else ""
    typer.echo(f"{row['external_reference']}  {row['name'] or ''}  {row['kind']}, {row['country']}: {row['status']}{until}")
    for wallet in row["wallets"]:
        kept = "key kept here" if wallet["managed"] else f"proved {wallet['proved_at']}" if wallet["proved_at"] else "own key, not proved"
        typer.echo(f"  wallet {wallet['address']}: {kept}")
    for claim in claims:
        ended = f", revoked: {claim['revocation'] or 'replaced'}" if claim["revoked_at"] else ""
        said = f" {claim['value']}" if claim["value"] else ""
        known = f"by {claim['issuer']} ({claim['basis']}), until {claim['expires_at']}{ended}"
        typer.echo(f"  claim {claim['claim_id']}: {claim['topic']}{said} {known}")
    for hit in hits:
        typer.echo(f"  sanctions {hit.hit_id}: {hit.source} {hit.reference}, {hit.state}")


@APP.command()
def reverify(
    reference: ReferenceArgument,
    *,
    changes: Annotated[list[str] | None, typer.Option("--set", help="What has changed, as FIELD=VALUE; repeat it.")] = None,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the identity provider check an investor anew; a changed country is brought to the registry on the chain."""
    changed = dict(_change(text) for text in changes or ())
    password = password_from(password_file)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password, organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            investor, answer = parties.reverify_investor(actor, investor_of(unit, reference).investor_id, changed, unit=unit)
        _wait_for_registry(units, actor)
    reasons = () if isinstance(answer, Cleared | Asked) else answer.reasons
    body = {"external_reference": reference, "status": investor.status, "reasons": [reason.as_json() for reason in reasons]}
    typer.echo(json.dumps(body) if as_json else f"{reference}: {investor.status}")
    if not as_json:
        for reason in reasons:
            typer.echo(f"  {reason.code}: {reason.sentence}")


@APP.command()
def review(
    reference: ReferenceArgument,
    *,
    accept: Annotated[bool, typer.Option("--accept/--decline", help="What is decided.")],
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide about an investor in review, as somebody who neither submitted them nor cleared a hit of theirs."""
    with _acting(member, organisation_name, password_file) as (units, actor), units.begin(actor.tenant_id) as unit:
        investor = parties.decide_review(actor, investor_of(unit, reference).investor_id, accepted=accept, unit=unit)
    typer.echo(json.dumps({"external_reference": reference, "status": investor.status}) if as_json else f"{reference}: {investor.status}")


@APP.command()
def queue(
    *,
    member: AsOption,
    kind: Annotated[str, typer.Option(help="Only review, sanctions, approval, reverification or claim_expiring.")] = "",
    within_days: Annotated[int, typer.Option(help="How soon a verification or claim ends to be due.")] = DUE_DAYS,
    limit: LimitOption = 50,
    cursor: CursorOption = "",
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what waits for a compliance officer, oldest first."""
    with _acting(member, organisation_name, password_file) as (units, actor), units.begin(actor.tenant_id) as unit:
        page = Page(limit=limit, cursor=cursor or None)
        items = parties.review_queue(actor, page, kind=kind or None, within_days=within_days, unit=unit)
        known = unit.investors.many([item.investor_id for item in items])
    rows = [_queue_row(item, reference=known[item.investor_id].external_reference) for item in items]
    if as_json:
        typer.echo(json.dumps({"items": rows, "next_cursor": items[-1].cursor if len(items) == limit else None}))
        return
    for row in rows:
        typer.echo(f"{row['at'][:10]}  {row['kind']}  {row['external_reference']}  {row['detail']}  {row['subject_id']}")
    if not rows:
        typer.echo("nothing waits")


@APP.command()
def screen(
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold every investor against the current sanctions lists; whoever is found goes into review."""
    password = password_from(password_file)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password, organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            ordered_at = parties.order_screening(actor, unit=unit)
        _wait_for_screening(units, actor, ordered_at)
        waiting = _waiting_hits(units, actor)
    typer.echo(json.dumps({"open_hits": waiting}) if as_json else f"screened; {waiting} {_hits(waiting)} open")


@APP.command("prove-wallet")
def prove_wallet(
    reference: ReferenceArgument,
    *,
    address: Annotated[str, typer.Option(help="The wallet, with its checksum: prints the message that it has to sign.")] = "",
    message: Annotated[Path | None, typer.Option(help="A file with the message as it was signed.")] = None,
    signature: Annotated[str, typer.Option(help="The signature of that message (personal_sign), 0x and hexadecimal digits.")] = "",
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that a wallet is the investor's: with --address for the message, then with --message and --signature within ten minutes."""
    if bool(address) == bool(message and signature):
        raise BadFlags(why="Either the address or the signed message is needed", cure_text="Give --address, or --message with --signature")
    with _acting(member, organisation_name, password_file) as (units, actor), units.begin(actor.tenant_id) as unit:
        investor_id = investor_of(unit, reference).investor_id
        if message is None:
            text = parties.begin_wallet_proof(actor, investor_id, parse_address(address), unit=unit)
            typer.echo(json.dumps({"message": text}) if as_json else text)
            return
        # An editor ends a file with a line end that was not signed.
        signed = _read(message).decode(errors="replace").removesuffix("\n")
        wallet = parties.prove_wallet(actor, investor_id, signed, signature, unit=unit)
    body = {"address": wallet.address, "proved_at": None if wallet.proved_at is None else instant_text(wallet.proved_at)}
    typer.echo(json.dumps(body) if as_json else f"{wallet.address} is proved to be {reference}'s")


@APP.command("provider-secret")
def provider_secret(
    provider: Annotated[str, typer.Argument(help="The identity provider's name, such as sandbox.")],
    *,
    out: Annotated[Path, typer.Option(help="The new file, of mode 600, that takes the secret.")],
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the secret by which an identity provider signs its messages to this organisation; the one before is void."""
    if out.exists():
        raise BadFlags(why=f"{out} exists", cure_text="Name a file that does not exist")
    with _acting(member, organisation_name, password_file) as (units, actor), units.begin(actor.tenant_id) as unit:
        secret = parties.set_webhook_secret(actor, provider, unit=unit)
        out.touch(mode=0o600, exist_ok=False)
        out.write_text(secret.hex(), encoding="ascii")
    path = f"/v1/identity-webhooks/{actor.tenant_id}/{provider}"
    typer.echo(json.dumps({"secret_file": str(out), "webhook": path}) if as_json else f"{provider} signs with {out} and sends to {path}")


@CLAIM.command("add")
def claim_add(
    reference: ReferenceArgument,
    *,
    topic: Annotated[str, typer.Option(help="accreditation, professional_client, residence, tax_form, us_person, ...")],
    basis: Annotated[str, typer.Option(help="How it is known, such as income_documents, w9 or document.")],
    issuer: Annotated[str, typer.Option(help="Who says so.")],
    expires: Annotated[str, typer.Option(help="Until when it holds: a day or an instant, such as 2027-05-23.")],
    evidence: Annotated[Path | None, typer.Option(help="The document; only its SHA-256 is kept.")] = None,
    evidence_sha256: Annotated[str, typer.Option(help="The document's SHA-256, instead of the document.")] = "",
    issued: Annotated[str, typer.Option(help="Since when it holds; now where it is left out.")] = "",
    value: Annotated[str, typer.Option(help="What it says: a country for residence, yes or no for us_person and affiliate.")] = "",
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Claim something of an investor; what opens exemptions waits for a second person."""
    if (evidence is None) == (not evidence_sha256):
        raise BadFlags(why="The evidence is needed once", cure_text="Give either --evidence or --evidence-sha256")
    digest = evidence_sha256 or hashlib.sha256(_read(evidence)).hexdigest()
    with _acting(member, organisation_name, password_file) as (units, actor), units.begin(actor.tenant_id) as unit:
        described = parties.describe_claim(
            actor,
            investor_of(unit, reference).investor_id,
            topic=topic,
            issuer=issuer,
            basis=basis,
            evidence_sha256=digest,
            expires_at=_moment(expires, "expires"),
            issued_at=_moment(issued, "issued") if issued else None,
            value=value,
            unit=unit,
        )
        added = parties.add_claim(actor, described, unit=unit)
    if isinstance(added, Pending):
        body = {"claim": None, "approval_id": str(added.approval_id)}
        told = f"asked for; a second person has to agree: approval {added.approval_id}"
    else:
        body = {"claim": _claim_row(added), "approval_id": None}
        told = f"{reference}: {topic} until {instant_text(added.expires_at)}, claim {added.claim_id}"
    typer.echo(json.dumps(body) if as_json else told)


@CLAIM.command("revoke")
def claim_revoke(
    reference: ReferenceArgument,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="The claim's id, as `muniment investors show` tells it.")],
    *,
    reason: Annotated[str, typer.Option(help="superseded, wrong, evidence_withdrawn or no_longer_true.")],
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a claim before its time."""
    with _acting(member, organisation_name, password_file) as (units, actor), units.begin(actor.tenant_id) as unit:
        investor_id = investor_of(unit, reference).investor_id
        revoked = parties.revoke_claim(actor, investor_id, parse_id(claim, field="claim_id"), reason=reason, unit=unit)
    typer.echo(json.dumps(_claim_row(revoked)) if as_json else f"{reference}: {revoked.topic.name.lower()} revoked")


@SANCTIONS.command("import")
def sanctions_import(
    file: Annotated[Path, typer.Argument(help="A list as our CSV, as SDN.CSV of the US Treasury, or as the European Union's CSV.")],
    *,
    source: Annotated[str, typer.Option(help="The list's short name, such as ofac_sdn; it replaces the one of that name.")],
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a sanctions list and hold every investor against it; whoever is found goes into review."""
    raw = _read(file)
    password = password_from(password_file)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password, organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            imported = parties.import_sanctions(actor, raw, source=source, file_name=file.name, unit=unit)
        _wait_for_screening(units, actor, imported.imported_at)
        waiting = _waiting_hits(units, actor)
    if as_json:
        typer.echo(json.dumps({**_list_row(imported), "open_hits": waiting}))
    else:
        entries = "1 entry" if imported.entry_count == 1 else f"{imported.entry_count} entries"
        typer.echo(f"{entries} of {source}; everybody was screened; {waiting} {_hits(waiting)} open")


@SANCTIONS.command("lists")
def sanctions_lists(
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the current list of each source and when everybody was held against it."""
    with _acting(member, organisation_name, password_file) as (units, actor), units.begin(actor.tenant_id) as unit:
        rows = [_list_row(found) for found in parties.list_sanctions_lists(actor, unit=unit)]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['source']}  {row['entries']} entries  imported {row['imported_at']}  screened {row['screened_at'] or 'not yet'}")
    if not rows:
        typer.echo("no sanctions list")


@SANCTIONS.command("clear")
def sanctions_clear(
    hit: Annotated[str, typer.Argument(metavar="HIT", help="The hit's id, as the queue tells it.")],
    *,
    reason: Annotated[str, typer.Option(help="What tells the investor and the listed person apart; sealed with the investor's data.")],
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that an investor is not the listed one; remembered for this entry as it stands."""
    with _acting(member, organisation_name, password_file) as (units, actor), units.begin(actor.tenant_id) as unit:
        cleared = parties.clear_hit(actor, parse_id(hit, field="hit_id"), reason, unit=unit)
    typer.echo(json.dumps(_hit_row(cleared)) if as_json else f"cleared: {cleared.source} {cleared.reference}")


@contextmanager
def _acting(member: str, organisation_name: str, password_file: Path | None) -> Iterator[tuple[Units, Actor]]:
    """Yield units over database and chain, and the member who acts."""
    password = password_from(password_file)
    with open_units(components=("database", "chain")) as units:
        yield units, actor_of(units, email=member, password=password, organisation=organisation_name)


def _read(file: Path | None) -> bytes:
    assert file is not None, "one of the two was given"
    try:
        with file.open("rb") as opened:
            return opened.read(LIST_BYTES_MAX + 1)
    except OSError as error:
        raise CannotRead(file=file, problem=error.strerror or type(error).__name__, place=Place(file=str(file))) from None


def _change(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals:
        raise BadChange(text=text)
    return field, value


def _moment(text: str, field: str) -> dt.datetime:
    """Return an instant, or the beginning of a day in UTC."""
    try:
        return dt.datetime.combine(parse_date(text), dt.time.min, tzinfo=dt.UTC)
    except NotADate:
        return parse_instant(text, field=field)


def _investor_row(view: parties.InvestorView) -> dict[str, Any]:
    investor = view.investor
    standing = investor.standing
    return {
        "investor_id": str(investor.investor_id),
        "external_reference": investor.external_reference,
        "kind": investor.kind.value,
        "name": view.name,
        "country": investor.country,
        "status": investor.status,
        "verified_until": instant_text(standing.until) if isinstance(standing, Verified) else None,
        "wallets": [
            {
                "address": wallet.address,
                "managed": wallet.managed,
                "proved_at": None if wallet.proved_at is None else instant_text(wallet.proved_at),
            }
            for wallet in view.wallets
        ],
    }


def _claim_row(claim: Claim) -> dict[str, Any]:
    return {
        "claim_id": str(claim.claim_id),
        "topic": claim.topic.name.lower(),
        "basis": claim.basis,
        "value": claim.value,
        "issuer": claim.issuer,
        "evidence_sha256": claim.evidence_sha256.hex(),
        "issued_at": instant_text(claim.issued_at),
        "expires_at": instant_text(claim.expires_at),
        "revoked_at": None if claim.revoked_at is None else instant_text(claim.revoked_at),
        "revocation": claim.revocation,
    }


def _hit_row(hit: SanctionsHit) -> dict[str, Any]:
    return {
        "hit_id": str(hit.hit_id),
        "source": hit.source,
        "entry": hit.reference,
        "listed_name": hit.listed_name,
        "strength": hit.strength.value,
        "state": hit.state,
        "found_at": instant_text(hit.found_at),
        "reason": hit.reason,
    }


def _queue_row(item: QueueItem, *, reference: str) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "at": instant_text(item.at),
        "external_reference": reference,
        "investor_id": str(item.investor_id),
        "subject_id": item.subject_id,
        "detail": item.detail,
    }


def _list_row(found: SanctionsList) -> dict[str, Any]:
    return {
        "source": found.source,
        "entries": found.entry_count,
        "file_sha256": found.file_sha256.hex(),
        "imported_at": instant_text(found.imported_at),
        "screened_at": None if found.screened_at is None else instant_text(found.screened_at),
    }


def _hits(count: int) -> str:
    return "hit is" if count == 1 else "hits are"


def _waiting_hits(units: Units, actor: Actor) -> int:
    """Return how many hits are open, counted to the end of the queue."""
    count, cursor = 0, None
    while True:
        with units.begin(actor.tenant_id) as unit:
            items: Sequence[QueueItem] = parties.review_queue(actor, Page(limit=ROWS_MAX, cursor=cursor), kind="sanctions", unit=unit)
        count += len(items)
        if len(items) < ROWS_MAX:
            return count
        cursor = items[-1].cursor


def _wait_for_screening(units: Units, actor: Actor, ordered_at: dt.datetime) -> None:
    def screened() -> bool:
        with units.begin(actor.tenant_id) as unit:
            lists = unit.sanctions.lists()
        return all(found.screened_at is not None and found.screened_at >= ordered_at for found in lists)

    wait_for("the screening of every investor", screened)


def _wait_for_registry(units: Units, actor: Actor) -> None:
    """Wait until the verified wallets are on the chain, where the organisation has an identity registry yet."""

    def registered() -> bool:
        with units.begin(actor.tenant_id) as unit:
            suite = unit.suites.suite()
            is_there = suite is not None and suite.state == "deployed"
            return not is_there or not (unit.identities.count(RegistrationState.WANTED) or unit.identities.count(RegistrationState.SENT))

    # The events of the verifications are handled first; they want the wallets in the registry.
    wait_for("the verdicts to be taken up", lambda: units.is_quiet(actor.tenant_id))
    wait_for("the identity registry on the chain", registered)
