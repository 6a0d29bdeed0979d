"""Check every sentence of a report against the results: its numbers, its claims, its words.

Written apart from `analysis/report/claims.py`: places, errors and comparisons are evaluated here again.
"""

import math
import re

import first_screen
import section_rules

from reward_hypotheses.analysis.report.claims import Sentence
from reward_hypotheses.analysis.results.document import presented

NUMBER = re.compile(r"(?<![\w.])([<>]?)([-\N{MINUS SIGN}]?)(\d[\d,]*(?:\.\d+)?)(?:e([+-]?\d+))?(%?)")
DATE = re.compile(r"\d{4}-\d\d-\d\dT")
QUOTED = re.compile(r"(?<!\w)'[^']*'|\"[^\"]*\"|`[^`]*`")
COMPARING = re.compile(
    r"\b(lower|higher|safer|(?<!\d )(?<!one )more(?! stand)|less|(?<!at )most|(?<!at )least|only|every|all|none|no other|each|"
    r"same|equal|equals|differ|differs|largest|smallest|highest|lowest|strongest|cannot|never|depends|better|worse|best|worst)\b",
    re.IGNORECASE,
)
REPLACED = (
    "by uncertainty about the values alone",
    "endless",
    "did it extrapolate",
    "that may be wrong",
    "as they stand",
    "on the stairs",
    "thick tick",
    "hinge",
    "told ",
    "takes up",
    "took up",
    "foretold",
    "was said",
    "at any one",
    "be it ",
    "in so many",
    "for which it",
)
MOST_WORDS = 30


def resolve(document, read):
    """Return the value at a place; None where the path ends in a null."""
    if callable(read):
        return read(document)
    if isinstance(read, str):
        read = tuple(read.split("."))
    if not isinstance(read, tuple):
        return read
    here = document
    for key in read:
        if here is None:
            return None
        here = here[key] if isinstance(here, list) else here.get(key)
    return here


def error_at(document, read):
    """Return the Monte Carlo error at a place, or 0."""
    if isinstance(read, str):
        read = tuple(read.split("."))
    if not isinstance(read, tuple):
        return 0.0
    if read == ("risk", "mean"):
        return document["risk"]["mcse"] or 0.0
    try:
        error = resolve(document.get("mcse"), read)
    except (AttributeError, TypeError, IndexError, KeyError):
        return 0.0
    return error if isinstance(error, (int, float)) else 0.0


def true(document, claim):
    """Return whether a claim is true."""
    if claim.relation == "holds":
        return bool(claim.left(document))
    left, right = resolve(document, claim.left), resolve(document, claim.right)
    allowed = max(
        claim.least, 2 * math.sqrt(error_at(document, claim.left) ** 2 + error_at(document, claim.right) ** 2)
    )
    return right - left > allowed if claim.relation == "<" else abs(right - left) <= allowed


def numbers_in(value):
    """Yield the numbers in a value, those that are keys among them."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, (int, float)):
        yield float(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers_in(inner)
            yield from numbers_in(str(key))
    elif isinstance(value, (list, tuple)):
        yield float(len(value))
        for inner in value:
            yield from numbers_in(inner)
    elif isinstance(value, str):
        if DATE.match(value):
            yield from (float(part) for part in value[:10].split("-"))
        try:
            yield float(value)
        except ValueError:
            return


def texts_in(value):
    """Yield the texts in a value, names among its keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts_in(key)
            yield from texts_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts_in(inner)


def rounds_to(match, number):
    """Return whether a number, as it stands in a text, is another one rounded."""
    sign, minus, digits, exponent, percent = match.groups()
    shown = float(digits.replace(",", "")) * (-1 if minus else 1)
    unit = 10.0 ** -len(digits.partition(".")[2]) * 10.0 ** int(exponent or 0)
    shown *= 10.0 ** int(exponent or 0)
    whole = digits.replace(",", "").partition(".")[0]
    if not percent and "." not in digits and len(whole) > 3 and whole.endswith("0"):
        unit = 10.0 ** (len(whole) - 2)  # two or three significant digits of a large number
    number = 100 * number if percent else number
    if sign == "<":
        return 0 <= number <= shown + 1e-9
    if sign == ">":
        return number >= shown - 1e-9
    return abs(abs(number) - abs(shown)) <= 0.5 * unit * (1 + 1e-6) + 1e-9 * abs(shown)


def problems_of(document, sentence):
    """Yield what is wrong with a sentence."""
    try:
        values = [resolve(document, read) for read in sentence.reads]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        yield f"reads what is not there: {error!r}"
        return
    for claim in sentence.claims:
        if not true(document, claim):
            yield f"claim {claim.relation} {claim.left} {claim.right} is false"
    text = str(sentence)
    quoted_whole = any(text.strip(" .!-") in " ".join(other.split()) or " ".join(other.split()) in text
                       for value in values for other in texts_in(value) if len(other) > 25)  # fmt: skip
    if quoted_whole:
        return
    bare = QUOTED.sub("''", text)
    known = [number for value in values for number in numbers_in(value)]
    for match in NUMBER.finditer(bare):
        if not any(rounds_to(match, number) for number in known):
            yield f"the number {match[0]!r} is none of what it reads"
    if re.search(r"(?<![\w.])(-\d+|0) more\b", bare):
        yield "no number of more things"
    if COMPARING.search(bare) and not sentence.claims:
        yield f"compares ({COMPARING.search(bare)[0]!r}) and claims nothing"
    if len(bare.split()) > MOST_WORDS:
        yield f"{len(bare.split())} words"
    for phrase in REPLACED:
        if phrase in bare.lower():
            yield f"says {phrase!r}"


def texts_of(presentation, document):
    """Yield (place, text) of everything that a presentation says in sentences."""
    for place, parts in (("parts", presentation.parts), ("more", presentation.more)):
        for part in parts:
            if part.kind in ("frame", "files", "study", "figure"):
                continue
            yield place, part.text
            yield place, part.strong
            for entry in part.entries:
                if part.kind == "tornado":
                    yield from ((place, entry[key]) for key in ("varied", "range"))
                elif part.kind == "changes":
                    yield from ((place, text) for text in entry[1:])
                elif part.kind in ("terms", "names"):
                    yield place, entry[1]
                else:
                    yield place, entry
    yield "finding", presentation.finding
    yield from (("terminal", entry) for entry in presentation.terminal if isinstance(entry, str))
    plot = presentation.figure
    if plot is not None and getattr(plot, "informs", lambda _: True)(document):
        yield from (("caption", text) for text in plot.caption(document))


def problems(document, presentations=None):
    """Return every problem of every sentence of the report of a document."""
    whole = presentations is None
    presentations = presented(document) if presentations is None else presentations
    out = [f"first screen: {problem}" for problem in first_screen.problems(document, presentations)] if whole else []
    said = [(presentation, [*texts_of(presentation, document)]) for presentation in presentations]
    out += section_rules.problems(document, {shown.name: texts for shown, texts in said}) if whole else []
    for presentation, texts in said:
        if any(part.kind == "list" and not part.entries for part in (*presentation.parts, *presentation.more)):
            out.append(f"{presentation.name}: an empty list")
        for place, text in texts:
            if not text:
                continue
            if not isinstance(text, Sentence):
                out.append(f"{presentation.name} {place}: no sentence: {text!r}")
                continue
            for sentence in text.parts:
                out += [
                    f"{presentation.name} {place}: {problem}: {str(sentence)!r}"
                    for problem in problems_of(document, sentence)
                ]
    return out
