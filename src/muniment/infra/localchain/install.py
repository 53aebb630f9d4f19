# SPDX-License-Identifier: Apache-2.0
"""Installs the anvil binary from npm under the lock file that ships in this package. Starts nothing."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from muniment.infra.node import find_node
from muniment.units.errors import MunimentError

VERSION = "1.7.1"
LOCK_FOLDER = Path(__file__).parent / "npm"
INSTALL_SECONDS_MAX = 600

SHA256_OF_BINARY = {"linux-amd64": "10c1c727d6c1de973aeb160e59875b9a9a23464d6e74149ee8abb30b3500311b"}
"""What the binary itself hashes to, beside the package's hash that npm checks against the lock."""

Progress = Callable[[str], None]


class ChainInstallFailed(MunimentError):
    """npm could not bring the binary."""

    code = "chain.install_failed"
    message = "The local chain could not be installed: {reason}"
    cure = "Check the network and npm's registry setting and try again, or set CHAIN_RPC_URL to a node of your own."


class ChainPlatformUnknown(MunimentError):
    """The lock file pins no binary for this machine."""

    code = "chain.platform_unknown"
    message = "The lock file pins no anvil binary for {platform}."
    cure = "Install anvil {version} yourself and name it with MUNIMENT_ANVIL, or set CHAIN_RPC_URL to a node of your own."


class ChainBinaryDiffers(MunimentError):
    """The binary is not the one that was pinned."""

    code = "chain.binary_differs"
    message = "{path} is not the pinned anvil {version}: its SHA-256 is {found}."
    cure = "Remove {folder} and start again; if it happens again, do not run it and report it."


def install(home: Path, *, progress: Progress) -> Path:
    """Return the path of the verified anvil binary, installing it into `home/chain` the first time (needs npm's registry)."""
    binary = binary_path(home)
    if not binary.exists():
        with _only_one(home / "chain" / "install.lock"):
            if not binary.exists():
                _install_now(home, progress=progress)
    verify(binary)
    return binary


def binary_path(home: Path) -> Path:
    """Return where the binary is, or will be, below `home`; refuse a platform that the lock does not pin."""
    name = platform_name()
    if f'"node_modules/@foundry-rs/anvil-{name}"' not in (LOCK_FOLDER / "package-lock.json").read_text(encoding="utf-8"):
        raise ChainPlatformUnknown(platform=name, version=VERSION)
    return home / "chain" / f"anvil-{VERSION}" / "node_modules" / "@foundry-rs" / f"anvil-{name}" / "bin" / "anvil"


def platform_name() -> str:
    """Return this machine's platform in the words of the npm packages, e.g. `linux-amd64`."""
    machine = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{platform.system().lower()}-{machine}"


def verify(binary: Path) -> None:
    """Refuse a binary whose own hash differs from the recorded one; where none is recorded, npm's check of the package stands alone."""
    expected = SHA256_OF_BINARY.get(platform_name())
    with binary.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if expected is not None and found != expected:
        raise ChainBinaryDiffers(path=binary, version=VERSION, found=found, folder=binary.parents[4])


def verify_version(binary: Path) -> None:
    """Refuse an operator's own binary of another version: another version may mine other blocks from the same journal."""
    try:
        shown = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ChainInstallFailed(reason=f"{binary} does not run ({type(error).__name__})") from error
    if VERSION not in shown:
        raise ChainInstallFailed(reason=f"{binary} is not anvil {VERSION}")


def _install_now(home: Path, *, progress: Progress) -> None:
    tools = find_node(purpose="the local chain")
    progress(f"chain: installing anvil {VERSION} from npm (once, about 20 MB)")
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=home / "chain"))
    try:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copyfile(LOCK_FOLDER / name, folder / name)
        # `npm ci` takes exactly what the lock says and compares each package's SHA-512; no package's script runs.
        command = [*tools.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False)
        except subprocess.TimeoutExpired as error:
            raise ChainInstallFailed(reason=f"npm did not end within {INSTALL_SECONDS_MAX} s") from error
        binary = binary_path(home)
        arrived = folder / binary.relative_to(home / "chain" / f"anvil-{VERSION}")
        if done.returncode != 0 or not arrived.exists():
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise ChainInstallFailed(reason="; ".join(lines[:2]) or f"npm ended with {done.returncode} and brought no binary")
        verify(arrived)
        folder.rename(home / "chain" / f"anvil-{VERSION}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
