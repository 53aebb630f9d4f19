# SPDX-License-Identifier: Apache-2.0
"""JSON-RPC 2.0 to an EVM node: one call, or many in one request. Knows no contract, no key and no business word."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import httpx

from muniment.infra.outages import Unreachable

BATCH_CALLS_MAX = 500
"""Calls in one HTTP request; a larger batch is cut into several."""


class RpcError(Exception):
    """The node answered with an error: the call itself is refused, so sending it again does not help.

    `data` is the raw revert data where the node gives it (`0x...`), else None.
    """

    def __init__(self, *, method: str, rpc_code: int, message: str, data: str | None = None) -> None:
        super().__init__(f"{method}: {message}")
        self.method = method
        self.rpc_code = rpc_code
        self.message = message
        self.data = data


class JsonRpc:
    """A client for one node. Thread-safe; raises `RpcError` for the node's refusals and `Unreachable` when there is no answer."""

    def __init__(self, url: str, *, timeout_seconds: float = 30.0) -> None:
        self.url = url
        self._http = httpx.Client(
            timeout=timeout_seconds,
            headers={"content-type": "application/json"},
            trust_env=False,
        )
        self._ids = itertools.count(1)

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Return the `result` of one call."""
        answer = self._post(
            {
                "jsonrpc": "2.0",
                "id": next(self._ids),
                "method": method,
                "params": list(params),
            }
        )
        return _result_of(method, answer)

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Return the results in the order of `calls`; the first refused call raises."""
        results: list[Any] = []
        for start in range(0, len(calls), BATCH_CALLS_MAX):
            chunk = calls[start : start + BATCH_CALLS_MAX]
            ids = [next(self._ids) for _ in chunk]
            answers = self._post(
                [
                    {
                        "jsonrpc": "2.0",
                        "id": id_,
                        "method": method,
                        "params": list(params),
                    }
                    for id_, (method, params) in zip(ids, chunk, strict=True)
                ],
            )
            # A node that refuses the whole batch (too large, unsupported) answers one object, not a list.
            if isinstance(answers, dict):
                _result_of(chunk[0][0], answers)
                raise Unreachable(
                    "rpc",
                    detail="the node answered a batch with one object",
                    retry=False,
                )
            by_id = {answer.get("id"): answer for answer in answers}
            results += [_result_of(method, by_id.get(id_, {})) for id_, (method, _) in zip(ids, chunk, strict=True)]
        return results

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    def _post(self, body: Any) -> Any:
        try:
            response = self._http.post(self.url, json=body)
            response.raise_for_status()
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            # The node's address may hold a key: name the kind of failure, never the URL.
            raise Unreachable("rpc", detail=type(error).__name__, retry=True) from error


def _result_of(method: str, answer: dict[str, Any]) -> Any:
    error = answer.get("error")
    if error is not None:
        data = error.get("data")
        raise RpcError(
            method=method,
            rpc_code=int(error.get("code", 0)),
            message=str(error.get("message", "")),
            data=data if isinstance(data, str) else None,
        )
    if "result" not in answer:
        raise Unreachable("rpc", detail=f"no answer to {method}", retry=True)
    return answer["result"]
