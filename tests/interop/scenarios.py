# SPDX-License-Identifier: Apache-2.0
"""What the interface of ERC-3643 is asked, function by function: the same steps for everybody's contracts. Expects nothing itself."""

from __future__ import annotations

from collections.abc import Callable

import eth_abi

from tests.interop.suites import Stage, build, key_of

Scenario = Callable[[Stage], None]

GERMANY, FRANCE, NORTH_KOREA = 276, 250, 408
KYC, ACCREDITED = 1, 2
NO, YES = False, True
YES_WORD = (1).to_bytes(32, "big")


def enrol(s: Stage, *names: str, country: int = GERMANY) -> None:
    """Register people with identity contracts of their own."""
    for name in names:
        s.call("registry", "registerIdentity", f"@{name}", s.identity(name), country, by="agent")


def issue(s: Stage, **amounts: int) -> None:
    """Register people and issue to them."""
    enrol(s, *amounts)
    for name, amount in amounts.items():
        s.call("token", "mint", f"@{name}", amount, by="agent")


def balances(s: Stage, *names: str) -> None:
    """Look at what people hold and what of it is frozen."""
    for name in names:
        s.ask("token", "balanceOf", f"@{name}")
        s.ask("token", "getFrozenTokens", f"@{name}")
        s.ask("token", "isFrozen", f"@{name}")
    s.ask("token", "totalSupply")


# IToken


def token_is_initialised(s: Stage) -> None:
    fresh = build(s.chain, s.makers, wire=NO)
    s.contracts |= {f"fresh {role}": contract for role, contract in fresh.contracts.items()}
    s.names |= {contract.address: name for name, contract in s.contracts.items()}
    s.begin("fresh compliance")
    parts = ("#registry", "#fresh compliance")
    s.begin("fresh token", "0x0", "#fresh compliance", "Acme", "ACME", 0, "0x0")
    s.begin("fresh token", "#registry", "0x0", "Acme", "ACME", 0, "0x0")
    s.begin("fresh token", *parts, "", "ACME", 0, "0x0")
    s.begin("fresh token", *parts, "Acme", "", 0, "0x0")
    s.begin("fresh token", *parts, "Acme", "ACME", 19, "0x0")
    s.begin("fresh token", *parts, "Acme", "ACME", 18, "@onchainid")
    s.begin("fresh token", *parts, "Acme", "ACME", 18, "0x0")
    for view in ("name", "symbol", "decimals", "onchainID", "paused", "identityRegistry", "compliance", "totalSupply", "owner"):
        s.ask("fresh token", view)
    s.ask("fresh token", "isAgent", "@owner")
    s.ask("fresh compliance", "getTokenBound")
    s.call("fresh token", "mint", "@ann", 1, by="owner")


def token_information_is_set(s: Stage) -> None:
    for function, value in (("setName", "Other"), ("setSymbol", "OTH"), ("setOnchainID", "@onchainid")):
        s.call("token", function, value, by="stranger")
        s.call("token", function, value, by="agent")
        s.call("token", function, value)
    s.call("token", "setName", "")
    s.call("token", "setSymbol", "")
    s.call("token", "setOnchainID", "0x0")
    for view in ("name", "symbol", "onchainID"):
        s.ask("token", view)


def token_is_rewired(s: Stage) -> None:
    fresh = build(s.chain, s.makers, wire=NO)
    s.contracts |= {f"other {role}": contract for role, contract in fresh.contracts.items()}
    s.names |= {contract.address: name for name, contract in s.contracts.items()}
    s.begin("other compliance")
    s.begin("other registry", "#issuers", "#topics", "#storage")
    for function, value in (("setIdentityRegistry", "#other registry"), ("setCompliance", "#other compliance")):
        s.call("token", function, value, by="stranger")
        s.call("token", function, value, by="agent")
        s.call("token", function, value)
    for view in ("identityRegistry", "compliance"):
        s.ask("token", view)
    s.ask("compliance", "getTokenBound")
    s.ask("other compliance", "getTokenBound")
    s.call("token", "setCompliance", "0x0")


def token_loses_its_registry(s: Stage) -> None:
    s.call("token", "setIdentityRegistry", "0x0")
    s.ask("token", "identityRegistry")


def owners_and_agents_change(s: Stage) -> None:
    for name in ("token", "registry", "storage"):
        s.call(name, "addAgent", "@second", by="stranger")
        s.call(name, "addAgent", "0x0")
        s.call(name, "addAgent", "@second")
        s.call(name, "addAgent", "@second")
        s.ask(name, "isAgent", "@second")
        s.call(name, "removeAgent", "@second", by="stranger")
        s.call(name, "removeAgent", "0x0")
        s.call(name, "removeAgent", "@second")
        s.call(name, "removeAgent", "@second")
        s.ask(name, "isAgent", "@second")
        s.ask(name, "isAgent", "0x0")
    for name in ("token", "registry", "storage", "issuers", "topics", "compliance"):
        s.ask(name, "owner")
        s.call(name, "transferOwnership", "@next", by="stranger")
        s.call(name, "transferOwnership", "0x0")
        s.call(name, "transferOwnership", "@next")
        s.call(name, "transferOwnership", "@owner")
        s.ask(name, "owner")


def token_is_paused(s: Stage) -> None:
    issue(s, ann=100, bob=100)
    s.call("token", "unpause", by="agent")
    s.call("token", "pause", by="stranger")
    s.call("token", "pause", by="owner")
    s.call("token", "pause", by="agent")
    s.call("token", "pause", by="agent")
    s.ask("token", "paused")
    s.call("token", "transfer", "@bob", 1, by="ann")
    s.call("token", "approve", "@spender", 5, by="ann")
    s.call("token", "transferFrom", "@ann", "@bob", 1, by="spender")
    s.call("token", "batchTransfer", ["@bob"], [1], by="ann")
    s.call("token", "forcedTransfer", "@ann", "@bob", 1, by="agent")
    s.call("token", "mint", "@ann", 1, by="agent")
    s.call("token", "burn", "@ann", 1, by="agent")
    s.call("token", "unpause", by="stranger")
    s.call("token", "unpause", by="agent")
    balances(s, "ann", "bob")


def tokens_are_minted(s: Stage) -> None:
    enrol(s, "ann")
    s.call("token", "mint", "@ann", 5, by="stranger")
    s.call("token", "mint", "@ann", 5, by="owner")
    s.call("token", "mint", "@stranger", 5, by="agent")
    s.call("token", "mint", "0x0", 5, by="agent")
    s.call("token", "mint", "@ann", 5, by="agent")
    s.call("token", "mint", "@ann", 0, by="agent")
    s.call("token", "setAddressFrozen", "@ann", YES, by="agent")
    s.call("token", "mint", "@ann", 5, by="agent")
    balances(s, "ann")


def tokens_are_burned(s: Stage) -> None:
    issue(s, ann=100)
    s.call("token", "burn", "@ann", 5, by="stranger")
    s.call("token", "burn", "@ann", 101, by="agent")
    s.call("token", "burn", "@ann", 5, by="agent")
    s.call("token", "freezePartialTokens", "@ann", 90, by="agent")
    s.call("token", "burn", "@ann", 25, by="agent")
    balances(s, "ann")
    s.call("token", "setAddressFrozen", "@ann", YES, by="agent")
    s.call("token", "burn", "@ann", 70, by="agent")
    balances(s, "ann")


def nothing_is_minted_or_burned(s: Stage) -> None:
    issue(s, ann=5)
    s.call("token", "mint", "@ann", 0, by="agent")
    s.call("token", "burn", "@ann", 0, by="agent")
    s.call("token", "forcedTransfer", "@ann", "@ann", 0, by="agent")


def tokens_are_transferred(s: Stage) -> None:
    issue(s, ann=100, bob=50)
    s.call("token", "transfer", "@bob", 10, by="ann")
    s.call("token", "transfer", "@bob", 91, by="ann")
    s.call("token", "transfer", "@stranger", 1, by="ann")
    s.call("token", "transfer", "0x0", 1, by="ann")
    s.call("token", "transfer", "@bob", 1, by="stranger")
    s.call("token", "transfer", "@ann", 10, by="ann")
    s.call("token", "freezePartialTokens", "@ann", 60, by="agent")
    s.call("token", "transfer", "@bob", 31, by="ann")
    s.call("token", "transfer", "@bob", 30, by="ann")
    s.call("token", "setAddressFrozen", "@bob", YES, by="agent")
    s.call("token", "transfer", "@bob", 0, by="ann")
    s.call("token", "transfer", "@bob", 1, by="ann")
    s.call("token", "transfer", "@ann", 1, by="bob")
    s.call("token", "setAddressFrozen", "@bob", NO, by="agent")
    s.call("token", "transfer", "@ann", 1, by="bob")
    balances(s, "ann", "bob")


def nothing_is_transferred(s: Stage) -> None:
    issue(s, ann=100, bob=50)
    s.call("token", "transfer", "@bob", 0, by="ann")
    s.call("token", "approve", "@spender", 0, by="ann")
    s.call("token", "transferFrom", "@ann", "@bob", 0, by="spender")


def tokens_are_transferred_by_allowance(s: Stage) -> None:
    issue(s, ann=100, bob=50)
    s.call("token", "approve", "@spender", 30, by="ann")
    s.ask("token", "allowance", "@ann", "@spender")
    s.call("token", "transferFrom", "@ann", "@bob", 31, by="spender")
    s.call("token", "transferFrom", "@ann", "@stranger", 5, by="spender")
    s.call("token", "transferFrom", "@ann", "@bob", 10, by="spender")
    s.ask("token", "allowance", "@ann", "@spender")
    s.call("token", "transferFrom", "@ann", "@bob", 1, by="agent")
    s.call("token", "freezePartialTokens", "@ann", 85, by="agent")
    s.call("token", "transferFrom", "@ann", "@bob", 10, by="spender")
    s.call("token", "setAddressFrozen", "@ann", YES, by="agent")
    s.call("token", "transferFrom", "@ann", "@bob", 1, by="spender")
    s.call("token", "setAddressFrozen", "@ann", NO, by="agent")
    s.call("token", "setAddressFrozen", "@spender", YES, by="agent")
    s.call("token", "transferFrom", "@ann", "@bob", 1, by="spender")
    s.call("token", "approve", "0x0", 1, by="ann")
    s.call("token", "increaseAllowance", "@spender", 6, by="ann")
    s.call("token", "decreaseAllowance", "@spender", 4, by="ann")
    s.call("token", "decreaseAllowance", "@spender", 99, by="ann")
    s.call("token", "increaseAllowance", "0x0", 6, by="ann")
    s.ask("token", "allowance", "@ann", "@spender")
    balances(s, "ann", "bob")


def an_unlimited_allowance_is_used(s: Stage) -> None:
    issue(s, ann=100, bob=50)
    s.call("token", "approve", "@spender", 2**256 - 1, by="ann")
    s.call("token", "transferFrom", "@ann", "@bob", 10, by="spender")
    s.ask("token", "allowance", "@ann", "@spender")


def tokens_are_forced(s: Stage) -> None:
    issue(s, ann=100, bob=50)
    s.call("token", "forcedTransfer", "@ann", "@bob", 1, by="stranger")
    s.call("token", "forcedTransfer", "@ann", "@bob", 1, by="owner")
    s.call("token", "forcedTransfer", "@ann", "@bob", 101, by="agent")
    s.call("token", "forcedTransfer", "@ann", "@stranger", 1, by="agent")
    s.call("token", "forcedTransfer", "@ann", "0x0", 1, by="agent")
    s.call("token", "forcedTransfer", "@ann", "@bob", 10, by="agent")
    s.call("token", "freezePartialTokens", "@ann", 80, by="agent")
    s.call("token", "forcedTransfer", "@ann", "@bob", 15, by="agent")
    s.call("token", "setAddressFrozen", "@ann", YES, by="agent")
    s.call("token", "setAddressFrozen", "@bob", YES, by="agent")
    s.call("token", "forcedTransfer", "@ann", "@bob", 75, by="agent")
    balances(s, "ann", "bob")


def tokens_are_forced_to_their_holder(s: Stage) -> None:
    issue(s, ann=100)
    s.call("token", "freezePartialTokens", "@ann", 80, by="agent")
    s.call("token", "forcedTransfer", "@ann", "@ann", 50, by="agent")
    balances(s, "ann")


def wallets_are_frozen(s: Stage) -> None:
    issue(s, ann=100)
    s.call("token", "setAddressFrozen", "@ann", YES, by="stranger")
    s.call("token", "setAddressFrozen", "@ann", YES, by="agent")
    s.call("token", "setAddressFrozen", "@ann", YES, by="agent")
    s.call("token", "setAddressFrozen", "@ann", NO, by="agent")
    s.call("token", "setAddressFrozen", "@stranger", YES, by="agent")
    balances(s, "ann", "stranger")


def amounts_are_frozen(s: Stage) -> None:
    issue(s, ann=100)
    s.call("token", "freezePartialTokens", "@ann", 10, by="stranger")
    s.call("token", "freezePartialTokens", "@ann", 101, by="agent")
    s.call("token", "freezePartialTokens", "@ann", 60, by="agent")
    s.call("token", "freezePartialTokens", "@ann", 41, by="agent")
    s.call("token", "freezePartialTokens", "@ann", 0, by="agent")
    s.call("token", "freezePartialTokens", "@ann", 40, by="agent")
    s.call("token", "unfreezePartialTokens", "@ann", 10, by="stranger")
    s.call("token", "unfreezePartialTokens", "@ann", 101, by="agent")
    s.call("token", "unfreezePartialTokens", "@ann", 30, by="agent")
    s.call("token", "unfreezePartialTokens", "@ann", 0, by="agent")
    s.call("token", "freezePartialTokens", "@stranger", 1, by="agent")
    balances(s, "ann")


def an_amount_beyond_all_is_frozen(s: Stage) -> None:
    issue(s, ann=100)
    s.call("token", "freezePartialTokens", "@ann", 1, by="agent")
    s.call("token", "freezePartialTokens", "@ann", 2**256 - 1, by="agent")


def a_wallet_is_recovered(s: Stage) -> None:
    issue(s, ann=100, bob=50)
    enrol(s, "cat")
    identity = "#identity of ann"
    s.call("token", "recoveryAddress", "@ann", "@new", identity, by="stranger")
    s.call("token", "recoveryAddress", "@cat", "@new", "#identity of cat", by="agent")
    s.call("token", "recoveryAddress", "@ann", "@new", identity, by="agent")
    s.contracts["identity of ann"].fn("addKey", key_of(s.person("new")), 1, 1, sender=s.person("ann"))
    s.call("token", "freezePartialTokens", "@ann", 30, by="agent")
    s.call("token", "setAddressFrozen", "@ann", YES, by="agent")
    s.call("token", "recoveryAddress", "@ann", "@new", identity, by="agent")
    balances(s, "ann", "new")
    for view in ("identity", "investorCountry", "contains", "isVerified"):
        s.ask("registry", view, "@ann")
        s.ask("registry", view, "@new")
    s.call("token", "recoveryAddress", "@ann", "@newest", identity, by="agent")


def a_wallet_is_recovered_without_a_freeze(s: Stage) -> None:
    issue(s, ann=100)
    s.contracts["identity of ann"].fn("addKey", key_of(s.person("new")), 1, 1, sender=s.person("ann"))
    s.call("token", "recoveryAddress", "@ann", "@new", "#identity of ann", by="agent")
    balances(s, "ann", "new")


def a_wallet_is_recovered_into_one_that_is_registered(s: Stage) -> None:
    issue(s, ann=100)
    s.contracts["identity of ann"].fn("addKey", key_of(s.person("new")), 1, 1, sender=s.person("ann"))
    s.call("registry", "registerIdentity", "@new", "#identity of ann", GERMANY, by="agent")
    s.call("token", "recoveryAddress", "@ann", "@new", "#identity of ann", by="agent")
    balances(s, "ann", "new")


def a_wallet_is_recovered_by_the_wrong_identity(s: Stage) -> None:
    issue(s, ann=100, bob=10)
    s.contracts["identity of bob"].fn("addKey", key_of(s.person("new")), 1, 1, sender=s.person("bob"))
    s.call("token", "recoveryAddress", "@ann", "@new", "#identity of bob", by="agent")
    balances(s, "ann", "new")


def acts_are_done_in_batches(s: Stage) -> None:
    issue(s, ann=100, bob=50)
    both = ["@ann", "@bob"]
    for function, arguments in (
        ("batchMint", (both, [5, 6])),
        ("batchBurn", (both, [1, 2])),
        ("batchForcedTransfer", (both, ["@bob", "@ann"], [3, 4])),
        ("batchSetAddressFrozen", (both, [YES, NO])),
        ("batchFreezePartialTokens", (both, [7, 8])),
        ("batchUnfreezePartialTokens", (both, [1, 1])),
    ):
        s.call("token", function, *arguments, by="stranger")
        s.call("token", function, *arguments, by="agent")
    s.call("token", "batchTransfer", ["@ann", "@bob"], [1, 2], by="bob")
    s.call("token", "setAddressFrozen", "@ann", NO, by="agent")
    s.call("token", "batchTransfer", ["@ann", "@bob"], [1, 2], by="bob")
    s.call("token", "batchTransfer", ["@ann", "@stranger"], [1, 2], by="bob")
    s.call("token", "batchMint", ["@ann", "@stranger"], [1, 2], by="agent")
    s.call("token", "batchTransfer", [], [], by="bob")
    balances(s, "ann", "bob")


def batches_have_lists_of_unequal_length(s: Stage) -> None:
    issue(s, ann=100, bob=50)
    s.call("token", "batchTransfer", ["@bob", "@bob"], [1], by="ann")
    s.call("token", "batchMint", ["@ann", "@bob"], [1], by="agent")
    s.call("token", "batchMint", ["@ann"], [1, 2], by="agent")
    balances(s, "ann", "bob")


# IIdentityRegistry


def registry_is_initialised(s: Stage) -> None:
    fresh = build(s.chain, s.makers, wire=NO)
    s.add("fresh registry", fresh.contracts["registry"])
    s.begin("fresh registry", "0x0", "#topics", "#storage")
    s.begin("fresh registry", "#issuers", "0x0", "#storage")
    s.begin("fresh registry", "#issuers", "#topics", "#storage")
    s.begin("fresh registry", "#issuers", "#topics", "#storage")
    for view in ("issuersRegistry", "topicsRegistry", "identityStorage", "owner"):
        s.ask("fresh registry", view)
    for name in ("storage", "issuers", "topics", "compliance"):
        s.begin(name)


def registry_without_a_storage_is_initialised(s: Stage) -> None:
    fresh = build(s.chain, s.makers, wire=NO)
    s.add("fresh registry", fresh.contracts["registry"])
    s.begin("fresh registry", "#issuers", "#topics", "0x0")


def registry_is_rewired(s: Stage) -> None:
    fresh = build(s.chain, s.makers, wire=NO)
    s.contracts |= {f"other {role}": contract for role, contract in fresh.contracts.items()}
    s.names |= {contract.address: name for name, contract in s.contracts.items()}
    for role in ("issuers", "topics", "storage"):
        s.begin(f"other {role}")
    for function, value in (
        ("setTrustedIssuersRegistry", "#other issuers"),
        ("setClaimTopicsRegistry", "#other topics"),
        ("setIdentityRegistryStorage", "#other storage"),
    ):
        s.call("registry", function, value, by="stranger")
        s.call("registry", function, value, by="agent")
        s.call("registry", function, value)
    for view in ("issuersRegistry", "topicsRegistry", "identityStorage"):
        s.ask("registry", view)
    s.call("registry", "registerIdentity", "@ann", s.identity("ann"), GERMANY, by="agent")
    s.call("other storage", "bindIdentityRegistry", "#registry")
    s.call("registry", "registerIdentity", "@ann", "#identity of ann", GERMANY, by="agent")
    s.ask("storage", "storedIdentity", "@ann")
    s.ask("other storage", "storedIdentity", "@ann")


def wallets_are_registered(s: Stage) -> None:
    ann, bob = s.identity("ann"), s.identity("bob")
    s.call("registry", "registerIdentity", "@ann", ann, GERMANY, by="stranger")
    s.call("registry", "registerIdentity", "@ann", ann, GERMANY, by="owner")
    s.call("registry", "registerIdentity", "0x0", ann, GERMANY, by="agent")
    s.call("registry", "registerIdentity", "@ann", ann, GERMANY, by="agent")
    s.call("registry", "registerIdentity", "@ann", bob, FRANCE, by="agent")
    s.call("registry", "registerIdentity", "@ann's second", ann, GERMANY, by="agent")
    for name in ("ann", "ann's second", "bob"):
        for view in ("contains", "identity", "investorCountry", "isVerified"):
            s.ask("registry", view, f"@{name}")
        s.ask("storage", "storedIdentity", f"@{name}")
        s.ask("storage", "storedInvestorCountry", f"@{name}")


def a_wallet_is_registered_without_identity(s: Stage) -> None:
    s.call("registry", "registerIdentity", "@ann", "0x0", GERMANY, by="agent")
    s.ask("registry", "contains", "@ann")


def wallets_are_registered_in_a_batch(s: Stage) -> None:
    identities = [s.identity("ann"), s.identity("bob")]
    s.call("registry", "batchRegisterIdentity", ["@ann", "@bob"], identities, [GERMANY, FRANCE], by="stranger")
    s.call("registry", "batchRegisterIdentity", ["@ann", "@bob"], identities, [GERMANY, FRANCE], by="agent")
    s.call("registry", "batchRegisterIdentity", ["@cat", "@ann"], identities, [GERMANY, FRANCE], by="agent")
    for name in ("ann", "bob", "cat"):
        s.ask("registry", "identity", f"@{name}")
        s.ask("registry", "investorCountry", f"@{name}")


def investors_change(s: Stage) -> None:
    enrol(s, "ann")
    other = s.identity("other")
    s.call("registry", "updateIdentity", "@ann", other, by="stranger")
    s.call("registry", "updateIdentity", "@stranger", other, by="agent")
    s.call("registry", "updateIdentity", "@ann", other, by="agent")
    s.call("registry", "updateCountry", "@ann", FRANCE, by="stranger")
    s.call("registry", "updateCountry", "@stranger", FRANCE, by="agent")
    s.call("registry", "updateCountry", "@ann", FRANCE, by="agent")
    for view in ("contains", "identity", "investorCountry", "isVerified"):
        s.ask("registry", view, "@ann")
    s.call("registry", "deleteIdentity", "@ann", by="stranger")
    s.call("registry", "deleteIdentity", "@stranger", by="agent")
    s.call("registry", "deleteIdentity", "@ann", by="agent")
    s.call("registry", "deleteIdentity", "@ann", by="agent")
    for view in ("contains", "identity", "investorCountry", "isVerified"):
        s.ask("registry", view, "@ann")


def an_investor_changes_to_no_identity(s: Stage) -> None:
    enrol(s, "ann")
    s.call("registry", "updateIdentity", "@ann", "0x0", by="agent")
    s.ask("registry", "identity", "@ann")


def a_holder_is_deleted(s: Stage) -> None:
    issue(s, ann=100, bob=50)
    s.call("registry", "deleteIdentity", "@bob", by="agent")
    s.call("token", "transfer", "@bob", 1, by="ann")
    s.call("token", "transfer", "@ann", 1, by="bob")
    s.call("token", "forcedTransfer", "@bob", "@ann", 1, by="agent")
    s.call("token", "burn", "@bob", 1, by="agent")
    balances(s, "ann", "bob")


def claims_are_asked(s: Stage) -> None:
    enrol(s, "ann", "bob", "cat")
    s.ask("registry", "isVerified", "@ann")
    s.call("topics", "addClaimTopic", KYC)
    s.ask("registry", "isVerified", "@ann")
    issuer = s.claim_issuer("issuer")
    s.call("issuers", "addTrustedIssuer", issuer, [KYC])
    s.ask("registry", "isVerified", "@ann")
    signature = s.claim("ann", "issuer", KYC)
    s.ask("registry", "isVerified", "@ann")
    s.ask("registry", "isVerified", "@bob")
    s.call("token", "mint", "@ann", 10, by="agent")
    s.call("token", "mint", "@bob", 10, by="agent")
    s.claim("bob", "issuer", ACCREDITED)
    s.ask("registry", "isVerified", "@bob")
    s.claim("bob", "issuer", KYC)
    s.ask("registry", "isVerified", "@bob")
    s.call("token", "transfer", "@bob", 1, by="ann")
    s.call("token", "transfer", "@cat", 1, by="ann")
    s.call("topics", "addClaimTopic", ACCREDITED)
    s.ask("registry", "isVerified", "@bob")
    s.call("issuers", "updateIssuerClaimTopics", issuer, [KYC, ACCREDITED])
    s.ask("registry", "isVerified", "@bob")
    s.ask("registry", "isVerified", "@ann")
    s.call("topics", "removeClaimTopic", ACCREDITED)
    s.ask("registry", "isVerified", "@ann")
    s.contracts["issuer"].fn("revokeClaimBySignature", signature, sender=s.person("owner"))
    s.ask("registry", "isVerified", "@ann")
    s.call("token", "transfer", "@ann", 1, by="bob")
    s.call("issuers", "removeTrustedIssuer", issuer)
    s.ask("registry", "isVerified", "@bob")


def one_of_several_issuers_is_enough(s: Stage) -> None:
    enrol(s, "ann", "bob")
    s.call("topics", "addClaimTopic", KYC)
    first, second = s.claim_issuer("first"), s.claim_issuer("second")
    for issuer in (first, second):
        s.call("issuers", "addTrustedIssuer", issuer, [KYC])
    s.claim("ann", "second", KYC)
    s.ask("registry", "isVerified", "@ann")
    signature = s.claim("bob", "first", KYC)
    s.claim("bob", "second", KYC)
    s.ask("registry", "isVerified", "@bob")
    s.contracts["first"].fn("revokeClaimBySignature", signature, sender=s.person("owner"))
    s.ask("registry", "isVerified", "@bob")
    s.call("issuers", "removeTrustedIssuer", second)
    s.ask("registry", "isVerified", "@bob")
    s.ask("registry", "isVerified", "@ann")


def a_claim_by_somebody_untrusted_is_shown(s: Stage) -> None:
    enrol(s, "ann")
    s.call("topics", "addClaimTopic", KYC)
    s.call("issuers", "addTrustedIssuer", s.claim_issuer("trusted"), [KYC])
    s.claim_issuer("untrusted")
    s.claim("ann", "untrusted", KYC)
    s.ask("registry", "isVerified", "@ann")


def one_of_the_issuers_has_no_code(s: Stage) -> None:
    enrol(s, "ann", "bob")
    s.call("topics", "addClaimTopic", KYC)
    s.call("issuers", "addTrustedIssuer", "@account", [KYC])
    s.ask("registry", "isVerified", "@ann")
    s.call("issuers", "addTrustedIssuer", s.claim_issuer("issuer"), [KYC])
    s.claim("ann", "issuer", KYC)
    s.ask("registry", "isVerified", "@ann")
    s.ask("registry", "isVerified", "@bob")


def one_of_the_issuers_breaks(s: Stage) -> None:
    enrol(s, "ann", "bob")
    s.call("topics", "addClaimTopic", KYC)
    for name in ("ann", "bob"):
        # Says yes to the identity, which asks when the claim is put in, and reverts for everybody else.
        asked = bytes.fromhex(s.contracts[f"identity of {name}"].address[2:])
        runtime = b"\x73" + asked + bytes.fromhex("33146020575f5ffd") + bytes.fromhex("000000") + bytes.fromhex("5b60015f5260205ff3")
        issuer = s.deploy_code(f"breaking for {name}", runtime)
        s.call("issuers", "addTrustedIssuer", issuer, [KYC])
        s.claim(name, f"breaking for {name}", KYC)
        s.ask("registry", "isVerified", f"@{name}")
    s.call("issuers", "addTrustedIssuer", s.claim_issuer("issuer"), [KYC])
    s.claim("ann", "issuer", KYC)
    s.ask("registry", "isVerified", "@ann")
    s.ask("registry", "isVerified", "@bob")
    s.call("token", "mint", "@ann", 5, by="agent")
    s.call("token", "mint", "@bob", 5, by="agent")


def an_identity_is_an_account(s: Stage) -> None:
    s.call("registry", "registerIdentity", "@ann", "@account", GERMANY, by="agent")
    s.ask("registry", "isVerified", "@ann")
    s.call("topics", "addClaimTopic", KYC)
    s.call("issuers", "addTrustedIssuer", s.claim_issuer("issuer"), [KYC])
    s.ask("registry", "isVerified", "@ann")
    s.call("token", "mint", "@ann", 1, by="agent")


def an_identity_names_another_issuer(s: Stage) -> None:
    s.call("topics", "addClaimTopic", KYC)
    s.call("issuers", "addTrustedIssuer", s.claim_issuer("issuer"), [KYC])
    accomplice = s.address(s.deploy_answering("accomplice", YES_WORD))
    claim = eth_abi.encode(["uint256", "uint256", "address", "bytes", "bytes", "string"], [KYC, 1, accomplice, b"", b"", ""])
    s.call("registry", "registerIdentity", "@ann", s.deploy_answering("forged identity", claim), GERMANY, by="agent")
    s.ask("registry", "isVerified", "@ann")
    s.call("token", "mint", "@ann", 1, by="agent")


# IIdentityRegistryStorage


def storage_is_written(s: Stage) -> None:
    s.call("storage", "addAgent", "@keeper")
    ann = s.identity("ann")
    s.call("storage", "addIdentityToStorage", "@ann", ann, GERMANY, by="stranger")
    s.call("storage", "addIdentityToStorage", "0x0", ann, GERMANY, by="keeper")
    s.call("storage", "addIdentityToStorage", "@ann", "0x0", GERMANY, by="keeper")
    s.call("storage", "addIdentityToStorage", "@ann", ann, GERMANY, by="keeper")
    s.call("storage", "addIdentityToStorage", "@ann", ann, GERMANY, by="keeper")
    other = s.identity("other")
    s.call("storage", "modifyStoredIdentity", "@ann", other, by="stranger")
    s.call("storage", "modifyStoredIdentity", "0x0", other, by="keeper")
    s.call("storage", "modifyStoredIdentity", "@ann", "0x0", by="keeper")
    s.call("storage", "modifyStoredIdentity", "@bob", other, by="keeper")
    s.call("storage", "modifyStoredIdentity", "@ann", other, by="keeper")
    s.call("storage", "modifyStoredInvestorCountry", "@ann", FRANCE, by="stranger")
    s.call("storage", "modifyStoredInvestorCountry", "0x0", FRANCE, by="keeper")
    s.call("storage", "modifyStoredInvestorCountry", "@bob", FRANCE, by="keeper")
    s.call("storage", "modifyStoredInvestorCountry", "@ann", FRANCE, by="keeper")
    for view in ("storedIdentity", "storedInvestorCountry"):
        s.ask("storage", view, "@ann")
        s.ask("storage", view, "@bob")
    s.ask("registry", "identity", "@ann")
    s.ask("registry", "investorCountry", "@ann")
    s.call("storage", "removeIdentityFromStorage", "@ann", by="stranger")
    s.call("storage", "removeIdentityFromStorage", "0x0", by="keeper")
    s.call("storage", "removeIdentityFromStorage", "@bob", by="keeper")
    s.call("storage", "removeIdentityFromStorage", "@ann", by="keeper")
    s.ask("storage", "storedIdentity", "@ann")
    s.ask("registry", "contains", "@ann")


def registries_are_bound(s: Stage) -> None:
    s.ask("storage", "linkedIdentityRegistries")
    s.call("storage", "bindIdentityRegistry", "@other registry", by="stranger")
    s.call("storage", "bindIdentityRegistry", "0x0")
    s.call("storage", "bindIdentityRegistry", "@other registry")
    s.call("storage", "bindIdentityRegistry", "@other registry")
    s.ask("storage", "linkedIdentityRegistries")
    s.ask("storage", "isAgent", "@other registry")
    s.call("storage", "unbindIdentityRegistry", "#registry", by="stranger")
    s.call("storage", "unbindIdentityRegistry", "0x0")
    s.call("storage", "unbindIdentityRegistry", "@third registry")
    s.call("storage", "unbindIdentityRegistry", "#registry")
    s.ask("storage", "linkedIdentityRegistries")
    s.ask("storage", "isAgent", "#registry")
    s.call("storage", "unbindIdentityRegistry", "@other registry")
    s.call("storage", "unbindIdentityRegistry", "@other registry")


# ITrustedIssuersRegistry


def issuers_are_trusted(s: Stage) -> None:
    s.call("issuers", "addTrustedIssuer", "@one", [KYC], by="stranger")
    s.call("issuers", "addTrustedIssuer", "0x0", [KYC])
    s.call("issuers", "addTrustedIssuer", "@one", [])
    s.call("issuers", "addTrustedIssuer", "@one", list(range(16)))
    s.call("issuers", "addTrustedIssuer", "@one", [KYC, ACCREDITED])
    s.call("issuers", "addTrustedIssuer", "@one", [KYC])
    s.call("issuers", "addTrustedIssuer", "@two", [ACCREDITED])
    s.call("issuers", "addTrustedIssuer", "@three", [KYC])
    look_at_issuers(s)
    s.call("issuers", "updateIssuerClaimTopics", "@one", [7], by="stranger")
    s.call("issuers", "updateIssuerClaimTopics", "0x0", [7])
    s.call("issuers", "updateIssuerClaimTopics", "@four", [7])
    s.call("issuers", "updateIssuerClaimTopics", "@one", [])
    s.call("issuers", "updateIssuerClaimTopics", "@one", list(range(16)))
    s.call("issuers", "updateIssuerClaimTopics", "@one", [7, ACCREDITED])
    look_at_issuers(s)
    s.call("issuers", "removeTrustedIssuer", "@one", by="stranger")
    s.call("issuers", "removeTrustedIssuer", "0x0")
    s.call("issuers", "removeTrustedIssuer", "@four")
    s.call("issuers", "removeTrustedIssuer", "@one")
    s.call("issuers", "removeTrustedIssuer", "@one")
    look_at_issuers(s)


def look_at_issuers(s: Stage) -> None:
    """Ask all that can be asked about trusted issuers."""
    s.ask("issuers", "getTrustedIssuers")
    for topic in (KYC, ACCREDITED, 7):
        s.ask("issuers", "getTrustedIssuersForClaimTopic", topic)
    for name in ("one", "two", "three", "four"):
        s.ask("issuers", "isTrustedIssuer", f"@{name}")
        s.ask("issuers", "getTrustedIssuerClaimTopics", f"@{name}")
        s.ask("issuers", "hasClaimTopic", f"@{name}", ACCREDITED)


def at_most_fifty_issuers_are_trusted(s: Stage) -> None:
    for number in range(51):
        s.call("issuers", "addTrustedIssuer", f"@issuer {number}", list(range(15)) if number == 0 else [KYC])


# IClaimTopicsRegistry


def topics_are_asked(s: Stage) -> None:
    s.call("topics", "addClaimTopic", KYC, by="stranger")
    for topic in (KYC, ACCREDITED, KYC, 0, 7):
        s.call("topics", "addClaimTopic", topic)
    s.ask("topics", "getClaimTopics")
    s.call("topics", "removeClaimTopic", KYC, by="stranger")
    s.call("topics", "removeClaimTopic", KYC)
    s.call("topics", "removeClaimTopic", KYC)
    s.ask("topics", "getClaimTopics")


def at_most_fifteen_topics_are_asked(s: Stage) -> None:
    for topic in range(16):
        s.call("topics", "addClaimTopic", topic)
    s.ask("topics", "getClaimTopics")


# ICompliance, and what the reference's modular compliance adds


def a_token_is_bound(s: Stage) -> None:
    fresh = build(s.chain, s.makers, wire=NO)
    s.add("fresh compliance", fresh.contracts["compliance"])
    s.begin("fresh compliance")
    s.call("fresh compliance", "bindToken", "0x0")
    s.call("fresh compliance", "bindToken", "@token", by="stranger")
    s.call("fresh compliance", "bindToken", "@token", by="token")
    s.ask("fresh compliance", "getTokenBound")
    s.call("fresh compliance", "bindToken", "@other token", by="other token")
    s.call("fresh compliance", "unbindToken", "@token", by="stranger")
    s.call("fresh compliance", "unbindToken", "@other token")
    s.call("fresh compliance", "unbindToken", "@token", by="token")
    s.ask("fresh compliance", "getTokenBound")
    s.call("fresh compliance", "bindToken", "@other token")
    s.call("fresh compliance", "unbindToken", "@other token")
    s.call("compliance", "canTransfer", "@ann", "@bob", 1)


def compliance_is_told_by_a_token(s: Stage) -> None:
    fresh = build(s.chain, s.makers, wire=NO)
    s.add("fresh compliance", fresh.contracts["compliance"])
    s.begin("fresh compliance")
    s.call("fresh compliance", "bindToken", "@token")
    for function, arguments in (
        ("transferred", ("0x0", "@bob", 1)),
        ("transferred", ("@ann", "0x0", 1)),
        ("transferred", ("@ann", "@bob", 0)),
        ("transferred", ("@ann", "@bob", 1)),
        ("created", ("0x0", 1)),
        ("created", ("@ann", 0)),
        ("created", ("@ann", 1)),
        ("destroyed", ("0x0", 1)),
        ("destroyed", ("@ann", 0)),
        ("destroyed", ("@ann", 1)),
    ):
        s.call("fresh compliance", function, *arguments, by="token")
    s.ask("fresh compliance", "canTransfer", "@ann", "@bob", 1)


def only_a_bound_token_tells_compliance(s: Stage) -> None:
    for function, arguments in (("transferred", ("@ann", "@bob", 1)), ("created", ("@ann", 1)), ("destroyed", ("@ann", 1))):
        s.call("compliance", function, *arguments, by="stranger")
        s.call("compliance", function, *arguments, by="owner")


def modules_rule(s: Stage) -> None:
    issue(s, ann=100, bob=50)
    enrol(s, "kim", country=NORTH_KOREA)
    countries = s.deploy_module("CountryRestrictModule")
    s.call("compliance", "addModule", "#CountryRestrictModule", by="stranger")
    s.call("compliance", "addModule", "0x0")
    s.ask("compliance", "isModuleBound", "#CountryRestrictModule")
    s.call("compliance", "addModule", "#CountryRestrictModule")
    s.call("compliance", "addModule", "#CountryRestrictModule")
    s.ask("compliance", "isModuleBound", "#CountryRestrictModule")
    s.ask("compliance", "getModules")
    s.call("token", "transfer", "@kim", 1, by="ann")
    restrict = countries.artifact.encode_call("addCountryRestriction", NORTH_KOREA)
    s.call("compliance", "callModuleFunction", restrict, "#CountryRestrictModule", by="stranger")
    s.call("compliance", "callModuleFunction", restrict, "@nobody's module")
    s.call("compliance", "callModuleFunction", restrict, "#CountryRestrictModule")
    s.call("compliance", "callModuleFunction", restrict, "#CountryRestrictModule")
    s.ask("compliance", "canTransfer", "@ann", "@kim", 1)
    s.ask("compliance", "canTransfer", "@ann", "@bob", 1)
    s.call("token", "transfer", "@kim", 1, by="ann")
    s.call("token", "mint", "@kim", 1, by="agent")
    s.call("token", "forcedTransfer", "@ann", "@kim", 1, by="agent")
    s.call("token", "transfer", "@bob", 1, by="ann")
    s.call("compliance", "removeModule", "#CountryRestrictModule", by="stranger")
    s.call("compliance", "removeModule", "0x0")
    s.call("compliance", "removeModule", "#CountryRestrictModule")
    s.call("compliance", "removeModule", "#CountryRestrictModule")
    s.ask("compliance", "getModules")
    s.call("token", "transfer", "@kim", 1, by="ann")
    balances(s, "ann", "bob", "kim")


def a_module_keeps_count(s: Stage) -> None:
    module = s.deploy_module("SupplyLimitModule")
    s.call("compliance", "addModule", "#SupplyLimitModule")
    limit = module.artifact.encode_call("setSupplyLimit", 100)
    s.call("compliance", "callModuleFunction", limit, "#SupplyLimitModule")
    issue(s, ann=60)
    s.call("token", "mint", "@ann", 41, by="agent")
    s.call("token", "burn", "@ann", 10, by="agent")
    s.call("token", "mint", "@ann", 41, by="agent")
    s.call("token", "mint", "@ann", 50, by="agent")
    balances(s, "ann")


def a_module_does_not_suit(s: Stage) -> None:
    issue(s, ann=60)
    s.deploy_module("MaxBalanceModule")
    s.call("compliance", "addModule", "#MaxBalanceModule")
    s.ask("compliance", "isModuleBound", "#MaxBalanceModule")
    s.call("compliance", "addModule", "@account")


def a_module_counts_per_identity(s: Stage) -> None:
    module = s.deploy_module("MaxBalanceModule")
    s.call("compliance", "addModule", "#MaxBalanceModule")
    s.call("compliance", "callModuleFunction", module.artifact.encode_call("setMaxBalance", 100), "#MaxBalanceModule")
    issue(s, ann=60, bob=60)
    s.call("registry", "registerIdentity", "@ann's second", "#identity of ann", GERMANY, by="agent")
    s.call("token", "transfer", "@ann's second", 41, by="bob")
    s.call("token", "transfer", "@ann's second", 40, by="bob")
    s.call("token", "mint", "@ann", 1, by="agent")
    s.call("token", "transfer", "@bob", 1, by="ann's second")
    s.call("token", "mint", "@ann", 1, by="agent")
    s.call("token", "forcedTransfer", "@bob", "@ann", 21, by="agent")
    balances(s, "ann", "ann's second", "bob")


def at_most_twenty_five_modules_rule(s: Stage) -> None:
    code = s.deploy_module("CountryRestrictModule")
    for number in range(26):
        proxy = s.deploy_module("CountryRestrictModule") if number else code
        s.add(f"module {number}", proxy)
        s.call("compliance", "addModule", f"#module {number}")
    s.ask("compliance", "getModules")
    s.call("compliance", "removeModule", "#module 0")
    s.ask("compliance", "getModules")


SCENARIOS: tuple[Scenario, ...] = (
    token_is_initialised,
    token_information_is_set,
    token_is_rewired,
    token_loses_its_registry,
    owners_and_agents_change,
    token_is_paused,
    tokens_are_minted,
    tokens_are_burned,
    nothing_is_minted_or_burned,
    tokens_are_transferred,
    nothing_is_transferred,
    tokens_are_transferred_by_allowance,
    an_unlimited_allowance_is_used,
    tokens_are_forced,
    tokens_are_forced_to_their_holder,
    wallets_are_frozen,
    amounts_are_frozen,
    an_amount_beyond_all_is_frozen,
    a_wallet_is_recovered,
    a_wallet_is_recovered_without_a_freeze,
    a_wallet_is_recovered_into_one_that_is_registered,
    a_wallet_is_recovered_by_the_wrong_identity,
    acts_are_done_in_batches,
    batches_have_lists_of_unequal_length,
    registry_is_initialised,
    registry_without_a_storage_is_initialised,
    registry_is_rewired,
    wallets_are_registered,
    a_wallet_is_registered_without_identity,
    wallets_are_registered_in_a_batch,
    investors_change,
    an_investor_changes_to_no_identity,
    a_holder_is_deleted,
    claims_are_asked,
    one_of_several_issuers_is_enough,
    a_claim_by_somebody_untrusted_is_shown,
    one_of_the_issuers_has_no_code,
    one_of_the_issuers_breaks,
    an_identity_is_an_account,
    an_identity_names_another_issuer,
    storage_is_written,
    registries_are_bound,
    issuers_are_trusted,
    at_most_fifty_issuers_are_trusted,
    topics_are_asked,
    at_most_fifteen_topics_are_asked,
    a_token_is_bound,
    compliance_is_told_by_a_token,
    only_a_bound_token_tells_compliance,
    modules_rule,
    a_module_keeps_count,
    a_module_does_not_suit,
    a_module_counts_per_identity,
    at_most_twenty_five_modules_rule,
)
