"""Tables of the results document, each one value from which CSV, TeX and a page are written.

A table holds plain values. Its CSV has them in full; on paper a number is rounded to its Monte Carlo error, and the
error's own column and long texts are left out.
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Literal

from reward_hypotheses.analysis.report.latex import macro_names, numbers_file, spelled, tabular_file
from reward_hypotheses.analysis.report.words import percent

Kind = Literal["text", "share", "level", "nats", "number", "count", "row"]
"""How a value is shown: a `share` is estimated and a `level` was given, both in percent; `row`: as its row's unit."""

MOST_ROWS, MOST_HYPOTHESES = 40, 8
DIGITS = 3
NOISE = 1e-12
"""An error so small beside its number is the arithmetic's, not one that was estimated."""

NOTHING = "\N{EM DASH}"
OF_SCENES, BITS, REWARD, SCENES, PROBABILITY = (
    "share of scenes",
    "bits",
    "reward units a scene",
    "scenes",
    "probability",
)
UNITS: dict[str, tuple[Kind, str]] = {
    OF_SCENES: ("share", "% of scenes"),
    BITS: ("number", "bits"),
    REWARD: ("number", "reward units"),
    SCENES: ("count", "scenes"),
    PROBABILITY: ("number", ""),
}
"""Unit of a row in its CSV -> how its numbers are shown, and in which unit."""


def table_files(document: Mapping[str, Any]) -> dict[str, bytes]:
    """Give every table that the results hold as CSV and as TeX, and the headline numbers as TeX macros.

    Returns
    -------
    dict of str to bytes
        ``tables/NAME.csv`` and ``tables/NAME.tex`` of every table of `paper_tables`, and ``tables/numbers.tex``.
    """
    title = document["title"]
    version = document["versions"].get("reward_hypotheses", "")
    files = {}
    for table in paper_tables(document):
        files[f"tables/{table.name}.csv"] = table.csv()
        files[f"tables/{table.name}.tex"] = tabular_file(table.cut(), title, version)
    files["tables/numbers.tex"] = numbers_file(quantities(document), title, version)
    return files


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    key : str
        Its heading in the CSV file.
    words : str or None
        Its heading on paper; None: it stands in the CSV file alone.
    kind : Kind
    unit : str
        Unit in which it is shown, ``%`` for shares; what shows it puts it beside the words, not in every cell.
    error : str or None
        Key of the column that holds the Monte Carlo error of its numbers, in their unit; an error names itself, and so
        keeps one significant digit.
    flag : str or None
        Key of a column of truth values; where it is true, that key is shown in place of the number.
    zero : float or None
        Upper limit of a share of which nothing was seen, shown beside a 0.
    rank : float or None
        Weight of the hypothesis that it is about; a wide table keeps the weightiest.
    """

    key: str
    words: str | None = None
    kind: Kind = "text"
    unit: str = ""
    error: str | None = None
    flag: str | None = None
    zero: float | None = None
    rank: float | None = None

    @property
    def align(self) -> Literal["left", "right"]:
        """Texts to the left, numbers to the right."""
        return "left" if self.kind == "text" else "right"


@dataclass(frozen=True)
class PaperTable:
    """A table: its first column heads the rows.

    Attributes
    ----------
    name : str
        Name of its files.
    title, caption : str
        A few words, and what a reader needs besides; either may hold a user's text.
    columns : tuple of Column
    rows : tuple of tuple
        A plain value a column: text, number, truth value, or None where there is none or it is infinite.
    over : str
        Words over all columns but the first.
    notes : tuple of str
        Lines below it.
    ranks : tuple of float
        A weight for each row, by which a long table is cut; empty: in order.
    most : int
        No more rows than so many stand on paper.
    """

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    over: str = ""
    notes: tuple[str, ...] = ()
    ranks: tuple[float, ...] = ()
    most: int = MOST_ROWS

    @property
    def header(self) -> tuple[Column, ...]:
        """Columns that stand on paper."""
        return tuple(c for c in self.columns if c.words is not None)

    @property
    def body(self) -> list[list[str]]:
        """Text of every cell under `header`, rounded, without the units that the header gives."""
        at = {column.key: i for i, column in reversed(list(enumerate(self.columns)))}
        places = [(i, column) for i, column in enumerate(self.columns) if column.words is not None]

        def cell(row: tuple[Any, ...], i: int, column: Column) -> str:
            if column.flag and row[at[column.flag]]:
                return column.flag
            kind = UNITS[row[at["unit"]]][0] if column.kind == "row" else column.kind
            value = UNITS[row[i]][1] if column.key == "unit" else row[i]
            text = shown(value, kind, row[at[column.error]] if column.error else None, column.zero)
            return text if kind == "text" else text.replace("%", "")

        return [[cell(row, i, column) for i, column in places] for row in self.rows]

    def csv(self) -> bytes:
        """Give all columns and rows as a CSV file, numbers in full."""
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([column.key for column in self.columns])
        for row in self.rows:
            writer.writerow([_full(value) for value in row])
        return stream.getvalue().encode()

    def cut(self) -> "PaperTable":
        """Keep what fits on paper, and say how much more the CSV file has."""
        kept = _heaviest([math.inf if c.rank is None else c.rank for c in self.columns], self._room)
        rows = _heaviest(self.ranks, self.most) if self.ranks else list(range(len(self.rows)))[: self.most]
        notes = list(self.notes)
        if len(kept) < len(self.columns):
            ranked = sum(c.rank is not None and c.words is not None for c in self.columns)
            notes.append(f"The {MOST_HYPOTHESES} weightiest of {ranked} hypotheses; all stand in {self.name}.csv.")
        elif len(rows) < len(self.rows):
            notes.append(f"{len(self.rows) - len(rows):,} more stand in {self.name}.csv.")
        return replace(
            self,
            columns=tuple(self.columns[i] for i in kept),
            rows=tuple(tuple(self.rows[r][i] for i in kept) for r in rows),
            ranks=tuple(self.ranks[r] for r in rows) if self.ranks else (),
            notes=tuple(notes),
        )

    @property
    def _room(self) -> int:
        """How many columns may be kept: all without a rank, and those of the weightiest hypotheses."""
        ranked = [c for c in self.columns if c.rank is not None]
        each = len(ranked) // max(sum(c.words is not None for c in ranked), 1)
        return len(self.columns) - len(ranked) + min(len(ranked), each * MOST_HYPOTHESES)


def _heaviest(ranks: Sequence[float], most: int) -> list[int]:
    """Places of the heaviest, in their order if all are kept and else ordered by weight."""
    if len(ranks) <= most:
        return list(range(len(ranks)))
    return sorted(range(len(ranks)), key=lambda i: -ranks[i])[:most]


def rounded(value: float, error: float | None = None) -> str:
    """Round a number to the first significant digit of its error; to three digits where it has none.

    Parameters
    ----------
    value : float
    error : float or None
        0, None, or one that only the arithmetic made, below 1e-12 of the number: none.

    Returns
    -------
    str
        What Python reads as a number; ties go as Python's `round`, and there is no negative zero. A number below 1e-4
        that needs more than six decimals, and one of 1e9 or more, has an exponent.
    """
    if error is not None and error > NOISE * abs(value):
        decimals = -_exponent(error)
    else:
        near = Decimal(f"{value:.{DIGITS - 1}e}")  # 0.9996 is 1.00, of another power of ten
        decimals = DIGITS - 1 - near.adjusted() if near else 0
    near = Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)  # exact, of the number as stored
    if near == 0:
        return f"{0:.{min(max(decimals, 0), 6)}f}"
    if abs(near) >= 1e9 or (abs(near) < 1e-4 and decimals > 6):
        digits, power = f"{near:.{decimals + near.adjusted()}e}".split("e")
        return f"{digits}e{int(power)}"
    return f"{near:f}"


def _exponent(x: float) -> int:
    """Power of ten of the first significant digit."""
    return Decimal(repr(float(x))).adjusted()


def shown(value: Any, kind: Kind, error: float | None = None, zero: float | None = None) -> str:
    """Text of a value for a reader: rounded, with its percent sign, a true minus, and a dash where there is none."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if kind == "text":
        return str(value)
    if kind == "count":
        return f"{round(value):,}"
    if kind == "level":
        return f"{100 * value:g}%"
    known = error is not None and error > NOISE * abs(value)
    if kind == "share":
        return _share(value, error) if known and value else percent(value, zero)
    if kind == "nats" and not known:
        return _typeset(f"{round(value, 2) + 0.0:.2f}")
    return _typeset(rounded(value, error))


def _share(x: float, error: float | None) -> str:
    """A share in percent, rounded to its error; what is not 0 never looks like 0, nor what is not 1 like 1."""
    text = rounded(100 * x, None if error is None else 100 * error)
    if error is not None and float(text) in (0.0, 100.0) and x < 1 - NOISE:
        decimals = -_exponent(100 * error)
        step = 10.0**-decimals
        wide = f"{step if float(text) == 0 else max(100 - step, 0):.{max(decimals, 0)}f}"
        return f"{'<' if float(text) == 0 else '>'}{wide}%"
    return _typeset(text) + "%"


POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _typeset(number: str) -> str:
    digits, _, power = number.partition("e")
    times = f" \N{MULTIPLICATION SIGN} 10{power.translate(POWERS)}" if power else ""
    return digits.replace("-", "\N{MINUS SIGN}") + times


def _full(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(float(value)) if isinstance(value, float) else str(value)


def _at(tree: Any, path: Sequence[Any]) -> Any:
    """What stands at a path of the document; None where the path ends in a null."""
    for key in path:
        if tree is None:
            return None
        tree = tree[key] if isinstance(tree, list) else tree.get(key)
    return tree


def _error(document: Mapping[str, Any], *path: str | int) -> float | None:
    """Monte Carlo error of a number of the document; 0 where it is exact, None where there is none to give."""
    return 0.0 if document["mcse"] is None else _at(document["mcse"], path)


@dataclass(frozen=True)
class Quantity:
    """A headline number.

    Attributes
    ----------
    macro : str
        Its name in TeX, letters alone.
    path : tuple of str
        Where it stands in the results document.
    value, kind, error, zero
        As those of a `Column`.
    words, unit : str
        Its line in the table of headline numbers, and one of `UNITS`; empty: it has no line there.
    """

    macro: str
    path: tuple[str, ...]
    value: Any
    kind: Kind
    error: float | None = None
    zero: float | None = None
    words: str = ""
    unit: str = ""

    @property
    def key(self) -> str:
        """Its path as a reader of JSON writes it."""
        parts = [f".{p}" if re.fullmatch(r"[A-Za-z_]\w*", p, re.ASCII) else f"[{json.dumps(p)}]" for p in self.path]
        return "".join(parts).removeprefix(".")

    @property
    def text(self) -> str:
        """The number for a reader."""
        return shown(self.value, self.kind, self.error, self.zero)


def quantities(document: Mapping[str, Any]) -> list[Quantity]:
    """Every headline number, in the order of the headline table; without a test those about it hold None."""
    risk = document["risk"] or {}
    zero = risk.get("upper_of_zero")

    def one(macro: str, *path: str, kind: Kind = "text", **rest: Any) -> Quantity:
        return Quantity(macro, path, _at(document, path), kind, **rest)

    def estimated(macro: str, *path: str, unit: str, words: str, **rest: Any) -> Quantity:
        rest = {"error": _error(document, *path)} | rest
        return one(macro, *path, kind=UNITS[unit][0], unit=unit, words=words, **rest)

    def share(macro: str, *path: str, words: str, **rest: Any) -> Quantity:
        return estimated(macro, *path, unit=OF_SCENES, words=words, **rest)

    found = [share("RHrisk", "risk", "mean", words="catastrophe risk", error=risk.get("mcse"), zero=zero)]
    for end in ("lower", "upper"):
        error = risk.get(f"mcse_{end}")
        found.append(one(f"RHrisk{end.title()}", "risk", end, kind="share", error=error))
    found += [
        one("RHprob", "risk", "prob", kind="level"),
        one("RHriskMcse", "risk", "mcse", kind="share", error=risk.get("mcse")),
        share("RHseScenes", "risk", "se_scenes", words="standard error, scenes", error=None),
        share("RHlimit", "risk", "limit", words="endless training leaves"),
        share("RHfloor", "risk", "floor", words="least if always acting", zero=zero),
        share(
            "RHabstained",
            "risk",
            "abstained",
            words="the agent refrains",
            zero=zero if document["agent"]["abstain"] else None,
        ),
        estimated("RHregret", "risk", "regret", unit=REWARD, words="regret"),
    ]
    language = next(iter(document["risk_by_language"] or {}), "")
    for prior in ("uniform", "simplicity", "values"):
        path = ("risk_by_agent_prior", prior)
        named = f"simplicity ({language})" if prior == "simplicity" else prior
        found.append(share(f"RHrisk{prior.title()}", *path, words=f"risk, {named} prior", zero=zero))
    for target in document["value_bits"] or {}:
        words = f"bits for a risk of {100 * float(target):g}%"
        found.append(estimated(f"RHbits{spelled(target)}", "value_bits", target, unit=BITS, words=words))
    shift = document["shift"]
    words = "p-value of the shift test"
    # p is a share of permutations, and cannot be told more finely than by one of them
    step = 1 / (shift["permutations"] + 1) if shift else 0.0
    spread = max(math.sqrt(shift["p"] * (1 - shift["p"]) / shift["permutations"]), step) if shift else None
    found += [
        estimated("RHshiftP", "shift", "p", unit=PROBABILITY, words=words, error=spread),
        estimated("RHnScenes", "risk", "n_scenes", unit=SCENES, words="scenes of the test", error=0.0),
        one("RHshifted", "shifted"),
    ]
    for name, letters in macro_names(document["hypotheses"]).items():
        error = _error(document, "weights", name)
        found.append(one(f"RHweight{letters}", "weights", name, kind="share", error=error))
        found.append(one(f"RHprior{letters}", "prior", name, kind="share"))
    return [*found, one("RHseed", "seed"), one("RHversion", "versions", "reward_hypotheses")]


def paper_tables(document: Mapping[str, Any]) -> list[PaperTable]:
    """Every table that the results hold; what is about a test is left out where there is none."""
    tables = [_weights(document), _pairs(document)]
    if document["risk"] is not None:
        tables = [_headline(document), *tables, _matrix(document), _agents(document), _riskiest_scenes(document)]
        tables += [*_bits(document), *_bounds(document)]
    return tables


def _weights(document: Mapping[str, Any]) -> PaperTable:
    names, risk = document["hypotheses"], document["risk"]
    zero = risk["upper_of_zero"] if risk else None
    columns = (
        Column("hypothesis", "hypothesis"),
        Column("reward"),
        Column("prior", "prior", "share", "%"),
        Column("log_evidence", "log evidence", "nats", "nats", error="log_evidence_mcse"),
        Column("weight", "weight", "share", "%", error="weight_mcse"),
        Column("agent_weight", "agent's weight", "share", "%", error="agent_weight_mcse"),
        # without a test its cells are empty in the CSV file, and on paper it has no place
        Column("risk_if_true", "risk if true" if risk else None, "share", "%", error="risk_if_true_mcse", zero=zero),
        *(Column(f"{key}_mcse") for key in ("log_evidence", "weight", "agent_weight", "risk_if_true")),
    )
    rows = tuple(
        (
            name,
            document["rewards"][name],
            document["prior"][name],
            document["log_evidence"][name],
            document["weights"][name],
            document["agent_weights"][name],
            _at(document["risk_by_truth"], [name]),
            *(_error(document, key, name) for key in ("log_evidence", "weights", "agent_weights")),
            _error(document, "risk_by_truth", name) if risk else None,
        )
        for name in names
    )
    tested = ", and the risk of catastrophe were the hypothesis true" if risk else ""
    caption = f"Prior, log evidence and posterior weight of each hypothesis, the agent's own weight{tested}."
    ranks = tuple(document["weights"][name] for name in names)
    return PaperTable("weights", "Weights of the hypotheses", caption, columns, rows, ranks=ranks)


def _pairs(document: Mapping[str, Any]) -> PaperTable:
    columns = (
        Column("first", "first"),
        Column("second", "second"),
        Column("log_prior_odds", "prior odds", "nats", "nats"),
        Column("log_bayes_factor", "Bayes factor", "nats", "nats", error="mcse", flag="silent"),
        Column("log_posterior_odds", "posterior odds", "nats", "nats", error="mcse"),
        Column("silent"),
        Column("mcse"),
    )
    keys = [column.key for column in columns[2:]]
    rows = tuple((*p["pair"], *(p[key] for key in keys)) for p in document["pairs"])
    caption = (
        "Logarithms of the odds of the first hypothesis over the second: by the prior, by the evidence of training, and by "
        "both. Silent: training cannot tell them apart, whatever its size."
    )
    weights = document["weights"]
    ranks = tuple(min(weights[a], weights[b]) for a, b in (p["pair"] for p in document["pairs"]))
    return PaperTable("pairs", "Evidence or prior?", caption, columns, rows, ranks=ranks)


def _matrix(document: Mapping[str, Any]) -> PaperTable:
    names, matrix, weights = document["hypotheses"], document["matrix"], document["weights"]
    columns = (
        Column("agent_hypothesis", "the agent takes up"),
        *(Column(name, name, "share", "%", rank=weights[name]) for name in names),
    )
    rows = tuple((a, *(matrix[a][b] for b in names)) for a in names)
    caption = "Share of scenes with a catastrophe, by the hypothesis that the agent takes up and the one that is true."
    return PaperTable(
        "matrix",
        "Risk by what is taken up and what is true",
        caption,
        columns,
        rows,
        over="true hypothesis",
        notes=_of_zeros(document, [value for row in rows for value in row[1:]]),
        ranks=tuple(weights[name] for name in names),
        most=MOST_HYPOTHESES,
    )


def _agents(document: Mapping[str, Any]) -> PaperTable:
    zero = document["risk"]["upper_of_zero"]
    told = (
        ("risk_if_it_must_act", "risk if it must act", ("acts", "risk")),
        ("risk_if_it_may_abstain", "risk if it may abstain", ("may_abstain", "risk")),
        ("abstained", "then abstains", ("may_abstain", "abstained")),
    )
    columns = (
        Column("agent_prior", "agent's prior"),
        *(Column(key, words, "share", "%", error=f"{key}_mcse", zero=zero) for key, words, _ in told),
        *(Column(f"{key}_mcse") for key, _, _ in told),
    )
    rows = tuple(
        (
            prior,
            *(_at(one, path) for _, _, path in told),
            *(_error(document, "agents", prior, *path) for _, _, path in told),
        )
        for prior, one in document["agents"].items()
    )
    agent = document["agent"]
    caption = (
        "Risk of the same agent, did it extrapolate by another prior. The study's own has the prior "
        f"{agent['prior']!r} and {'may abstain' if agent['abstain'] else 'must act'}."
    )
    return PaperTable("agents", "The same agent by another prior", caption, columns, rows)


def _riskiest_scenes(document: Mapping[str, Any]) -> PaperTable:
    columns = (Column("scene", "scene"), Column("risk", "risk", "share", "%"))
    rows = tuple((s["scene"], s["risk"]) for s in document["riskiest_scenes"])
    caption = "The scenes of the test with the greatest risk of catastrophe."
    return PaperTable("riskiest_scenes", "Riskiest scenes", caption, columns, rows)


def _bits(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    bits, by_truth, weights = document["value_bits"], document["value_bits_by_truth"], document["weights"]
    names = document["hypotheses"]
    if all(value is None for value in [*bits.values(), *(b for t in bits for b in by_truth[t].values())]):
        return
    columns = [
        Column("target_risk", "target risk", "level", "%"),
        Column("bits", "averaged", "number", "bits", error="mcse"),
        Column("mcse"),
    ]
    for name in names:
        error = f"mcse if {name}"
        rank = weights[name]
        columns.append(Column(f"bits if {name}", f"if {name}", "number", "bits", error=error, rank=rank))
        columns.append(Column(error, rank=rank))
    rows = []
    for target, value in bits.items():
        row = [float(target), value, _error(document, "value_bits", target)]
        for name in names:
            row += [by_truth[target][name], _error(document, "value_bits_by_truth", target, name)]
        rows.append(tuple(row))
    caption = (
        "What an agent of uniform prior must be told of human values to bring its risk down to a target: averaged over the "
        "posterior weights, and if each hypothesis is true. A dash: no amount of it does."
    )
    yield PaperTable("bits", "Bits of human values", caption, tuple(columns), tuple(rows))


def _bounds(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    zero = document["risk"]["upper_of_zero"]
    told = (("lower", "least risk"), ("upper", "greatest risk"), ("unlisted", "or by an unlisted truth"))
    columns = (
        Column("contamination", "prior that may be wrong", "level", "%"),
        *(Column(key, words, "share", "%", error=f"{key}_mcse", zero=zero) for key, words in told),
        *(Column(f"{key}_mcse") for key, _ in told),
    )
    rows = []
    for share, (lower, upper) in document["risk_bounds"].items():
        errors = [_error(document, "risk_bounds", share, end) for end in (0, 1)]
        unlisted = document["risk_bounds_unlisted"][share]
        error = _error(document, "risk_bounds_unlisted", share)
        rows.append((float(share), lower, upper, unlisted, *errors, error))
    caption = (
        "Bounds of the risk where a share of the prior is replaced by any other over the same hypotheses, or by a truth "
        "that none of them is."
    )
    if rows:
        yield PaperTable("bounds", "Risk under a wrong prior", caption, columns, tuple(rows))


def _headline(document: Mapping[str, Any]) -> PaperTable:
    risk = document["risk"]
    columns = (
        Column("quantity", "quantity"),
        Column("value", "value", "row", error="mcse"),
        Column("lower", "lower", "row", error="lower_mcse"),
        Column("upper", "upper", "row", error="upper_mcse"),
        Column("mcse", "Monte Carlo error", "row", error="mcse"),
        Column("unit", "unit"),
        Column("lower_mcse"),
        Column("upper_mcse"),
    )
    rows, rates = [], []
    for one in quantities(document):
        if one.zero is not None:
            rates.append(one.value)
        ends = one.path == ("risk", "mean")
        lower, upper = (risk["lower"], risk["upper"]) if ends else (None, None)
        errors = (risk["mcse_lower"], risk["mcse_upper"]) if ends else (None, None)
        if one.words:
            rows.append((one.words, one.value, lower, upper, one.error, one.unit, *errors))
    level = shown(risk["prob"], "level")
    caption = (
        "The risk of catastrophe; what the finite test, the training and the agent's prior make of it; the bits of human values "
        "that an agent of uniform prior needs for a lower one; and whether the test is a shift. "
        f"Lower and upper: the {level} interval by uncertainty about the values. Numbers are rounded to their Monte Carlo error; "
        "one of 0 says that a number is exact."
    )
    return PaperTable("headline", "Headline numbers", caption, columns, tuple(rows), notes=_of_zeros(document, rates))


def _of_zeros(document: Mapping[str, Any], rates: Sequence[float | None]) -> tuple[str, ...]:
    """Say what a 0 among rates of the test is worth."""
    if 0 not in rates:
        return ()
    risk = document["risk"]
    limit = percent(risk["upper_of_zero"])
    return (f"0: none seen in {risk['n_scenes']:,} scenes, so at most {limit} (95% confidence).",)
