# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the audit's tests: settlement's stage, whose units reach from compliance to servicing."""

from __future__ import annotations

from tests.settlement.conftest import scene, scene_stage

__all__ = ["scene", "scene_stage"]
