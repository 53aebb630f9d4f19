# SPDX-License-Identifier: Apache-2.0
"""The names of what infra measures, in one registry for Prometheus. No label ever holds an id, an address or a person."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry(auto_describe=True)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

OUTBOX_RECORDED = Counter("muniment_outbox_recorded", "Events recorded, by kind.", ["kind"], registry=REGISTRY)
OUTBOX_HANDLED = Counter("muniment_outbox_handled", "Events handled, by kind.", ["kind"], registry=REGISTRY)
OUTBOX_FAILED = Counter("muniment_outbox_failed", "Failed attempts to handle an event, by kind.", ["kind"], registry=REGISTRY)
OUTBOX_DEAD = Counter("muniment_outbox_dead", "Events given up, by kind.", ["kind"], registry=REGISTRY)
OUTBOX_OPEN = Gauge("muniment_outbox_open", "Events waiting for their handlers.", registry=REGISTRY)
OUTBOX_DEAD_LETTERS = Gauge("muniment_outbox_dead_letters", "Events given up and not revived.", registry=REGISTRY)
OUTBOX_DELAY_SECONDS = Histogram("muniment_outbox_delay_seconds", "From recording to handled.", buckets=_SECONDS, registry=REGISTRY)

SENDER_TRANSACTIONS = Counter("muniment_sender_transactions", "Transactions by the state they reached.", ["state"], registry=REGISTRY)
SENDER_BROADCASTS = Counter("muniment_sender_broadcasts", "Broadcasts by the node's answer.", ["answer"], registry=REGISTRY)
SENDER_REPLACED = Counter("muniment_sender_replaced", "Transactions sent again with a higher fee.", registry=REGISTRY)
SENDER_OPEN = Gauge("muniment_sender_open", "Transactions not yet final.", registry=REGISTRY)
SENDER_BLOCKED = Gauge("muniment_sender_blocked", "Senders that cannot go on without a person.", registry=REGISTRY)
SENDER_FINAL_SECONDS = Histogram("muniment_sender_final_seconds", "From signed to final.", buckets=_SECONDS, registry=REGISTRY)

FOLLOWER_HEAD = Gauge("muniment_follower_head_block", "The chain's newest block.", registry=REGISTRY)
FOLLOWER_BLOCK = Gauge("muniment_follower_block", "The newest block that was followed.", registry=REGISTRY)
FOLLOWER_LAG_BLOCKS = Gauge("muniment_follower_lag_blocks", "Blocks still to follow.", registry=REGISTRY)
FOLLOWER_BLOCKS = Counter("muniment_follower_blocks", "Blocks followed.", registry=REGISTRY)
FOLLOWER_LOGS = Counter("muniment_follower_logs", "Logs handed to consumers.", registry=REGISTRY)
FOLLOWER_REORGS = Counter("muniment_follower_reorgs", "Re-organisations met.", registry=REGISTRY)
FOLLOWER_REORG_DEPTH = Histogram(
    "muniment_follower_reorg_depth_blocks",
    "Blocks forgotten in a re-organisation.",
    buckets=(1, 2, 3, 6, 12, 32, 64, 128),
    registry=REGISTRY,
)

JOBS_FINISHED = Counter("muniment_jobs_finished", "Runs of jobs by job and outcome.", ["job", "outcome"], registry=REGISTRY)
JOBS_SECONDS = Histogram("muniment_jobs_seconds", "One run of a job.", ["job"], buckets=_SECONDS, registry=REGISTRY)
JOBS_RESCUED = Counter("muniment_jobs_rescued", "Jobs taken over from a dead worker.", registry=REGISTRY)
JOBS_FAILED_KEPT = Gauge("muniment_jobs_failed_kept", "Failed jobs waiting for a person.", registry=REGISTRY)

LOOP_FAILURES = Counter(
    "muniment_worker_loop_failures", "Times a loop of the worker failed and was started again.", ["loop"], registry=REGISTRY
)
LOOP_LAST_SUCCESS = Gauge("muniment_worker_loop_last_success_seconds", "Unix time of a loop's last good pass.", ["loop"], registry=REGISTRY)


def render() -> bytes:
    """Return all metrics in Prometheus's text format."""
    return generate_latest(REGISTRY)
