# SPDX-License-Identifier: Apache-2.0
"""What compliance refuses. That a transfer is not allowed is a value (`units.decisions`), not an error."""

from __future__ import annotations

from muniment.units.errors import MunimentError


class RulesInvalid(MunimentError):
    """A rule that contradicts another, or a limit that no contract can hold."""

    code = "compliance.rules_invalid"
    message = "The rules cannot be set: {problem}."
    cure = "Mend the rule named and send all rules again: a new version replaces the last one whole."


class RulesInThePast(MunimentError):
    """Rules that would have applied to transfers that are settled."""

    code = "compliance.rules_in_the_past"
    message = "Rules cannot take effect at {effective_at}: it is {now}."
    cure = "Let them take effect now or later."


class RulesNotSet(MunimentError):
    """A security is to open, but nobody has set its rules."""

    code = "compliance.rules_not_set"
    message = "The security {security_id} has no rules that are in effect."
    cure = "Set its rules first; an empty list says that there are none."


class NotOnChain(MunimentError):
    """The security has no token yet."""

    code = "compliance.not_on_chain"
    message = "The security {security_id} has no token on the chain."
    cure = "Deploy it first."


class SuiteMissing(MunimentError):
    """The issuer has no registries on the chain yet."""

    code = "compliance.suite_missing"
    message = "This issuer has no identity registry on the chain yet."
    cure = "Deploy a security first; the registries come with it."


class FreezeInvalid(MunimentError):
    """A freeze of nothing, of more than there is, or without a reason."""

    code = "compliance.freeze_invalid"
    message = "The freeze cannot be ordered: {problem}."
    cure = "Look at the wallet's balance and what is frozen of it, and order again."


class FreezeNotFound(MunimentError):
    """No such freeze."""

    code = "compliance.freeze_not_found"
    message = "There is no freeze {freeze_id} here."
    cure = "List the freezes of the security and take an id from there."


class RuleUnknown(MunimentError):
    """No rule and no pack of that name."""

    code = "compliance.rule_unknown"
    message = "There is no rule or pack “{name}”."
    cure = "Choose from `muniment rules list` and `muniment rules packs`."


class RuleDisabled(MunimentError):
    """A rule that is no law."""

    code = "compliance.rule_disabled"
    message = "The rule {rule} cannot be selected: it is {status} ({citation})."
    cure = "Choose a rule that is in force."


class PacksContradict(MunimentError):
    """Two packs settle one term of the offering differently."""

    code = "compliance.packs_contradict"
    message = "The pack {name} says {term} {value}, another one {other}."
    cure = "Choose one of the two."


class ProposalInvalid(MunimentError):
    """A question of law that says too little."""

    code = "compliance.proposal_invalid"
    message = "The proposal cannot be judged: {problem}."
    cure = "Give what is named and ask again."


class CaseInvalid(MunimentError):
    """The file of a question of law is not in its form."""

    code = "compliance.case_invalid"
    message = "The case cannot be read: {problem}."
    cure = "See the schema in docs/reference/compliance-check.schema.json."


class CaseTooLarge(MunimentError):
    """More investors, lots or sales than one question may bring."""

    code = "compliance.case_too_large"
    message = "The case has {found} {what}; at most {allowed} are read."
    cure = "Leave out what the question does not concern."


class ExemptionNotChosen(MunimentError):
    """The exemption that a sale names is not among the security's packs."""

    code = "compliance.exemption_not_chosen"
    message = "“{exemption}” is no exemption among the packs of this security."
    cure = "Name one of those that are ({chosen}), name none, or choose its pack first."


class AnswersInvalid(MunimentError):
    """Answers that the questionnaire does not know."""

    code = "compliance.answers_invalid"
    message = "The answers cannot be read: {problem}."
    cure = "Give answers by a prong's letter (M, C, E, P, U) or an item's id (E3), each y, n or -."


class AssessmentNotFound(MunimentError):
    """No such version of an asset's Howey record."""

    code = "compliance.assessment_not_found"
    message = "The asset has no assessment {version}."
    cure = "List the assessments of the asset and take a version from there."


class AssessmentSigned(MunimentError):
    """It is signed already."""

    code = "compliance.assessment_signed"
    message = "The assessment {version} is signed and cannot change."
    cure = "Draft a new version."


class OwnAssessment(MunimentError):
    """Whoever drafted it may not sign it."""

    code = "compliance.own_assessment"
    message = "Whoever drafted an assessment does not sign it."
    cure = "Let another owner or compliance officer sign."


class PackNotOffered(MunimentError):
    """The asset's signed assessment says that it is no security."""

    code = "compliance.pack_not_offered"
    message = "The signed assessment of the asset says “{outcome}”, so no pack of securities law is offered."
    cure = "Assess the asset again if it is sold as a security after all."


class OrderInvalid(MunimentError):
    """A lockup, a category or an approval that the chain would not take."""

    code = "compliance.order_invalid"
    message = "The order cannot be given: {problem}."
    cure = "Mend what is named and order again."


class FurtherRulesMissing(MunimentError):
    """A category or an approval is to be written, but no rule that would ask for it is on the chain."""

    code = "compliance.further_rules_missing"
    message = "The chain enforces no further rules for the security {security_id}."
    cure = "Set a rule that asks for it first, such as a cap on a category or the approval of transfers."
