# SPDX-License-Identifier: Apache-2.0
"""Writes the reference pages of commands, settings and contracts from the source: `python -m tests.docs.reference`.

Tests compare what it would write with what is written; no command and no contract runs.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from muniment.app import cli
from muniment.infra.configuration import SECRETS, SETTINGS, Configuration, secret_variable
from tests.docs import contract_pages, law_pages

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
HEAD = "<!-- Made by `python -m tests.docs.reference`; change the source and run it again. -->"


def cli_page() -> str:
    """Return the page of all commands with their arguments and options."""
    lines = [
        "# Commands",
        "",
        HEAD,
        "",
        "Exit codes: 0 done, 1 a finding, 2 refused, 3 an outage, 70 a defect. Most commands take `--json`.",
        "",
    ]
    root: Any = typer.main.get_command(cli.APP)
    context = root.make_context("muniment", ["doctor"], resilient_parsing=True)
    for name in root.list_commands(context):
        lines += _command(_loaded(name) or root.get_command(context, name), f"muniment {name}", context)
    return "\n".join(lines).rstrip() + "\n"


def _loaded(name: str) -> Any:
    """Return the command behind a line of the lazy table; None for one that is no line of it."""
    if name not in cli.COMMANDS:
        return None
    return typer.main.get_command(importlib.import_module(cli.COMMANDS[name][0]).APP)


def _command(command: Any, name: str, parent: Any) -> Iterator[str]:
    if hasattr(command, "list_commands"):
        context = type(parent)(command, info_name=name, parent=parent)
        for child in command.list_commands(context):
            yield from _command(command.get_command(context, child), f"{name} {child}", context)
        return
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option" and not parameter.hidden]
    shown = " ".join(_argument(argument) for argument in arguments)
    yield f"## `{name}{' ' + shown if shown else ''}`"
    yield ""
    yield " ".join((command.help or "").split())
    yield ""
    for parameter in (*arguments, *options):
        label = _argument(parameter) if parameter in arguments else ", ".join(parameter.opts)
        need = " (required)" if parameter.required and parameter in options else ""
        yield f"- `{label}`{need}: {' '.join((parameter.help or '').split())}"
    if command.params:
        yield ""


def _argument(parameter: Any) -> str:
    label = str(parameter.metavar or parameter.name).upper()
    return label if parameter.required else f"[{label}]"


def configuration_page() -> str:
    """Return the page of all settings and secrets."""
    defaults = {field.name: field.default for field in dataclasses.fields(Configuration)}
    lines = [
        "# Settings",
        "",
        HEAD,
        "",
        "Each setting comes from the environment or from `muniment.toml` in the home, the environment winning; unknown names are refused.",
        "`MUNIMENT_HOME` names the home, `~/.muniment` where it is left out. An address may hold a password: `X_FILE` beside an address",
        "variable `X` names a file of mode 600 that holds it.",
        "",
        "| variable | in the file | value | default |",
        "| --- | --- | --- | --- |",
    ]
    for setting in SETTINGS:
        if setting.name in {"database_is_embedded", "chain_is_local"}:
            continue
        default = defaults[setting.name]
        lines.append(f"| `{setting.variable}` | `{setting.name}` | {setting.rule} | {'none' if default is None else f'`{default}`'} |")
    told = "Secrets are files of mode 600 below `secrets` in the home, or variables; a start makes those it needs, but not `smtp_password`:"
    lines += ["", told, ""]
    lines += [f"- `{secret_variable(name)}` (file `secrets/{name}`)" for name in SECRETS]
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "compliance-check.schema.json": law_pages.schema_text,
    "configuration.md": configuration_page,
    "law.md": lambda: law_pages.law_page(HEAD),
    **contract_pages.pages(),
}

if __name__ == "__main__":
    (FOLDER / "contracts").mkdir(exist_ok=True)
    for stale in (FOLDER / "contracts").glob("*.md"):
        stale.unlink()
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
