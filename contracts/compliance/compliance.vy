# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice May this investor receive that much of this token? For tokens of any make, asked by ERC-3643's calls alone (ICompliance), with
the rules of others beside our own (IModularCompliance). Each token says which identity registry it goes by.
@dev Where that registry is ours, an investor's balance is the sum over the wallets that it groups. Nobody tells this contract when a
wallet changes its investor, so a holder is a wallet here: the cap is never passed by investors, it may bind them earlier.
"""

from access import ownership
from access import agents
from compliance import external_modules
from compliance import token_rules
from identity import investor_record
from interfaces import ICompliance
from interfaces import IHoldings
from interfaces import IIdentityRegistry
from interfaces import IInvestorRecords
from interfaces import IRegisteredToken

implements: ICompliance

initializes: ownership
initializes: agents[ownership := ownership]
initializes: external_modules[ownership := ownership]
initializes: token_rules[ownership := ownership, agents := agents]

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)
exports: (external_modules.callModuleFunction, external_modules.getModules, external_modules.isModuleBound)
exports: (token_rules.set_rules, token_rules.set_countries, token_rules.apply_rules, token_rules.set_transfer_rules)
exports: (token_rules.seed_holders, token_rules.isTokenBound, token_rules.getTokenBound, token_rules.tokens)
exports: (token_rules.rules, token_rules.transfer_rules, token_rules.is_country_listed)


# The token's own answer to any no of ours: what a module minds it does not say.
REFUSED_BY_MODULE: constant(uint256) = 18

# Of a token's rules, at the place of the registry's settings that are none here: whether there are modules to ask.
MODULES: constant(uint256) = 128


@external
def initialize():
    """@notice Makes the caller the owner, once."""
    ownership._begin()


@external
def bindToken(_token: address):
    """@notice Answers for a token. Owner or agent; the token itself where none is bound, or to repeat it."""
    agents._check_address(_token)
    is_self: bool = msg.sender == _token
    if is_self and token_rules._rules[_token] & token_rules.BOUND != 0:
        return
    is_first: bool = is_self and token_rules._counts & token_rules.TOKENS == 0
    may: bool = is_first or msg.sender == ownership.owner or agents._agents[msg.sender]
    assert may, "only owner or token can call"
    token_rules._bind(_token, self._settings())


@external
def unbindToken(_token: address):
    """@notice No longer answers for a token, and forgets its rules. Owner, or the token itself."""
    token_rules._unbind(_token)


@external
def addModule(_module: address):
    """@notice Asks `_module` from now on. One that is not plug and play must first find this contract suitable. Owner only."""
    external_modules._add_module(_module)
    token_rules._spread(self._settings())


@external
def removeModule(_module: address):
    """@notice No longer asks `_module`, whether or not it lets go. Owner only."""
    external_modules._remove_module(_module)
    token_rules._spread(self._settings())


@external
def transferred(_from: address, _to: address, _amount: uint256):
    """@notice Counts holders after the calling token has moved `_amount`, and tells the modules."""
    word: uint256 = self._book(_from, _to, _amount)
    agents._check_address(_from)
    agents._check_address(_to)
    assert _amount > 0, "invalid argument - no value transfer"
    if word & MODULES != 0:
        external_modules._modules_transferred(_from, _to, _amount)


@external
def created(_to: address, _amount: uint256):
    """@notice Counts holders after the calling token has minted `_amount`, and tells the modules."""
    word: uint256 = self._book(empty(address), _to, _amount)
    agents._check_address(_to)
    assert _amount > 0, "invalid argument - no value mint"
    if word & MODULES != 0:
        external_modules._modules_minted(_to, _amount)


@external
def destroyed(_from: address, _amount: uint256):
    """@notice Counts holders after the calling token has burned `_amount`, and tells the modules."""
    word: uint256 = self._book(_from, empty(address), _amount)
    agents._check_address(_from)
    assert _amount > 0, "invalid argument - no value burn"
    if word & MODULES != 0:
        external_modules._modules_burned(_from, _amount)


@external
@view
def canTransfer(_from: address, _to: address, _amount: uint256) -> bool:
    """
    @notice Whether the rules of the calling token and every module allow it; asked by anybody else, of the only token bound. A zero
    `_from` is a mint.
    """
    code: uint256 = 0
    fact: uint256 = 0
    token: address = msg.sender
    if token_rules._rules[token] & token_rules.BOUND == 0:
        if not msg.sender.is_contract and token_rules._counts & token_rules.TOKENS == 0:
            # Somebody asks before there is a token: there are no rules but the modules'.
            return external_modules._modules_allow(_from, _to, _amount)
        token = token_rules._asked_token()
    code, fact = self._judge(token, _from, _to, _amount)
    return code == token_rules.YES


@external
@view
def check(token: address, sender: address, receiver: address, amount: uint256) -> (uint256, uint256):
    """
    @notice What `canTransfer` would answer to the token, and why. A zero sender is a mint.
    @return The reason's number, 0 for a yes; the country, limit or cap that refuses.
    """
    return self._judge(token, sender, receiver, amount)


@external
@view
def investor_balance(token: address, wallet: address) -> uint256:
    """@notice What the wallet's investor holds of the token over all wallets that its registry groups."""
    is_own: bool = False
    elsewhere: uint256 = 0
    is_own, elsewhere = self._held_elsewhere(token, self._registry(token), wallet, empty(address))
    return elsewhere + staticcall IHoldings(token).balanceOf(wallet)


# Internal


@internal
@view
def _settings() -> uint256:
    return MODULES if external_modules._has_modules() else 0


@internal
@view
def _registry(token: address) -> address:
    return staticcall IRegisteredToken(token).identityRegistry()


@internal
@view
def _judge(token: address, sender: address, receiver: address, amount: uint256) -> (uint256, uint256):
    """@dev Before the move, for the view and for the act."""
    word: uint256 = token_rules._rules[token]
    if word & token_rules.BOUND == 0:
        return token_rules.NOT_BOUND, 0
    code: uint256 = 0
    fact: uint256 = 0
    if word & token_rules.RULED != 0 or word >> token_rules.HOLDER_CAP_AT != 0:
        code, fact = self._judge_by_rules(token, word, sender, receiver, amount)
    if code == token_rules.YES and word & MODULES != 0:
        if not external_modules._modules_allow(sender, receiver, amount):
            return REFUSED_BY_MODULE, 0
    return code, fact


@internal
@view
def _judge_by_rules(token: address, word: uint256, sender: address, receiver: address, amount: uint256) -> (uint256, uint256):
    registry: address = self._registry(token)
    record: uint256 = self._record(registry, receiver)
    supply: uint256 = 0
    if sender == empty(address) and word & token_rules.SUPPLY_CAPPED != 0:
        # Saturates: an amount beyond all numbers is beyond every cap.
        supply = staticcall IHoldings(token).totalSupply()
        supply += min(amount, max_value(uint256) - supply)
    receiver_balance: uint256 = staticcall IHoldings(token).balanceOf(receiver)

    held: uint256 = receiver_balance
    changes: bool = amount != 0 and sender != receiver
    if changes and record & investor_record.GROUPED != 0:
        is_own: bool = False
        elsewhere: uint256 = 0
        is_own, elsewhere = self._held_elsewhere(token, registry, receiver, sender)
        # An investor moves between own wallets whatever the limits.
        changes = not is_own
        held += elsewhere
    joins: bool = changes and receiver_balance == 0
    sender_balance: uint256 = 0
    if sender != empty(address) and (joins or word & token_rules.FURTHER != 0):
        # Asked only where it can matter.
        sender_balance = staticcall IHoldings(token).balanceOf(sender)
    leaves: bool = changes and sender != empty(address) and sender_balance == amount
    code: uint256 = 0
    fact: uint256 = 0
    code, fact = token_rules._judge(token, word, record, amount if changes else 0, held, supply)
    if code == token_rules.YES and joins and not leaves:
        code, fact = token_rules._judge_place(word)
    if code == token_rules.YES and word & token_rules.FURTHER != 0:
        code, fact = token_rules._judge_further(
            token, sender, receiver, amount, sender_balance, receiver_balance, joins, leaves
        )
    return code, fact


@internal
def _book(sender: address, receiver: address, amount: uint256) -> uint256:
    """@dev For the calling token, which moved first: the balances before are those now, less the move. Returns the token's rules."""
    word: uint256 = token_rules._rules_of_caller()
    if word & (token_rules.COUNTED | token_rules.FURTHER) == 0:
        return word
    moves: bool = amount != 0 and sender != receiver
    sender_balance: uint256 = 0
    receiver_balance: uint256 = 0
    if sender != empty(address):
        sender_balance = staticcall IHoldings(msg.sender).balanceOf(sender)
    leaves: bool = moves and sender != empty(address) and sender_balance == 0
    if receiver != empty(address):
        receiver_balance = staticcall IHoldings(msg.sender).balanceOf(receiver)
    joins: bool = moves and receiver != empty(address) and receiver_balance == amount
    if joins != leaves:
        token_rules._count(msg.sender, word, joins)
    if word & token_rules.FURTHER != 0:
        if moves and sender != empty(address):
            sender_balance += amount
        if moves and receiver != empty(address):
            receiver_balance -= amount
        token_rules._book_further(msg.sender, sender, receiver, amount, sender_balance, receiver_balance, joins, leaves)
    return word


@internal
@view
def _record(registry: address, wallet: address) -> uint256:
    """@dev The wallet's record where the registry is ours; else its country alone, as a record."""
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        registry,
        abi_encode(wallet, method_id=method_id("record(address)")),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    if success and len(answer) == 32:
        return convert(answer, uint256)
    country: uint16 = staticcall IIdentityRegistry(registry).investorCountry(wallet)
    return convert(country, uint256) << investor_record.COUNTRY_AT


@internal
@view
def _held_elsewhere(token: address, registry: address, wallet: address, counterparty: address) -> (bool, uint256):
    """@dev Whether the counterparty belongs to the wallet's investor; else what that investor holds in other wallets."""
    held: uint256 = 0
    if self._record(registry, wallet) & investor_record.GROUPED == 0:
        return False, 0
    others: DynArray[address, 15] = staticcall IInvestorRecords(registry).other_wallets(wallet)
    for other: address in others:
        if other == counterparty:
            return True, 0
        held += staticcall IHoldings(token).balanceOf(other)
    return False, held
