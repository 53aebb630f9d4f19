# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Deploys an issuer's suite of registries and rules in one transaction, and each further security in one more, at addresses known
beforehand (ERC-5202 blueprints, CREATE2). Owns nothing when it is done; it stays an agent of each suite's compliance, to bind new
tokens for those who may, until the issuer removes it.
"""

from interfaces import IOwned

AGENTS_MAX: constant(uint256) = 10
PREAMBLE: constant(uint256) = 3  # ERC-5202: 0xFE 0x71 and the version come before the code.

interface Initializable:
    def initialize(): nonpayable

interface Registry:
    def initialize(trusted_issuers_registry: address, claim_topics_registry: address, identity_storage: address): nonpayable
    def bind_compliance(compliance: address): nonpayable

interface Topics:
    def add_follower(identity_registry: address): nonpayable

interface Compliance:
    def initialize(identity_registry: address): nonpayable
    def bindToken(_token: address): nonpayable
    def apply_rules(token: address, terms: Bytes[8448]): nonpayable
    def identity_registry() -> address: view

interface Token:
    def initialize(
        identityRegistry: address, compliance: address, name: String[64], symbol: String[32], decimals: uint8, onchainID: address
    ): nonpayable
    def unpause(): nonpayable

event SuiteDeployed:
    owner: indexed(address)
    identity_registry: indexed(address)
    compliance: indexed(address)
    trusted_issuers_registry: address
    claim_topics_registry: address
    salt: bytes32

event SecurityDeployed:
    compliance: indexed(address)
    token: indexed(address)
    owner: indexed(address)
    identity_registry: address
    salt: bytes32

struct Blueprint:
    code: address
    init_code_hash: bytes32

struct Blueprints:
    identity_registry: Blueprint
    trusted_issuers_registry: Blueprint
    claim_topics_registry: Blueprint
    compliance: Blueprint
    security_token: Blueprint

struct Suite:
    identity_registry: address
    trusted_issuers_registry: address
    claim_topics_registry: address
    compliance: address

struct SecurityTerms:
    name: String[64]
    symbol: String[32]
    decimals: uint8
    onchain_id: address

_blueprints: Blueprints
# Which compliance contracts this factory made: only their word on who may issue is trusted.
is_suite: public(HashMap[address, bool])
is_security: public(HashMap[address, bool])


@deploy
def __init__(blueprints: Blueprints):
    self._check_blueprint(blueprints.identity_registry)
    self._check_blueprint(blueprints.trusted_issuers_registry)
    self._check_blueprint(blueprints.claim_topics_registry)
    self._check_blueprint(blueprints.compliance)
    self._check_blueprint(blueprints.security_token)
    self._blueprints = blueprints


@external
def deploy_suite(salt: bytes32, agents: DynArray[address, AGENTS_MAX]) -> Suite:
    """
    @notice Deploys and wires an issuer's registries and compliance, owned by the caller.
    @param salt Chosen by the caller; the addresses depend on caller and salt only.
    @param agents Who may register investors and set rules, day by day.
    """
    own_salt: bytes32 = self._suite_salt(msg.sender, salt)
    suite: Suite = Suite(
        identity_registry=self._deploy(self._blueprints.identity_registry, own_salt),
        trusted_issuers_registry=self._deploy(self._blueprints.trusted_issuers_registry, own_salt),
        claim_topics_registry=self._deploy(self._blueprints.claim_topics_registry, own_salt),
        compliance=self._deploy(self._blueprints.compliance, own_salt),
    )
    extcall Initializable(suite.trusted_issuers_registry).initialize()
    extcall Initializable(suite.claim_topics_registry).initialize()
    extcall Registry(suite.identity_registry).initialize(
        suite.trusted_issuers_registry, suite.claim_topics_registry, empty(address)
    )
    extcall Compliance(suite.compliance).initialize(suite.identity_registry)
    extcall Registry(suite.identity_registry).bind_compliance(suite.compliance)
    extcall Topics(suite.claim_topics_registry).add_follower(suite.identity_registry)
    for agent: address in agents:
        extcall IOwned(suite.identity_registry).addAgent(agent)
        extcall IOwned(suite.compliance).addAgent(agent)
    extcall IOwned(suite.compliance).addAgent(self)
    extcall IOwned(suite.identity_registry).transferOwnership(msg.sender)
    extcall IOwned(suite.trusted_issuers_registry).transferOwnership(msg.sender)
    extcall IOwned(suite.claim_topics_registry).transferOwnership(msg.sender)
    extcall IOwned(suite.compliance).transferOwnership(msg.sender)
    self.is_suite[suite.compliance] = True
    log SuiteDeployed(
        owner=msg.sender,
        identity_registry=suite.identity_registry,
        compliance=suite.compliance,
        trusted_issuers_registry=suite.trusted_issuers_registry,
        claim_topics_registry=suite.claim_topics_registry,
        salt=salt,
    )
    return suite


@external
def deploy_security(
    compliance: address, salt: bytes32, terms: SecurityTerms, rules: Bytes[8448], agents: DynArray[address, AGENTS_MAX], opens: bool
) -> address:
    """
    @notice Deploys one more security of a suite, with its rules, owned by the suite's owner. The suite's owner or an agent of its
    compliance.
    @param rules What compliance takes in `apply_rules`; empty for none.
    @param agents Who may issue, freeze and recover, day by day.
    @param opens Whether holders may transfer at once; else an agent unpauses the token later.
    """
    assert self.is_suite[compliance], "factory: compliance is not of a suite made here"
    owner: address = staticcall IOwned(compliance).owner()
    assert msg.sender == owner or staticcall IOwned(compliance).isAgent(msg.sender), "factory: caller is neither owner nor agent"
    registry: address = staticcall Compliance(compliance).identity_registry()
    token: address = self._deploy(self._blueprints.security_token, self._security_salt(compliance, salt))
    extcall Compliance(compliance).bindToken(token)
    extcall Token(token).initialize(registry, compliance, terms.name, terms.symbol, terms.decimals, terms.onchain_id)
    if len(rules) > 0:
        extcall Compliance(compliance).apply_rules(token, rules)
    for agent: address in agents:
        extcall IOwned(token).addAgent(agent)
    if opens:
        extcall IOwned(token).addAgent(self)
        extcall Token(token).unpause()
        extcall IOwned(token).removeAgent(self)
    extcall IOwned(token).transferOwnership(owner)
    self.is_security[token] = True
    log SecurityDeployed(compliance=compliance, token=token, owner=owner, identity_registry=registry, salt=salt)
    return token


@external
@view
def suite_address(owner: address, salt: bytes32) -> Suite:
    """@notice Where `deploy_suite` would put the contracts of this owner and salt."""
    own_salt: bytes32 = self._suite_salt(owner, salt)
    return Suite(
        identity_registry=self._predicted(self._blueprints.identity_registry.init_code_hash, own_salt),
        trusted_issuers_registry=self._predicted(self._blueprints.trusted_issuers_registry.init_code_hash, own_salt),
        claim_topics_registry=self._predicted(self._blueprints.claim_topics_registry.init_code_hash, own_salt),
        compliance=self._predicted(self._blueprints.compliance.init_code_hash, own_salt),
    )


@external
@view
def security_address(compliance: address, salt: bytes32) -> address:
    """@notice Where `deploy_security` would put the token of this suite and salt."""
    return self._predicted(self._blueprints.security_token.init_code_hash, self._security_salt(compliance, salt))


@external
@view
def blueprints() -> Blueprints:
    return self._blueprints


@internal
@view
def _check_blueprint(blueprint: Blueprint):
    assert blueprint.code.is_contract, "factory: blueprint has no code"
    assert slice(blueprint.code.code, 0, 3) == x"FE7100", "factory: code is not a blueprint"


@internal
def _deploy(blueprint: Blueprint, salt: bytes32) -> address:
    predicted: address = self._predicted(blueprint.init_code_hash, salt)
    assert not predicted.is_contract, "factory: salt is already used"
    made: address = create_from_blueprint(blueprint.code, salt=salt, code_offset=PREAMBLE)
    assert made == predicted, "factory: blueprint differs from its hash"
    return made


@internal
@pure
def _suite_salt(owner: address, salt: bytes32) -> bytes32:
    # With the owner in it, nobody can take another's address.
    return keccak256(abi_encode(owner, salt))


@internal
@pure
def _security_salt(compliance: address, salt: bytes32) -> bytes32:
    return keccak256(abi_encode(compliance, salt))


@internal
@view
def _predicted(init_code_hash: bytes32, salt: bytes32) -> address:
    # EIP-1014.
    digest: bytes32 = keccak256(concat(0xff, convert(self, bytes20), salt, init_code_hash))
    return convert(convert(digest, uint256) & (2**160 - 1), address)
