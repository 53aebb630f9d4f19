# SPDX-License-Identifier: Apache-2.0
"""Personal data that must turn up nowhere: people invented so that each value is found again wherever it leaks. Holds no test."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"

PASSWORD = "canary-passphrase-quetzal-81"
OWNER = ("Kanarina.Besitzerowa@vogelhaus-owner.example", "Kanarina Besitzerowa")
AGENT = ("kanario.agentov@vogelhaus-agent.example", "Kanario Agentovski")

_SYLLABLES = ("ba", "de", "fi", "go", "hu", "ja", "ke", "li", "mo", "nu", "pa", "re")
_COUNTRIES = ("CH", "DE", "FR", "AT", "IT", "NL", "BE", "SE", "DK", "FI", "IE", "PT")


@dataclass(frozen=True, slots=True)
class Person:
    """An invented investor; every field but reference and country is a canary."""

    reference: str
    name: str
    email: str
    country: str
    date_of_birth: str
    tax_id: str
    document_number: str
    document_expires: str
    note: str

    @property
    def values(self) -> tuple[str, ...]:
        """Everything that says who this is."""
        given, surname = self.name.split(" ")
        told = (self.name, given, surname, self.email, self.date_of_birth, self.tax_id, self.document_number, self.document_expires)
        return (*told, self.note)


def a_person(number: int, *, prefix: str = "K") -> Person:
    """Return the invented person of that number."""
    syllable = _SYLLABLES[number % len(_SYLLABLES)] * 2 + "ta" * (number // len(_SYLLABLES))
    return Person(
        reference=f"{prefix}-{number:03}",
        name=f"Kanarius{syllable} Zwitschermann{syllable}",
        email=f"Kanari.{syllable}@vogelhaus-{syllable}.example",
        country=_COUNTRIES[number % len(_COUNTRIES)],
        date_of_birth=f"19{31 + number}-{1 + number % 12:02}-{10 + number % 18}",
        tax_id=f"KANTAX77{number:03}Q",
        document_number=f"KANDOC55{number:03}P",
        document_expires=f"20{71 + number}-{1 + number % 12:02}-{10 + number % 18}",
        note=f"kanarinotiz {syllable} nistkasten",
    )


INVESTORS = tuple(a_person(number) for number in range(12))
"""Those who hold shares."""

VEHICLE_OWNER: dict[str, Any] = {
    "legal_name": "Kanaldo Fahrzeughalterski",
    "date_of_birth": "1929-02-17",
    "address": {"street": "77 Piepmatzgasse", "city": "Kanarienheim", "region": "VT", "postal_code": "KAN-90210", "country": "US"},
    "email": "kanaldo@vogelhaus-garage.example",
    "title_document_number": "VT-KANARI-771177",
}

STAKEHOLDERS = tuple((f"Kanarelle Gesellschafterin{syllable * 2}", f"stake.{syllable}@vogelhaus-ocf.example") for syllable in _SYLLABLES)
"""Legal name and e-mail of those on the company's cap table."""


def investors_csv(people: tuple[Person, ...] = INVESTORS) -> bytes:
    """Return the onboarding file of these people."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("external_reference", "kind", "name", "email", "country", "date_of_birth", "tax_id", "document_number", "document_expires", "note")
    )
    for person in people:
        writer.writerow(
            (
                person.reference,
                "person",
                person.name,
                person.email,
                person.country,
                person.date_of_birth,
                person.tax_id,
                person.document_number,
                person.document_expires,
                person.note,
            )
        )
    return text.getvalue().encode()


def vehicle_files() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a vehicle's record, which names nobody, and its owner file."""
    vehicle: dict[str, Any] = json.loads((EXAMPLES / "vehicle" / "vehicle.json").read_bytes())
    return vehicle, VEHICLE_OWNER


def ocf_files() -> dict[str, bytes]:
    """Return the example company's package with canaries as its stakeholders."""
    files = {path.name: path.read_bytes() for path in sorted((EXAMPLES / "ocf").iterdir())}
    document = json.loads(files["Stakeholders.ocf.json"])
    for stakeholder, (name, email) in zip(document["items"], STAKEHOLDERS, strict=False):
        stakeholder["name"] = {"legal_name": name}
        stakeholder.pop("primary_contact", None)
        stakeholder["contact_info"] = {"emails": [{"email_address": email, "email_type": "PERSONAL"}]}
    files["Stakeholders.ocf.json"] = json.dumps(document).encode()
    return files


def planted() -> dict[str, str]:
    """Return every canary by what it is."""
    found: dict[str, str] = {"password": PASSWORD}
    for kind, (email, name) in {"owner": OWNER, "agent": AGENT}.items():
        found |= {f"{kind} email": email, f"{kind} name": name, f"{kind} surname": name.split(" ")[1]}
    for person in INVESTORS:
        found |= {f"{person.reference} {number}": value for number, value in enumerate(person.values)}
    for name, value in VEHICLE_OWNER.items():
        if isinstance(value, dict):
            # State and country are two letters long and everywhere.
            found |= {f"vehicle owner {inner}": text for inner, text in value.items() if len(text) > 2}
        else:
            found[f"vehicle owner {name}"] = value
    used = len(json.loads((EXAMPLES / "ocf" / "Stakeholders.ocf.json").read_bytes())["items"])
    for number, (name, email) in enumerate(STAKEHOLDERS[:used]):
        found |= {f"stakeholder {number} name": name, f"stakeholder {number} email": email}
    return found
