# SPDX-License-Identifier: Apache-2.0
"""`muniment investors`: valid rows are kept, invalid ones named by line, field and code; erasing is for good."""

from __future__ import annotations

import datetime as dt
import hashlib
from uuid import UUID

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from muniment.access import commands as access
from muniment.app.api_approvals import execute_approved
from muniment.parties import commands as parties
from muniment.units.ids import ApprovalId, InvestorId
from tests.app.command_line import CommandLine, second_owner
from tests.flows.stand import wait_for

pytestmark = [pytest.mark.slow]

HEAD = "external_reference,kind,name,email,country,document_number,document_expires\n"
GOOD = "{0}-1,person,Fictitious Fanny,{0}.fanny@example.com,CH,TEST1,2041-01-01\n"
BAD_COUNTRY = "{0}-2,person,Fictitious Frank,{0}.frank@example.com,ZZ,TEST2,2041-01-01\n"


def write(command_line: CommandLine, prefix: str, *rows: str) -> str:
    file = command_line.folder / "people.csv"
    file.write_text(HEAD + "".join(row.format(prefix) for row in rows), encoding="utf-8")
    return str(file)


def test_rows_become_investors_and_are_verified_and_a_second_import_changes_nothing(command_line: CommandLine) -> None:
    file = write(command_line, "A", GOOD)
    ended = command_line.agent("investors", "import", file, "--verify", "--json")
    assert ended.code == 0
    assert ended.told["verification"] == {"verified": 1}
    assert len(ended.told["accepted"]) == 1
    again = command_line.agent("investors", "import", file)
    assert again.code == 0
    assert again.out == "0 accepted, 1 unchanged, 0 refused\n"


def test_a_bad_row_is_named_with_its_place_and_the_good_one_is_kept(command_line: CommandLine) -> None:
    file = write(command_line, "B", BAD_COUNTRY, GOOD)
    ended = command_line.agent("investors", "import", file, "--json")
    assert ended.code == 1, "a finding, not a refusal: the good row is stored"
    assert len(ended.told["accepted"]) == 1
    (refused,) = ended.told["refused"]
    assert refused["line"] == 2
    assert any("country" in str(reason) for reason in refused["reasons"])
    told = command_line.agent("investors", "import", file)
    assert told.code == 1
    assert "line 2" in told.out
    assert "country" in told.out


def test_a_file_that_is_not_there_is_refused(command_line: CommandLine) -> None:
    ended = command_line.agent("investors", "import", str(command_line.folder / "absent.csv"), "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "app.cannot_read_file")


def test_an_erased_person_is_gone_for_good_and_the_ledger_still_adds_up(command_line: CommandLine) -> None:
    file = write(command_line, "C", GOOD)
    command_line.agent("investors", "import", file, "--json")
    ended = command_line.owner("investors", "erase", "C-1", "--yes", "--json")
    assert ended.told["erased"] is True
    again = command_line.owner("investors", "erase", "C-1", "--yes", "--json")
    assert (again.code, again.refusal["code"]) == (2, "parties.erased")
    assert command_line.run("reconcile").code == 0


def onboarded(command_line: CommandLine, prefix: str, row: str = GOOD) -> str:
    """Onboard and verify somebody; return the reference."""
    ended = command_line.owner("investors", "import", write(command_line, prefix, row), "--verify", "--json")
    assert ended.code == 0, ended.err
    return f"{prefix}-1"


def test_the_file_shows_claims_wallets_and_standing_and_a_claim_is_revoked(command_line: CommandLine) -> None:
    reference = onboarded(command_line, "D")
    letter = command_line.private_file("letter.txt", "A letter (fictitious).")
    asked = ("--topic", "tax_form", "--basis", "w9", "--issuer", "the investor", "--evidence", str(letter), "--expires", "2035-01-01")
    refused = command_line.owner("investors", "claim", "add", reference, *asked, "--json")
    assert (refused.code, refused.refusal["code"], refused.refusal["place"]) == (2, "parties.bad_claim", {"field": "expires_at"})
    soon = (dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=10)).date().isoformat()
    added = command_line.owner("investors", "claim", "add", reference, *asked[:-1], soon, "--json").told["claim"]
    shown = command_line.owner("investors", "show", reference, "--json").told
    assert (shown["status"], shown["name"]) == ("verified", "Fictitious Fanny")
    assert [claim["topic"] for claim in shown["claims"]] == ["kyc", "aml", "tax_form"]
    assert shown["claims"][-1]["evidence_sha256"] == hashlib.sha256(letter.read_bytes()).hexdigest()
    assert f"claim {added['claim_id']}: tax_form" in command_line.owner("investors", "show", reference).out
    waiting = command_line.owner("investors", "queue", "--kind", "claim_expiring", "--json").told["items"]
    assert [item["external_reference"] for item in waiting] == [reference]
    revoked = command_line.owner("investors", "claim", "revoke", reference, added["claim_id"], "--reason", "superseded", "--json")
    assert revoked.told["revocation"] == "superseded"
    assert command_line.owner("investors", "queue", "--kind", "claim_expiring").out == "nothing waits\n"
    found = command_line.owner("investors", "list", "--search", "D.fanny@example.com", "--json").told["investors"]
    assert [investor["external_reference"] for investor in found] == [reference]


def test_an_accreditation_waits_in_the_queue_for_the_second_person(command_line: CommandLine) -> None:
    reference = onboarded(command_line, "E")
    evidence = ("--evidence-sha256", "5" * 64, "--expires", (dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=300)).date().isoformat())
    claim = ("--topic", "accreditation", "--basis", "income_documents", "--issuer", "An auditor (fictitious)", *evidence)
    approval_id = command_line.owner("investors", "claim", "add", reference, *claim, "--json").told["approval_id"]
    (item,) = command_line.owner("investors", "queue", "--kind", "approval", "--json").told["items"]
    assert (item["subject_id"], item["detail"]) == (approval_id, "accreditation")
    with command_line.stand.begin(command_line.filling.desk.tenant_id) as unit:
        second = second_owner(command_line.filling.desk, unit)
        told = execute_approved(second, access.approve_request(second, ApprovalId(UUID(approval_id)), unit=unit), unit=unit)
    assert told["href"].startswith("/investors/")
    assert "accreditation" in command_line.owner("investors", "show", reference).out


def test_a_list_brings_a_name_into_review_and_two_people_clear_and_accept_it(command_line: CommandLine) -> None:
    reference = onboarded(command_line, "F", GOOD.replace("Fictitious Fanny", "Frieda Falsepositive"))
    file = command_line.private_file("list.csv", "entry_id,name,programme\n7,Falsepositive Frieda,TEST\n")
    told = command_line.owner("investors", "sanctions", "import", str(file), "--source", "test_list", "--json").told
    assert (told["entries"], told["open_hits"]) == (1, 1)
    assert command_line.owner("investors", "show", reference, "--json").told["status"] == "in_review"
    (item,) = command_line.owner("investors", "queue", "--kind", "sanctions", "--json").told["items"]
    assert item["external_reference"] == reference
    early = command_line.owner("investors", "review", reference, "--accept", "--json")
    assert early.refusal["code"] == "parties.hits_open"
    cleared = command_line.owner("investors", "sanctions", "clear", item["subject_id"], "--reason", "born elsewhere", "--json")
    assert cleared.told["state"] == "cleared"
    alone = command_line.owner("investors", "review", reference, "--accept", "--json")
    assert alone.refusal["code"] == "parties.own_clearance"
    with command_line.stand.begin(command_line.filling.desk.tenant_id) as unit:
        second = second_owner(command_line.filling.desk, unit)
        parties.decide_review(second, InvestorId(UUID(item["investor_id"])), accepted=True, unit=unit)
    assert command_line.owner("investors", "screen", "--json").told == {"open_hits": 0}
    (current,) = command_line.owner("investors", "sanctions", "lists", "--json").told
    assert current["source"] == "test_list" and current["screened_at"] > current["imported_at"]


def test_the_sandbox_answers_later_through_the_worker(command_line: CommandLine) -> None:
    file = write(command_line, "J", GOOD.replace("Fictitious Fanny", "Wanda Waiting"))
    assert command_line.owner("investors", "import", file, "--verify", "--json").told["verification"] == {"in_review": 1}
    wait_for(lambda: command_line.owner("investors", "show", "J-1", "--json").told["status"] == "verified", "the provider's webhook")


def test_a_changed_country_is_brought_to_the_chain(command_line: CommandLine) -> None:
    reference = onboarded(command_line, "G")
    told = command_line.owner("investors", "reverify", reference, "--set", "country=LI", "--json").told
    assert told["status"] == "verified"
    with command_line.stand.begin(command_line.filling.desk.tenant_id) as unit:
        investor = unit.investors.by_reference(reference)
        assert investor is not None
        wallet = unit.wallets.of_investor(investor.investor_id)[0].address
        assert unit.identities.on_chain(wallet).country == 438
    wrong = command_line.owner("investors", "reverify", reference, "--set", "country", "--json")
    assert wrong.refusal["code"] == "app.bad_change"


def test_a_wallet_is_proved_by_its_signature(command_line: CommandLine) -> None:
    reference = onboarded(command_line, "H")
    key = Account.create()
    message = command_line.owner("investors", "prove-wallet", reference, "--address", key.address).out
    signature = key.sign_message(encode_defunct(text=message.removesuffix("\n"))).signature.hex()
    file = command_line.private_file("message.txt", message)
    told = command_line.owner("investors", "prove-wallet", reference, "--message", str(file), "--signature", signature, "--json").told
    assert told["address"] == key.address and told["proved_at"] is not None
    again = command_line.owner("investors", "prove-wallet", reference, "--message", str(file), "--signature", signature, "--json")
    assert again.refusal["code"] == "parties.bad_wallet_proof"
    assert command_line.owner("investors", "prove-wallet", reference, "--json").refusal["code"] == "app.bad_options"


def test_a_providers_secret_goes_into_a_private_file_once(command_line: CommandLine) -> None:
    file = command_line.folder / "secret"
    told = command_line.owner("investors", "provider-secret", "sandbox", "--out", str(file), "--json").told
    assert told["webhook"].startswith("/v1/identity-webhooks/")
    assert len(bytes.fromhex(file.read_text())) == 32 and file.stat().st_mode & 0o777 == 0o600
    again = command_line.owner("investors", "provider-secret", "sandbox", "--out", str(file), "--json")
    assert again.refusal["code"] == "app.bad_options"


def test_an_unknown_reference_is_refused(command_line: CommandLine) -> None:
    ended = command_line.owner("investors", "erase", "NOBODY", "--yes", "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "app.no_such_investor")
