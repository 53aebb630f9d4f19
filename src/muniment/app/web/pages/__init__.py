# SPDX-License-Identifier: Apache-2.0
"""Every page's route, gathered under one name."""

from muniment.app.web.pages import account, developers

ROUTES = [*account.ROUTES, *developers.ROUTES]

__all__ = ["ROUTES"]
