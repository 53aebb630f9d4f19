# SPDX-License-Identifier: Apache-2.0
"""Fixtures of servicing: settlement's stage."""

from __future__ import annotations

from tests.settlement.conftest import scene_stage

__all__ = ["scene_stage"]
