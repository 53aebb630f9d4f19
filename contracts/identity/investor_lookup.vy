# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Which investor is behind a wallet, and what else the investor holds, asked of a token and of its identity registry of any
make. Stores nothing.
"""

from interfaces import IHoldings
from interfaces import IIdentityRegistry
from interfaces import IRegisteredToken

OTHER_WALLETS_MAX: constant(uint256) = 15
# Offset, length and fifteen addresses.
ANSWER_BYTES_MAX: constant(uint256) = 544


@internal
@view
def _registry(token: address) -> address:
    return staticcall IRegisteredToken(token).identityRegistry()


@internal
@view
def _identity(registry: address, wallet: address) -> address:
    """@dev The identity of the wallet's investor; zero for a wallet, or none, that the registry does not know."""
    if wallet == empty(address):
        return empty(address)
    identity: address = staticcall IIdentityRegistry(registry).identity(wallet)
    if identity != empty(address):
        return identity
    # A lost wallet is no longer registered, but stays with the others of its investor.
    others: DynArray[address, OTHER_WALLETS_MAX] = self._other_wallets(registry, wallet)
    for other: address in others:
        identity = staticcall IIdentityRegistry(registry).identity(other)
        if identity != empty(address):
            return identity
    return empty(address)


@internal
@view
def _country(registry: address, wallet: address) -> uint256:
    return convert(staticcall IIdentityRegistry(registry).investorCountry(wallet), uint256)


@internal
@view
def _held_elsewhere(token: address, registry: address, wallet: address) -> uint256:
    """@dev What the wallet's investor holds in other wallets."""
    held: uint256 = 0
    others: DynArray[address, OTHER_WALLETS_MAX] = self._other_wallets(registry, wallet)
    for other: address in others:
        held += staticcall IHoldings(token).balanceOf(other)
    return held


@internal
@view
def _other_wallets(registry: address, wallet: address) -> DynArray[address, OTHER_WALLETS_MAX]:
    """@dev None where the registry is not ours: ERC-3643 has no such question."""
    success: bool = False
    answer: Bytes[ANSWER_BYTES_MAX] = b""
    success, answer = raw_call(
        registry,
        abi_encode(wallet, method_id=method_id("other_wallets(address)")),
        max_outsize=ANSWER_BYTES_MAX,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(answer) < 64:
        return []
    return abi_decode(answer, DynArray[address, OTHER_WALLETS_MAX])
