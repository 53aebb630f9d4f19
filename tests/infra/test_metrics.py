# SPDX-License-Identifier: Apache-2.0
"""The metrics are readable by Prometheus, named by one rule, and label nothing that identifies anybody."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from muniment.infra import metrics


def test_the_text_is_what_prometheus_reads() -> None:
    metrics.OUTBOX_RECORDED.labels(kind="test.thing").inc()
    families = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    assert families["muniment_outbox_recorded"].type == "counter"
    assert families["muniment_follower_lag_blocks"].type == "gauge"
    assert families["muniment_sender_final_seconds"].type == "histogram"


def test_every_name_begins_with_ours_and_every_metric_says_what_it_is() -> None:
    for family in metrics.REGISTRY.collect():
        assert re.fullmatch(r"muniment_[a-z_]+", family.name) and family.documentation.endswith(".")


def test_labels_have_few_values_and_name_no_one() -> None:
    allowed = {"kind", "state", "answer", "job", "outcome", "loop", "le", "method", "route", "status"}
    for family in metrics.REGISTRY.collect():
        for sample in family.samples:
            assert set(sample.labels) <= allowed, sample
