# SPDX-License-Identifier: Apache-2.0
"""The register follows the chain, block by block and back again, and is proved by rebuilding it. What events mean is in `model`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol, TypeAlias

import sqlalchemy as sa

from muniment.infra.evm.decoding import RawLog
from muniment.infra.evm.follower import BlockLogs, FollowedBlock
from muniment.instruments.model.securities import DeployingSecurity, DraftedSecurity
from muniment.register.commands import SecurityTokens, keep_lots
from muniment.register.errors import Behind
from muniment.register.model import (
    FUNGIBLE,
    Block,
    Holding,
    RegisterContent,
    RegisterDifference,
    RegisterVerification,
    TokenEvent,
    TokenReference,
    add_up,
    cap_table,
    compare,
    compare_balances,
    compare_lots,
    lots_after,
    replay,
    touched,
)
from muniment.register.model.record_differences import FoundDifference, RecordDifference, compare_records, found_differences
from muniment.register.ports import LotStore, ProjectionStore, RegisterUnit
from muniment.units.ids import Address, SecurityId, TenantId

BeginRegister: TypeAlias = Callable[[], AbstractContextManager[RegisterUnit]]


class Decode(Protocol):
    """The shape of `chain.decode`, which the composition root hands in."""

    def __call__(self, log: RawLog, /, *, block_number: int, occurred_at: dt.datetime) -> TokenEvent | None:
        """Return what a log says about title, or None."""
        ...


class RegisterFollower:
    """The register's place at the one block follower: takes blocks in by the batch and back out again."""

    name = "register"

    def __init__(self, *, decode: Decode, artifacts: frozenset[str], store: Callable[[sa.Connection], ProjectionStore]) -> None:
        """`artifacts` names the contracts whose Transfer moves title (`chain.ARTIFACTS`)."""
        self._decode = decode
        self._artifacts = artifacts
        self._store = store

    def apply(self, connection: sa.Connection, block: FollowedBlock, logs: Sequence[RawLog]) -> None:
        """Take one block in."""
        self.apply_blocks(connection, [BlockLogs(block, logs)])

    def apply_blocks(self, connection: sa.Connection, blocks: Sequence[BlockLogs]) -> None:
        """Take several blocks in, in the chain's order. A contract of no issuer has no register."""
        events: list[TokenEvent] = []
        tenants: dict[Address, TenantId] = {}
        for block, logs in blocks:
            occurred_at = block.mined_at
            for log in logs:
                if log.artifact not in self._artifacts or log.tenant_id is None:
                    continue
                event = self._decode(log, block_number=block.number, occurred_at=occurred_at)
                if event is not None:
                    events.append(event)
                    tenants[event.token] = log.tenant_id
        project(events, tenants, store=self._store(connection))

    def revert_to(self, connection: sa.Connection, block_number: int) -> None:
        """Forget everything above a block, as if it had never been."""
        forget_above(block_number, store=self._store(connection))


def project(events: Sequence[TokenEvent], tenants: Mapping[Address, TenantId], *, store: ProjectionStore) -> None:
    """Add events, given in the chain's order, to the stored register; those that it has already change nothing."""
    if not events:
        return
    store.hold_still()
    blocks = [event.block_number for event in events]
    known = store.known_places(sorted(tenants), from_block=min(blocks), to_block=max(blocks))
    fresh = [event for event in events if (event.token, event.block_number, event.log_index) not in known] if known else events
    keys = touched(fresh)
    start = {holding.key: holding for holding in store.holdings_at(keys)}
    store.append(tenants, fresh)
    store.put(tenants, keys, add_up(fresh, start=start).values())


def forget_above(block_number: int, *, store: ProjectionStore) -> None:
    """Take back every event of later blocks; the holdings that they touched are added up again from what stays."""
    store.hold_still()
    if block_number < 0:
        store.remove_everything()
        return
    gone = store.events_above(block_number)
    if not gone:
        return
    keys = touched(gone)
    tenants = store.tenants_of({event.token for event in gone})
    store.remove_above(block_number)
    again = add_up(store.events_of(keys))
    store.put(tenants, keys, [holding for key, holding in again.items() if key in keys])


class LotFollower:
    """The lots' place at the one block follower, after the register's: it reads the movements that the register has just stored."""

    name = "register.lots"

    def __init__(self, *, artifact: str, store: Callable[[sa.Connection], LotStore]) -> None:
        """`artifact` names the contract whose shares are alike (`chain.SHARES`); a deed is itself and has no lots."""
        self._artifact = artifact
        self._store = store

    def apply(self, connection: sa.Connection, block: FollowedBlock, logs: Sequence[RawLog]) -> None:
        """Take one block in."""
        self.apply_blocks(connection, [BlockLogs(block, logs)])

    def apply_blocks(self, connection: sa.Connection, blocks: Sequence[BlockLogs]) -> None:
        """Take several blocks in. A contract of no issuer has no lots."""
        tokens = {log.address for _, logs in blocks for log in logs if log.artifact == self._artifact and log.tenant_id is not None}
        store = self._store(connection)
        for token in sorted(tokens):
            keep_lots(token, store=store)

    def revert_to(self, connection: sa.Connection, block_number: int) -> None:
        """Forget everything above a block, as if it had never been."""
        store = self._store(connection)
        store.hold_still()
        store.remove_above(block_number)


def rebuild(security_id: SecurityId, *, begin: BeginRegister) -> RegisterVerification:
    """Build the register of a security anew from the chain's logs, apart from the stored one, and compare both byte for byte (I1).

    Both are taken after one final block that the follower has read. Then the token itself is asked for totalSupply and for balanceOf of
    every wallet that either of the two knows. Refuses with `register.behind` while the follower has not reached the token's first block.
    The lots are made again as well; they have no part in the digest, for what officers said is not on the chain.
    """
    with begin() as unit:
        token = SecurityTokens(unit.securities).token_of(security_id)
        block, stored, rebuilt = _side_by_side(token, unit=unit)
        differences = (
            *compare(stored, rebuilt),
            *_against_the_contract(token, stored.holdings, rebuilt.holdings, block=block, unit=unit),
            *_lots_against_a_replay(token, rebuilt, block=block, unit=unit),
        )
    return _verification(token, block, stored, rebuilt, differences)


def rebuild_deeds(*, begin: BeginRegister) -> Sequence[RegisterVerification]:
    """Do the same for each of the issuer's contracts of title deeds, deed by deed; ownerOf takes the place of the balances."""
    with begin() as unit:
        contracts = unit.register.deed_contracts()
    verified: list[RegisterVerification] = []
    for contract in contracts:
        with begin() as unit:
            block, stored, rebuilt = _side_by_side(contract, unit=unit)
            differences = [*compare(stored, rebuilt)]
            # A deed that only the stored register knows is told above; the contract would refuse to name its owner.
            for deed_id in sorted({holding.deed_id for holding in rebuilt.holdings} - {FUNGIBLE}):
                ours, chains = ([each for each in content.holdings if each.deed_id == deed_id] for content in (stored, rebuilt))
                differences += _against_the_contract(replace(contract, deed_id=deed_id), ours, chains, block=block, unit=unit)
        verified.append(_verification(contract, block, stored, rebuilt, tuple(differences)))
    return verified


def find_differences(*, begin: BeginRegister) -> Sequence[RecordDifference]:
    """Compare all records of an issuer, keep what was found with its age, and return what stands now, the oldest first.

    Each security's register and lots with the chain, as `rebuild` does, its cap table with the lots and the supply, the supply with what
    is authorised; and the deeds. A security that the follower has not come to yet is left for the next time.
    """
    found: list[FoundDifference] = []
    compared: list[Address] = []
    with begin() as unit:
        securities = [security.terms for security in unit.securities.all() if not isinstance(security, DraftedSecurity | DeployingSecurity)]
    for terms in securities:
        try:
            verification = rebuild(terms.security_id, begin=begin)
        except Behind:
            continue
        token = verification.token
        compared.append(token.address)
        with begin() as unit:
            held = unit.register.holdings_after(terms.security_id, verification.block_number)
            owners = {address: wallet.investor_id for address, wallet in unit.wallets.by_addresses([each.wallet for each in held]).items()}
            table = cap_table(terms.security_id, held, owners, block_number=verification.block_number, occurred_at=None)
            lots = unit.lots.of_security(terms.security_id, block_number=verification.block_number)
            supply = unit.register_chain.supply(token, block_number=verification.block_number)
        records = compare_records(table, lots, chain_supply=supply, shares_authorized=terms.shares_authorized)
        found += found_differences(token.address, [*verification.differences, *records])
    for verification in rebuild_deeds(begin=begin):
        compared.append(verification.token.address)
        found += found_differences(verification.token.address, verification.differences)
    with begin() as unit:
        unit.record_differences.put(found, compared=compared, at=unit.clock.now())
        return unit.record_differences.standing()


def _side_by_side(token: TokenReference, *, unit: RegisterUnit) -> tuple[Block, RegisterContent, RegisterContent]:
    """Return one final block that the follower has read, the stored register after it and the one that the chain's logs give."""
    chain = unit.register_chain
    block = chain.final_block()
    read_block = unit.register.read_block()
    if read_block < block.number:
        if read_block < token.deployed_block:
            raise Behind(read_block=read_block, asked_block=token.deployed_block)
        block = chain.block(read_block)
    # The chain first: the stored register is held still only while it is read.
    events = chain.history(token, to_block=block.number)
    holdings = [holding for holding in add_up(events).values() if token.deed_id in {None, holding.deed_id}]
    return block, unit.register.content_after(token, block.number), RegisterContent.of(events, holdings=holdings)


def _against_the_contract(
    token: TokenReference, stored: Sequence[Holding], rebuilt: Sequence[Holding], *, block: Block, unit: RegisterUnit
) -> Sequence[RegisterDifference]:
    wallets = sorted({holding.wallet for holding in (*rebuilt, *stored)})
    balances = unit.register_chain.balances(token, wallets, block_number=block.number)
    return compare_balances(stored, chain_balances=balances, chain_supply=unit.register_chain.supply(token, block_number=block.number))


def _lots_against_a_replay(
    token: TokenReference, rebuilt: RegisterContent, *, block: Block, unit: RegisterUnit
) -> Sequence[RegisterDifference]:
    """Return where the stored lots are not those that the chain's own movements give, with what officers said about them."""
    if unit.lots.is_stale(token.address):
        # Whoever reads them meanwhile has them replayed; the worker is about to make them again.
        return ()
    events: list[TokenEvent] = sorted((*rebuilt.movements, *rebuilt.notices), key=lambda event: (event.block_number, event.log_index))
    wallets = {wallet for movement in rebuilt.movements for wallet in (movement.from_wallet, movement.to_wallet)}
    made = replay(events, owners=unit.lots.owners(token.address, wallets), annotations=unit.lots.annotations(token.address))
    stored = unit.lots.changes(token.address, block_number=block.number)
    # What is left of a lot stands in the row too, for the sake of speed; the takings have to bear it out.
    newest = lots_after(unit.lots.changes(token.address))
    return (*compare_lots(lots_after(stored), lots_after(made)), *compare_lots(unit.lots.open_lots(token.address), newest))


def _verification(
    token: TokenReference,
    block: Block,
    stored: RegisterContent,
    rebuilt: RegisterContent,
    differences: tuple[RegisterDifference, ...],
) -> RegisterVerification:
    return RegisterVerification(
        token=token,
        block_number=block.number,
        block_hash=block.hash,
        rows=stored.rows,
        digest=stored.digest(),
        rebuilt_digest=rebuilt.digest(),
        differences=differences,
    )
