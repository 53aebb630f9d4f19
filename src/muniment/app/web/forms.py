# SPDX-License-Identifier: Apache-2.0
"""Reading what a form sends: text fields only, limited, each present once. What the text means is the command's business."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Response
from litestar.enums import MediaType
from litestar.exceptions import ClientException

from muniment.app.http.request import MunimentRequest
from muniment.app.http.session import FORM_TOKEN_FIELD
from muniment.units.errors import MunimentError, Place

FIELD_CHARACTERS_MAX: Final = 10_000


class FieldTooLong(MunimentError):
    """A field holds more text than any form asks for."""

    code = "web.field_too_long"
    message = "The field {field} has {characters} characters."
    cure = "Give at most {characters_max}."


async def form_values(request: MunimentRequest) -> dict[str, str]:
    """Return the text fields of a form, stripped; files and the form token are not among them."""
    values: dict[str, str] = {}
    for name, value in (await request.form()).multi_items():
        if isinstance(value, str) and name != FORM_TOKEN_FIELD and name not in values:
            if "\0" in value:
                # No field means one, and PostgreSQL keeps none in a text.
                raise ClientException("The form holds a null character.")
            if len(value) > FIELD_CHARACTERS_MAX:
                raise FieldTooLong(
                    field=name[:40], characters=len(value), characters_max=FIELD_CHARACTERS_MAX, place=Place(field=name[:40])
                )
            values[name] = value.strip()
    return values


def fingerprint(values: Mapping[str, str]) -> str:
    """Return the hash of what a preview was made from, so that nothing else is done than what was shown."""
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()


def go_to(address: str) -> Response[str]:
    """Return a redirect after a form: the browser fetches the next page, and a reload sends nothing twice."""
    return Response("", status_code=303, headers={"Location": address}, media_type=MediaType.HTML)


def own_path(text: str, *, otherwise: str = "/securities") -> str:
    """Return a path of our own pages; anything that could lead to another host becomes `otherwise`."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return otherwise
    is_own = text.startswith("/") and not text.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return text if is_own and "\\" not in text and text.isprintable() else otherwise


def text_of(values: Mapping[str, Any], name: str) -> str:
    """Return a field's text, empty where it is missing."""
    return str(values.get(name, ""))
