# SPDX-License-Identifier: Apache-2.0
"""Fixtures of compliance: the stage of instruments, and an issuer with an open security and verified investors."""

from __future__ import annotations

from tests.instruments.conftest import issuer, stage

__all__ = ["issuer", "stage"]
