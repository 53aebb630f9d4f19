# SPDX-License-Identifier: Apache-2.0
"""The options by which a command is told who acts. Signing in is in `signed_in`; apart, so that a command without it starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsOption = Annotated[str, typer.Option("--as", help="E-mail address of the member who acts.")]
OrganisationOption = Annotated[
    str, typer.Option("--organisation", help="The organisation's name or id; the first of yours where it is left out.")
]
PasswordFileOption = Annotated[
    Path | None, typer.Option("--password-file", help="A file of mode 600 with the password; asked for where it is left out.")
]
