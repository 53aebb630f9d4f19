# SPDX-License-Identifier: Apache-2.0
"""Fixtures of agreement: the compiled contracts."""

from __future__ import annotations

from tests.contracts.conftest import compiled

__all__ = ["compiled"]
