# SPDX-License-Identifier: Apache-2.0
"""`muniment contracts`: the compiled contracts, written where somebody wants them, or put on a chain. Compiling is `infra.evm.compile`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from muniment.app.cli import JsonOption
from muniment.app.deploy_command import deploy, verify
from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.compile import build as compile_contracts
from muniment.units.errors import MunimentError

APP = typer.Typer(no_args_is_help=True, add_completion=False)


class CannotWrite(MunimentError):
    """The folder cannot be written."""

    code = "app.cannot_write"
    message = "Cannot write to {folder}: {problem}."
    cure = "Name a folder that you may write to."


@APP.callback()
def contracts() -> None:
    """Write the compiled contracts, deploy them, compare what stands on a chain with them."""


@APP.command()
def build(
    out: Annotated[Path, typer.Option("--out", help="Folder for NAME.json, made where it is missing.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Write NAME.json with `abi` and `bytecode` of every contract.

    From the sources where they are at hand (a checkout with the compiler installed), else from the package, which carries them compiled.
    """
    sources = Path(__file__).parents[3] / "contracts"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if sources.is_dir():
            compile_contracts(sources, out, progress=lambda line: None if as_json else typer.echo(line, err=True))
        else:
            for artifact in contract_artifacts.FOLDER.glob("*.json"):
                shutil.copyfile(artifact, out / artifact.name)
    except OSError as error:
        raise CannotWrite(folder=out, problem=error.strerror or type(error).__name__) from None
    written = sorted(path.stem for path in out.glob("*.json") if path.stem in contract_artifacts.names())
    typer.echo(json.dumps({"out": str(out), "contracts": written}) if as_json else f"{len(written)} contracts in {out}")


APP.command()(deploy)
APP.command()(verify)
