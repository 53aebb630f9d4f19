# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Deploys an issuer's suite (registry and rules in one contract, trusted issuers, claim topics) in one transaction, and each
further security in one more, at addresses known beforehand (ERC-5202 blueprints, CREATE2). Owns nothing when it is done; it stays
an agent of each suite's compliance, to bind new tokens for those who may, until the issuer removes it.
@dev A security is a contract of its own, or a clone (ERC-1167) that costs a tenth to deploy and some 2,700 gas more per call. A clone
borrows the code of one template, which can neither change nor be destroyed, and whose own storage no clone reads.
"""

from interfaces import IOwned

AGENTS_MAX: constant(uint256) = 10
PREAMBLE: constant(uint256) = 3  # ERC-5202: 0xFE 0x71 and the version come before the code.

interface Initializable:
    def initialize(): nonpayable

interface Topics:
    def add_follower(identity_registry: address): nonpayable

interface Compliance:
    def initialize(trusted_issuers_registry: address, claim_topics_registry: address, claim_verifier: address): nonpayable
    def bindToken(_token: address): nonpayable
    def apply_rules(token: address, terms: Bytes[8448]): nonpayable
    def isTokenBound(_token: address) -> bool: view

interface Token:
    def initialize(
        identityRegistry: address, compliance: address, name: String[64], symbol: String[32], decimals: uint8, onchainID: address
    ): nonpayable
    def hand_over_open(new_owner: address): nonpayable
    def compliance() -> address: view

event SuiteDeployed:
    owner: indexed(address)
    joint_compliance: indexed(address)
    trusted_issuers_registry: address
    claim_topics_registry: address
    salt: bytes32

event SecurityDeployed:
    compliance: indexed(address)
    token: indexed(address)
    owner: indexed(address)
    is_clone: bool
    salt: bytes32

struct Blueprint:
    code: address
    init_code_hash: bytes32

struct Blueprints:
    joint_compliance: Blueprint
    trusted_issuers_registry: Blueprint
    claim_topics_registry: Blueprint
    security_token: Blueprint

struct Suite:
    joint_compliance: address
    trusted_issuers_registry: address
    claim_topics_registry: address

struct SecurityTerms:
    name: String[64]
    symbol: String[32]
    decimals: uint8
    onchain_id: address

_blueprints: Blueprints
claim_verifier: public(address)
security_template: public(address)
# Which compliance contracts this factory made: only their word on who may issue is trusted.
is_suite: public(HashMap[address, bool])


@deploy
def __init__(blueprints: Blueprints, claim_verifier: address):
    """@param claim_verifier Verifies claims for every suite made here, until a suite's owner names another."""
    self._check_blueprint(blueprints.joint_compliance)
    self._check_blueprint(blueprints.trusted_issuers_registry)
    self._check_blueprint(blueprints.claim_topics_registry)
    self._check_blueprint(blueprints.security_token)
    assert claim_verifier.is_contract, "factory: claim verifier has no code"
    self._blueprints = blueprints
    self.claim_verifier = claim_verifier
    self.security_template = self._deploy(blueprints.security_token, empty(bytes32))


@external
def deploy_suite(salt: bytes32, agents: DynArray[address, AGENTS_MAX]) -> Suite:
    """
    @notice Deploys and wires an issuer's registries and rules, owned by the caller.
    @param salt Chosen by the caller; the addresses depend on caller and salt only.
    @param agents Who may register investors and set rules, day by day.
    """
    own_salt: bytes32 = self._suite_salt(msg.sender, salt)
    suite: Suite = Suite(
        joint_compliance=self._deploy(self._blueprints.joint_compliance, own_salt),
        trusted_issuers_registry=self._deploy(self._blueprints.trusted_issuers_registry, own_salt),
        claim_topics_registry=self._deploy(self._blueprints.claim_topics_registry, own_salt),
    )
    extcall Initializable(suite.trusted_issuers_registry).initialize()
    extcall Initializable(suite.claim_topics_registry).initialize()
    extcall Compliance(suite.joint_compliance).initialize(
        suite.trusted_issuers_registry, suite.claim_topics_registry, self.claim_verifier
    )
    extcall Topics(suite.claim_topics_registry).add_follower(suite.joint_compliance)
    for agent: address in agents:
        extcall IOwned(suite.joint_compliance).addAgent(agent)
    extcall IOwned(suite.joint_compliance).addAgent(self)
    extcall IOwned(suite.joint_compliance).transferOwnership(msg.sender)
    extcall IOwned(suite.trusted_issuers_registry).transferOwnership(msg.sender)
    extcall IOwned(suite.claim_topics_registry).transferOwnership(msg.sender)
    self.is_suite[suite.joint_compliance] = True
    log SuiteDeployed(
        owner=msg.sender,
        joint_compliance=suite.joint_compliance,
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
    owner: address = self._check_may_issue(compliance)
    token: address = self._deploy(self._blueprints.security_token, self._security_salt(compliance, salt))
    self._begin_security(token, compliance, owner, terms, rules, agents, opens)
    log SecurityDeployed(compliance=compliance, token=token, owner=owner, is_clone=False, salt=salt)
    return token


@external
def deploy_security_clone(
    compliance: address, salt: bytes32, terms: SecurityTerms, rules: Bytes[8448], agents: DynArray[address, AGENTS_MAX], opens: bool
) -> address:
    """@notice As `deploy_security`, as a clone of the template. The suite's owner or an agent of its compliance."""
    owner: address = self._check_may_issue(compliance)
    own_salt: bytes32 = self._security_salt(compliance, salt)
    predicted: address = self._predicted(self._clone_code_hash(), own_salt)
    assert not predicted.is_contract, "factory: salt is already used"
    token: address = create_minimal_proxy_to(self.security_template, salt=own_salt)
    self._begin_security(token, compliance, owner, terms, rules, agents, opens)
    log SecurityDeployed(compliance=compliance, token=token, owner=owner, is_clone=True, salt=salt)
    return token


@external
@view
def suite_address(owner: address, salt: bytes32) -> Suite:
    """@notice Where `deploy_suite` would put the contracts of this owner and salt."""
    own_salt: bytes32 = self._suite_salt(owner, salt)
    return Suite(
        joint_compliance=self._predicted(self._blueprints.joint_compliance.init_code_hash, own_salt),
        trusted_issuers_registry=self._predicted(self._blueprints.trusted_issuers_registry.init_code_hash, own_salt),
        claim_topics_registry=self._predicted(self._blueprints.claim_topics_registry.init_code_hash, own_salt),
    )


@external
@view
def security_address(compliance: address, salt: bytes32) -> address:
    """@notice Where `deploy_security` would put the token of this suite and salt."""
    return self._predicted(self._blueprints.security_token.init_code_hash, self._security_salt(compliance, salt))


@external
@view
def security_clone_address(compliance: address, salt: bytes32) -> address:
    """@notice Where `deploy_security_clone` would put the token of this suite and salt."""
    return self._predicted(self._clone_code_hash(), self._security_salt(compliance, salt))


@external
@view
def is_security(token: address) -> bool:
    """@notice Whether it runs the code of the securities made here, as a clone or by itself, and a suite made here answers for it."""
    if token.codehash != self.security_template.codehash and token.codehash != keccak256(self._clone_code()):
        return False
    compliance: address = staticcall Token(token).compliance()
    return self.is_suite[compliance] and staticcall Compliance(compliance).isTokenBound(token)


@external
@view
def blueprints() -> Blueprints:
    return self._blueprints


@internal
@view
def _check_may_issue(compliance: address) -> address:
    """@dev Returns who owns the suite."""
    assert self.is_suite[compliance], "factory: compliance is not of a suite made here"
    owner: address = staticcall IOwned(compliance).owner()
    may: bool = msg.sender == owner or staticcall IOwned(compliance).isAgent(msg.sender)
    assert may, "factory: caller is neither owner nor agent"
    return owner


@internal
def _begin_security(
    token: address,
    compliance: address,
    owner: address,
    terms: SecurityTerms,
    rules: Bytes[8448],
    agents: DynArray[address, AGENTS_MAX],
    opens: bool,
):
    extcall Compliance(compliance).bindToken(token)
    # Registry and rules are one contract.
    extcall Token(token).initialize(compliance, compliance, terms.name, terms.symbol, terms.decimals, terms.onchain_id)
    if len(rules) > 0:
        extcall Compliance(compliance).apply_rules(token, rules)
    for agent: address in agents:
        extcall IOwned(token).addAgent(agent)
    if opens:
        extcall Token(token).hand_over_open(owner)
    else:
        extcall IOwned(token).transferOwnership(owner)


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


@internal
@view
def _clone_code_hash() -> bytes32:
    # Behind the shortest code that deploys it.
    return keccak256(concat(x"602d3d8160093d39f3", self._clone_code()))


@internal
@view
def _clone_code() -> Bytes[45]:
    # ERC-1167.
    return concat(
        x"363d3d373d3d3d363d73", convert(self.security_template, bytes20), x"5af43d82803e903d91602b57fd5bf3"
    )
