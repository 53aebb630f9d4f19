# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Who acts for the owner day by day (ERC-3643 IAgentRole). Knows nothing of what an agent may do.
"""

from access import ownership
from access import refusals

uses: ownership

event AgentAdded:
    _agent: indexed(address)

event AgentRemoved:
    _agent: indexed(address)

_agents: HashMap[address, bool]


@external
def addAgent(_agent: address):
    """@notice Gives `_agent` the agent's rights. Owner only."""
    ownership._check_owner()
    self._add_agent(_agent)


@external
def removeAgent(_agent: address):
    """@notice Takes the agent's rights from `_agent`. Owner only."""
    ownership._check_owner()
    self._remove_agent(_agent)


@external
@view
def isAgent(_agent: address) -> bool:
    return self._agents[_agent]


@internal
def _add_agent(agent: address):
    self._check_address(agent)
    if self._agents[agent]:
        refusals._refuse("Roles: account already has role")
    self._agents[agent] = True
    log AgentAdded(_agent=agent)


@internal
def _remove_agent(agent: address):
    self._check_address(agent)
    if not self._agents[agent]:
        refusals._refuse("Roles: account does not have role")
    self._agents[agent] = False
    log AgentRemoved(_agent=agent)


@internal
@view
def _check_agent():
    if not self._agents[msg.sender]:
        refusals._refuse("AgentRole: caller does not have the Agent role")


@internal
@view
def _check_owner_or_agent():
    if not self._agents[msg.sender] and msg.sender != ownership.owner:
        refusals._refuse("access: caller is neither owner nor agent")


@internal
@pure
def _check_address(given: address):
    if given == empty(address):
        refusals._refuse("invalid argument - zero address")
