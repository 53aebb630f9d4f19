# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Whether an account, a plain key or a contract (ERC-1271), stands behind a digest. Knows nothing of what was signed.
"""

from crypto import signatures

# What a contract answers for a yes (ERC-1271), as the word that comes back.
IS_VALID: constant(bytes32) = 0x1626ba7e00000000000000000000000000000000000000000000000000000000


@internal
@view
def _is_signed_by(account: address, digest: bytes32, signature: Bytes[512]) -> bool:
    """@dev A key's signature comes first: an account with code by delegation (EIP-7702) has both."""
    # A malformed signature recovers to the zero address, which therefore signs nothing.
    if account == empty(address):
        return False
    if signatures._recover_packed(digest, signature) == account:
        return True
    # An account without code answers nothing, which is no yes.
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        account,
        abi_encode(digest, signature, method_id=method_id("isValidSignature(bytes32,bytes)")),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    return success and len(answer) == 32 and convert(answer, bytes32) == IS_VALID
