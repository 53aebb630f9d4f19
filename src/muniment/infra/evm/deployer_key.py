# SPDX-License-Identifier: Apache-2.0
"""The key that signs a deployment, taken from a file or the environment and kept in memory only. The keystore of issuers is elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_keys import keys
from eth_keys.exceptions import ValidationError

from muniment.infra.configuration import read_secret_file
from muniment.infra.signing import DEVELOPMENT_ADDRESSES, BadPrivateKey, DevelopmentKeyRefused, SignedTransaction, TransactionFields
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import Address, TransactionHash

KEY_VARIABLE = "DEPLOYER_KEY"
PASSWORD_VARIABLE = "DEPLOYER_KEYSTORE_PASSWORD"  # noqa: S105 - the variable's name


class NoDeployerKey(MunimentError):
    """A transaction has to be signed, and nothing says by which key."""

    code = "chain.no_deployer_key"
    message = "No key was given to sign with."
    cure = "Name a file of mode 600 by --key-file or --keystore, or set DEPLOYER_KEY; or look first, with --dry-run --from ADDRESS."


class KeystoreRefused(MunimentError):
    """The file is no keystore, or the password does not open it."""

    code = "chain.keystore_refused"
    message = "{file} is not opened: {problem}."
    cure = "Give a keystore file (Web3 Secret Storage, version 3) and its password by --password-file or DEPLOYER_KEYSTORE_PASSWORD."


class DeployerKey:
    """One private key. Its text form shows the address only."""

    def __init__(self, private_key: bytes) -> None:
        """Raise BadPrivateKey where the bytes are none."""
        try:
            self.address = Address(keys.PrivateKey(private_key).public_key.to_checksum_address())
        except (ValidationError, ValueError):
            # The library's messages may quote the key: no chaining.
            raise BadPrivateKey from None
        self._private_key = private_key

    def __repr__(self) -> str:
        return f"DeployerKey({self.address})"

    def sign_transaction(self, fields: TransactionFields, *, development_keys_allowed: bool) -> SignedTransaction:
        """Return the signed transaction; a key that the whole world knows signs only where that is allowed."""
        if self.address in DEVELOPMENT_ADDRESSES and not development_keys_allowed:
            raise DevelopmentKeyRefused(address=self.address)
        signed = Account.sign_transaction(fields.as_dictionary(), self._private_key)
        return SignedTransaction(raw=bytes(signed.raw_transaction), hash=TransactionHash("0x" + bytes(signed.hash).hex()))


def read_deployer_key(
    *, key_file: Path | None, keystore: Path | None, password_file: Path | None, environment: Mapping[str, str] | None = None
) -> DeployerKey | None:
    """Return the key of the file, else of the keystore, else of the environment; None where none is named. Never asks."""
    variables = os.environ if environment is None else environment
    if key_file is not None:
        return DeployerKey(_hexadecimal(read_secret_file(key_file)))
    if keystore is not None:
        password = variables.get(PASSWORD_VARIABLE, "") if password_file is None else read_secret_file(password_file)
        return DeployerKey(_opened(keystore, password))
    if variables.get(KEY_VARIABLE):
        return DeployerKey(_hexadecimal(variables[KEY_VARIABLE].strip()))
    return None


def _hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise BadPrivateKey from None


def _opened(file: Path, password: str) -> bytes:
    text = read_secret_file(file)
    try:
        document: Any = json.loads(text)
        return bytes(Account.decrypt(document, password))
    except (ValueError, KeyError, TypeError) as error:
        # "MAC mismatch" is the library's way of saying that the password is wrong.
        problem = "the password is wrong" if "MAC" in str(error) else "it is not a keystore of version 3"
        raise KeystoreRefused(file=file, problem=problem, place=Place(file=str(file))) from None
