# SPDX-License-Identifier: Apache-2.0
"""What the suite of contracts should do, told a second time in plain Python: no bits, no slots, everything counted anew at each question.

Each act returns None when it is done, or the text with which the chain refuses. Nothing here knows how the contracts do it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

ZERO = "0x" + "00" * 20
SUPPLY_MAX = 2**96 - 1
AMOUNT_MAX = 2**104 - 1
TRANCHES_MAX = 16
OTHER_WALLETS_MAX = 15
INSTANT_MAX = 253_402_300_799
NO_EXPIRY = 2**40 - 1
NO_COUNTRY_RULE, ALLOW_LISTED, BLOCK_LISTED = 0, 1, 2

# The numbers of contracts/reasons.json.
YES, PAUSED, SENDER_FROZEN, RECEIVER_FROZEN, BALANCE, SUPPLY, LOCKED = range(7)
NOT_VERIFIED, COUNTRY_NOT_ALLOWED, COUNTRY_BLOCKED, MAXIMUM, SUPPLY_CAP, HOLDER_CAP = 10, 13, 14, 15, 16, 17

NOT_AGENT = "AgentRole: caller does not have the Agent role"
NOT_POSSIBLE = "Transfer not possible"
MOVED_REASONS = {PAUSED: "Pausable: paused", SENDER_FROZEN: "wallet is frozen", RECEIVER_FROZEN: "wallet is frozen"}
MOVED_REASONS |= {BALANCE: "Insufficient Balance", LOCKED: "lockup: shares are locked"}


@dataclass
class Wallet:
    """What the token keeps of a wallet; `lockups` by the instant at which they end."""

    balance: int = 0
    frozen: int = 0
    is_frozen: bool = False
    lockups: dict[int, int] = field(default_factory=dict)


@dataclass
class Record:
    """What the registry keeps of a wallet."""

    identity: str
    country: int
    verified_until: int


@dataclass
class Rules:
    """The limits of the token; zero for none."""

    maximum_balance: int = 0
    supply_cap: int = 0
    holder_cap: int = 0
    country_mode: int = NO_COUNTRY_RULE
    countries: frozenset[int] = frozenset()


class Suite:
    """One token, its registry and its rules. `agent` is agent of all three; `now` in Unix seconds."""

    def __init__(self, *, owner: str, agent: str, now: int) -> None:
        self.owner = owner
        self.agent = agent
        self.now = now
        self.is_paused = False
        self.wallets: defaultdict[str, Wallet] = defaultdict(Wallet)
        self.allowances: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.records: dict[str, Record] = {}
        self.rules = Rules()

    # What follows from the state

    @property
    def supply(self) -> int:
        """All shares."""
        return sum(wallet.balance for wallet in self.wallets.values())

    def locked(self, holder: str) -> int:
        """Shares that are locked now."""
        return sum(shares for instant, shares in self.wallets[holder].lockups.items() if instant > self.now)

    def unfrozen(self, holder: str) -> int:
        """What is held and not frozen; more may be frozen than is held."""
        wallet = self.wallets[holder]
        return max(0, wallet.balance - wallet.frozen)

    def free(self, holder: str) -> int:
        """What is neither frozen nor locked."""
        return max(0, self.unfrozen(holder) - self.locked(holder))

    def investor(self, wallet: str) -> tuple[str, str]:
        """Whose a wallet is; one that nobody knows is its own."""
        record = self.records.get(wallet)
        return ("wallet", wallet) if record is None else ("identity", record.identity)

    def family(self, wallet: str) -> list[str]:
        """Every wallet of the investor, this one among them."""
        whose = self.investor(wallet)
        return [each for each in {*self.wallets, *self.records, wallet} if self.investor(each) == whose]

    def investor_balance(self, wallet: str) -> int:
        """What the wallet's investor holds over all wallets."""
        return sum(self.wallets[each].balance for each in self.family(wallet))

    @property
    def holders(self) -> int:
        """How many investors hold anything."""
        return len({self.investor(address) for address, wallet in self.wallets.items() if wallet.balance})

    def is_verified(self, wallet: str) -> bool:
        """Registered and not expired."""
        record = self.records.get(wallet)
        return record is not None and record.verified_until > self.now

    # What compliance says

    def judge(self, sender: str, receiver: str, amount: int) -> int:
        """Return the number of the first reason against a move; a zero sender is a mint."""
        if not self.is_verified(receiver):
            return NOT_VERIFIED
        rules, country = self.rules, self.records[receiver].country
        if rules.country_mode == BLOCK_LISTED and country in rules.countries:
            return COUNTRY_BLOCKED
        if rules.country_mode == ALLOW_LISTED and country not in rules.countries:
            return COUNTRY_NOT_ALLOWED
        if sender == ZERO and rules.supply_cap and self.supply + amount > rules.supply_cap:
            return SUPPLY_CAP
        if amount == 0 or (sender != ZERO and self.investor(sender) == self.investor(receiver)):
            return YES
        if rules.maximum_balance and self.investor_balance(receiver) + amount > rules.maximum_balance:
            return MAXIMUM
        joins = self.investor_balance(receiver) == 0
        leaves = sender != ZERO and self.investor_balance(sender) == amount
        if joins and not leaves and rules.holder_cap and self.holders >= rules.holder_cap:
            return HOLDER_CAP
        return YES

    def check_transfer(self, sender: str, receiver: str, amount: int) -> int:
        """Return the number of the first reason against a transfer or, with a zero sender, a mint."""
        if sender == ZERO:
            return SUPPLY if amount > SUPPLY_MAX - self.supply else self.judge(sender, receiver, amount)
        if self.is_paused:
            return PAUSED
        if self.wallets[sender].is_frozen:
            return SENDER_FROZEN
        if self.wallets[receiver].is_frozen:
            return RECEIVER_FROZEN
        if amount > self.unfrozen(sender):
            return BALANCE
        if amount and amount > self.free(sender):
            return LOCKED
        return self.judge(sender, receiver, amount)

    # Acts of the token

    def transfer(self, caller: str, receiver: str, amount: int) -> str | None:
        """The holder's own move."""
        code = self.check_transfer(caller, receiver, amount)
        if code != YES:
            return MOVED_REASONS.get(code, NOT_POSSIBLE)
        self._move(caller, receiver, amount)
        return None

    def approve(self, caller: str, spender: str, amount: int) -> str | None:
        """Let another move."""
        self.allowances[caller, spender] = amount
        return None

    def transfer_from(self, caller: str, sender: str, receiver: str, amount: int) -> str | None:
        """Another's move by approval; what stands against the transfer is told before a lack of allowance."""
        code = self.check_transfer(sender, receiver, amount)
        if code != YES:
            return MOVED_REASONS.get(code, NOT_POSSIBLE)
        allowed = self.allowances[sender, caller]
        if allowed < amount:
            return "ERC20: insufficient allowance"
        if allowed != 2**256 - 1:
            self.allowances[sender, caller] = allowed - amount
        self._move(sender, receiver, amount)
        return None

    def mint(self, caller: str, receiver: str, amount: int) -> str | None:
        """Issue."""
        if caller != self.agent:
            return NOT_AGENT
        code = self.check_transfer(ZERO, receiver, amount)
        match code:
            case 0:
                self.wallets[receiver].balance += amount
                return None
            case 5:
                return "token: supply does not fit"
            case 10:
                return "Identity is not verified."
            case _:
                return "Compliance not followed"

    def burn(self, caller: str, holder: str, amount: int) -> str | None:
        """Destroy: free shares first, then locked, then frozen ones."""
        if caller != self.agent:
            return NOT_AGENT
        if amount > self.wallets[holder].balance:
            return "cannot burn more than balance"
        self._surrender(holder, amount)
        self.wallets[holder].balance -= amount
        return None

    def forced_transfer(self, caller: str, sender: str, receiver: str, amount: int) -> str | None:
        """Move against the holder's will: the receiver must be eligible, no limit binds."""
        if caller != self.agent:
            return NOT_AGENT
        if amount > self.wallets[sender].balance:
            return "sender balance too low"
        if not self.is_verified(receiver):
            return NOT_POSSIBLE
        if sender != receiver:
            self._surrender(sender, amount)
        self._move(sender, receiver, amount)
        return None

    def recover(self, caller: str, lost: str, new: str, identity: str) -> str | None:
        """Move everything of a lost wallet to another of the same investor."""
        if caller != self.agent:
            return NOT_AGENT
        gone = self.wallets[lost]
        if gone.balance == 0:
            return "no tokens to recover"
        record, replacement = self.records.get(lost), self.records.get(new)
        if record is None or record.identity != identity or lost == new:
            return "Recovery not possible"
        if replacement is not None and replacement.identity != identity:
            return "Recovery not possible"
        joint = {instant: shares for instant, shares in self.wallets[new].lockups.items() if instant > self.now}
        for instant, shares in gone.lockups.items():
            if instant > self.now:
                joint[instant] = joint.get(instant, 0) + shares
        if len(joint) > TRANCHES_MAX:
            return "lockup: too many tranches"
        # The agent vouches that the investor is the same: a new wallet is as eligible as the lost one was.
        if (record if replacement is None else replacement).verified_until <= self.now:
            return NOT_POSSIBLE
        if replacement is None:
            self.records[new] = Record(record.identity, record.country, record.verified_until)
        # It holds nothing of this token any more, and there is no other token here.
        del self.records[lost]
        found = self.wallets[new]
        found.balance += gone.balance
        found.frozen = min(AMOUNT_MAX, found.frozen + gone.frozen)
        found.is_frozen |= gone.is_frozen
        found.lockups = joint
        # What was frozen beyond the balance stays frozen there: it is for what might still come in.
        self.wallets[lost] = Wallet(is_frozen=gone.is_frozen, frozen=max(0, gone.frozen - gone.balance))
        return None

    def set_frozen(self, caller: str, holder: str, *, is_frozen: bool) -> str | None:
        """Freeze a wallet as a whole, or let it go."""
        if caller != self.agent:
            return NOT_AGENT
        self.wallets[holder].is_frozen = is_frozen
        return None

    def freeze(self, caller: str, holder: str, amount: int) -> str | None:
        """Freeze that much more."""
        if caller != self.agent:
            return NOT_AGENT
        if amount > self.unfrozen(holder):
            return "Amount exceeds available balance"
        self.wallets[holder].frozen += amount
        return None

    def unfreeze(self, caller: str, holder: str, amount: int) -> str | None:
        """Free that much of what is frozen."""
        if caller != self.agent:
            return NOT_AGENT
        if amount > self.wallets[holder].frozen:
            return "Amount should be less than or equal to frozen tokens"
        self.wallets[holder].frozen -= amount
        return None

    def set_frozen_tokens(self, caller: str, holder: str, amount: int) -> str | None:
        """Say how much is frozen in all."""
        if caller != self.agent:
            return NOT_AGENT
        self.wallets[holder].frozen = min(amount, AMOUNT_MAX)
        return None

    def lock(self, caller: str, holder: str, shares: int, unlocks_at: int) -> str | None:
        """Lock held shares until an instant; until zero, free locked ones before their time."""
        if caller != self.agent:
            return NOT_AGENT
        if unlocks_at == 0:
            return self._release(holder, shares)
        wallet = self.wallets[holder]
        if shares > wallet.balance - self.locked(holder):
            return "lockup: more than is held"
        if not self.now < unlocks_at <= INSTANT_MAX:
            return "lockup: instant is out of range"
        live = {instant: held for instant, held in wallet.lockups.items() if instant > self.now}
        if unlocks_at not in live and len(live) == TRANCHES_MAX:
            return "lockup: too many tranches"
        wallet.lockups = {**live, unlocks_at: live.get(unlocks_at, 0) + shares}
        return None

    def _release(self, holder: str, shares: int) -> None:
        """Free locked shares before their time, those that unlock last first."""
        lockups = self.wallets[holder].lockups
        for instant in sorted((each for each in lockups if each > self.now), reverse=True):
            freed = min(shares, lockups[instant])
            shares -= freed
            lockups[instant] -= freed
            if not lockups[instant]:
                del lockups[instant]

    def set_paused(self, caller: str, *, is_paused: bool) -> str | None:
        """Stop transfers, or let them."""
        if caller != self.agent:
            return NOT_AGENT
        if self.is_paused == is_paused:
            return "Pausable: paused" if is_paused else "Pausable: not paused"
        self.is_paused = is_paused
        return None

    # Acts of the registry

    def register(self, caller: str, wallet: str, identity: str, country: int, verified_until: int) -> str | None:
        """Register a wallet; a zero identity makes it an investor's first."""
        if caller != self.agent:
            return NOT_AGENT
        if not 0 < country <= 999:
            return "registry: country is not an ISO 3166-1 number"
        whose = wallet if identity == ZERO else identity
        previous = self.records.get(wallet)
        if previous is not None:
            return "address stored already"
        if self._family_is_full(whose, without=wallet):
            return "registry: investor has too many wallets"
        self.records[wallet] = Record(whose, country, min(verified_until, NO_EXPIRY))
        return None

    def delete(self, caller: str, wallet: str) -> str | None:
        """Forget a wallet; its shares stay with a holder whom nobody knows."""
        if caller != self.agent:
            return NOT_AGENT
        if wallet not in self.records:
            return "address not stored yet"
        del self.records[wallet]
        return None

    def update_identity(self, caller: str, wallet: str, identity: str) -> str | None:
        """Move a wallet to another investor."""
        if caller != self.agent:
            return NOT_AGENT
        record = self.records.get(wallet)
        if record is None:
            return "address not stored yet"
        if identity == ZERO:
            return "invalid argument - zero address"
        if record.identity != identity and self._family_is_full(identity, without=wallet):
            return "registry: investor has too many wallets"
        record.identity = identity
        return None

    def update_country(self, caller: str, wallet: str, country: int) -> str | None:
        """Correct an investor's country."""
        if caller != self.agent:
            return NOT_AGENT
        record = self.records.get(wallet)
        if record is None:
            return "address not stored yet"
        record.country = country
        return None

    def set_verified_until(self, caller: str, wallet: str, verified_until: int) -> str | None:
        """Prolong or shorten eligibility."""
        if caller != self.agent:
            return NOT_AGENT
        record = self.records.get(wallet)
        if record is None:
            return "address not stored yet"
        record.verified_until = min(verified_until, NO_EXPIRY)
        return None

    def invalidate(self, caller: str, wallet: str) -> str | None:
        """End the eligibility of all wallets of the investor at once."""
        if caller != self.agent:
            return "registry: caller is neither agent nor trusted issuer"
        record = self.records.get(wallet)
        if record is None:
            return "address not stored yet"
        for each in self.family(wallet):
            self.records[each].verified_until = 0
        return None

    # Acts of compliance

    def set_rules(self, caller: str, maximum_balance: int, supply_cap: int, holder_cap: int) -> str | None:
        """Set the limits."""
        if caller not in {self.agent, self.owner}:
            return "access: caller is neither owner nor agent"
        self.rules.maximum_balance, self.rules.supply_cap, self.rules.holder_cap = maximum_balance, supply_cap, holder_cap
        return None

    def set_countries(self, caller: str, mode: int, countries: frozenset[int]) -> str | None:
        """Allow or block the investors of some countries."""
        if caller not in {self.agent, self.owner}:
            return "access: caller is neither owner nor agent"
        self.rules.country_mode, self.rules.countries = mode, countries
        return None

    # Inside

    def _family_is_full(self, identity: str, *, without: str = ZERO) -> bool:
        members = [wallet for wallet, record in self.records.items() if record.identity == identity and wallet != without]
        return len(members) > OTHER_WALLETS_MAX

    def _move(self, sender: str, receiver: str, amount: int) -> None:
        self.wallets[sender].balance -= amount
        self.wallets[receiver].balance += amount

    def _surrender(self, holder: str, amount: int) -> None:
        """Unlock, those that end last first, and unfreeze as much as taking `amount` needs."""
        wallet = self.wallets[holder]
        unfrozen, wanted = self.unfrozen(holder), amount - self.free(holder)
        for instant in sorted(wallet.lockups, reverse=True):
            if wanted <= 0 or instant <= self.now:
                break
            taken = min(wanted, wallet.lockups[instant])
            wanted -= taken
            wallet.lockups[instant] -= taken
            if not wallet.lockups[instant]:
                del wallet.lockups[instant]
        wallet.frozen -= max(0, amount - unfrozen)
