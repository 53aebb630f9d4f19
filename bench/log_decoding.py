# SPDX-License-Identifier: Apache-2.0
"""How fast are Transfer logs decoded? Ours by slicing bytes, beside eth_abi's decoder on the same logs. Defends 1.5 M events a second."""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import eth_abi
from eth_utils.address import to_checksum_address

from muniment.infra.evm.decoding import TRANSFER_TOPIC, ChainLog, Transfer, checksum, decode_transfers, parse_log
from muniment.units.ids import Address, TransactionHash

GOAL_EVENTS_PER_SECOND = 1_500_000


def make_logs(count: int, *, wallets: int, seed: int) -> list[ChainLog]:
    """Return Transfer logs between a limited number of wallets, as a register meets them."""
    chance = random.Random(seed)
    words = [chance.randbytes(20).rjust(32, b"\0") for _ in range(wallets)]
    token = checksum(chance.randbytes(20))
    return [
        ChainLog(
            token,
            # Bytes of their own, as they come from a node: Python remembers the hash of bytes that it has looked up once.
            (TRANSFER_TOPIC[:1] + TRANSFER_TOPIC[1:], *(bytes(bytearray(word)) for word in chance.choices(words, k=2))),
            chance.randrange(10**24).to_bytes(32, "big"),
            number // 100,
            bytes(32),
            TransactionHash("0x" + "00" * 32),
            number % 100,
            number % 100,
        )
        for number in range(count)
    ]


def by_abi(logs: Sequence[ChainLog]) -> list[Transfer]:
    """Decode the way libraries do: the ABI machine for each word, then the checksum of each address."""
    return [
        (
            Address(to_checksum_address(eth_abi.decode(["address"], log.topics[1])[0])),
            Address(to_checksum_address(eth_abi.decode(["address"], log.topics[2])[0])),
            eth_abi.decode(["uint256"], log.data)[0],
        )
        for log in logs
        if log.topics[0] == TRANSFER_TOPIC
    ]


def events_per_second(decode: Callable[[Sequence[Any]], list[Any]], logs: Sequence[Any], *, rounds: int) -> int:
    """Return the median of several rounds, in seconds of this process: what else runs on the machine does not count."""
    rates: list[float] = []
    for _ in range(rounds):
        began = time.process_time()
        decoded = decode(logs)
        rates.append(len(decoded) / (time.process_time() - began))
    return int(statistics.median(rates))


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--events", type=int, default=200_000)
    arguments.add_argument("--wallets", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    logs = make_logs(options.events, wallets=options.wallets, seed=options.seed)
    few = logs[: max(1, options.events // 40)]
    assert decode_transfers(few) == by_abi(few), "both decode the same"
    wire = [_as_json(log) for log in few]
    result = {
        "bench": "log_decoding",
        "events": options.events,
        "wallets": options.wallets,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "muniment_events_per_second": events_per_second(decode_transfers, logs, rounds=5),
        "eth_abi_events_per_second": events_per_second(by_abi, few, rounds=3),
        "muniment_parse_json_rpc_logs_per_second": events_per_second(lambda found: [parse_log(log) for log in found], wire, rounds=5),
        "goal_events_per_second": GOAL_EVENTS_PER_SECOND,
    }
    result["times_faster"] = round(result["muniment_events_per_second"] / result["eth_abi_events_per_second"], 1)
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:42} {value}")


def _as_json(log: ChainLog) -> dict[str, Any]:
    return {
        "address": log.address,
        "topics": ["0x" + topic.hex() for topic in log.topics],
        "data": "0x" + log.data.hex(),
        "blockNumber": hex(log.block_number),
        "blockHash": "0x" + log.block_hash.hex(),
        "transactionHash": log.transaction_hash,
        "transactionIndex": hex(log.transaction_index),
        "logIndex": hex(log.log_index),
    }


if __name__ == "__main__":
    main()
