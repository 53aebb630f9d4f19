# SPDX-License-Identifier: Apache-2.0
"""Every page's route, gathered under one name."""

from muniment.app.web.pages import (
    account,
    actions,
    control,
    desk,
    developers,
    explaining,
    flows,
    guarding,
    investor_file,
    investors,
    law,
    lots,
    opening,
    securities,
    tokenise,
    transactions,
    verifying,
)

ROUTES = [
    *account.ROUTES,
    *securities.ROUTES,
    *tokenise.ROUTES,
    *opening.ROUTES,
    *flows.ROUTES,
    *lots.ROUTES,
    *actions.ROUTES,
    *guarding.ROUTES,
    *investors.ROUTES,
    *law.ROUTES,
    *explaining.ROUTES,
    *desk.ROUTES,
    *investor_file.ROUTES,
    *transactions.ROUTES,
    *control.ROUTES,
    *developers.ROUTES,
    *verifying.ROUTES,
]

__all__ = ["ROUTES"]
