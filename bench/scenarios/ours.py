# SPDX-License-Identifier: Apache-2.0
"""Every figure of ours, in one run on one chain: what bench/gas.py shows and the snapshot's test holds. Needs no package of others."""

from __future__ import annotations

from bench.scenarios import distribution, muniment, settlement
from bench.scenarios.chains import Chain

CONDITIONS = f"{muniment.CONDITIONS}; {settlement.CONDITIONS}; {distribution.CONDITIONS}"


def measure(chain: Chain) -> dict[str, int]:
    """Return the gas of each act; a contract that is not there ends it."""
    factory = muniment.build_factory(chain)
    muniment.check_refusals(chain, factory)
    figures = muniment.measure_token(chain, factory)
    figures |= muniment.measure_clone(chain, factory)
    figures |= muniment.measure_country_caps(chain, factory)
    figures |= muniment.measure_standard_calls(chain)
    figures |= muniment.measure_claims(chain, factory)
    figures |= settlement.measure(chain, factory)
    figures |= distribution.measure_payout(chain)
    figures |= distribution.measure_ballot(chain)
    return figures
