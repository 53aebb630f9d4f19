# SPDX-License-Identifier: Apache-2.0
"""Every pairing of our token, registries and compliance with the reference's: a security's life from deployment to recovery.

All is deployed and called by the reference's calls alone; the expectations are written out, so no pair can agree on something wrong.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.conftest import StageOf
from tests.interop.scenarios import GERMANY, KYC, NO, NORTH_KOREA, YES
from tests.interop.suites import Maker, Makers, Stage, key_of

MAKERS: tuple[Maker, ...] = ("ours", "theirs")
PAIRS = [Makers(token, registries, compliance) for token in MAKERS for registries in MAKERS for compliance in MAKERS]
TOKEN_EVENTS_OF_RECOVERY = ["TokensUnfrozen", "Transfer", "TokensFrozen", "AddressFrozen", "RecoverySuccess"]


def done(stage: Stage, name: str, function: str, *arguments: Any, by: str) -> list[str]:
    """Do something that has to succeed, and return the names of the contract's own events."""
    outcome = stage.call(name, function, *arguments, by=by)
    assert outcome.refused is None, outcome
    return [event for told_by, event, _ in outcome.events if told_by == name]


def refused(stage: Stage, name: str, function: str, *arguments: Any, by: str) -> str | None:
    """Do something that has to be refused, and return the reason."""
    return stage.call(name, function, *arguments, by=by).refused


def invest(stage: Stage, *names: str, country: int = GERMANY) -> None:
    """Register people whose identity contracts hold the claim that is asked."""
    for name in names:
        done(stage, "registry", "registerIdentity", f"@{name}", stage.identity(name), country, by="agent")
        stage.claim(name, "issuer", KYC)
        assert stage.ask("registry", "isVerified", f"@{name}") is True


@pytest.fixture(params=PAIRS, ids="-".join)
def stage(request: pytest.FixtureRequest, stage_of: StageOf) -> Any:
    with stage_of(request.param) as stage:
        done(stage, "topics", "addClaimTopic", KYC, by="owner")
        done(stage, "issuers", "addTrustedIssuer", stage.claim_issuer("issuer"), [KYC], by="owner")
        yield stage


def holding(stage: Stage, name: str) -> tuple[int, int, bool]:
    """Return what somebody holds, how much of it is frozen, and whether the wallet is."""
    return tuple(stage.ask("token", view, f"@{name}") for view in ("balanceOf", "getFrozenTokens", "isFrozen"))


def test_securities_are_issued_and_transferred_between_the_verified(stage: Stage) -> None:
    invest(stage, "ann", "bob")
    assert done(stage, "token", "mint", "@ann", 100, by="agent") == ["Transfer"]
    assert "Transfer" in done(stage, "token", "transfer", "@bob", 30, by="ann")
    done(stage, "token", "approve", "@spender", 5, by="ann")
    assert "Transfer" in done(stage, "token", "transferFrom", "@ann", "@bob", 5, by="spender")
    done(stage, "token", "batchMint", ["@ann", "@bob"], [5, 6], by="agent")
    done(stage, "token", "batchTransfer", ["@ann", "@bob"], [1, 2], by="bob")
    assert (holding(stage, "ann")[0], holding(stage, "bob")[0], stage.ask("token", "totalSupply")) == (71, 40, 111)


def test_nobody_without_a_valid_claim_gains(stage: Stage) -> None:
    invest(stage, "ann")
    done(stage, "token", "mint", "@ann", 100, by="agent")
    done(stage, "registry", "registerIdentity", "@cat", stage.identity("cat"), GERMANY, by="agent")
    signature = stage.claim("cat", "issuer", KYC)
    done(stage, "token", "transfer", "@cat", 1, by="ann")
    stage.contracts["issuer"].fn("revokeClaimBySignature", signature, sender=stage.person("owner"))
    for receiver in ("@cat", "@stranger"):
        assert refused(stage, "token", "transfer", receiver, 1, by="ann") == "Transfer not possible"
        assert refused(stage, "token", "forcedTransfer", "@ann", receiver, 1, by="agent") == "Transfer not possible"
        assert refused(stage, "token", "mint", receiver, 1, by="agent") == "Identity is not verified."
    assert (holding(stage, "ann")[0], holding(stage, "cat")[0]) == (99, 1)


def test_pauses_and_freezes_hold_and_agents_stand_above_them(stage: Stage) -> None:
    invest(stage, "ann", "bob")
    done(stage, "token", "mint", "@ann", 100, by="agent")
    assert done(stage, "token", "freezePartialTokens", "@ann", 80, by="agent") == ["TokensFrozen"]
    assert refused(stage, "token", "transfer", "@bob", 21, by="ann") == "Insufficient Balance"
    assert done(stage, "token", "forcedTransfer", "@ann", "@bob", 30, by="agent") == ["TokensUnfrozen", "Transfer"]
    assert done(stage, "token", "setAddressFrozen", "@bob", YES, by="agent") == ["AddressFrozen"]
    assert refused(stage, "token", "transfer", "@ann", 1, by="bob") == "wallet is frozen"
    done(stage, "token", "setAddressFrozen", "@bob", NO, by="agent")
    done(stage, "token", "pause", by="agent")
    assert refused(stage, "token", "transfer", "@ann", 1, by="bob") == "Pausable: paused"
    assert done(stage, "token", "burn", "@ann", 1, by="agent") == ["TokensUnfrozen", "Transfer"]
    assert (holding(stage, "ann"), holding(stage, "bob")) == ((69, 69, False), (30, 0, False))


def test_a_lost_wallet_is_recovered_with_its_freezes(stage: Stage) -> None:
    invest(stage, "ann")
    done(stage, "token", "mint", "@ann", 100, by="agent")
    done(stage, "token", "freezePartialTokens", "@ann", 40, by="agent")
    done(stage, "token", "setAddressFrozen", "@ann", YES, by="agent")
    identity = "#identity of ann"
    assert refused(stage, "token", "recoveryAddress", "@ann", "@new", identity, by="agent") == "Recovery not possible"
    stage.contracts["identity of ann"].fn("addKey", key_of(stage.person("new")), 1, 1, sender=stage.person("ann"))
    assert done(stage, "token", "recoveryAddress", "@ann", "@new", identity, by="agent") == TOKEN_EVENTS_OF_RECOVERY
    assert (holding(stage, "ann")[:2], holding(stage, "new")) == ((0, 0), (100, 40, True))
    assert stage.ask("registry", "isVerified", "@new") is True
    assert stage.ask("registry", "contains", "@ann") is False


def test_modules_of_others_rule_whoever_asks_them(stage: Stage) -> None:
    invest(stage, "ann")
    invest(stage, "kim", country=NORTH_KOREA)
    done(stage, "token", "mint", "@ann", 100, by="agent")
    countries = stage.deploy_module("CountryRestrictModule")
    assert done(stage, "compliance", "addModule", "#CountryRestrictModule", by="owner") == ["ModuleAdded"]
    restrict = countries.artifact.encode_call("addCountryRestriction", NORTH_KOREA)
    done(stage, "compliance", "callModuleFunction", restrict, "#CountryRestrictModule", by="owner")
    assert refused(stage, "token", "transfer", "@kim", 1, by="ann") == "Transfer not possible"
    assert refused(stage, "token", "mint", "@kim", 1, by="agent") == "Compliance not followed"
    assert done(stage, "compliance", "removeModule", "#CountryRestrictModule", by="owner") == ["ModuleRemoved"]
    assert "Transfer" in done(stage, "token", "transfer", "@kim", 1, by="ann")
    assert (holding(stage, "ann")[0], holding(stage, "kim")[0]) == (99, 1)


def test_a_token_moves_to_another_compliance_and_another_registry(stage: Stage) -> None:
    invest(stage, "ann", "bob")
    done(stage, "token", "mint", "@ann", 100, by="agent")
    stage.deploy("compliance", "next compliance")
    stage.begin("next compliance")
    assert done(stage, "token", "setCompliance", "#next compliance", by="owner") == ["ComplianceAdded"]
    assert stage.ask("next compliance", "getTokenBound") == "token"
    assert stage.ask("compliance", "getTokenBound") == "nobody"
    stage.deploy("registry", "next registry")
    stage.begin("next registry", "#issuers", "#topics", "#storage")
    assert done(stage, "token", "setIdentityRegistry", "#next registry", by="owner") == ["IdentityRegistryAdded"]
    assert "Transfer" in done(stage, "token", "transfer", "@bob", 1, by="ann")
