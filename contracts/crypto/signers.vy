# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Whether an account stands behind a digest: by its key (65 bytes, or 64 as in EIP-2098), or by the word of its contract
(ERC-1271). Knows nothing of what was signed.
"""

from crypto import signatures

SIGNATURE_BYTES_MAX: constant(uint256) = 1024

# A wallet may use this much to judge a signature, so that none can use up what others need.
WALLET_GAS: constant(uint256) = 200_000
# What must be there for a wallet to get that much (EIP-150 keeps a 64th back), with the cost of asking.
WALLET_GAS_AT_HAND: constant(uint256) = 210_000

# ERC-1271's yes: bytes4(keccak256("isValidSignature(bytes32,bytes)")), padded to a word.
WALLET_YES: constant(bytes32) = 0x1626ba7e00000000000000000000000000000000000000000000000000000000
# EIP-2098: the highest bit of s carries the parity, which s itself can never need.
PARITY_AT: constant(uint256) = 255


@internal
@view
def _is_signed_by(account: address, digest: bytes32, signature: Bytes[SIGNATURE_BYTES_MAX]) -> bool:
    """@dev Asks the account's contract where the key does not fit; an account without code says nothing, which is no."""
    if account == empty(address):
        return False  # What recovery answers to a malformed signature.
    if self._key_holder(digest, signature) == account:
        return True
    assert msg.gas >= WALLET_GAS_AT_HAND, "signature: too little gas to ask the wallet"
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        account,
        abi_encode(digest, signature, method_id=method_id("isValidSignature(bytes32,bytes)")),
        max_outsize=32,
        gas=WALLET_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    return success and len(answer) == 32 and convert(answer, bytes32) == WALLET_YES


@internal
@pure
def _key_holder(digest: bytes32, signature: Bytes[SIGNATURE_BYTES_MAX]) -> address:
    """@dev The signer of r, s, v or of r and s with v in it; the zero address where there is none."""
    if len(signature) != 65 and len(signature) != 64:
        return empty(address)
    r: uint256 = extract32(signature, 0, output_type=uint256)
    s: uint256 = extract32(signature, 32, output_type=uint256)
    v: uint256 = 0
    if len(signature) == 65:
        v = convert(slice(signature, 64, 1), uint256)
    else:
        v = 27 + (s >> PARITY_AT)
        s = s & ~(1 << PARITY_AT)
    return signatures._recover(digest, v, r, s)
