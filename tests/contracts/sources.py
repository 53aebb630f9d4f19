# SPDX-License-Identifier: Apache-2.0
"""Contracts that only a test needs, as Vyper text that may import our modules; called as any other contract."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import boa
from vyper.compiler.output import build_abi_output

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import ContractArtifact
from tests.contracts.chain import Chain, Contract
from tests.contracts.mutants import SOURCES, SOURCES_VARIABLE


def deploy_source(chain: Chain, name: str, source: str, *, sender: str) -> Contract:
    """Compile and deploy a contract; its imports are looked for in `contracts/`, or in the mutant whose fate is asked for."""
    artifact = _compiled(name, source)
    return chain.attach(artifact, chain.create(artifact.bytecode, sender=sender))


@cache
def _compiled(name: str, source: str) -> ContractArtifact:
    sources = Path(os.environ.get(SOURCES_VARIABLE, SOURCES))
    boa.interpret.set_search_paths([str(sources)])
    compiled = boa.loads_partial(source, name=name, filename=str(sources / f"{name}.vy")).compiler_data
    code = f"0x{compiled.bytecode.hex()}"
    return contract_artifacts.read(name, abi=build_abi_output(compiled), bytecode=code, deployed_bytecode=code)
