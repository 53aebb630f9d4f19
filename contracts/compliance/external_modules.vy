# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Rules that others wrote, asked beside our own (ERC-3643's modular compliance, IModularCompliance 4.1.6). Knows neither tokens
nor balances: the compliance contract that uses it says what is to move, and what has moved.
@dev A module is trusted by the owner who adds it: its actions may revert a move, as in the reference. Its check may only say no: one
that reverts, or answers anything but a bool, has said it.
"""

from access import ownership
from interfaces import IComplianceModule

uses: ownership

MODULES_MAX: constant(uint256) = 25
CALL_BYTES_MAX: constant(uint256) = 16_384

event ModuleInteraction:
    target: indexed(address)
    selector: bytes4

event ModuleAdded:
    _module: indexed(address)

event ModuleRemoved:
    _module: indexed(address)

_modules: DynArray[address, MODULES_MAX]
_is_module_bound: HashMap[address, bool]


@external
def callModuleFunction(callData: Bytes[CALL_BYTES_MAX], _module: address):
    """@notice Calls a bound module as this contract, to set the module's own parameters. Its refusal is passed on. Owner only."""
    ownership._check_owner()
    assert self._is_module_bound[_module], "call only on bound module"
    raw_call(_module, callData)
    selector: bytes4 = empty(bytes4)
    if len(callData) >= 4:
        selector = convert(slice(callData, 0, 4), bytes4)
    log ModuleInteraction(target=_module, selector=selector)


@external
@view
def getModules() -> DynArray[address, MODULES_MAX]:
    """@notice Every module that is asked."""
    return self._modules


@external
@view
def isModuleBound(_module: address) -> bool:
    return self._is_module_bound[_module]


@internal
def _add_module(_module: address):
    """@dev Asks `_module` from now on. One that is not plug and play must first find this contract suitable. Owner only."""
    ownership._check_owner()
    assert _module != empty(address), "invalid argument - zero address"
    assert not self._is_module_bound[_module], "module already bound"
    assert len(self._modules) < MODULES_MAX, "cannot add more than 25 modules"
    if not staticcall IComplianceModule(_module).isPlugAndPlay():
        is_suitable: bool = staticcall IComplianceModule(_module).canComplianceBind(self)
        assert is_suitable, "compliance is not suitable for binding to the module"
    self._is_module_bound[_module] = True
    self._modules.append(_module)
    log ModuleAdded(_module=_module)
    extcall IComplianceModule(_module).bindCompliance(self)


@internal
def _remove_module(_module: address):
    """@dev No longer asks `_module`, whether or not it lets go. Owner only."""
    ownership._check_owner()
    assert _module != empty(address), "invalid argument - zero address"
    assert self._is_module_bound[_module], "module not bound"
    self._is_module_bound[_module] = False
    last: address = self._modules.pop()
    # The last takes the place of the one that goes, as in the reference.
    for i: uint256 in range(len(self._modules), bound=MODULES_MAX):
        if self._modules[i] == _module:
            self._modules[i] = last
            break
    log ModuleRemoved(_module=_module)
    # A module that breaks must not be able to stay: its answer does not matter.
    let_go: bool = raw_call(
        _module, abi_encode(self, method_id=method_id("unbindCompliance(address)")), revert_on_failure=False
    )


@internal
@view
def _has_modules() -> bool:
    return len(self._modules) > 0


@internal
@view
def _modules_allow(sender: address, receiver: address, amount: uint256) -> bool:
    """@dev Whether every module says yes before a move; a zero sender is a mint."""
    question: Bytes[132] = abi_encode(
        sender, receiver, amount, self, method_id=method_id("moduleCheck(address,address,uint256,address)")
    )
    for module: address in self._modules:
        success: bool = False
        answer: Bytes[32] = b""
        success, answer = raw_call(module, question, max_outsize=32, is_static_call=True, revert_on_failure=False)
        if not success or len(answer) != 32 or convert(answer, uint256) != 1:
            return False
    return True


@internal
def _modules_transferred(sender: address, receiver: address, amount: uint256):
    for module: address in self._modules:
        extcall IComplianceModule(module).moduleTransferAction(sender, receiver, amount)


@internal
def _modules_minted(receiver: address, amount: uint256):
    for module: address in self._modules:
        extcall IComplianceModule(module).moduleMintAction(receiver, amount)


@internal
def _modules_burned(holder: address, amount: uint256):
    for module: address in self._modules:
        extcall IComplianceModule(module).moduleBurnAction(holder, amount)
