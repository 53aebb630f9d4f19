# SPDX-License-Identifier: Apache-2.0
"""Documents that people print or file, as PDF, by ReportLab where it is installed. What they say is decided elsewhere."""

from __future__ import annotations

import io
from collections.abc import Mapping
from xml.sax.saxutils import escape

from muniment.compliance.model.law.howey import DISCLAIMER, LETTERS, questionnaire
from muniment.compliance.model.law.records import TOKEN_MODELS, HoweyRecord
from muniment.units.errors import MunimentError, instant_text
from muniment.units.ids import UserId


class PdfNotInstalled(MunimentError):
    """The library that writes PDF is not installed."""

    code = "app.pdf_not_installed"
    message = "PDF is written by ReportLab, which is not installed here."
    cure = "Install it with: pip install 'muniment[pdf]', or print the page."


def memo_pdf(record: HoweyRecord, *, title: str, names: Mapping[UserId, str]) -> bytes:
    """Return a Howey record as a PDF of A4 pages. Letters that the built-in fonts lack are shown as question marks."""
    try:
        from reportlab.lib.pagesizes import A4
        from reportlab.lib.styles import getSampleStyleSheet
        from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer
    except ImportError:
        raise PdfNotInstalled from None
    styles = getSampleStyleSheet()
    story: list[Flowable] = []

    def say(text: str, style: str = "BodyText") -> None:
        story.append(Paragraph(escape(text.encode("cp1252", "replace").decode("cp1252")), styles[style]))

    assessment = record.assessment
    say(f"Assessment {record.version}: {title}", "Title")
    say(f"Asset {record.asset_id}")
    say(f"Drafted by {names.get(record.drafted_by, 'a former member')} at {instant_text(record.drafted_at)}.")
    if record.signed_by is not None and record.signed_at is not None:
        say(f"Signed by {names.get(record.signed_by, 'a former member')} at {instant_text(record.signed_at)}.")
    else:
        say("Not signed yet.")
    say("Outcome", "Heading2")
    say(f"{assessment.outcome.replace('_', ' ')}: {assessment.sentence}.")
    say(f"Token model: {TOKEN_MODELS[record.token_model]}.")
    say("Prongs", "Heading2")
    for name, prong in assessment.prongs.items():
        say(f"{name}: {_ANSWER[prong.answer]}; {prong.points_to} for, {prong.points_away} against, {prong.open} open.")
    say("Answers and what they rest on", "Heading2")
    for name, letter in LETTERS.items():
        if letter in record.answers:
            say(f"{letter} ({name} as a whole): {_ANSWER[record.answers[letter]]}. {record.evidence.get(letter, 'No evidence was given.')}")
    for item in questionnaire().items.values():
        if item.item_id in record.answers:
            answer = _ANSWER[record.answers[item.item_id]]
            say(f"{item.item_id}. {item.question} {answer}. {record.evidence.get(item.item_id, 'No evidence was given.')}")
    if assessment.contrary:
        say("What speaks against the outcome", "Heading2")
        for line in assessment.contrary:
            say(line)
    story.append(Spacer(1, 12))
    say(questionnaire().source)
    say(DISCLAIMER)
    target = io.BytesIO()
    SimpleDocTemplate(target, pagesize=A4, title=f"Assessment {record.version}", author="Muniment", invariant=1).build(story)
    return target.getvalue()


_ANSWER = {"y": "yes", "n": "no", "-": "open"}
