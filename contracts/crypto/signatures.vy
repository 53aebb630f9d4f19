# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Who signed a digest with a plain key (secp256k1). Knows nothing of what was signed, nor of contract signatures.
"""

# Half of the curve's order (SEC 2, secp256k1): a signature with a greater s has a twin, so it is refused (EIP-2).
HALF_CURVE_ORDER: constant(bytes32) = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


@internal
@pure
def _recover(digest: bytes32, v: uint256, r: uint256, s: uint256) -> address:
    """@dev The signer, or the zero address when the signature is malformed or malleable."""
    if s > convert(HALF_CURVE_ORDER, uint256) or (v != 27 and v != 28):
        return empty(address)
    return ecrecover(digest, v, r, s)


@internal
@pure
def _recover_packed(digest: bytes32, signature: Bytes[512]) -> address:
    """@dev The signer of 65 bytes r, s, v; the zero address for any other length."""
    if len(signature) != 65:
        return empty(address)
    r: uint256 = extract32(signature, 0, output_type=uint256)
    s: uint256 = extract32(signature, 32, output_type=uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    return self._recover(digest, v, r, s)


@internal
@pure
def _personal_message(digest: bytes32) -> bytes32:
    """@dev What a wallet signs when asked to sign 32 bytes as a message (EIP-191, version 0x45)."""
    return keccak256(concat(b"\x19Ethereum Signed Message:\n32", digest))
