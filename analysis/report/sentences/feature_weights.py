"""The posterior of continuous weights of features, in words and as a table."""

from reward_hypotheses.analysis.report.claims import Claim, Sentence, holds
from reward_hypotheses.analysis.report.phrases import (
    counted,
)
from reward_hypotheses.analysis.report.presentation import Document, Part, texts
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable

LISTED = 12
"""Features of a reward on the page."""


def features(document: Document) -> list[Part]:
    """Return the posterior of the weights of features, reward by reward."""
    parts = []
    for name, posterior in document["reward_weights"].items():
        prior, place = posterior["prior"], ("reward_weights", name)
        words = (
            "uniform over directions"
            if prior == "sphere"
            else f"independent normals of standard deviation {prior['normal']:g}"
        )
        text = f"Posterior weights of the features of {name!r}, with {100 * posterior['prob']:g}% intervals (prior: {words})."
        parts += texts(Sentence(text, (*place, "prob"), (*place, "prior")))
        entries = [
            (
                feature,
                Sentence(
                    f"{w['mean']:.2f} ({w['lower']:.2f} to {w['upper']:.2f}) per {w['unit']:.3g} of the feature",
                    (*place, "features", feature),
                ),
            )
            for feature, w in posterior["features"].items()
        ]
        parts.append(Part("terms", entries=entries[:LISTED]))
        if (rest := len(entries) - LISTED) > 0:
            claim = _cut(name)
            parts += texts(Sentence(f"The table has {counted(rest, 'further feature')}.", rest, claims=[claim]))
        if stated := _stated(posterior, place):
            parts += texts(Sentence(f"Stated about the weights of {name!r}:"))
            parts.append(Part("terms", entries=stated))
    return parts


def _cut(name: str) -> Claim:
    return holds(lambda d: len(d["reward_weights"][name]["features"]) > LISTED)


def _stated(posterior: Document, place: tuple[str, ...]) -> list[tuple[str, Sentence]]:
    """Return what was stated about weights, with its source: sign, mean, ratio."""
    words = {"+": "weight positive", "-": "weight negative"}
    out = [
        (f, Sentence(f"{words[s['value']]} (source: '{s['source']}')", (*place, "sign", f)))
        for f, s in posterior.get("sign", {}).items()
    ]
    out += [
        (f, Sentence(f"prior mean {m['value']:g} (source: '{m['source']}')", (*place, "mean", f)))
        for f, m in posterior.get("mean", {}).items()
    ]
    for pair, ratio in posterior.get("ratio", {}).items():
        quantiles = ", ".join(
            f"{q['stated']:g} with probability {p} below (fitted {q['fitted']:.3g})"
            for p, q in ratio["quantiles"].items()
        )
        out.append((pair, Sentence(f"{quantiles} (source: '{ratio['source']}')", (*place, "ratio", pair))))
    return out


def features_table(document: Document) -> PaperTable:
    """Return the table of the posterior of the weights of features."""
    columns = (
        Column("hypothesis", "hypothesis"),
        Column("feature", "feature"),
        Column("mean", "mean weight", "number", error="mcse"),
        *(Column(key, key, "number") for key in ("sd", "lower", "upper")),
        Column("for_each", "for each", "number"),
        Column("mcse"),
    )
    rows = tuple(
        (name, feature, *(weight[key] for key in ("mean", "sd", "lower", "upper", "unit", "mcse")))
        for name, posterior in document["reward_weights"].items()
        for feature, weight in posterior["features"].items()
    )
    caption = (
        "Posterior of the continuous weights of each hypothesis. A weight belongs to the amount of its feature in the column "
        "'for each', its standard deviation in the training data."
    )
    return PaperTable("reward_weights", "Weights of features", caption, columns, rows)
