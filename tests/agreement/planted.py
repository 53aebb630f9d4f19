# SPDX-License-Identifier: Apache-2.0
"""Mistakes of the kind that get into contracts, each by one change of the sources: whoever looks at the contracts must find them all."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from muniment.infra.evm import compile as contracts_compile
from muniment.infra.evm import contract_artifacts
from tests.contracts.mutants import SOURCES


@dataclass(frozen=True, slots=True)
class Planted:
    """A mistake: what it is, and the text of one source that becomes another; it stands there once."""

    title: str
    file: str
    before: str
    after: str

    def build(self, folder: Path) -> Path:
        """Compile all contracts with the mistake in; return where the artifacts are."""
        sources, artifacts = folder / "contracts", folder / "artifacts"
        shutil.copytree(SOURCES, sources)
        shutil.copytree(contract_artifacts.FOLDER, artifacts)
        changed = sources / self.file
        text = changed.read_text(encoding="utf-8")
        assert text.count(self.before) == 1, f"{self.file} no longer has once: {self.before}"
        changed.write_text(text.replace(self.before, self.after), encoding="utf-8")
        contracts_compile.build(sources, artifacts, progress=lambda _: None)
        return artifacts


TOKEN = "token/security_token.vy"
JOINT = "compliance/joint_compliance.vy"
RULES = "compliance/token_rules.vy"
PLANTED = (
    Planted("a frozen receiver gets shares", TOKEN, "if (sender_word | receiver_word) & WHOLE != 0:", "if sender_word & WHOLE != 0:"),
    Planted(
        "frozen shares move",
        TOKEN,
        "        free = self._unfrozen(sender_word)\n    if amount > free:",
        "        pass\n    if amount > free:",
    ),
    Planted(
        "a transfer to oneself makes shares",
        TOKEN,
        """        if sender != receiver:
            # Compared above; no balance exceeds the supply, so the sum fits its bits.
            self._wallets[sender] = unsafe_sub(sender_word, amount << BALANCE_AT)""",
        """        if True:
            self._wallets[sender] = unsafe_sub(sender_word, amount << BALANCE_AT)""",
    ),
    Planted("an approval is not used up", TOKEN, "    allowances._spend(_from, msg.sender, _amount)\n", ""),
    Planted("an expired investor receives", "identity/investor_record.vy", "<= block.timestamp", "== 0"),
    Planted("the maximum can be passed by one", RULES, "held > unsafe_sub(maximum, amount)", "held > unsafe_sub(maximum, amount) + 1"),
    Planted("the cap on holders lets one more in", RULES, "& COUNT_MAX >= cap:", "& COUNT_MAX > cap:"),
    Planted(
        "a blocked country is let in by the list's first place",
        RULES,
        "if is_first or self._is_listed(",
        "if not is_first and self._is_listed(",
    ),
    Planted("the short way forgets who leaves", JOINT, "        and amount != sender_balance\n", ""),
    Planted("the short way forgets who joins", JOINT, "        and receiver_balance != 0\n", ""),
    Planted(
        "the short way forgets other wallets",
        JOINT,
        "        and record & investor_record.GROUPED == 0\n        and receiver_balance != 0\n",
        "        and receiver_balance != 0\n",
    ),
    Planted("the agent's short way forgets other wallets", JOINT, "records._records[sender] & investor_record.GROUPED == 0)\n", "True)\n"),
    Planted(
        "the agent's short way forgets who joins",
        JOINT,
        "        and (receiver_balance == 0) == (amount == sender_balance)\n",
        "        and amount != sender_balance\n",
    ),
    Planted(
        "recovery forgets the lockups", TOKEN, "    if self._last_unlock(lost) > block.timestamp:", "    if self._last_unlock(lost) == 1:"
    ),
    Planted(
        "the supply cap can be passed by one", RULES, "and supply > self._supply_caps[token]:", "and supply > self._supply_caps[token] + 1:"
    ),
)
