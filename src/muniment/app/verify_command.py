# SPDX-License-Identifier: Apache-2.0
"""`muniment verify`: proves one register, asset or distribution from the chain; exit 1 when it is not what the books say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from eth_hash.auto import keccak

from muniment.app.books import open_units
from muniment.app.cli import JsonOption
from muniment.app.reconciliation import tenants
from muniment.app.tokenise_command import CannotRead
from muniment.app.wiring import Units
from muniment.instruments import commands as instruments
from muniment.instruments import http as instruments_http
from muniment.register import http as register_http
from muniment.register import process as register_process
from muniment.servicing import http as servicing_http
from muniment.servicing import process as servicing_process
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import AssetId, DividendId, SecurityId, TenantId, parse_id

PART_BYTES = 1_000_000

APP = typer.Typer(no_args_is_help=True, add_completion=False)


class NoSuchSecurity(MunimentError):
    """Neither an id nor a symbol of a security."""

    code = "app.no_such_security"
    message = "No organisation here has a security “{name}”."
    cure = "Give the id or the symbol as the web page or `muniment demo` shows it."


class SymbolInSeveral(MunimentError):
    """Several organisations use the symbol."""

    code = "app.symbol_in_several_organisations"
    message = "{count} organisations have a security “{name}”: {ids}."
    cure = "Give one of the ids instead, or name the issuer with --organisation."


class NoSuchAsset(MunimentError):
    """No record has that id."""

    code = "app.no_such_asset"
    message = "No organisation here has an asset {name}."
    cure = "Give the asset id: 0x and 64 hexadecimal digits."


class NoSuchDistribution(MunimentError):
    """No dividend has that id."""

    code = "app.no_such_distribution"
    message = "No organisation here has a distribution {name}."
    cure = "Give the id as the dividend's page shows it."


@APP.callback()
def verify() -> None:
    """Prove what the books say from the chain."""


@APP.command()
def register(
    security: Annotated[str, typer.Argument(help="The security's id or symbol.")],
    *,
    organisation: Annotated[
        str, typer.Option(help="The issuer's name or id, where several have that symbol; of one name the newest.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Rebuild a register from block 0 and compare it with the stored one, byte for byte; exit 1 when they differ."""
    with open_units() as units:
        tenant_id, security_id = find_security(units, security, organisation=organisation)
        verification = register_process.rebuild(security_id, begin=units.of(tenant_id))
    _tell(
        msgspec.to_builtins(register_http.verification_body(security_id, verification)),
        equal=verification.equal,
        line=f"the register of {security} at block {verification.block_number}: {verification.rows} rows, digest {verification.digest}",
        as_json=as_json,
    )


@APP.command()
def asset(
    asset_id: Annotated[str, typer.Argument(help="The asset's id: 0x and 64 hexadecimal digits.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Recompute an asset's id from its record, its commitments and documents; exit 1 when something is not what the id says."""
    with open_units() as units:
        wanted = AssetId(asset_id.lower())
        for tenant_id in tenants(units):
            with units.begin(tenant_id) as unit:
                if unit.assets.find(wanted) is not None:
                    verification = instruments.verify_asset(wanted, unit=unit)
                    break
        else:
            raise NoSuchAsset(name=asset_id, place=Place(field="asset_id"))
    _tell(verification.as_json(), equal=verification.holds, line=f"asset {asset_id}", as_json=as_json)


@APP.command()
def document(
    file: Annotated[Path, typer.Argument(help="The document; it is hashed here and sent nowhere.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Say since when the chain knows a document, and under which asset; exit 1 when it does not know it.

    The record of an asset, as the API gives it byte for byte, is such a document too: its hash is the asset's id.
    """
    digest = _keccak256(file)
    with open_units() as units, units.begin_public() as unit:
        facts = instruments.look_up(digest, unit=unit)
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(instruments_http.public_facts_body(facts))))
    else:
        if facts.asset is not None:
            typer.secho(f"{digest}: the record of an asset, registered {facts.asset.registered_at.isoformat()}", fg="green")
        for anchor in facts.anchors:
            typer.secho(f"{digest}: a document of asset {anchor.asset_id}, anchored {anchor.anchored_at.isoformat()}", fg="green")
        if not facts.is_known:
            typer.secho(f"{digest}: not known to the chain", fg="red")
    if not facts.is_known:
        raise typer.Exit(1)


@APP.command()
def distribution(
    dividend_id: Annotated[str, typer.Argument(help="The dividend's id.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Derive every amount of a distribution anew from the chain's logs; exit 1 when the books say something else."""
    wanted = DividendId(parse_id(dividend_id, field="dividend_id"))
    with open_units() as units:
        for tenant_id in tenants(units):
            with units.begin(tenant_id) as unit:
                if unit.dividends.find(wanted) is None:
                    continue
            verification = servicing_process.verify_distribution(wanted, begin=units.of(tenant_id))
            break
        else:
            raise NoSuchDistribution(name=dividend_id, place=Place(field="dividend_id"))
    _tell(
        msgspec.to_builtins(servicing_http.verification_body(verification)),
        equal=verification.equal,
        line=f"distribution {dividend_id}: {verification.payments} payments, paid {verification.paid}, held {verification.held}",
        as_json=as_json,
    )


def _keccak256(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            hashed = keccak.new(b"")
            while part := opened.read(PART_BYTES):
                hashed.update(part)
    except OSError as error:
        raise CannotRead(file=file, problem=error.strerror or type(error).__name__, place=Place(file=str(file))) from None
    return "0x" + hashed.digest().hex()


def find_security(units: Units, name: str, *, organisation: str = "") -> tuple[TenantId, SecurityId]:
    """Return whose security that is and its id; `name` is an id or a symbol, `organisation` a name or an id."""
    found: list[tuple[TenantId, SecurityId]] = []
    for tenant_id in tenants(units):
        with units.begin(tenant_id) as unit:
            if organisation and organisation not in {unit.organisations.get(tenant_id).name, str(tenant_id)}:
                continue
            found += [
                (tenant_id, security.terms.security_id)
                for security in unit.securities.all()
                if name in {security.terms.symbol, str(security.terms.security_id)}
            ]
    if not found:
        raise NoSuchSecurity(name=name, place=Place(field="security"))
    if organisation:
        return found[-1]
    if len(found) > 1:
        raise SymbolInSeveral(name=name, count=len(found), ids=", ".join(str(security_id) for _, security_id in found))
    return found[0]


def _tell(body: dict[str, Any], *, equal: bool, line: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"equal": equal, **body}))
    else:
        typer.secho(f"{'equal' if equal else 'DIFFERENT'}: {line}", fg="green" if equal else "red")
        for difference in body.get("differences", body.get("findings", [])):
            typer.secho(f"  {json.dumps(difference)}", fg="red")
    if not equal:
        raise typer.Exit(1)
