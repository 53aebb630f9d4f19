# SPDX-License-Identifier: Apache-2.0
"""What holders, agents and the owner of a security can do, and what they cannot."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import NO, YES, ZERO, Chain, Contract, refused
from tests.contracts.world import YEAR, World

NOT_AGENT = "AgentRole: caller does not have the Agent role"
NOT_OWNER = "Ownable: caller is not the owner"
SUPPLY_MAX = 2**96 - 1


def transfer_log(sender: str, receiver: str, amount: int) -> DecodedLog:
    return DecodedLog("Transfer", {"_from": sender, "_to": receiver, "_value": amount})


def frozen_logs(wallet: str, *, more: int, total: int) -> list[DecodedLog]:
    """What a change of the frozen amount says: the difference by ERC-3643, the amount by ERC-7943."""
    event = "TokensFrozen" if more >= 0 else "TokensUnfrozen"
    told = DecodedLog(event, {"_userAddress": wallet, "_amount": abs(more)})
    return [told, DecodedLog("Frozen", {"account": wallet, "amount": total})]


def forced_logs(sender: str, receiver: str, amount: int) -> list[DecodedLog]:
    forced = DecodedLog("ForcedTransfer", {"sender": sender, "receiver": receiver, "amount": amount})
    return [transfer_log(sender, receiver, amount), forced]


# Transfers


def test_a_transfer_moves_the_amount_and_says_so(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    done = world.token.fn("transfer", bob, 30, sender=ann)
    assert done.answer is True
    assert done.logs == [transfer_log(ann, bob, 30)]
    assert (world.balance(ann), world.balance(bob), world.token.view("totalSupply")) == (70, 30, 100)


def test_a_transfer_to_oneself_changes_nothing(world: World) -> None:
    ann = world.holder("ann", 100)
    done = world.token.fn("transfer", ann, 100, sender=ann)
    assert done.logs == [transfer_log(ann, ann, 100)]
    assert (world.balance(ann), world.holders()) == (100, 1)


def test_nothing_may_be_transferred_as_erc20_says(world: World) -> None:
    ann, bob = world.register("ann"), world.register("bob")
    assert world.token.fn("transfer", bob, 0, sender=ann).logs == [transfer_log(ann, bob, 0)]
    assert world.holders() == 0


def test_more_than_the_balance_is_refused(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    with refused("Insufficient Balance"):
        world.token.fn("transfer", bob, 101, sender=ann)
    assert world.token.view("check_transfer", ann, bob, 101) == (4, 100)


def test_a_receiver_who_is_not_registered_is_refused(world: World) -> None:
    ann, stranger = world.holder("ann", 100), world.person("stranger")
    for receiver in (stranger, ZERO):
        with refused("Transfer not possible"):
            world.token.fn("transfer", receiver, 1, sender=ann)
        assert world.why_not(ann, receiver, 1) == 10


def test_a_receiver_whose_eligibility_has_expired_is_refused_from_that_second_on(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob", until=world.chain.now + 100)
    world.chain.pass_time(99)
    world.token.fn("transfer", bob, 1, sender=ann)
    world.chain.pass_time(1)
    assert world.why_not(ann, bob, 1) == 10
    with refused("Transfer not possible"):
        world.token.fn("transfer", bob, 1, sender=ann)


def test_a_holder_whose_eligibility_has_expired_may_still_sell(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    world.registry.fn("invalidate", ann, sender=world.agent)
    world.token.fn("transfer", bob, 100, sender=ann)
    assert world.balance(bob) == 100


# Allowances and permits


def test_an_approved_spender_takes_up_to_the_allowance(world: World) -> None:
    ann, bob, broker = world.holder("ann", 100), world.register("bob"), world.person("broker")
    done = world.token.fn("approve", broker, 50, sender=ann)
    assert done.logs == [DecodedLog("Approval", {"owner": ann, "spender": broker, "value": 50})]
    world.token.fn("transferFrom", ann, bob, 30, sender=broker)
    assert world.token.view("allowance", ann, broker) == 20
    with refused("ERC20: insufficient allowance"):
        world.token.fn("transferFrom", ann, bob, 21, sender=broker)


def test_the_greatest_allowance_is_never_used_up(world: World) -> None:
    ann, bob, broker = world.holder("ann", 100), world.register("bob"), world.person("broker")
    world.token.fn("approve", broker, 2**256 - 1, sender=ann)
    world.token.fn("transferFrom", ann, bob, 30, sender=broker)
    assert world.token.view("allowance", ann, broker) == 2**256 - 1


def test_an_allowance_does_not_open_a_freeze_a_pause_or_a_rule(world: World) -> None:
    ann, bob, broker = world.holder("ann", 100), world.register("bob"), world.person("broker")
    world.token.fn("approve", broker, 100, sender=ann)
    world.token.fn("setAddressFrozen", ann, YES, sender=world.agent)
    with refused("wallet is frozen"):
        world.token.fn("transferFrom", ann, bob, 1, sender=broker)
    world.token.fn("setAddressFrozen", ann, NO, sender=world.agent)
    world.token.fn("pause", sender=world.agent)
    with refused("Pausable: paused"):
        world.token.fn("transferFrom", ann, bob, 1, sender=broker)
    world.token.fn("unpause", sender=world.agent)
    with refused("Transfer not possible"):
        world.token.fn("transferFrom", ann, broker, 1, sender=broker)


def test_an_agent_needs_an_allowance_like_anybody_else(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    with refused("ERC20: insufficient allowance"):
        world.token.fn("transferFrom", ann, bob, 1, sender=world.agent)


def test_nobody_is_approved_by_the_zero_address(world: World) -> None:
    for act in ("approve", "increaseAllowance", "decreaseAllowance"):
        with refused("ERC20: approve to the zero address"):
            world.token.fn(act, ZERO, 0, sender=world.person("ann"))


def test_an_allowance_is_raised_and_lowered(world: World) -> None:
    ann, broker = world.person("ann"), world.person("broker")

    def approval(value: int) -> list[DecodedLog]:
        return [DecodedLog("Approval", {"owner": ann, "spender": broker, "value": value})]

    assert world.token.fn("increaseAllowance", broker, 100, sender=ann).logs == approval(100)
    assert world.token.fn("increaseAllowance", broker, 50, sender=ann).logs == approval(150)
    assert world.token.fn("decreaseAllowance", broker, 30, sender=ann).logs == approval(120)
    assert world.token.view("allowance", ann, broker) == 120
    with refused("ERC20: insufficient allowance"):
        world.token.fn("decreaseAllowance", broker, 121, sender=ann)
    with refused("no reason given"):
        world.token.fn("increaseAllowance", broker, 2**256 - 120, sender=ann)
    assert world.token.fn("decreaseAllowance", broker, 120, sender=ann).answer is True


def test_nobody_moves_even_nothing_from_the_zero_address(world: World) -> None:
    bob = world.register("bob")
    with refused("ERC20: sender is zero"):
        world.token.fn("transferFrom", ZERO, bob, 0, sender=bob)


def test_a_lack_of_allowance_is_named_after_all_other_reasons(world: World) -> None:
    ann, bob, broker = world.holder("ann", 100), world.register("bob"), world.person("broker")
    for receiver, amount, reason in (
        (bob, 101, "Insufficient Balance"),
        (broker, 1, "Transfer not possible"),
        (bob, 1, "ERC20: insufficient allowance"),
    ):
        with refused(reason):
            world.token.fn("transferFrom", ann, receiver, amount, sender=broker)


def signed_permit(chain: Chain, token: Contract, *, signer: str, spender: str, amount: int, deadline: int, nonce: int) -> tuple[Any, ...]:
    account = chain.signer(signer)
    domain = {"name": token.view("name"), "version": "1", "chainId": chain.chain_id, "verifyingContract": token.address}
    fields = ["owner:address", "spender:address", "value:uint256", "nonce:uint256", "deadline:uint256"]
    kinds = {"Permit": [dict(zip(("name", "type"), field.split(":"), strict=True)) for field in fields]}
    message = {"owner": account.address, "spender": spender, "value": amount, "nonce": nonce, "deadline": deadline}
    signed = account.sign_message(encode_typed_data(domain, kinds, message))
    return account.address, spender, amount, deadline, signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")


def test_a_permit_approves_once_by_the_owners_signature(world: World) -> None:
    broker = world.person("broker")
    permit = signed_permit(world.chain, world.token, signer="ann", spender=broker, amount=7, deadline=world.chain.now, nonce=0)
    world.token.fn("permit", *permit, sender=broker)
    assert world.token.view("allowance", permit[0], broker) == 7
    assert world.token.view("nonces", permit[0]) == 1
    with refused("permit: signer is not the owner"):
        world.token.fn("permit", *permit, sender=broker)


def test_a_permit_after_its_deadline_is_refused(world: World) -> None:
    broker = world.person("broker")
    permit = signed_permit(world.chain, world.token, signer="ann", spender=broker, amount=7, deadline=world.chain.now - 1, nonce=0)
    with refused("permit: deadline has passed"):
        world.token.fn("permit", *permit, sender=broker)


def test_a_permit_with_other_terms_or_a_mirrored_signature_is_refused(world: World) -> None:
    broker = world.person("broker")
    owner, spender, amount, deadline, v, r, s = signed_permit(
        world.chain, world.token, signer="ann", spender=broker, amount=7, deadline=world.chain.now, nonce=0
    )
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    mirrored = (order - int.from_bytes(s, "big")).to_bytes(32, "big")
    for wrong in (
        (owner, spender, amount + 1, deadline, v, r, s),
        (world.person("bob"), spender, amount, deadline, v, r, s),
        (owner, spender, amount, deadline, 55 - v, r, mirrored),
        (owner, spender, amount, deadline, 29, r, s),
        (ZERO, spender, amount, deadline, 27, b"\0" * 32, b"\0" * 32),
    ):
        with refused("permit: signer is not the owner"):
            world.token.fn("permit", *wrong, sender=broker)


def test_a_permit_is_bound_to_its_token(world: World) -> None:
    broker = world.person("broker")
    terms = ("Other", "OTH", 0, ZERO)
    opens = True
    deployed = world.factory.fn("deploy_security", world.compliance.address, b"\7" * 32, terms, b"", [], opens, sender=world.owner)
    other = world.chain.at("security_token", deployed.answer)
    permit = signed_permit(world.chain, other, signer="ann", spender=broker, amount=7, deadline=world.chain.now, nonce=0)
    with refused("permit: signer is not the owner"):
        world.token.fn("permit", *permit, sender=broker)


def test_a_permit_is_bound_to_its_chain(world: World) -> None:
    broker = world.person("broker")
    permit = signed_permit(world.chain, world.token, signer="ann", spender=broker, amount=7, deadline=world.chain.now, nonce=0)
    before = world.token.view("DOMAIN_SEPARATOR")
    with world.chain.forked(world.chain.chain_id + 1):
        assert world.token.view("DOMAIN_SEPARATOR") != before
        with refused("permit: signer is not the owner"):
            world.token.fn("permit", *permit, sender=broker)
    world.token.fn("permit", *permit, sender=broker)


def test_a_permit_does_not_outlive_the_name_it_was_signed_for(world: World) -> None:
    broker = world.person("broker")
    permit = signed_permit(world.chain, world.token, signer="ann", spender=broker, amount=7, deadline=world.chain.now, nonce=0)
    world.token.fn("setName", "Acme Preferred", sender=world.owner)
    with refused("permit: signer is not the owner"):
        world.token.fn("permit", *permit, sender=broker)


def test_a_permit_approves_nobody_at_the_zero_address(world: World) -> None:
    permit = signed_permit(world.chain, world.token, signer="ann", spender=ZERO, amount=7, deadline=world.chain.now, nonce=0)
    with refused("ERC20: approve to the zero address"):
        world.token.fn("permit", *permit, sender=world.person("broker"))


def test_the_signing_domain_is_published(world: World) -> None:
    fields, name, version, chain_id, contract, salt, extensions = world.token.view("eip712Domain")
    assert (fields, name, version) == (b"\x0f", "Acme Common", "1")
    assert (chain_id, contract, salt, extensions) == (world.chain.chain_id, world.token.address, b"\0" * 32, ())


# Pause


def test_a_pause_stops_holders_but_not_the_agent(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    assert world.token.fn("pause", sender=world.agent).logs == [DecodedLog("Paused", {"_userAddress": world.agent})]
    assert world.token.view("paused") is True
    with refused("Pausable: paused"):
        world.token.fn("transfer", bob, 1, sender=ann)
    assert world.why_not(ann, bob, 1) == 1
    world.token.fn("mint", bob, 1, sender=world.agent)
    world.token.fn("forcedTransfer", ann, bob, 1, sender=world.agent)
    with refused("Pausable: paused"):
        world.token.fn("pause", sender=world.agent)
    assert world.token.fn("unpause", sender=world.agent).logs == [DecodedLog("Unpaused", {"_userAddress": world.agent})]
    world.token.fn("transfer", bob, 1, sender=ann)
    with refused("Pausable: not paused"):
        world.token.fn("unpause", sender=world.agent)


# Freezes


def test_a_frozen_wallet_neither_sends_nor_receives(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.holder("bob", 100)
    done = world.token.fn("setAddressFrozen", ann, YES, sender=world.agent)
    assert done.logs == [DecodedLog("AddressFrozen", {"_userAddress": ann, "_isFrozen": True, "_owner": world.agent})]
    assert world.token.view("isFrozen", ann) is True
    assert (world.why_not(ann, bob, 1), world.why_not(bob, ann, 1)) == (2, 3)
    for sender, receiver in ((ann, bob), (bob, ann)):
        with refused("wallet is frozen"):
            world.token.fn("transfer", receiver, 1, sender=sender)
    world.token.fn("setAddressFrozen", ann, NO, sender=world.agent)
    world.token.fn("transfer", bob, 1, sender=ann)
    assert world.balance(ann) == 99


def test_frozen_tokens_stay_and_free_ones_go(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    done = world.token.fn("freezePartialTokens", ann, 60, sender=world.agent)
    assert done.logs == frozen_logs(ann, more=60, total=60)
    assert world.token.view("getFrozenTokens", ann) == 60
    with refused("Insufficient Balance"):
        world.token.fn("transfer", bob, 41, sender=ann)
    assert world.token.view("check_transfer", ann, bob, 41) == (4, 40)
    world.token.fn("transfer", bob, 40, sender=ann)
    done = world.token.fn("unfreezePartialTokens", ann, 10, sender=world.agent)
    assert done.logs == frozen_logs(ann, more=-10, total=50)
    world.token.fn("transfer", bob, 10, sender=ann)
    assert (world.balance(ann), world.token.view("getFrozenTokens", ann)) == (50, 50)


def test_no_more_is_frozen_than_is_free_nor_unfrozen_than_is_frozen(world: World) -> None:
    ann = world.holder("ann", 100)
    world.token.fn("freezePartialTokens", ann, 60, sender=world.agent)
    with refused("Amount exceeds available balance"):
        world.token.fn("freezePartialTokens", ann, 41, sender=world.agent)
    with refused("Amount should be less than or equal to frozen tokens"):
        world.token.fn("unfreezePartialTokens", ann, 61, sender=world.agent)


# Mint and burn


def test_a_mint_needs_an_eligible_receiver_and_room_in_the_supply(world: World) -> None:
    ann = world.register("ann")
    with refused("Identity is not verified."):
        world.token.fn("mint", world.person("stranger"), 1, sender=world.agent)
    with refused("token: supply does not fit"):
        world.token.fn("mint", ann, SUPPLY_MAX + 1, sender=world.agent)
    done = world.token.fn("mint", ann, SUPPLY_MAX, sender=world.agent)
    assert done.logs == [transfer_log(ZERO, ann, SUPPLY_MAX)]
    assert (world.token.view("totalSupply"), world.balance(ann)) == (SUPPLY_MAX, SUPPLY_MAX)
    assert world.why_not(ZERO, ann, 1) == 5
    with refused("token: supply does not fit"):
        world.token.fn("mint", ann, 1, sender=world.agent)
    world.token.fn("freezePartialTokens", ann, SUPPLY_MAX, sender=world.agent)
    assert (world.token.view("getFrozenTokens", ann), world.balance(ann)) == (SUPPLY_MAX, SUPPLY_MAX)


def test_a_burn_takes_free_tokens_first(world: World) -> None:
    ann = world.holder("ann", 100)
    world.token.fn("freezePartialTokens", ann, 60, sender=world.agent)
    assert world.token.fn("burn", ann, 40, sender=world.agent).logs == [transfer_log(ann, ZERO, 40)]
    done = world.token.fn("burn", ann, 20, sender=world.agent)
    assert done.logs == [*frozen_logs(ann, more=-20, total=40), transfer_log(ann, ZERO, 20)]
    assert (world.balance(ann), world.token.view("getFrozenTokens", ann), world.token.view("totalSupply")) == (40, 40, 40)
    with refused("cannot burn more than balance"):
        world.token.fn("burn", ann, 41, sender=world.agent)
    world.token.fn("burn", ann, 40, sender=world.agent)
    assert (world.token.view("totalSupply"), world.holders()) == (0, 0)


# Forced transfer


def test_a_forced_transfer_unfreezes_what_it_takes(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    world.token.fn("freezePartialTokens", ann, 60, sender=world.agent)
    world.token.fn("setAddressFrozen", ann, YES, sender=world.agent)
    done = world.token.fn("forcedTransfer", ann, bob, 70, sender=world.agent)
    assert done.answer is True
    assert done.logs == [*frozen_logs(ann, more=-30, total=30), *forced_logs(ann, bob, 70)]
    assert (world.balance(ann), world.token.view("getFrozenTokens", ann), world.balance(bob)) == (30, 30, 70)


def test_a_forced_transfer_to_oneself_unfreezes_nothing(world: World) -> None:
    ann = world.holder("ann", 100)
    world.token.fn("freezePartialTokens", ann, 60, sender=world.agent)
    assert world.token.fn("forcedTransfer", ann, ann, 100, sender=world.agent).logs == forced_logs(ann, ann, 100)
    assert (world.balance(ann), world.token.view("getFrozenTokens", ann)) == (100, 60)


def test_a_forced_transfer_needs_the_balance_and_an_eligible_receiver(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    with refused("sender balance too low"):
        world.token.fn("forcedTransfer", ann, bob, 101, sender=world.agent)
    with refused("Transfer not possible"):
        world.token.fn("forcedTransfer", ann, world.person("stranger"), 1, sender=world.agent)


def test_a_forced_transfer_is_not_bound_by_the_limits_but_counted(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    world.set_rules(maximum_balance=100, holder_cap=1)
    world.token.fn("forcedTransfer", ann, bob, 40, sender=world.agent)
    assert world.holders() == 2
    world.token.fn("forcedTransfer", ann, bob, 60, sender=world.agent)
    assert (world.holders(), world.balance(bob)) == (1, 100)


# Recovery


def test_recovery_moves_everything_with_its_freezes(world: World) -> None:
    ann, new = world.holder("ann", 100), world.person("ann's new wallet")
    world.token.fn("freezePartialTokens", ann, 60, sender=world.agent)
    world.token.fn("setAddressFrozen", ann, YES, sender=world.agent)
    done = world.token.fn("recoveryAddress", ann, new, ann, sender=world.agent)
    assert done.answer is True
    assert [log for log in done.logs if log.event not in {"IdentityRegistered", "IdentityRemoved", "EligibilitySet"}] == [
        *frozen_logs(ann, more=-60, total=0),
        *forced_logs(ann, new, 100),
        *frozen_logs(new, more=60, total=60),
        DecodedLog("AddressFrozen", {"_userAddress": new, "_isFrozen": True, "_owner": world.agent}),
        DecodedLog("RecoverySuccess", {"_lostWallet": ann, "_newWallet": new, "_investorOnchainID": ann}),
    ]
    assert DecodedLog("IdentityRegistered", {"investorAddress": new, "identity": ann}) in done.logs
    assert DecodedLog("IdentityRemoved", {"investorAddress": ann, "identity": ann}) in done.logs
    assert (world.balance(ann), world.token.view("getFrozenTokens", ann)) == (0, 0)
    assert (world.balance(new), world.token.view("getFrozenTokens", new), world.token.view("isFrozen", new)) == (100, 60, True)
    assert world.registry.view("contains", ann) is False
    assert world.registry.view("identity", new) == ann
    assert world.registry.view("isVerified", new) is True
    assert world.holders() == 1


def test_recovery_tells_of_a_freeze_though_the_new_wallet_is_frozen_already(world: World) -> None:
    ann = world.holder("ann", 100)
    second = world.register("ann's second", identity=ann)
    for wallet in (ann, second):
        world.token.fn("setAddressFrozen", wallet, YES, sender=world.agent)
    done = world.token.fn("recoveryAddress", ann, second, ann, sender=world.agent)
    assert DecodedLog("AddressFrozen", {"_userAddress": second, "_isFrozen": True, "_owner": world.agent}) in done.logs
    assert (world.token.view("isFrozen", ann), world.token.view("isFrozen", second)) == (True, True)


def test_recovery_into_a_frozen_wallet_does_not_open_it(world: World) -> None:
    ann = world.holder("ann", 100)
    second = world.holder("ann's second", 7, identity=ann)
    world.token.fn("setAddressFrozen", second, YES, sender=world.agent)
    done = world.token.fn("recoveryAddress", ann, second, ann, sender=world.agent)
    assert "AddressFrozen" not in {log.event for log in done.logs}
    assert (world.token.view("isFrozen", ann), world.token.view("isFrozen", second), world.balance(second)) == (False, True, 107)


def test_recovery_merges_into_a_wallet_that_the_investor_has(world: World) -> None:
    ann = world.holder("ann", 100)
    second = world.holder("ann's second", 20, identity=ann)
    world.token.fn("freezePartialTokens", ann, 60, sender=world.agent)
    world.token.fn("freezePartialTokens", second, 5, sender=world.agent)
    world.token.fn("recoveryAddress", ann, second, ann, sender=world.agent)
    assert (world.balance(second), world.token.view("getFrozenTokens", second), world.holders()) == (120, 65, 1)


def test_recovery_into_a_new_wallet_counts_an_investor_who_holds_elsewhere_once(world: World) -> None:
    ann = world.holder("ann", 100)
    world.holder("ann's second", 20, identity=ann)
    world.holder("bob", 5)
    new = world.person("ann's new wallet")
    world.token.fn("recoveryAddress", ann, new, ann, sender=world.agent)
    assert (world.balance(new), world.holders()) == (100, 2)


def test_recovery_into_a_forgotten_wallet_that_holds_already_joins_two_holders(world: World) -> None:
    ann, found = world.holder("ann", 100), world.holder("found", 7)
    world.registry.fn("deleteIdentity", found, sender=world.agent)
    assert world.holders() == 2
    world.token.fn("recoveryAddress", ann, found, ann, sender=world.agent)
    assert (world.balance(found), world.holders()) == (107, 1)


def test_each_token_of_a_lost_wallet_is_recovered_by_itself(world: World) -> None:
    ann, new = world.holder("ann", 100), world.person("ann's new wallet")
    opens = True
    deployed = world.factory.fn(
        "deploy_security", world.compliance.address, b"\7" * 32, ("Other", "OTH", 0, ZERO), b"", [world.agent], opens, sender=world.owner
    )
    other = world.chain.at("security_token", deployed.answer)
    other.fn("mint", ann, 9, sender=world.agent)
    world.token.fn("recoveryAddress", ann, new, ann, sender=world.agent)
    assert other.view("balanceOf", ann) == 9
    other.fn("recoveryAddress", ann, new, ann, sender=world.agent)
    assert (other.view("balanceOf", new), world.compliance.view("rules", other.address)[3]) == (9, 1)


def test_recovery_is_refused_where_the_wallets_are_not_the_investors(world: World) -> None:
    ann, bob, empty = world.holder("ann", 100), world.holder("bob", 1), world.register("empty")
    new = world.person("new")
    with refused("no tokens to recover"):
        world.token.fn("recoveryAddress", empty, new, empty, sender=world.agent)
    for lost, replacement, investor in ((ann, new, bob), (ann, bob, ann), (ann, ann, ann), (ann, ZERO, ann)):
        with refused("Recovery not possible"):
            world.token.fn("recoveryAddress", lost, replacement, investor, sender=world.agent)
    assert world.balance(ann) == 100


def test_recovery_of_an_investor_who_is_no_longer_eligible_is_refused(world: World) -> None:
    ann = world.holder("ann", 100)
    world.registry.fn("invalidate", ann, sender=world.agent)
    with refused("Transfer not possible"):
        world.token.fn("recoveryAddress", ann, world.person("new"), ann, sender=world.agent)
    assert world.registry.view("contains", ann) is True


IDENTITY_CONTRACT = """
# pragma version 0.4.3
key: public(bytes32)

@external
def set_key(wallet: address):
    self.key = keccak256(abi_encode(wallet))

@external
@view
def keyHasPurpose(_key: bytes32, _purpose: uint256) -> bool:
    return _purpose == 1 and _key == self.key
"""


def test_where_there_is_an_identity_contract_recovery_needs_its_management_key(world: World) -> None:
    identity = world.chain.deploy_vyper(IDENTITY_CONTRACT, sender=world.owner)
    ann, new = world.holder("ann", 100, identity=identity), world.person("new")
    with refused("Recovery not possible"):
        world.token.fn("recoveryAddress", ann, new, identity, sender=world.agent)
    set_key = keccak(b"set_key(address)")[:4]
    world.chain.send(identity, set_key + bytes(12) + bytes.fromhex(new[2:]), sender=world.owner)
    world.token.fn("recoveryAddress", ann, new, identity, sender=world.agent)
    assert world.balance(new) == 100


def test_a_first_wallet_with_code_is_recovered_by_the_agents_word(world: World) -> None:
    wallet = world.chain.deploy_vyper("# pragma version 0.4.3\n", sender=world.owner)
    world.registry.fn("register_investor", wallet, ZERO, 276, world.chain.now + YEAR, sender=world.agent)
    world.token.fn("mint", wallet, 5, sender=world.agent)
    new = world.person("new")
    world.token.fn("recoveryAddress", wallet, new, wallet, sender=world.agent)
    assert world.balance(new) == 5


# Batches


def test_batches_do_what_the_single_acts_do(world: World) -> None:
    ann, bob, cy = world.register("ann"), world.register("bob"), world.register("cy")
    token, agent = world.token, world.agent
    token.fn("batchMint", [ann, bob], [100, 50], sender=agent)
    token.fn("batchTransfer", [bob, cy], [10, 20], sender=ann)
    assert [world.balance(each) for each in (ann, bob, cy)] == [70, 60, 20]
    token.fn("batchFreezePartialTokens", [ann, bob], [70, 10], sender=agent)
    token.fn("batchUnfreezePartialTokens", [ann, bob], [30, 5], sender=agent)
    assert [token.view("getFrozenTokens", each) for each in (ann, bob)] == [40, 5]
    token.fn("batchSetAddressFrozen", [ann, bob], [True, False], sender=agent)
    assert [token.view("isFrozen", each) for each in (ann, bob)] == [True, False]
    token.fn("batchForcedTransfer", [ann, bob], [cy, ann], [70, 1], sender=agent)
    assert [world.balance(each) for each in (ann, bob, cy)] == [1, 59, 90]
    token.fn("batchBurn", [ann, cy], [1, 90], sender=agent)
    assert ([world.balance(each) for each in (ann, bob, cy)], token.view("totalSupply"), world.holders()) == ([0, 59, 0], 59, 1)


def test_a_batch_may_name_a_wallet_twice_and_the_sender_too(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    done = world.token.fn("batchTransfer", [bob, ann, bob, ann], [10, 60, 20, 70], sender=ann)
    assert done.logs == [transfer_log(ann, bob, 10), transfer_log(ann, ann, 60), transfer_log(ann, bob, 20), transfer_log(ann, ann, 70)]
    assert (world.balance(ann), world.balance(bob), world.holders()) == (70, 30, 2)
    with refused("Insufficient Balance"):
        world.token.fn("batchTransfer", [bob, bob], [40, 31], sender=ann)
    world.token.fn("batchForcedTransfer", [ann, bob, bob], [bob, bob, ann], [70, 100, 100], sender=world.agent)
    assert (world.balance(ann), world.balance(bob), world.holders()) == (100, 0, 1)


def test_an_empty_batch_does_nothing(world: World) -> None:
    assert world.token.fn("batchTransfer", [], [], sender=world.person("ann")).logs == []
    assert world.token.fn("batchMint", [], [], sender=world.agent).logs == []


def test_a_batch_is_all_or_nothing(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    with refused("Transfer not possible"):
        world.token.fn("batchTransfer", [bob, world.person("stranger")], [1, 1], sender=ann)
    assert world.balance(bob) == 0


@pytest.mark.parametrize(
    ("batch", "lists"),
    [
        ("batchTransfer", ["to", "amounts"]),
        ("batchMint", ["to", "amounts"]),
        ("batchBurn", ["to", "amounts"]),
        ("batchForcedTransfer", ["to", "to", "amounts"]),
        ("batchSetAddressFrozen", ["to", "freezes"]),
        ("batchFreezePartialTokens", ["to", "amounts"]),
        ("batchUnfreezePartialTokens", ["to", "amounts"]),
    ],
)
def test_a_batch_with_lists_of_different_lengths_is_refused(world: World, batch: str, lists: list[str]) -> None:
    ann = world.holder("ann", 100)
    values: dict[str, list[Any]] = {"to": [ann, ann], "amounts": [1, 1], "freezes": [True, True]}
    for short in range(len(lists)):
        arguments = [values[each][:1] if place == short else values[each] for place, each in enumerate(lists)]
        with refused("token: lists differ in length"):
            world.token.fn(batch, *arguments, sender=world.agent)


# Roles


AGENT_ACTS: list[tuple[str, list[Any]]] = [
    ("pause", []),
    ("unpause", []),
    ("mint", [ZERO, 0]),
    ("burn", [ZERO, 0]),
    ("forcedTransfer", [ZERO, ZERO, 0]),
    ("recoveryAddress", [ZERO, ZERO, ZERO]),
    ("setAddressFrozen", [ZERO, True]),
    ("freezePartialTokens", [ZERO, 0]),
    ("unfreezePartialTokens", [ZERO, 0]),
    ("setFrozenTokens", [ZERO, 0]),
    ("lock", [ZERO, 0, 0]),
    ("mint_locked", [[], [], 0]),
    ("batchForcedTransfer", [[], [], []]),
    ("batchMint", [[], []]),
    ("batchBurn", [[], []]),
    ("batchSetAddressFrozen", [[], []]),
    ("batchFreezePartialTokens", [[], []]),
    ("batchUnfreezePartialTokens", [[], []]),
]
OWNER_ACTS: list[tuple[str, list[Any]]] = [
    ("setName", ["x"]),
    ("setSymbol", ["x"]),
    ("setOnchainID", [ZERO]),
    ("setIdentityRegistry", [ZERO]),
    ("setCompliance", [ZERO]),
    ("addAgent", [ZERO]),
    ("removeAgent", [ZERO]),
    ("transferOwnership", [ZERO]),
    ("hand_over_open", [ZERO]),
]
EITHERS_ACTS: list[tuple[str, list[Any]]] = [("setDocument", [b"a" * 32, "", b"b" * 32]), ("removeDocument", [b"a" * 32])]
HOLDERS_ACTS = {
    "transfer",
    "transferFrom",
    "batchTransfer",
    "approve",
    "increaseAllowance",
    "decreaseAllowance",
    "permit",
    "initialize",
}


@pytest.mark.parametrize(("act", "arguments"), AGENT_ACTS)
def test_only_an_agent_may(world: World, act: str, arguments: list[Any]) -> None:
    for caller in (world.owner, world.person("stranger")):
        with refused(NOT_AGENT):
            world.token.fn(act, *arguments, sender=caller)


@pytest.mark.parametrize(("act", "arguments"), OWNER_ACTS)
def test_only_the_owner_may(world: World, act: str, arguments: list[Any]) -> None:
    for caller in (world.agent, world.person("stranger")):
        with refused(NOT_OWNER):
            world.token.fn(act, *arguments, sender=caller)


@pytest.mark.parametrize(("act", "arguments"), EITHERS_ACTS)
def test_only_the_owner_or_an_agent_may(world: World, act: str, arguments: list[Any]) -> None:
    with refused("access: caller is neither owner nor agent"):
        world.token.fn(act, *arguments, sender=world.person("stranger"))


def test_every_act_is_walked_for_its_role() -> None:
    acts = {
        function.name
        for named in contract_artifacts.load("security_token").functions.values()
        for function in named
        if not function.is_view
    }
    assert acts == {act for act, _ in AGENT_ACTS + OWNER_ACTS + EITHERS_ACTS} | HOLDERS_ACTS


def test_an_owner_hands_over_a_paused_token_open(world: World) -> None:
    heir = world.person("heir")
    with refused("Pausable: not paused"):
        world.token.fn("hand_over_open", heir, sender=world.owner)
    world.token.fn("pause", sender=world.agent)
    with refused("Ownable: new owner is the zero address"):
        world.token.fn("hand_over_open", ZERO, sender=world.owner)
    done = world.token.fn("hand_over_open", heir, sender=world.owner)
    assert done.logs == [
        DecodedLog("OwnershipTransferred", {"previousOwner": world.owner, "newOwner": heir}),
        DecodedLog("Unpaused", {"_userAddress": world.owner}),
    ]
    assert (world.token.view("owner"), world.token.view("paused")) == (heir, False)


@pytest.mark.parametrize("length", [1, 30, 31, 32, 33, 63, 64])
def test_a_name_of_any_length_is_kept(world: World, length: int) -> None:
    before = world.token.view("DOMAIN_SEPARATOR")
    name = ("Fictitious holding, " * 4)[:length]
    world.token.fn("setName", name, sender=world.owner)
    assert world.token.view("name") == name
    assert world.token.view("eip712Domain")[1] == name
    assert world.token.view("DOMAIN_SEPARATOR") != before
    world.token.fn("setSymbol", name[:32], sender=world.owner)
    assert (world.token.view("symbol"), world.token.view("name")) == (name[:32], name)
    world.token.fn("setName", "Short again", sender=world.owner)
    assert world.token.view("name") == "Short again"


def test_agents_come_and_go_by_the_owners_word(world: World) -> None:
    new = world.person("new agent")
    assert world.token.fn("addAgent", new, sender=world.owner).logs == [DecodedLog("AgentAdded", {"_agent": new})]
    assert world.token.view("isAgent", new) is True
    with refused("Roles: account already has role"):
        world.token.fn("addAgent", new, sender=world.owner)
    assert world.token.fn("removeAgent", new, sender=world.owner).logs == [DecodedLog("AgentRemoved", {"_agent": new})]
    with refused("Roles: account does not have role"):
        world.token.fn("removeAgent", new, sender=world.owner)
    for act in ("addAgent", "removeAgent"):
        with refused("invalid argument - zero address"):
            world.token.fn(act, ZERO, sender=world.owner)
    with refused(NOT_AGENT):
        world.token.fn("pause", sender=new)


def test_ownership_is_handed_over(world: World) -> None:
    new = world.person("new owner")
    with refused("Ownable: new owner is the zero address"):
        world.token.fn("transferOwnership", ZERO, sender=world.owner)
    done = world.token.fn("transferOwnership", new, sender=world.owner)
    assert done.logs == [DecodedLog("OwnershipTransferred", {"previousOwner": world.owner, "newOwner": new})]
    with refused(NOT_OWNER):
        world.token.fn("setName", "x", sender=world.owner)
    world.token.fn("setName", "x", sender=new)


# The owner's wiring


def test_the_owner_renames_and_says_so(world: World) -> None:
    token, owner, identity = world.token, world.owner, world.person("token identity")
    before = token.view("DOMAIN_SEPARATOR")
    logs = token.fn("setName", "Acme Preferred", sender=owner).logs
    assert [log.event for log in logs] == ["EIP712DomainChanged", "UpdatedTokenInformation"]
    token.fn("setSymbol", "ACMP", sender=owner)
    information = token.fn("setOnchainID", identity, sender=owner).logs[0].values
    assert (information["_newDecimals"], information["_newVersion"], information["_newOnchainID"]) == (0, "1.0.0", identity)
    assert (token.view("name"), token.view("symbol"), token.view("onchainID")) == ("Acme Preferred", "ACMP", identity)
    assert token.view("DOMAIN_SEPARATOR") != before
    for act in ("setName", "setSymbol"):
        with refused("invalid argument - empty string"):
            token.fn(act, "", sender=owner)
    for act in ("setIdentityRegistry", "setCompliance"):
        with refused("invalid argument - zero address"):
            token.fn(act, ZERO, sender=owner)


def test_a_token_is_initialized_once_and_with_sense(chain: Chain, world: World) -> None:
    with refused("Initializable: contract is already initialized"):
        world.token.fn("initialize", world.registry.address, world.compliance.address, "A", "A", 0, ZERO, sender=world.owner)
    token = chain.deploy("security_token", sender=world.owner)
    registry, compliance = world.registry.address, world.compliance.address
    for reason, arguments in (
        ("invalid argument - zero address", (ZERO, compliance, "A", "A", 0, ZERO)),
        ("invalid argument - zero address", (registry, ZERO, "A", "A", 0, ZERO)),
        ("invalid argument - empty string", (registry, compliance, "", "A", 0, ZERO)),
        ("invalid argument - empty string", (registry, compliance, "A", "", 0, ZERO)),
        ("decimals between 0 and 18", (registry, compliance, "A", "A", 19, ZERO)),
        ("only owner or token can call", (registry, compliance, "A", "A", 0, ZERO)),
    ):
        with refused(reason):
            token.fn("initialize", *arguments, sender=world.owner)
    world.compliance.fn("bindToken", token.address, sender=world.owner)
    done = token.fn("initialize", registry, compliance, "A", "B", 18, ZERO, sender=world.owner)
    told = ["OwnershipTransferred", "EIP712DomainChanged", "IdentityRegistryAdded", "ComplianceAdded", "UpdatedTokenInformation"]
    assert [log.event for log in done.logs if log.event in told] == told
    assert (token.view("paused"), token.view("decimals"), token.view("owner")) == (True, 18, world.owner)
    assert token.view("is_combined") is True


def test_a_token_changes_its_compliance_and_is_counted_there(chain: Chain, world: World) -> None:
    ann, bob = world.holder("ann", 60), world.holder("bob", 40)
    fresh = chain.deploy("compliance", sender=world.owner)
    fresh.fn("initialize", sender=world.owner)
    fresh.fn("bindToken", world.token.address, sender=world.owner)
    done = world.token.fn("setCompliance", fresh.address, sender=world.owner)
    assert DecodedLog("ComplianceAdded", {"_compliance": fresh.address}) in done.logs
    assert world.compliance.view("isTokenBound", world.token.address) is False
    with refused("compliance: holders are not counted"):
        fresh.fn("set_rules", world.token.address, 0, 0, 5, sender=world.owner)
    fresh.fn("seed_holders", world.token.address, 2, sender=world.owner)
    world.token.fn("transfer", bob, 60, sender=ann)
    assert fresh.view("rules", world.token.address)[3] == 1


def test_a_compliance_that_has_let_go_does_not_keep_the_token(chain: Chain, world: World) -> None:
    ann, bob = world.holder("ann", 60), world.register("bob")
    world.compliance.fn("unbindToken", world.token.address, sender=world.owner)
    assert world.why_not(ann, bob, 1) == 12
    with refused("Transfer not possible"):
        world.token.fn("transfer", bob, 1, sender=ann)
    world.compliance.fn("bindToken", world.token.address, sender=world.owner)
    world.token.fn("setIdentityRegistry", world.registry.address, sender=world.owner)
    world.token.fn("transfer", bob, 1, sender=ann)
    fresh = chain.deploy("compliance", sender=world.owner)
    fresh.fn("initialize", sender=world.owner)
    fresh.fn("bindToken", world.token.address, sender=world.owner)
    world.compliance.fn("unbindToken", world.token.address, sender=world.owner)
    world.token.fn("setCompliance", fresh.address, sender=world.owner)
    assert world.token.view("compliance") == fresh.address


# Documents and interfaces


def test_papers_are_kept_replaced_and_removed(world: World) -> None:
    token, owner, name = world.token, world.owner, b"prospectus".ljust(32, b"\0")
    done = token.fn("setDocument", name, "https://example.org/p.pdf", b"d" * 32, sender=owner)
    assert done.logs == [DecodedLog("DocumentUpdated", {"name": name, "uri": "https://example.org/p.pdf", "documentHash": b"d" * 32})]
    assert token.view("getDocument", name) == ("https://example.org/p.pdf", b"d" * 32, world.chain.now)
    token.fn("setDocument", name, "https://example.org/2.pdf", b"e" * 32, sender=world.agent)
    token.fn("setDocument", b"z" * 32, "", b"e" * 32, sender=world.agent)
    assert token.view("getAllDocuments") == (name, b"z" * 32)
    done = token.fn("removeDocument", name, sender=owner)
    assert done.logs == [DecodedLog("DocumentRemoved", {"name": name, "uri": "https://example.org/2.pdf", "documentHash": b"e" * 32})]
    assert token.view("getAllDocuments") == (b"z" * 32,)
    with refused("documents: no such document"):
        token.fn("removeDocument", name, sender=owner)
    with refused("documents: name is zero"):
        token.fn("setDocument", b"\0" * 32, "", b"e" * 32, sender=owner)


def test_a_paper_that_goes_leaves_the_others(world: World) -> None:
    names = [letter * 32 for letter in (b"a", b"b", b"c", b"d")]
    for name in names:
        world.token.fn("setDocument", name, "", b"e" * 32, sender=world.agent)
    for gone, left in ((b"b", b"adc"), (b"c", b"ad"), (b"a", b"d"), (b"d", b"")):
        world.token.fn("removeDocument", gone * 32, sender=world.agent)
        assert world.token.view("getAllDocuments") == tuple(bytes([letter]) * 32 for letter in left)


ERC3643 = """
onchainID version identityRegistry compliance paused isFrozen getFrozenTokens setName setSymbol setOnchainID pause unpause
setAddressFrozen freezePartialTokens unfreezePartialTokens setIdentityRegistry setCompliance forcedTransfer mint burn recoveryAddress
batchTransfer batchForcedTransfer batchMint batchBurn batchSetAddressFrozen batchFreezePartialTokens batchUnfreezePartialTokens
"""


ERC7943 = "forcedTransfer setFrozenTokens canSend canReceive canTransfer getFrozenTokens"


def interface_id(token: Contract, functions: str) -> int:
    found = 0
    for name in functions.split():
        found ^= int.from_bytes(token.artifact.function(name).selector, "big")
    return found


def test_the_interfaces_are_declared(world: World) -> None:
    erc3643, erc7943 = interface_id(world.token, ERC3643), interface_id(world.token, ERC7943)
    assert erc7943 == 0x3EDBB4C4
    for interface in (0x01FFC9A7, 0x36372B07, 0x9D8FF7DA, 0x84B0196E, 0x7F5828D0, erc3643, erc7943):
        assert world.token.view("supportsInterface", interface.to_bytes(4, "big")) is True
    for interface in (0, 1, 0xFFFFFFFF):
        assert world.token.view("supportsInterface", interface.to_bytes(4, "big")) is False


# A compliance contract that turns against the token


HOSTILE = """
# pragma version 0.4.3
from ethereum.ercs import IERC20

interface Token:
    def forcedTransfer(sender: address, receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable

victim: address
thief: address
by_force: bool
spent: bool
seen: public(uint256)

@external
def attack(victim: address, thief: address, by_force: bool):
    self.victim = victim
    self.thief = thief
    self.by_force = by_force
    self.spent = False

@external
def bindToken(_token: address):
    pass

@external
@view
def is_combined_with(identity_registry: address) -> bool:
    return True

@external
def book_mint(receiver: address, amount: uint256, receiver_balance: uint256, supply: uint256) -> uint256:
    return 0

@external
def book_forced_transfer(s: address, r: address, a: uint256, sb: uint256, rb: uint256) -> uint256:
    return 0

@external
def book_transfer(s: address, r: address, a: uint256, sb: uint256, rb: uint256) -> uint256:
    self.seen = staticcall IERC20(msg.sender).balanceOf(s)
    if self.victim != empty(address) and not self.spent:
        self.spent = True
        if self.by_force:
            extcall Token(msg.sender).forcedTransfer(self.victim, self.thief, staticcall IERC20(msg.sender).balanceOf(self.victim) - 1)
        else:
            extcall Token(msg.sender).transferFrom(self.victim, self.thief, a)
    return 0
"""


@pytest.fixture
def betrayed(world: World) -> Contract:
    """A token whose compliance contract is an agent of it and comes back in while it is asked."""
    hostile = world.chain.deploy_vyper(HOSTILE, sender=world.owner)
    token = world.chain.deploy("security_token", sender=world.owner)
    token.fn("initialize", hostile, hostile, "Betrayed", "BTR", 0, ZERO, sender=world.owner)
    for agent in (world.agent, hostile):
        token.fn("addAgent", agent, sender=world.owner)
    token.fn("unpause", sender=world.agent)
    for name in ("ann", "bob"):
        token.fn("mint", world.person(name), 100, sender=world.agent)
    return token


def turn(world: World, token: Contract, *, by_force: bool) -> None:
    words = [int(world.person("ann"), 16), int(world.person("thief"), 16), int(by_force)]
    data = keccak(b"attack(address,address,bool)")[:4] + b"".join(word.to_bytes(32, "big") for word in words)
    world.chain.send(token.view("compliance"), data, sender=world.owner)


@pytest.mark.parametrize("act", ["transfer", "transferFrom", "batchTransfer"])
def test_compliance_that_moves_shares_while_it_is_asked_cannot_make_any(world: World, betrayed: Contract, act: str) -> None:
    ann, bob, broker = world.person("ann"), world.person("bob"), world.person("broker")
    turn(world, betrayed, by_force=True)
    if act == "transfer":
        betrayed.fn("transfer", bob, 10, sender=ann)
    elif act == "transferFrom":
        betrayed.fn("approve", broker, 10, sender=ann)
        betrayed.fn("transferFrom", ann, bob, 10, sender=broker)
    else:
        with refused("Insufficient Balance"):
            betrayed.fn("batchTransfer", [bob, bob], [10, 10], sender=ann)
        betrayed.fn("batchTransfer", [bob, bob], [10, 1], sender=ann)
    balances = [betrayed.view("balanceOf", world.person(name)) for name in ("ann", "bob", "thief")]
    assert balances == ([0, 111, 89] if act == "batchTransfer" else [1, 110, 89])
    assert sum(balances) == betrayed.view("totalSupply")


def test_compliance_that_spends_while_it_is_asked_uses_up_the_same_allowance(world: World, betrayed: Contract) -> None:
    ann, bob = world.person("ann"), world.person("bob")
    hostile = betrayed.view("compliance")
    turn(world, betrayed, by_force=False)
    betrayed.fn("approve", hostile, 15, sender=ann)
    with refused("ERC20: insufficient allowance"):
        betrayed.fn("transferFrom", ann, bob, 10, sender=hostile)
    betrayed.fn("approve", hostile, 20, sender=ann)
    betrayed.fn("transferFrom", ann, bob, 10, sender=hostile)
    assert betrayed.view("allowance", ann, hostile) == 0
    assert [betrayed.view("balanceOf", world.person(name)) for name in ("ann", "bob", "thief")] == [80, 110, 10]


def test_compliance_sees_the_balances_after_each_move_of_a_batch(world: World, betrayed: Contract) -> None:
    ann, bob = world.person("ann"), world.person("bob")
    betrayed.fn("batchTransfer", [bob, bob], [10, 20], sender=ann)
    seen = world.chain.ask(betrayed.view("compliance"), keccak(b"seen()")[:4], sender=None)
    assert int.from_bytes(seen, "big") == 70
