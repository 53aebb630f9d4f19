# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice A security: who holds how much, what is frozen or locked, and what the transfer agent may do (ERC-20, ERC-2612, ERC-3643,
ERC-7943, ERC-1643). Who may hold it, and how much, is asked of the identity registry and of compliance.
@dev No constructor and one `initialize`, so that the same code serves directly, as a clone or behind a proxy. A compliance contract
that says it is combined with the registry is asked once per move, after the balances have moved; a no reverts the whole.
Frozen and locked shares do not overlap: a holder is free to move what is left of the balance after both, never less than nothing.
Against the holder's will free shares go first, then locked ones (those that unlock last before others), then frozen ones.
"""

from access import ownership
from access import agents
from access import refusals
from token import allowances
from token import documents
from token import lockups
from token import texts
from interfaces import ICombinedCompliance
from interfaces import ICompliance
from interfaces import IHoldings
from interfaces import IIdentityRegistry
from interfaces import IInvestorRecords
from interfaces import IOnchainIdentity

implements: IHoldings

initializes: ownership
initializes: agents[ownership := ownership]
initializes: texts
initializes: allowances[texts := texts]
initializes: documents[agents := agents]
initializes: lockups

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)
exports: (
    allowances.allowance,
    allowances.nonces,
    allowances.approve,
    allowances.increaseAllowance,
    allowances.decreaseAllowance,
    allowances.permit,
    allowances.DOMAIN_SEPARATOR,
    allowances.eip712Domain,
)
exports: (texts.name, texts.symbol)
exports: (documents.setDocument, documents.removeDocument, documents.getDocument, documents.getAllDocuments)

BATCH_MAX: constant(uint256) = 200
VERSION: constant(String[8]) = "1.0.0"

# A wallet in one word: frozen whole 0 | instant at which its last lockup ends 8..47 | frozen amount 48..151 | balance 152..255
WHOLE: constant(uint256) = 1
LAST_UNLOCK_AT: constant(uint256) = 8
INSTANT: constant(uint256) = 2**40 - 1
FROZEN_AT: constant(uint256) = 48
AMOUNT: constant(uint256) = 2**104 - 1
BALANCE_AT: constant(uint256) = 152
ABOVE_BALANCE: constant(uint256) = 104  # A shift by so much leaves nothing of the balance.

# What every transfer reads, in one word: paused 0 | combined 1 | decimals 8..15 | compliance 96..255
PAUSED: constant(uint256) = 1
COMBINED: constant(uint256) = 2
DECIMALS_AT: constant(uint256) = 8
COMPLIANCE_AT: constant(uint256) = 96

# What only wiring, mint and burn read, in one word: identity registry 0..159 | supply 160..255
ADDRESS: constant(uint256) = 2**160 - 1
SUPPLY_AT: constant(uint256) = 160
# The supply's bits; no balance can exceed it, so every balance fits its own.
SUPPLY_MAX: constant(uint256) = 2**96 - 1

# What `supportsInterface` knows, each in 32 bits, the first of its notice last.
INTERFACES: constant(bytes32) = 0x000000003edbb4c4b97d944c7f5828d084b0196e9d8ff7da36372b0701ffc9a7

# The answers, as contracts/reasons.json publishes them; the others come from compliance.
YES: constant(uint256) = 0
IS_PAUSED: constant(uint256) = 1
SENDER_FROZEN: constant(uint256) = 2
RECEIVER_FROZEN: constant(uint256) = 3
INSUFFICIENT_BALANCE: constant(uint256) = 4
SUPPLY_TOO_LARGE: constant(uint256) = 5
SHARES_LOCKED: constant(uint256) = 6
RECEIVER_NOT_VERIFIED: constant(uint256) = 10
REFUSED_BY_COMPLIANCE: constant(uint256) = 18

event Transfer:
    _from: indexed(address)
    _to: indexed(address)
    _value: uint256

event UpdatedTokenInformation:
    _newName: indexed(String[64])
    _newSymbol: indexed(String[64])
    _newDecimals: uint8
    _newVersion: String[8]
    _newOnchainID: indexed(address)

event IdentityRegistryAdded:
    _identityRegistry: indexed(address)

event ComplianceAdded:
    _compliance: indexed(address)

event RecoverySuccess:
    _lostWallet: indexed(address)
    _newWallet: indexed(address)
    _investorOnchainID: indexed(address)

event AddressFrozen:
    _userAddress: indexed(address)
    _isFrozen: indexed(bool)
    _owner: indexed(address)

event TokensFrozen:
    _userAddress: indexed(address)
    _amount: uint256

event TokensUnfrozen:
    _userAddress: indexed(address)
    _amount: uint256

event Frozen:
    account: indexed(address)
    amount: uint256

event ForcedTransfer:
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256

event Paused:
    _userAddress: address

event Unpaused:
    _userAddress: address

_hot: uint256
_base: uint256
_wallets: HashMap[address, uint256]
onchainID: public(address)


# The owner's wiring


@external
def initialize(
    identityRegistry: address, compliance: address, name: String[64], symbol: String[32], decimals: uint8, onchainID: address
):
    """
    @notice Makes the caller the owner and wires the token, once. It starts paused.
    @dev A compliance contract of ours must have the token bound before.
    """
    ownership._begin()
    agents._check_address(identityRegistry)
    agents._check_address(compliance)
    self._check_text(len(name))
    self._check_text(len(symbol))
    if decimals > 18:
        refusals._refuse("decimals between 0 and 18")
    self._hot = PAUSED | (convert(decimals, uint256) << DECIMALS_AT)
    allowances._set_name(name)
    texts._set_text(texts.SYMBOL, symbol)
    if onchainID != empty(address):
        self.onchainID = onchainID
    self._wire_registry(identityRegistry)
    self._wire_compliance(compliance)
    self._log_information()


@external
def hand_over_open(new_owner: address):
    """@notice Lets holders transfer, and hands the token to another owner: its deployer's last act. Owner only."""
    ownership._transfer_ownership(new_owner)
    self._unpause()


@external
def setName(_name: String[64]):
    """@notice Renames the token, and with it the domain that permits are signed for. Owner only."""
    ownership._check_owner()
    self._check_text(len(_name))
    allowances._set_name(_name)
    self._log_information()


@external
def setSymbol(_symbol: String[32]):
    """@notice Gives the token another ticker. Owner only."""
    ownership._check_owner()
    self._check_text(len(_symbol))
    texts._set_text(texts.SYMBOL, _symbol)
    self._log_information()


@external
def setOnchainID(_onchainID: address):
    """@notice Names the identity contract of the token itself, or none (zero). Owner only."""
    ownership._check_owner()
    self.onchainID = _onchainID
    self._log_information()


@external
def setIdentityRegistry(_identityRegistry: address):
    """@notice Asks another registry from now on. Owner only."""
    ownership._check_owner()
    agents._check_address(_identityRegistry)
    self._wire_registry(_identityRegistry)
    self._detect_combined()


@external
def setCompliance(_compliance: address):
    """@notice Leaves the present compliance contract and binds to another. Owner only."""
    ownership._check_owner()
    agents._check_address(_compliance)
    # A contract that will not let go, or let go already, must not keep the token: its answer does not matter.
    left: bool = raw_call(
        convert(self._hot >> COMPLIANCE_AT, address),
        abi_encode(self, method_id=method_id("unbindToken(address)")),
        revert_on_failure=False,
    )
    self._wire_compliance(_compliance)


# The agent's acts


@external
def pause():
    """@notice Stops transfers between holders. Agent only."""
    agents._check_agent()
    hot: uint256 = self._hot
    if hot & PAUSED != 0:
        self._refuse_paused()
    self._hot = hot ^ PAUSED
    log Paused(_userAddress=msg.sender)


@external
def unpause():
    """@notice Lets holders transfer. Agent only."""
    agents._check_agent()
    self._unpause()


@external
def mint(_to: address, _amount: uint256):
    """@notice Issues to an eligible investor, within the rules, paused or not. Agent only."""
    agents._check_agent()
    self._mint(self._hot, _to, _amount)


@external
def burn(_userAddress: address, _amount: uint256):
    """@notice Destroys what a wallet holds: free shares first, then locked, then frozen ones. Agent only."""
    agents._check_agent()
    self._burn(_userAddress, _amount)


@external
def forcedTransfer(_from: address, _to: address, _amount: uint256) -> bool:
    """
    @notice Moves shares without the holder's consent, whatever is paused, frozen or locked, to an eligible investor: free shares first,
    then locked, then frozen ones. Agent only.
    """
    agents._check_agent()
    self._force(self._hot, _from, self._wallets[_from], _to, _amount)
    return True


@external
def recoveryAddress(_lostWallet: address, _newWallet: address, _investorOnchainID: address) -> bool:
    """
    @notice Moves all that a lost wallet holds, with its freezes and lockups, to another wallet of the same investor. Agent only.
    @dev Where the investor has an identity contract, the new wallet must be a management key of it.
    """
    agents._check_agent()
    if self._wallets[_lostWallet] >> BALANCE_AT == 0:
        refusals._refuse("no tokens to recover")
    # The registry first: what it tells compliance of the new wallet's investor is counted by the balances before the move.
    hot: uint256 = self._hot
    replaced: bool = False
    if hot & COMBINED != 0:
        replaced = extcall IInvestorRecords(convert(hot >> COMPLIANCE_AT, address)).recover_wallet(
            _lostWallet, _newWallet, _investorOnchainID
        )
    else:
        replaced = self._replace_wallet(self._registry(), _lostWallet, _newWallet, _investorOnchainID)
    if not replaced:
        refusals._refuse("Recovery not possible")
    lost: uint256 = self._wallets[_lostWallet]
    if self._last_unlock(lost) > block.timestamp:
        new: uint256 = self._wallets[_newWallet]
        last: uint256 = lockups._carry(_lostWallet, self._last_unlock(lost), _newWallet, self._last_unlock(new))
        self._wallets[_newWallet] = self._with_last_unlock(new, last)
        lost = self._with_last_unlock(lost, 0)
    self._force(hot, _lostWallet, lost, _newWallet, lost >> BALANCE_AT)
    frozen: uint256 = self._frozen(lost)
    if frozen != 0:
        # What is frozen beyond a balance may add up to more than its bits hold; it stays beyond every supply.
        found: uint256 = self._wallets[_newWallet]
        self._wallets[_newWallet] = self._freeze_more(_newWallet, found, min(frozen, unsafe_sub(AMOUNT, self._frozen(found))))
    if lost & WHOLE != 0:
        self._freeze_whole(_newWallet, True)
    if hot & COMBINED == 0:
        extcall IIdentityRegistry(self._registry()).deleteIdentity(_lostWallet)
    log RecoverySuccess(_lostWallet=_lostWallet, _newWallet=_newWallet, _investorOnchainID=_investorOnchainID)
    return True


@external
def setAddressFrozen(_userAddress: address, _freeze: bool):
    """@notice Stops a wallet from sending and receiving, or lets it again. Agent only."""
    agents._check_agent()
    self._freeze_whole(_userAddress, _freeze)


@external
def freezePartialTokens(_userAddress: address, _amount: uint256):
    """@notice Freezes that much more of what the wallet holds. Agent only."""
    agents._check_agent()
    self._freeze(_userAddress, _amount)


@external
def unfreezePartialTokens(_userAddress: address, _amount: uint256):
    """@notice Frees that much of what is frozen. Agent only."""
    agents._check_agent()
    self._unfreeze(_userAddress, _amount)


@external
def setFrozenTokens(account: address, amount: uint256) -> bool:
    """
    @notice Says how much of the wallet is frozen in all (ERC-7943), more than it holds if the agent wishes: what comes in later is then
    frozen too. `freezePartialTokens` adds to the same amount, up to the balance. Amounts of 2**104 and more, beyond every supply, are
    kept as 2**104 - 1. Agent only.
    """
    agents._check_agent()
    word: uint256 = self._wallets[account]
    before: uint256 = self._frozen(word)
    frozen: uint256 = min(amount, AMOUNT)
    if frozen >= before:
        word = self._freeze_more(account, word, unsafe_sub(frozen, before))
    else:
        word = self._thaw(account, word, unsafe_sub(before, frozen))
    self._wallets[account] = word
    return True


@external
def lock(wallet: address, shares: uint256, unlocks_at: uint256):
    """
    @notice Locks shares that the wallet holds until an instant (Unix seconds): from that second on they are free. At most 16 tranches
    a wallet; one more for the same instant joins it. An instant of zero releases that many locked shares now, those that unlock last
    first, all of them where fewer are locked. Agent only.
    """
    agents._check_agent()
    self._lock(wallet, shares, unlocks_at)


# Batches: the same acts, one after the other, all or nothing


@external
def batchTransfer(_toList: DynArray[address, BATCH_MAX], _amounts: DynArray[uint256, BATCH_MAX]):
    """@notice Transfers from the caller to many."""
    self._check_lengths(len(_toList), len(_amounts))
    hot: uint256 = self._hot
    for i: uint256 in range(len(_toList), bound=BATCH_MAX):
        self._transfer(hot, msg.sender, _toList[i], _amounts[i])


@external
def batchForcedTransfer(
    _fromList: DynArray[address, BATCH_MAX], _toList: DynArray[address, BATCH_MAX], _amounts: DynArray[uint256, BATCH_MAX]
):
    self._check_agents_batch(len(_toList), len(_amounts))
    self._check_lengths(len(_fromList), len(_amounts))
    hot: uint256 = self._hot
    for i: uint256 in range(len(_toList), bound=BATCH_MAX):
        self._force(hot, _fromList[i], self._wallets[_fromList[i]], _toList[i], _amounts[i])


@external
def batchMint(_toList: DynArray[address, BATCH_MAX], _amounts: DynArray[uint256, BATCH_MAX]):
    self._check_agents_batch(len(_toList), len(_amounts))
    hot: uint256 = self._hot
    for i: uint256 in range(len(_toList), bound=BATCH_MAX):
        self._mint(hot, _toList[i], _amounts[i])


@external
def mint_locked(receivers: DynArray[address, BATCH_MAX], shares: DynArray[uint256, BATCH_MAX], unlocks_at: uint256):
    """@notice Issues to many, locked until an instant (Unix seconds), as `lock` does. Agent only."""
    self._check_agents_batch(len(receivers), len(shares))
    for i: uint256 in range(len(receivers), bound=BATCH_MAX):
        self._mint(self._hot, receivers[i], shares[i])
        # Zero would release; the first second of all is refused as over, like any other.
        self._lock(receivers[i], shares[i], max(unlocks_at, 1))


@external
def batchBurn(_userAddresses: DynArray[address, BATCH_MAX], _amounts: DynArray[uint256, BATCH_MAX]):
    self._check_agents_batch(len(_userAddresses), len(_amounts))
    for i: uint256 in range(len(_userAddresses), bound=BATCH_MAX):
        self._burn(_userAddresses[i], _amounts[i])


@external
def batchSetAddressFrozen(_userAddresses: DynArray[address, BATCH_MAX], _freeze: DynArray[bool, BATCH_MAX]):
    self._check_agents_batch(len(_userAddresses), len(_freeze))
    for i: uint256 in range(len(_userAddresses), bound=BATCH_MAX):
        self._freeze_whole(_userAddresses[i], _freeze[i])


@external
def batchFreezePartialTokens(_userAddresses: DynArray[address, BATCH_MAX], _amounts: DynArray[uint256, BATCH_MAX]):
    self._check_agents_batch(len(_userAddresses), len(_amounts))
    for i: uint256 in range(len(_userAddresses), bound=BATCH_MAX):
        self._freeze(_userAddresses[i], _amounts[i])


@external
def batchUnfreezePartialTokens(_userAddresses: DynArray[address, BATCH_MAX], _amounts: DynArray[uint256, BATCH_MAX]):
    self._check_agents_batch(len(_userAddresses), len(_amounts))
    for i: uint256 in range(len(_userAddresses), bound=BATCH_MAX):
        self._unfreeze(_userAddresses[i], _amounts[i])


# The holder's acts


@external
def transfer(_to: address, _amount: uint256) -> bool:
    self._transfer(self._hot, msg.sender, _to, _amount)
    return True


@external
def transferFrom(_from: address, _to: address, _amount: uint256) -> bool:
    """@notice Transfers by the holder's approval. The reasons against the transfer come before a lack of allowance."""
    if _from == empty(address):
        # Not even nothing: its log would read as an issue.
        refusals._refuse("ERC20: sender is zero")
    self._transfer(self._hot, _from, _to, _amount)
    allowances._spend(_from, msg.sender, _amount)
    return True


# Views


@external
@view
def check_transfer(_from: address, _to: address, _amount: uint256) -> (uint256, uint256):
    """
    @notice Whether a transfer would succeed now, and if not, why: as contracts/reasons.json numbers the reasons, with the fact
    behind it (the balance that is not frozen, the instant from which enough is unlocked, the country, the limit). A zero `_from` asks
    about a mint. Allowances are not looked at.
    """
    return self._check(_from, _to, _amount)


@external
@view
def canTransfer(_from: address, _to: address, _amount: uint256) -> bool:
    """
    @notice Whether `transfer` would succeed now (ERC-7943), whatever stands against it: pause, freezes, balance, lockups, eligibility,
    rules. A zero `_from` asks about a mint. Never reverts: where the registry or compliance fails to answer, so would the transfer.
    """
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        self,
        abi_encode(_from, _to, _amount, method_id=method_id("check_transfer(address,address,uint256)")),
        max_outsize=32,
        revert_on_failure=False,
        is_static_call=True,
    )
    return success and convert(answer, uint256) == YES


@external
@view
def canSend(account: address) -> bool:
    """@notice Whether the wallet is not frozen as a whole (ERC-7943). A holder whose eligibility has ended may sell."""
    return self._wallets[account] & WHOLE == 0


@external
@view
def canReceive(account: address) -> bool:
    """@notice Whether the wallet is not frozen as a whole and belongs to an eligible investor (ERC-7943). Never reverts."""
    if self._wallets[account] & WHOLE != 0:
        return False
    return self._says_yes(self._registry(), method_id("isVerified(address)", output_type=bytes4), account)


@external
@view
def free_balance(wallet: address) -> uint256:
    """@notice What the wallet holds that is neither frozen nor locked."""
    return self._free(wallet, self._wallets[wallet])


@external
@view
def lockups_of(wallet: address) -> DynArray[lockups.Lockup, lockups.TRANCHES_MAX]:
    """@notice Every lockup of the wallet that has not ended, the one that ends last first."""
    found: DynArray[lockups.Lockup, lockups.TRANCHES_MAX] = []
    instant: uint256 = self._last_unlock(self._wallets[wallet])
    for _: uint256 in range(lockups.TRANCHES_MAX):
        if instant <= block.timestamp:
            break
        tranche: uint256 = lockups._tranches[wallet][instant]
        found.append(lockups.Lockup(shares=tranche & lockups.SHARES, unlocks_at=instant))
        instant = tranche >> lockups.BEFORE_AT
    return found


@internal
@view
def _check(_from: address, _to: address, _amount: uint256) -> (uint256, uint256):
    hot: uint256 = self._hot
    if _from == empty(address):
        supply: uint256 = self._base >> SUPPLY_AT
        if _amount > SUPPLY_MAX - supply:
            return SUPPLY_TOO_LARGE, SUPPLY_MAX
    else:
        if hot & PAUSED != 0:
            return IS_PAUSED, 0
        sender: uint256 = self._wallets[_from]
        if sender & WHOLE != 0:
            return SENDER_FROZEN, 0
        if self._wallets[_to] & WHOLE != 0:
            return RECEIVER_FROZEN, 0
        free: uint256 = self._unfrozen(sender)
        if _amount > free:
            return INSUFFICIENT_BALANCE, free
        unlocks_at: uint256 = self._locked_until(_from, sender, free, _amount)
        if unlocks_at != 0:
            return SHARES_LOCKED, unlocks_at
    if hot & COMBINED != 0:
        return staticcall ICombinedCompliance(convert(hot >> COMPLIANCE_AT, address)).check(self, _from, _to, _amount)
    return self._plain_answer(hot, _from, _to, _amount), 0


@external
@view
def balanceOf(_userAddress: address) -> uint256:
    return self._wallets[_userAddress] >> BALANCE_AT


@external
@view
def totalSupply() -> uint256:
    return self._base >> SUPPLY_AT


@external
@view
def decimals() -> uint8:
    return self._decimals()


@external
@view
def version() -> String[8]:
    return VERSION


@external
@view
def identityRegistry() -> address:
    return self._registry()


@external
@view
def compliance() -> address:
    return convert(self._hot >> COMPLIANCE_AT, address)


@external
@view
def is_combined() -> bool:
    """@notice Whether compliance answers for the registry too, so that one call per transfer is enough."""
    return self._hot & COMBINED != 0


@external
@view
def paused() -> bool:
    return self._hot & PAUSED != 0


@external
@view
def isFrozen(_userAddress: address) -> bool:
    return self._wallets[_userAddress] & WHOLE != 0


@external
@view
def getFrozenTokens(_userAddress: address) -> uint256:
    return self._frozen(self._wallets[_userAddress])


@external
@pure
def supportsInterface(interfaceId: bytes4) -> bool:
    """@notice ERC-165, ERC-20, ERC-2612, ERC-5267, ERC-173, ERC-3643's IToken without ERC-20, and ERC-7943 (fungible)."""
    asked: uint256 = convert(interfaceId, uint256)
    for place: uint256 in range(7):
        if (convert(INTERFACES, uint256) >> (32 * place)) & (2**32 - 1) == asked:
            return True
    return False


# Internal: moves


@internal
@pure
def _refuse_paused():
    refusals._refuse("Pausable: paused")


@internal
def _transfer(hot: uint256, sender: address, receiver: address, amount: uint256):
    if hot & PAUSED != 0:
        self._refuse_paused()
    sender_word: uint256 = self._wallets[sender]
    receiver_word: uint256 = self._wallets[receiver]
    if (sender_word | receiver_word) & WHOLE != 0:
        refusals._refuse("wallet is frozen")
    free: uint256 = sender_word >> BALANCE_AT
    if sender_word << ABOVE_BALANCE != 0:
        free = self._unfrozen(sender_word)
    if amount > free:
        refusals._refuse("Insufficient Balance")
    if self._last_unlock(sender_word) > block.timestamp:
        if self._locked_until(sender, sender_word, free, amount) != 0:
            refusals._refuse("lockup: shares are locked")
    code: uint256 = YES
    if hot & COMBINED == 0:
        code = self._plain_answer(hot, sender, receiver, amount)
    if code == YES:
        if sender != receiver:
            # Compared above; no balance exceeds the supply, so the sum fits its bits.
            self._wallets[sender] = unsafe_sub(sender_word, amount << BALANCE_AT)
            self._wallets[receiver] = unsafe_add(receiver_word, amount << BALANCE_AT)
        log Transfer(_from=sender, _to=receiver, _value=amount)
        if hot & COMBINED != 0:
            code = extcall ICombinedCompliance(convert(hot >> COMPLIANCE_AT, address)).book_transfer(
                sender, receiver, amount, sender_word >> BALANCE_AT, receiver_word >> BALANCE_AT
            )
        else:
            self._tell_moved(hot, sender, receiver, amount)
    if code != YES:
        self._refuse_transfer()


@internal
@pure
def _refuse_transfer():
    refusals._refuse("Transfer not possible")


@internal
def _tell_moved(hot: uint256, sender: address, receiver: address, amount: uint256):
    if amount != 0:
        # The reference's compliance refuses to hear of nothing.
        extcall ICompliance(convert(hot >> COMPLIANCE_AT, address)).transferred(sender, receiver, amount)


@internal
@view
def _plain_answer(hot: uint256, sender: address, receiver: address, amount: uint256) -> uint256:
    """@dev What a registry and a compliance contract that are not combined say, by plain ERC-3643 calls."""
    if not self._is_verified(receiver):
        return RECEIVER_NOT_VERIFIED
    if not staticcall ICompliance(convert(hot >> COMPLIANCE_AT, address)).canTransfer(sender, receiver, amount):
        return REFUSED_BY_COMPLIANCE
    return YES


@internal
@view
def _is_verified(wallet: address) -> bool:
    return staticcall IIdentityRegistry(self._registry()).isVerified(wallet)


@internal
def _force(hot: uint256, sender: address, word: uint256, receiver: address, amount: uint256):
    """@param word The sender's, which nothing may have changed since it was read."""
    sender_word: uint256 = word
    balance: uint256 = sender_word >> BALANCE_AT
    if amount > balance:
        refusals._refuse("sender balance too low")
    receiver_word: uint256 = self._wallets[receiver]
    if sender != receiver:
        if sender_word << ABOVE_BALANCE != 0:
            sender_word = self._surrender(sender, sender_word, amount)
        # Compared above; no balance exceeds the supply, so the sum fits its bits.
        self._wallets[sender] = unsafe_sub(sender_word, amount << BALANCE_AT)
        self._wallets[receiver] = unsafe_add(receiver_word, amount << BALANCE_AT)
    log Transfer(_from=sender, _to=receiver, _value=amount)
    log ForcedTransfer(sender=sender, receiver=receiver, amount=amount)
    # The receiver must be eligible, and compliance keeps count; the limits do not bind an agent.
    is_eligible: bool = False
    if hot & COMBINED != 0:
        is_eligible = YES == extcall ICombinedCompliance(convert(hot >> COMPLIANCE_AT, address)).book_forced_transfer(
            sender, receiver, amount, balance, receiver_word >> BALANCE_AT
        )
    else:
        is_eligible = self._is_verified(receiver)
        if is_eligible:
            self._tell_moved(hot, sender, receiver, amount)
    if not is_eligible:
        self._refuse_transfer()


@internal
def _mint(hot: uint256, receiver: address, amount: uint256):
    base: uint256 = self._base
    supply: uint256 = base >> SUPPLY_AT
    if amount > SUPPLY_MAX - supply:
        refusals._refuse("token: supply does not fit")
    code: uint256 = YES
    if hot & COMBINED == 0:
        code = self._plain_answer(hot, empty(address), receiver, amount)
    if code == YES:
        receiver_word: uint256 = self._wallets[receiver]
        # Compared with the room above: neither the supply nor a balance outgrows its bits.
        self._base = unsafe_add(base, amount << SUPPLY_AT)
        self._wallets[receiver] = unsafe_add(receiver_word, amount << BALANCE_AT)
        log Transfer(_from=empty(address), _to=receiver, _value=amount)
        if hot & COMBINED != 0:
            code = extcall ICombinedCompliance(convert(hot >> COMPLIANCE_AT, address)).book_mint(
                receiver, amount, receiver_word >> BALANCE_AT, unsafe_add(supply, amount)
            )
        elif amount != 0:
            extcall ICompliance(convert(hot >> COMPLIANCE_AT, address)).created(receiver, amount)
    if code == RECEIVER_NOT_VERIFIED:
        refusals._refuse("Identity is not verified.")
    if code != YES:
        refusals._refuse("Compliance not followed")


@internal
def _burn(holder: address, amount: uint256):
    hot: uint256 = self._hot
    word: uint256 = self._wallets[holder]
    balance: uint256 = word >> BALANCE_AT
    if amount > balance:
        refusals._refuse("cannot burn more than balance")
    if word << ABOVE_BALANCE != 0:
        word = self._surrender(holder, word, amount)
    # Just compared; and a balance is part of the supply.
    self._wallets[holder] = unsafe_sub(word, amount << BALANCE_AT)
    self._base = unsafe_sub(self._base, amount << SUPPLY_AT)
    log Transfer(_from=holder, _to=empty(address), _value=amount)
    if hot & COMBINED != 0:
        extcall ICombinedCompliance(convert(hot >> COMPLIANCE_AT, address)).book_burn(holder, amount, balance)
    elif amount != 0:
        extcall ICompliance(convert(hot >> COMPLIANCE_AT, address)).destroyed(holder, amount)


@internal
def _surrender(holder: address, word: uint256, amount: uint256) -> uint256:
    """@dev The wallet's word, its balance still whole, with as much unlocked and unfrozen as taking `amount`, which it holds, needs."""
    kept: uint256 = word
    unfrozen: uint256 = self._unfrozen(word)
    last: uint256 = self._last_unlock(word)
    if last > block.timestamp:
        free: uint256 = self._free(holder, word)
        if amount > free:
            kept = self._with_last_unlock(kept, lockups._take(holder, last, unsafe_sub(amount, free)))
    if amount > unfrozen:
        kept = self._thaw(holder, kept, unsafe_sub(amount, unfrozen))
    return kept


@internal
@view
def _locked_until(holder: address, word: uint256, unfrozen: uint256, amount: uint256) -> uint256:
    """@dev The instant from which `amount`, at most what is not frozen, is not locked; zero when that is so now."""
    if amount == 0:
        return 0
    return lockups._falls_to(holder, self._last_unlock(word), unsafe_sub(unfrozen, amount))  # The caller has compared them.


@internal
@view
def _free(holder: address, word: uint256) -> uint256:
    unfrozen: uint256 = self._unfrozen(word)
    return unsafe_sub(unfrozen, min(unfrozen, lockups._locked(holder, self._last_unlock(word))))


@internal
@pure
def _unfrozen(word: uint256) -> uint256:
    # The lesser of the two. More may be frozen than is held.
    balance: uint256 = word >> BALANCE_AT
    return unsafe_sub(balance, min(balance, self._frozen(word)))


@internal
@pure
def _frozen(word: uint256) -> uint256:
    return (word >> FROZEN_AT) & AMOUNT


@internal
@pure
def _last_unlock(word: uint256) -> uint256:
    return (word >> LAST_UNLOCK_AT) & INSTANT


@internal
@pure
def _with_last_unlock(word: uint256, last: uint256) -> uint256:
    return (word & ~(INSTANT << LAST_UNLOCK_AT)) | (last << LAST_UNLOCK_AT)


@internal
def _replace_wallet(registry: address, lost: address, replacement: address, investor: address) -> bool:
    """
    @dev Registers the new wallet by plain ERC-3643 calls, for a registry that is not combined with compliance; this token must be its
    agent. False where the wallets are not the investor's.
    """
    if lost == replacement or replacement == empty(address):
        return False
    if self._identity(registry, lost) != investor:
        return False
    if investor.is_contract and self._identity(registry, investor) != investor:
        # An identity contract, not a wallet with code. ERC-734: purpose 1 is management; a key is the hash of the padded address.
        if not staticcall IOnchainIdentity(investor).keyHasPurpose(keccak256(abi_encode(replacement)), 1):
            return False
    found: address = self._identity(registry, replacement)
    if found != empty(address):
        return found == investor
    country: uint16 = staticcall IIdentityRegistry(registry).investorCountry(lost)
    extcall IIdentityRegistry(registry).registerIdentity(replacement, investor, country)
    return True


@internal
@view
def _identity(registry: address, wallet: address) -> address:
    return staticcall IIdentityRegistry(registry).identity(wallet)


# Internal: freezes


@internal
def _freeze_whole(holder: address, freeze: bool):
    word: uint256 = self._wallets[holder]
    self._wallets[holder] = word ^ ((word ^ convert(freeze, uint256)) & WHOLE)
    log AddressFrozen(_userAddress=holder, _isFrozen=freeze, _owner=msg.sender)


@internal
def _freeze(holder: address, amount: uint256):
    word: uint256 = self._wallets[holder]
    if amount > self._unfrozen(word):
        refusals._refuse("Amount exceeds available balance")
    self._wallets[holder] = self._freeze_more(holder, word, amount)


@internal
def _unfreeze(holder: address, amount: uint256):
    word: uint256 = self._wallets[holder]
    if amount > self._frozen(word):
        refusals._refuse("Amount should be less than or equal to frozen tokens")
    self._wallets[holder] = self._thaw(holder, word, amount)


@internal
def _freeze_more(holder: address, word: uint256, amount: uint256) -> uint256:
    """@dev The wallet's word with that much more frozen, which the caller knows to fit its bits."""
    log TokensFrozen(_userAddress=holder, _amount=amount)
    return self._told(holder, unsafe_add(word, amount << FROZEN_AT))


@internal
def _thaw(holder: address, word: uint256, amount: uint256) -> uint256:
    """@dev The wallet's word with that much, which the caller knows to be frozen, freed."""
    log TokensUnfrozen(_userAddress=holder, _amount=amount)
    return self._told(holder, unsafe_sub(word, amount << FROZEN_AT))


@internal
def _told(holder: address, word: uint256) -> uint256:
    log Frozen(account=holder, amount=self._frozen(word))
    return word


@internal
def _lock(wallet: address, shares: uint256, unlocks_at: uint256):
    word: uint256 = self._wallets[wallet]
    last: uint256 = self._last_unlock(word)
    if unlocks_at == 0:
        last = lockups._take(wallet, last, shares)
    else:
        # Never more is locked than held.
        if shares > unsafe_sub(word >> BALANCE_AT, lockups._locked(wallet, last)):
            refusals._refuse("lockup: more than is held")
        last = lockups._lock(wallet, last, shares, unlocks_at)
    self._wallets[wallet] = self._with_last_unlock(word, last)


# Internal: wiring


@internal
def _unpause():
    hot: uint256 = self._hot
    if hot & PAUSED == 0:
        refusals._refuse("Pausable: not paused")
    self._hot = hot ^ PAUSED
    log Unpaused(_userAddress=msg.sender)


@internal
@view
def _decimals() -> uint8:
    return convert((self._hot >> DECIMALS_AT) & 255, uint8)


@internal
@view
def _registry() -> address:
    return convert(self._base & ADDRESS, address)


@internal
def _wire_registry(registry: address):
    self._base = ((self._base >> SUPPLY_AT) << SUPPLY_AT) | convert(registry, uint256)
    log IdentityRegistryAdded(_identityRegistry=registry)


@internal
def _wire_compliance(compliance: address):
    self._hot = (self._hot & (2**COMPLIANCE_AT - 1)) | (convert(compliance, uint256) << COMPLIANCE_AT)
    extcall ICompliance(compliance).bindToken(self)
    log ComplianceAdded(_compliance=compliance)
    self._detect_combined()


@internal
def _detect_combined():
    """@dev Asks compliance whether it answers for the registry too; one that does not know the question does not."""
    hot: uint256 = self._hot
    is_combined: bool = self._says_yes(
        convert(hot >> COMPLIANCE_AT, address), method_id("is_combined_with(address)", output_type=bytes4), self._registry()
    )
    if is_combined != (hot & COMBINED != 0):
        self._hot = hot ^ COMBINED


@internal
@view
def _says_yes(asked: address, question: bytes4, subject: address) -> bool:
    """@dev Whether a contract answers a question about an address with true; one that fails, or answers anything else, does not."""
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        asked, concat(question, abi_encode(subject)), max_outsize=32, revert_on_failure=False, is_static_call=True
    )
    return success and len(answer) == 32 and convert(answer, uint256) == 1


@internal
def _log_information():
    log UpdatedTokenInformation(
        _newName=texts._text(texts.NAME),
        _newSymbol=texts._text(texts.SYMBOL),
        _newDecimals=self._decimals(),
        _newVersion=VERSION,
        _newOnchainID=self.onchainID,
    )


@internal
@pure
def _check_text(length: uint256):
    if length == 0:
        refusals._refuse("invalid argument - empty string")


@internal
@view
def _check_agents_batch(first: uint256, second: uint256):
    agents._check_agent()
    self._check_lengths(first, second)


@internal
@pure
def _check_lengths(first: uint256, second: uint256):
    if first != second:
        refusals._refuse("token: lists differ in length")
