# SPDX-License-Identifier: Apache-2.0
"""What a token's and a registry's events say, added up: the facts that a decision needs, without the node. Holds no test."""

from __future__ import annotations

from collections import defaultdict

from muniment.compliance.model.facts import TokenFacts, WalletFacts
from muniment.compliance.model.identities import ChainIdentity, IdentityEvent, IdentityEventKind, fold
from muniment.infra.evm.contract_artifacts import DecodedLog
from muniment.register.model import Lockup
from muniment.units.ids import Address
from tests.contracts.chain import ZERO


class Book:
    """What the events say, nothing else."""

    def __init__(self) -> None:
        self.balances: defaultdict[str, int] = defaultdict(int)
        self.frozen: defaultdict[str, int] = defaultdict(int)
        self.frozen_wallets: set[str] = set()
        self.locked: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.is_paused = False
        self.identity_events: defaultdict[str, list[IdentityEvent]] = defaultdict(list)
        self.place = 0
        self._known: dict[str, ChainIdentity | None] = {}

    def take(self, logs: list[DecodedLog], *, countries: dict[str, int]) -> None:
        self.place += 1
        self._known.clear()
        for index, log in enumerate(logs):
            self._take(log, index, countries)

    def facts(self, wallet: str) -> WalletFacts:
        known = self.known(wallet)
        identity = None if known is None else known.identity
        elsewhere = 0 if identity is None else sum(self.balances[other] for other in self._group(identity) if other != wallet)
        return WalletFacts(
            address=Address(wallet),
            balance=self.balances[wallet],
            frozen_shares=self.frozen[wallet],
            is_frozen=wallet in self.frozen_wallets,
            lockups=tuple(Lockup(shares, instant) for (whose, instant), shares in self.locked.items() if whose == wallet and shares),
            identity=identity,
            is_registered=known is not None and known.is_registered,
            country=None if known is None else known.country,
            verified_until=0 if known is None else known.verified_until,
            elsewhere=elsewhere,
        )

    def token(self) -> TokenFacts:
        holders = {self._investor(wallet) for wallet, balance in self.balances.items() if balance}
        return TokenFacts(self.is_paused, sum(self.balances.values()), len(holders), decimals=0)

    def known(self, wallet: str) -> ChainIdentity | None:
        if wallet not in self._known:
            self._known[wallet] = fold(Address(wallet), self.identity_events[wallet])
        return self._known[wallet]

    def _investor(self, wallet: str) -> str:
        known = self.known(wallet)
        # An identity is an address too: a wallet that nobody knows any more must not be taken for it.
        return f"unknown {wallet}" if known is None or known.identity is None else known.identity

    def _group(self, identity: str) -> list[str]:
        return [wallet for wallet in list(self.identity_events) if self._investor(wallet) == identity]

    def _take(self, log: DecodedLog, index: int, countries: dict[str, int]) -> None:
        values = log.values
        match log.event:
            case "Transfer":
                if values["_from"] != ZERO:
                    self.balances[values["_from"]] -= values["_value"]
                if values["_to"] != ZERO:
                    self.balances[values["_to"]] += values["_value"]
            case "TokensFrozen":
                self.frozen[values["_userAddress"]] += values["_amount"]
            case "TokensUnfrozen":
                self.frozen[values["_userAddress"]] -= values["_amount"]
            case "AddressFrozen":
                (self.frozen_wallets.add if values["_isFrozen"] else self.frozen_wallets.discard)(values["_userAddress"])
            case "SharesLocked":
                self.locked[values["wallet"], values["unlocks_at"]] += values["shares"]
            case "SharesReleased":
                self.locked[values["wallet"], values["unlocks_at"]] -= values["shares"]
            case "Paused" | "Unpaused":
                self.is_paused = log.event == "Paused"
            case "IdentityRegistered":
                wallet = values["investorAddress"]
                self._identity(wallet, index, IdentityEventKind.REGISTERED, identity=values["identity"], country=countries[wallet])
            case "IdentityRemoved":
                self._identity(values["investorAddress"], index, IdentityEventKind.REMOVED)
            case "EligibilitySet":
                self._identity(values["wallet"], index, IdentityEventKind.ELIGIBILITY, verified_until=values["verified_until"])
            case "CountryUpdated":
                self._identity(values["investorAddress"], index, IdentityEventKind.COUNTRY, country=values["country"])
            case "RecoverySuccess":
                self._identity(values["_lostWallet"], index, IdentityEventKind.RECOVERED)
            case _:
                pass

    def _identity(
        self,
        wallet: str,
        index: int,
        kind: IdentityEventKind,
        *,
        identity: Address | None = None,
        country: int | None = None,
        verified_until: int | None = None,
    ) -> None:
        place = (self.place, index, Address(ZERO), Address(wallet), kind, f"transaction {self.place}")
        self.identity_events[wallet].append(IdentityEvent(*place, identity, country, verified_until))
