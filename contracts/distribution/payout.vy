# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Pays many holders, each run once: by batches pushed straight from the payer, or by claims against a Merkle root out of an escrow
that the payer has funded. Who is owed what is decided elsewhere. Nobody owns this contract; each payer rules its own runs alone.

A run is paid the one way or the other, never both: its first batch, or the first root published for it, decides for good.

A distribution lasts for many runs. Its root names for each account all that was ever due to it, so a new run is one new root, and
a claim pays the difference to what the account has had. Each distribution is paid from its own escrow only:
what came in = what was claimed + what was reclaimed + the rest. Who is due what stays the payer's word until it is claimed: holders
trust the payer's roots, not other payers'.
"""

from crypto import merkle
from token import money

RECIPIENTS_MAX: constant(uint256) = 200
CLAIMS_MAX: constant(uint256) = 50
# What one claim among many may use: three times what it takes, and too little to spoil those after it.
CLAIM_GAS_MAX: constant(uint256) = 300_000
# In place of a distribution, where a run is paid by batches.
PUSHED: constant(bytes32) = keccak256("muniment.payout.pushed")
# An escrow in one word: the payment token's 160 bits, above them 96 bits of rest.
REST_SHIFT: constant(uint256) = 160
REST_MAX: constant(uint256) = 2**96 - 1

event BatchPaid:
    payer: indexed(address)
    run_id: indexed(bytes32)
    batch_id: uint256
    payment_token: address
    total: uint256
    recipients: uint256

event Paid:
    run_id: indexed(bytes32)
    recipient: indexed(address)
    amount: uint256

event DistributionOpened:
    distribution: indexed(bytes32)
    payer: indexed(address)
    distribution_id: bytes32
    payment_token: address
    expires_at: uint256

event Funded:
    distribution: indexed(bytes32)
    received: uint256
    rest: uint256

event RunPublished:
    distribution: indexed(bytes32)
    run_id: indexed(bytes32)
    root: bytes32
    expires_at: uint256

event Claimed:
    distribution: indexed(bytes32)
    account: indexed(address)
    amount: uint256
    cumulative: uint256

event ClaimFailed:
    distribution: indexed(bytes32)
    account: indexed(address)

event Reclaimed:
    distribution: indexed(bytes32)
    amount: uint256

struct Claim:
    distribution: bytes32
    account: address
    cumulative: uint256
    proof: DynArray[bytes32, merkle.PROOF_MAX]

struct Escrow:
    payment_token: address
    rest: uint256
    root: bytes32
    expires_at: uint256

is_paid: public(HashMap[address, HashMap[bytes32, HashMap[uint256, bool]]])
# payer -> run -> the distribution that pays it; PUSHED where batches do.
_paid_by: HashMap[address, HashMap[bytes32, bytes32]]
_escrows: HashMap[bytes32, uint256]
_roots: HashMap[bytes32, bytes32]
_expires_at: HashMap[bytes32, uint256]
# distribution -> account -> all that it has had, in the payment token's smallest unit.
claimed: public(HashMap[bytes32, HashMap[address, uint256]])


# Batches


@external
@nonreentrant
def push(
    run_id: bytes32,
    batch_id: uint256,
    payment_token: address,
    recipients: DynArray[address, RECIPIENTS_MAX],
    amounts: DynArray[uint256, RECIPIENTS_MAX],
) -> uint256:
    """
    @notice Sends each recipient its amount from the caller, who has approved this contract for the sum.
    @dev All or nothing. The guard is per caller, so nobody can spoil another payer's run.
    @return The sum paid, in the payment token's smallest unit.
    """
    assert len(recipients) > 0, "payout: batch is empty"
    assert len(recipients) == len(amounts), "payout: recipients and amounts differ in number"
    assert payment_token.is_contract, "payout: payment token has no code"
    assert not self.is_paid[msg.sender][run_id][batch_id], "payout: batch already paid"
    self._pay_by(PUSHED, run_id)
    # Set before any call leaves: a payment token that calls back finds the batch paid.
    self.is_paid[msg.sender][run_id][batch_id] = True

    total: uint256 = 0
    for position: uint256 in range(len(recipients), bound=RECIPIENTS_MAX):
        recipient: address = recipients[position]
        amount: uint256 = amounts[position]
        assert recipient != empty(address), "payout: recipient is the zero address"
        assert amount > 0, "payout: amount is zero"
        total += amount
        # The first payment is weighed: a payment token that keeps a fee would short every holder.
        is_weighed: bool = position == 0 and recipient != msg.sender
        balance_before: uint256 = 0
        if is_weighed:
            balance_before = money._balance(payment_token, recipient)
        money._transfer_from(payment_token, msg.sender, recipient, amount)
        if is_weighed:
            received: uint256 = money._balance(payment_token, recipient)
            assert received >= balance_before and received - balance_before == amount, "payout: recipient did not get the amount"
        log Paid(run_id=run_id, recipient=recipient, amount=amount)
    log BatchPaid(
        payer=msg.sender, run_id=run_id, batch_id=batch_id, payment_token=payment_token, total=total, recipients=len(recipients)
    )
    return total


# Distributions: the payer's acts


@external
def open_distribution(distribution_id: bytes32, payment_token: address, expires_at: uint256) -> bytes32:
    """
    @notice Begins a distribution of the caller's under a name of the caller's choice, once.
    @param expires_at Unix seconds; from then on the caller may take back what nobody has claimed.
    @return The distribution's key, which names it to everybody else.
    """
    distribution: bytes32 = self._key(msg.sender, distribution_id)
    assert self._escrows[distribution] == 0, "payout: distribution is already open"
    assert payment_token.is_contract, "payout: payment token has no code"
    assert expires_at > block.timestamp, "payout: expiry lies in the past"
    self._escrows[distribution] = convert(payment_token, uint256)
    self._expires_at[distribution] = expires_at
    log DistributionOpened(
        distribution=distribution,
        payer=msg.sender,
        distribution_id=distribution_id,
        payment_token=payment_token,
        expires_at=expires_at,
    )
    return distribution


@external
@nonreentrant
def fund(distribution_id: bytes32, amount: uint256) -> uint256:
    """
    @notice Puts money of the caller's into the escrow of its distribution. The caller has approved this contract for it.
    @return What arrived, in the payment token's smallest unit: less than `amount` where the token keeps a fee.
    """
    distribution: bytes32 = self._opened(distribution_id)
    escrow: uint256 = self._escrows[distribution]
    payment_token: address = self._payment_token(escrow)
    balance_before: uint256 = money._balance(payment_token, self)
    money._transfer_from(payment_token, msg.sender, self, amount)
    balance: uint256 = money._balance(payment_token, self)
    assert balance > balance_before, "payout: nothing arrived"
    received: uint256 = unsafe_sub(balance, balance_before)  # Just compared.
    rest: uint256 = escrow >> REST_SHIFT
    assert received <= REST_MAX - rest, "payout: escrow does not fit 96 bits"
    rest = unsafe_add(rest, received)  # Just compared: fits 96 bits, so the shift below loses nothing.
    self._escrows[distribution] = convert(payment_token, uint256) | (rest << REST_SHIFT)
    log Funded(distribution=distribution, received=received, rest=rest)
    return received


@external
def publish_run(distribution_id: bytes32, run_id: bytes32, root: bytes32, expires_at: uint256):
    """
    @notice Makes a run of the caller's claimable: `root` is that of all pairs (account, cumulative amount), with this run in it.
    Publishing the same run again corrects it.
    @dev A root that promises more than the escrow holds pays whoever comes first, out of this escrow alone.
    @param expires_at Unix seconds; never earlier than what stood before.
    """
    distribution: bytes32 = self._opened(distribution_id)
    assert root != empty(bytes32), "payout: root is zero"
    assert expires_at > block.timestamp, "payout: expiry lies in the past"
    assert expires_at >= self._expires_at[distribution], "payout: expiry would come earlier"
    self._pay_by(distribution, run_id)
    self._roots[distribution] = root
    self._expires_at[distribution] = expires_at
    log RunPublished(distribution=distribution, run_id=run_id, root=root, expires_at=expires_at)


@external
@nonreentrant
def reclaim(distribution_id: bytes32) -> uint256:
    """
    @notice Gives the caller back what nobody has claimed from its distribution by the expiry.
    @return The amount, in the payment token's smallest unit.
    """
    distribution: bytes32 = self._opened(distribution_id)
    assert block.timestamp >= self._expires_at[distribution], "payout: distribution has not expired"
    escrow: uint256 = self._escrows[distribution]
    rest: uint256 = escrow >> REST_SHIFT
    assert rest > 0, "payout: nothing to reclaim"
    payment_token: address = self._payment_token(escrow)
    self._escrows[distribution] = convert(payment_token, uint256)
    log Reclaimed(distribution=distribution, amount=rest)
    money._pay(payment_token, msg.sender, rest)
    return rest


# Claims


@external
@nonreentrant
def claim(distribution: bytes32, account: address, cumulative: uint256, proof: DynArray[bytes32, merkle.PROOF_MAX]) -> uint256:
    """
    @notice Pays `account` what is due to it beyond what it has had. Anybody may call; the money goes to the account. Claims are paid
    after the expiry too, until the payer takes the rest back.
    @param cumulative All that was ever due to the account in this distribution, as the root has it.
    @return The amount paid, in the payment token's smallest unit.
    """
    leaf: bytes32 = keccak256(keccak256(abi_encode(account, cumulative)))
    assert merkle._root(leaf, proof) == self._roots[distribution], "payout: proof does not lead to the root"
    already: uint256 = self.claimed[distribution][account]
    assert cumulative > already, "payout: nothing to claim"
    amount: uint256 = unsafe_sub(cumulative, already)  # Just compared.
    escrow: uint256 = self._escrows[distribution]
    assert amount <= escrow >> REST_SHIFT, "payout: escrow holds too little"
    self.claimed[distribution][account] = cumulative
    # The amount is at most the rest, so it fits 96 bits and the difference leaves the token's bits alone.
    self._escrows[distribution] = unsafe_sub(escrow, amount << REST_SHIFT)
    log Claimed(distribution=distribution, account=account, amount=amount, cumulative=cumulative)
    money._pay(self._payment_token(escrow), account, amount)
    return amount


@external
def claim_many(claims: DynArray[Claim, CLAIMS_MAX]) -> uint256:
    """
    @notice Makes many claims at once; one that is refused is told by `ClaimFailed`, and does not stop the others.
    @return How many were paid.
    """
    paid: uint256 = 0
    for each: Claim in claims:
        is_done: bool = raw_call(
            self,
            abi_encode(
                each.distribution,
                each.account,
                each.cumulative,
                each.proof,
                method_id=method_id("claim(bytes32,address,uint256,bytes32[])"),
            ),
            gas=CLAIM_GAS_MAX,
            revert_on_failure=False,
        )
        if is_done:
            paid += 1
        else:
            log ClaimFailed(distribution=each.distribution, account=each.account)
    return paid


# Views


@external
@view
def distribution_key(payer: address, distribution_id: bytes32) -> bytes32:
    """@notice The key of a payer's distribution, known before it is opened."""
    return self._key(payer, distribution_id)


@external
@view
def escrow(distribution: bytes32) -> Escrow:
    """@notice What a distribution is paid in, what is left of it, its root and its expiry; all zero where there is none."""
    word: uint256 = self._escrows[distribution]
    return Escrow(
        payment_token=self._payment_token(word),
        rest=word >> REST_SHIFT,
        root=self._roots[distribution],
        expires_at=self._expires_at[distribution],
    )


@external
@view
def paid_by(payer: address, run_id: bytes32) -> bytes32:
    """@notice The distribution that pays a run; the hash of "muniment.payout.pushed" where batches do; zero where neither has begun."""
    return self._paid_by[payer][run_id]


@internal
@pure
def _key(payer: address, distribution_id: bytes32) -> bytes32:
    return keccak256(abi_encode(payer, distribution_id))


@internal
@view
def _opened(distribution_id: bytes32) -> bytes32:
    """@dev The key of a distribution that the caller has opened."""
    distribution: bytes32 = self._key(msg.sender, distribution_id)
    assert self._escrows[distribution] != 0, "payout: distribution is not open"
    return distribution


@internal
@pure
def _payment_token(escrow: uint256) -> address:
    return convert(escrow & convert(max_value(uint160), uint256), address)


@internal
def _pay_by(way: bytes32, run_id: bytes32):
    """@dev Settles how the caller's run is paid, or holds it to what was settled before."""
    settled: bytes32 = self._paid_by[msg.sender][run_id]
    if settled == empty(bytes32):
        self._paid_by[msg.sender][run_id] = way
    else:
        assert settled == way, "payout: run is paid another way"
