# SPDX-License-Identifier: Apache-2.0
"""Contracts that only a test needs, as Vyper text that may import our modules; called as any other contract."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import boa
from vyper.compiler.output import build_abi_output

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import ContractArtifact
from tests.contracts.chain import Chain, Contract

SOURCES = Path(__file__).parents[2] / "contracts"


def deploy_source(chain: Chain, name: str, source: str, *, sender: str) -> Contract:
    """Compile and deploy a contract; its imports are looked for in `contracts/`."""
    artifact = _compiled(name, source)
    return chain.attach(artifact, chain.create(artifact.bytecode, sender=sender))


@cache
def _compiled(name: str, source: str) -> ContractArtifact:
    boa.interpret.set_search_paths([str(SOURCES)])
    compiled = boa.loads_partial(source, name=name, filename=str(SOURCES / f"{name}.vy")).compiler_data
    code = f"0x{compiled.bytecode.hex()}"
    return contract_artifacts.read(name, abi=build_abi_output(compiled), bytecode=code, deployed_bytecode=code)
