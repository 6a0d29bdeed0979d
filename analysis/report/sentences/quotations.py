"""Texts that stand in the results, such as warnings, as sentences of the report."""

from reward_hypotheses.analysis.report.claims import Read, Sentence, value
from reward_hypotheses.analysis.report.phrases import capital
from reward_hypotheses.analysis.report.presentation import Document


def whole_sentence(document: Document, place: Read, name: str = "", instead: str = "") -> Sentence:
    """Return a text of the results with a capital and a full stop.

    Parameters
    ----------
    document : dict
    place : Read
        Where the text stands.
    name, instead : str
        A name in the text, and what replaces it once.
    """

    def text(document: Document) -> str:
        words = str(value(document, place))
        return capital(words.replace(name, instead, 1) if name else words)

    words = text(document)
    return Sentence(words if words[-1:] in ".?!" else f"{words}.", text)
