# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice A security: who holds how much, what is frozen, and what the transfer agent may do (ERC-20, ERC-2612, ERC-3643, ERC-1643).
Who may hold it, and how much, is asked of the identity registry and of compliance.
@dev No constructor and one `initialize`, so that the same code serves directly, as a clone or behind a proxy. A compliance contract
that says it is combined with the registry is asked once per move, after the balances have moved; a no reverts the whole.
"""

from access import ownership
from access import agents
from token import allowances
from token import documents
from interfaces import ICombinedCompliance
from interfaces import ICompliance
from interfaces import IHoldings
from interfaces import IIdentityRegistry
from interfaces import IInvestorRecords
from interfaces import IOnchainIdentity

implements: IHoldings

initializes: ownership
initializes: agents[ownership := ownership]
initializes: allowances
initializes: documents[agents := agents]

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)
exports: (
    allowances.name,
    allowances.allowance,
    allowances.nonces,
    allowances.approve,
    allowances.permit,
    allowances.DOMAIN_SEPARATOR,
    allowances.eip712Domain,
)
exports: (documents.setDocument, documents.removeDocument, documents.getDocument, documents.getAllDocuments)

BATCH_MAX: constant(uint256) = 200
VERSION: constant(String[8]) = "1.0.0"

# A wallet in one word: balance 0..103 | frozen amount 104..207 | last lock's expiry 208..247 (kept for lockups) | frozen whole 248
AMOUNT: constant(uint256) = 2**104 - 1
FROZEN_AT: constant(uint256) = 104
WHOLE: constant(uint256) = 2**248

# What every transfer reads, in one word: compliance 0..159 | paused 160 | combined 161 | decimals 168..175
PAUSED: constant(uint256) = 2**160
COMBINED: constant(uint256) = 2**161
DECIMALS_AT: constant(uint256) = 168

# What only wiring, mint and burn read, in one word: identity registry 0..159 | supply 160..255
ADDRESS: constant(uint256) = 2**160 - 1
SUPPLY_AT: constant(uint256) = 160
# The supply's bits; no balance can exceed it, so every balance fits its own.
SUPPLY_MAX: constant(uint256) = 2**96 - 1

# The answers, as contracts/reasons.json publishes them; the others come from compliance.
YES: constant(uint256) = 0
IS_PAUSED: constant(uint256) = 1
SENDER_FROZEN: constant(uint256) = 2
RECEIVER_FROZEN: constant(uint256) = 3
INSUFFICIENT_BALANCE: constant(uint256) = 4
SUPPLY_TOO_LARGE: constant(uint256) = 5
RECEIVER_NOT_VERIFIED: constant(uint256) = 10
REFUSED_BY_COMPLIANCE: constant(uint256) = 18

event Transfer:
    _from: indexed(address)
    _to: indexed(address)
    _value: uint256

event UpdatedTokenInformation:
    _newName: indexed(String[64])
    _newSymbol: indexed(String[32])
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

event Paused:
    _userAddress: address

event Unpaused:
    _userAddress: address

_hot: uint256
_base: uint256
_wallets: HashMap[address, uint256]
symbol: public(String[32])
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
    assert identityRegistry != empty(address) and compliance != empty(address), "invalid argument - zero address"
    assert len(name) > 0 and len(symbol) > 0, "invalid argument - empty string"
    assert decimals <= 18, "decimals between 0 and 18"
    self._hot = PAUSED | (convert(decimals, uint256) << DECIMALS_AT)
    allowances._set_name(name)
    self.symbol = symbol
    self.onchainID = onchainID
    self._base = convert(identityRegistry, uint256)
    log IdentityRegistryAdded(_identityRegistry=identityRegistry)
    self._wire_compliance(compliance)
    self._log_information()


@external
def setName(_name: String[64]):
    """@notice Renames the token, and with it the domain that permits are signed for. Owner only."""
    ownership._check_owner()
    assert len(_name) > 0, "invalid argument - empty string"
    allowances._set_name(_name)
    self._log_information()


@external
def setSymbol(_symbol: String[32]):
    """@notice Gives the token another ticker. Owner only."""
    ownership._check_owner()
    assert len(_symbol) > 0, "invalid argument - empty string"
    self.symbol = _symbol
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
    assert _identityRegistry != empty(address), "invalid argument - zero address"
    self._base = (self._base & ~ADDRESS) | convert(_identityRegistry, uint256)
    log IdentityRegistryAdded(_identityRegistry=_identityRegistry)
    self._detect_combined()


@external
def setCompliance(_compliance: address):
    """@notice Leaves the present compliance contract and binds to another. Owner only."""
    ownership._check_owner()
    assert _compliance != empty(address), "invalid argument - zero address"
    # A contract that will not let go, or let go already, must not keep the token: its answer does not matter.
    left: bool = raw_call(
        self._compliance(self._hot),
        abi_encode(self, method_id=method_id("unbindToken(address)")),
        revert_on_failure=False,
    )
    self._wire_compliance(_compliance)


# The agent's acts


@external
def pause():
    """@notice Stops transfers between holders. Agent only."""
    agents._check_agent()
    assert self._hot & PAUSED == 0, "Pausable: paused"
    self._hot |= PAUSED
    log Paused(_userAddress=msg.sender)


@external
def unpause():
    """@notice Lets holders transfer. Agent only."""
    agents._check_agent()
    assert self._hot & PAUSED != 0, "Pausable: not paused"
    self._hot &= ~PAUSED
    log Unpaused(_userAddress=msg.sender)


@external
def mint(_to: address, _amount: uint256):
    """@notice Issues to an eligible investor, within the rules, paused or not. Agent only."""
    agents._check_agent()
    self._mint(_to, _amount)


@external
def burn(_userAddress: address, _amount: uint256):
    """@notice Destroys what a wallet holds, frozen tokens last. Agent only."""
    agents._check_agent()
    self._burn(_userAddress, _amount)


@external
def forcedTransfer(_from: address, _to: address, _amount: uint256) -> bool:
    """@notice Moves tokens without the holder's consent, whatever is paused or frozen, to an eligible investor. Agent only."""
    agents._check_agent()
    self._force(_from, _to, _amount)
    return True


@external
def recoveryAddress(_lostWallet: address, _newWallet: address, _investorOnchainID: address) -> bool:
    """
    @notice Moves all that a lost wallet holds, with its freezes, to another wallet of the same investor. Agent only.
    @dev Where the investor has an identity contract, the new wallet must be a management key of it.
    """
    agents._check_agent()
    assert self._wallets[_lostWallet] & AMOUNT > 0, "no tokens to recover"
    # The registry first: what it tells compliance of the new wallet's investor is counted by the balances before the move.
    registry: address = self._registry()
    hot: uint256 = self._hot
    if hot & COMBINED != 0:
        replaced: bool = extcall IInvestorRecords(registry).recover_wallet(_lostWallet, _newWallet, _investorOnchainID)
        assert replaced, "Recovery not possible"
    else:
        self._replace_wallet(registry, _lostWallet, _newWallet, _investorOnchainID)
    lost: uint256 = self._wallets[_lostWallet]
    amount: uint256 = lost & AMOUNT
    found: uint256 = self._wallets[_newWallet]
    frozen: uint256 = (lost >> FROZEN_AT) & AMOUNT
    # Balances and frozen amounts add within their bits: neither exceeds the supply.
    self._wallets[_newWallet] = (found + (lost & (WHOLE - 1))) | (lost & WHOLE)
    self._wallets[_lostWallet] = lost & WHOLE
    if frozen > 0:
        log TokensUnfrozen(_userAddress=_lostWallet, _amount=frozen)
    log Transfer(_from=_lostWallet, _to=_newWallet, _value=amount)
    if frozen > 0:
        log TokensFrozen(_userAddress=_newWallet, _amount=frozen)
    if lost & ~found & WHOLE != 0:
        log AddressFrozen(_userAddress=_newWallet, _isFrozen=True, _owner=msg.sender)
    self._settle_forced(hot, _lostWallet, _newWallet, amount, amount, found & AMOUNT)
    if hot & COMBINED == 0:
        extcall IIdentityRegistry(registry).deleteIdentity(_lostWallet)
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
    agents._check_agent()
    self._check_lengths(len(_toList), len(_amounts))
    self._check_lengths(len(_fromList), len(_amounts))
    for i: uint256 in range(len(_toList), bound=BATCH_MAX):
        self._force(_fromList[i], _toList[i], _amounts[i])


@external
def batchMint(_toList: DynArray[address, BATCH_MAX], _amounts: DynArray[uint256, BATCH_MAX]):
    agents._check_agent()
    self._check_lengths(len(_toList), len(_amounts))
    for i: uint256 in range(len(_toList), bound=BATCH_MAX):
        self._mint(_toList[i], _amounts[i])


@external
def batchBurn(_userAddresses: DynArray[address, BATCH_MAX], _amounts: DynArray[uint256, BATCH_MAX]):
    agents._check_agent()
    self._check_lengths(len(_userAddresses), len(_amounts))
    for i: uint256 in range(len(_userAddresses), bound=BATCH_MAX):
        self._burn(_userAddresses[i], _amounts[i])


@external
def batchSetAddressFrozen(_userAddresses: DynArray[address, BATCH_MAX], _freeze: DynArray[bool, BATCH_MAX]):
    agents._check_agent()
    self._check_lengths(len(_userAddresses), len(_freeze))
    for i: uint256 in range(len(_userAddresses), bound=BATCH_MAX):
        self._freeze_whole(_userAddresses[i], _freeze[i])


@external
def batchFreezePartialTokens(_userAddresses: DynArray[address, BATCH_MAX], _amounts: DynArray[uint256, BATCH_MAX]):
    agents._check_agent()
    self._check_lengths(len(_userAddresses), len(_amounts))
    for i: uint256 in range(len(_userAddresses), bound=BATCH_MAX):
        self._freeze(_userAddresses[i], _amounts[i])


@external
def batchUnfreezePartialTokens(_userAddresses: DynArray[address, BATCH_MAX], _amounts: DynArray[uint256, BATCH_MAX]):
    agents._check_agent()
    self._check_lengths(len(_userAddresses), len(_amounts))
    for i: uint256 in range(len(_userAddresses), bound=BATCH_MAX):
        self._unfreeze(_userAddresses[i], _amounts[i])


# The holder's acts


@external
def transfer(_to: address, _amount: uint256) -> bool:
    self._transfer(self._hot, msg.sender, _to, _amount)
    return True


@external
def transferFrom(_from: address, _to: address, _amount: uint256) -> bool:
    allowances._spend(_from, msg.sender, _amount)
    self._transfer(self._hot, _from, _to, _amount)
    return True


# Views


@external
@view
def check_transfer(_from: address, _to: address, _amount: uint256) -> (uint256, uint256):
    """
    @notice Whether a transfer would succeed now, and if not, why: as contracts/reasons.json numbers the reasons, with the fact
    behind it (the free balance, the country, the limit). A zero `_from` asks about a mint. Allowances are not looked at.
    """
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
        free: uint256 = self._free(sender)
        if _amount > free:
            return INSUFFICIENT_BALANCE, free
    compliance: address = self._compliance(hot)
    if hot & COMBINED != 0:
        return staticcall ICombinedCompliance(compliance).check(self, _from, _to, _amount)
    if not staticcall IIdentityRegistry(self._registry()).isVerified(_to):
        return RECEIVER_NOT_VERIFIED, 0
    if not staticcall ICompliance(compliance).canTransfer(_from, _to, _amount):
        return REFUSED_BY_COMPLIANCE, 0
    return YES, 0


@external
@view
def balanceOf(_userAddress: address) -> uint256:
    return self._wallets[_userAddress] & AMOUNT


@external
@view
def totalSupply() -> uint256:
    return self._base >> SUPPLY_AT


@external
@view
def decimals() -> uint8:
    return convert((self._hot >> DECIMALS_AT) & 255, uint8)


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
    return self._compliance(self._hot)


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
    return (self._wallets[_userAddress] >> FROZEN_AT) & AMOUNT


@external
@pure
def supportsInterface(interfaceId: bytes4) -> bool:
    """@notice ERC-165, ERC-20, ERC-2612, ERC-5267, ERC-173 and ERC-3643's IToken without ERC-20."""
    return interfaceId in [0x01ffc9a7, 0x36372b07, 0x9d8ff7da, 0x84b0196e, 0x7f5828d0, 0xb97d944c]


# Internal: moves


@internal
def _transfer(hot: uint256, sender: address, receiver: address, amount: uint256):
    assert hot & PAUSED == 0, "Pausable: paused"
    sender_word: uint256 = self._wallets[sender]
    receiver_word: uint256 = self._wallets[receiver]
    assert (sender_word | receiver_word) & WHOLE == 0, "wallet is frozen"
    assert amount <= self._free(sender_word), "Insufficient Balance"
    compliance: address = self._compliance(hot)
    if hot & COMBINED != 0:
        self._move(sender, receiver, amount, sender_word, receiver_word)
        code: uint256 = extcall ICombinedCompliance(compliance).book_transfer(
            sender, receiver, amount, sender_word & AMOUNT, receiver_word & AMOUNT
        )
        assert code == YES, "Transfer not possible"
    else:
        assert staticcall IIdentityRegistry(self._registry()).isVerified(receiver), "Transfer not possible"
        assert staticcall ICompliance(compliance).canTransfer(sender, receiver, amount), "Transfer not possible"
        self._move(sender, receiver, amount, sender_word, receiver_word)
        extcall ICompliance(compliance).transferred(sender, receiver, amount)


@internal
def _move(sender: address, receiver: address, amount: uint256, sender_word: uint256, receiver_word: uint256):
    """@dev The caller has checked that the sender holds the amount; no balance exceeds the supply, so the sum fits its bits."""
    if sender != receiver:
        self._wallets[sender] = unsafe_sub(sender_word, amount)
        self._wallets[receiver] = unsafe_add(receiver_word, amount)
    log Transfer(_from=sender, _to=receiver, _value=amount)


@internal
def _force(sender: address, receiver: address, amount: uint256):
    hot: uint256 = self._hot
    sender_word: uint256 = self._wallets[sender]
    balance: uint256 = sender_word & AMOUNT
    assert balance >= amount, "sender balance too low"
    if sender != receiver:
        sender_word = self._unfrozen_for(sender, sender_word, amount)
    receiver_word: uint256 = self._wallets[receiver]
    self._move(sender, receiver, amount, sender_word, receiver_word)
    self._settle_forced(hot, sender, receiver, amount, balance, receiver_word & AMOUNT)


@internal
def _settle_forced(
    hot: uint256, sender: address, receiver: address, amount: uint256, sender_balance: uint256, receiver_balance: uint256
):
    """@dev After a move against the holder's will: the receiver must be eligible, and compliance keeps count."""
    compliance: address = self._compliance(hot)
    if hot & COMBINED != 0:
        code: uint256 = extcall ICombinedCompliance(compliance).book_forced_transfer(
            sender, receiver, amount, sender_balance, receiver_balance
        )
        assert code == YES, "Transfer not possible"
    else:
        assert staticcall IIdentityRegistry(self._registry()).isVerified(receiver), "Transfer not possible"
        extcall ICompliance(compliance).transferred(sender, receiver, amount)


@internal
def _mint(receiver: address, amount: uint256):
    hot: uint256 = self._hot
    base: uint256 = self._base
    supply: uint256 = base >> SUPPLY_AT
    assert amount <= SUPPLY_MAX - supply, "token: supply does not fit"
    compliance: address = self._compliance(hot)
    is_combined: bool = hot & COMBINED != 0
    if not is_combined:
        assert staticcall IIdentityRegistry(self._registry()).isVerified(receiver), "Identity is not verified."
        assert staticcall ICompliance(compliance).canTransfer(empty(address), receiver, amount), "Compliance not followed"
    receiver_word: uint256 = self._wallets[receiver]
    # Compared with the room above: neither the supply nor a balance outgrows its bits.
    self._base = unsafe_add(base, amount << SUPPLY_AT)
    self._wallets[receiver] = unsafe_add(receiver_word, amount)
    log Transfer(_from=empty(address), _to=receiver, _value=amount)
    if is_combined:
        code: uint256 = extcall ICombinedCompliance(compliance).book_mint(receiver, amount, receiver_word & AMOUNT, supply + amount)
        assert code != RECEIVER_NOT_VERIFIED, "Identity is not verified."
        assert code == YES, "Compliance not followed"
    else:
        extcall ICompliance(compliance).created(receiver, amount)


@internal
def _burn(holder: address, amount: uint256):
    hot: uint256 = self._hot
    word: uint256 = self._wallets[holder]
    balance: uint256 = word & AMOUNT
    assert balance >= amount, "cannot burn more than balance"
    word = self._unfrozen_for(holder, word, amount)
    # Just compared; and a balance is part of the supply.
    self._wallets[holder] = unsafe_sub(word, amount)
    self._base = unsafe_sub(self._base, amount << SUPPLY_AT)
    log Transfer(_from=holder, _to=empty(address), _value=amount)
    if hot & COMBINED == 0:
        extcall ICompliance(self._compliance(hot)).destroyed(holder, amount)
    elif amount == balance:
        # Only a wallet that is emptied can change what compliance counts.
        extcall ICombinedCompliance(self._compliance(hot)).book_burn(holder, amount, balance)


@internal
def _unfrozen_for(holder: address, word: uint256, amount: uint256) -> uint256:
    """@dev The wallet's word with as much unfrozen as taking `amount`, which it holds, needs."""
    free: uint256 = self._free(word)
    if amount <= free:
        return word
    log TokensUnfrozen(_userAddress=holder, _amount=unsafe_sub(amount, free))
    return unsafe_sub(word, unsafe_sub(amount, free) << FROZEN_AT)


@internal
@pure
def _free(word: uint256) -> uint256:
    # Never more is frozen than held.
    return unsafe_sub(word & AMOUNT, (word >> FROZEN_AT) & AMOUNT)


@internal
def _replace_wallet(registry: address, lost: address, replacement: address, investor: address):
    """@dev Recovery by plain ERC-3643 calls, for a registry that is not ours; this token must be its agent."""
    assert lost != replacement and replacement != empty(address), "Recovery not possible"
    assert staticcall IIdentityRegistry(registry).identity(lost) == investor, "Recovery not possible"
    if investor.is_contract and staticcall IIdentityRegistry(registry).identity(investor) != investor:
        # An identity contract, not a wallet with code. ERC-734: purpose 1 is management; a key is the hash of the padded address.
        key: bytes32 = keccak256(abi_encode(replacement))
        assert staticcall IOnchainIdentity(investor).keyHasPurpose(key, 1), "Recovery not possible"
    found: address = staticcall IIdentityRegistry(registry).identity(replacement)
    if found == empty(address):
        country: uint16 = staticcall IIdentityRegistry(registry).investorCountry(lost)
        extcall IIdentityRegistry(registry).registerIdentity(replacement, investor, country)
    else:
        assert found == investor, "Recovery not possible"


# Internal: freezes


@internal
def _freeze_whole(holder: address, freeze: bool):
    word: uint256 = self._wallets[holder] & ~WHOLE
    self._wallets[holder] = word | WHOLE if freeze else word
    log AddressFrozen(_userAddress=holder, _isFrozen=freeze, _owner=msg.sender)


@internal
def _freeze(holder: address, amount: uint256):
    word: uint256 = self._wallets[holder]
    assert amount <= self._free(word), "Amount exceeds available balance"
    self._wallets[holder] = unsafe_add(word, amount << FROZEN_AT)  # At most the balance, which has as many bits.
    log TokensFrozen(_userAddress=holder, _amount=amount)


@internal
def _unfreeze(holder: address, amount: uint256):
    word: uint256 = self._wallets[holder]
    assert amount <= (word >> FROZEN_AT) & AMOUNT, "Amount should be less than or equal to frozen tokens"
    self._wallets[holder] = unsafe_sub(word, amount << FROZEN_AT)  # Just compared.
    log TokensUnfrozen(_userAddress=holder, _amount=amount)


# Internal: wiring


@internal
@pure
def _compliance(hot: uint256) -> address:
    return convert(hot & ADDRESS, address)


@internal
@view
def _registry() -> address:
    return convert(self._base & ADDRESS, address)


@internal
def _wire_compliance(compliance: address):
    self._hot = (self._hot & ~ADDRESS) | convert(compliance, uint256)
    extcall ICompliance(compliance).bindToken(self)
    log ComplianceAdded(_compliance=compliance)
    self._detect_combined()


@internal
def _detect_combined():
    """@dev Asks compliance whether it answers for the registry too; one that does not know the question does not."""
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        self._compliance(self._hot),
        abi_encode(self._registry(), method_id=method_id("is_combined_with(address)")),
        max_outsize=32,
        revert_on_failure=False,
        is_static_call=True,
    )
    self._hot &= ~COMBINED
    if success and len(answer) == 32 and convert(answer, uint256) == 1:
        self._hot |= COMBINED


@internal
def _log_information():
    log UpdatedTokenInformation(
        _newName=allowances.name,
        _newSymbol=self.symbol,
        _newDecimals=convert((self._hot >> DECIMALS_AT) & 255, uint8),
        _newVersion=VERSION,
        _newOnchainID=self.onchainID,
    )


@internal
@pure
def _check_lengths(first: uint256, second: uint256):
    assert first == second, "token: lists differ in length"
