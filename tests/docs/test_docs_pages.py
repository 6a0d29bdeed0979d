"""What the pages of the docs claim to be complete about: every key of the results, and every public name."""

import inspect
import json
import re
from functools import cache
from pathlib import Path

import pytest
from api_page import GROUPS, PAGE, is_exported, page
from pages import ROOT
from studies import SHOWN, TEST, TRAINING, small, write

import reward_hypotheses as rh

KEYS = ROOT / "docs" / "read-the-numbers.md"
ENTRY = re.compile(r"^- (`[^`]+`(?:, `[^`]+`)*): ", re.M)
SAMPLED = ("fit.sampler.", "mcse.")
"""Keys that only results with sampled evidence have."""
SETTINGS = {
    *("missing", "noise", "sigma2", "rationality", "scale", "human", "rater", "group"),
    *("chosen", "candidates", "trajectories", "planner", "discount", "states", "actions"),
    *("beta", "tail", "credible", "q"),
}
RATED = "scene,option,red_paint,flags,slope,chosen,who,side\n" + "".join(
    f"{m},{o},0,{o},{m % 3},{int(o == (m % 8 < 4))},p{m % 8},{'for' if m % 8 < 4 else 'against'}\n"
    for m in range(240)
    for o in (0, 1)
)
TESTED = small(
    tables={
        "training": "training.csv",
        "test": "test.csv",
        "again": {
            "from": "test",
            "shift": [{"name": "intervene", "feature": "flags", "value": True, "where": "slope > 2"}],
        },
    },
    analysis={"also": ["again"]},
)
STUDIES = {
    "tested": TESTED,
    "untested": small(
        tables={"training": "training.csv"},
        values={"prior": {"name": "simplicity", "language": {"name": "mine", "costs": {"flags": 3}}}, "source": "x"},
    ),
    "judges": small(
        values={
            "pool": "log",
            "judges": [
                {"name": "Ann", "weights": {"flags": 8, "red paint": 1}, "strength": 20, "source": "x"},
                {"name": "Bob", "weights": {"flags": 1, "red paint": 1}, "weight": 0.5, "source": "y"},
            ],
        }
    ),
    "family": small(
        hypotheses={
            "mix": {
                "linear": ["red_paint", "flags"],
                "prior": {"normal": 1},
                "source": "x",
                "sign": {"red_paint": {"value": "+", "source": "x"}, "flags": "+"},
                "mean": {"flags": {"value": 1, "source": "x"}},
                "ratio": {"red_paint / flags": {"quantiles": {"0.1": 0.5, "0.9": 2}, "source": "x"}},
            }
        },
        values={"prior": "uniform", "source": "x"},
        feedback=[{"kind": "stops", "table": "training", "column": "is_pad"}],
        fit={"draws": 100},
    ),
    "rules": small(
        hypotheses={"any": {"rules": ["red_paint", "flags"], "at_most": 2, "prior": "uniform", "source": "x"}},
        values={"prior": "uniform", "source": "x"},
        agent={"prior": "uniform"},
    ),
    "unmodelled": small(
        hypotheses=small()["hypotheses"] | {"none": {"unmodelled": 1, "source": "x"}},
        values={"prior": "uniform", "source": "x"},
    ),
    "judgements": small(
        values={
            "judgements": [
                {"judge": "Ann", "left": "flags", "right": "red paint", "answer": "left much"},
                {"judge": "Bob", "left": "flags", "right": "red paint", "answer": "equal"},
            ],
            "source": "x",
        }
    ),
    "line": small(
        tables={"training": "training.csv", "test": "test.csv", "shown": "shown.csv"},
        agent={"policy": "commit", "prior": {"name": "simplicity", "language": "letters"}},
        catastrophe={
            "fail_utility": 0,
            "judgements": {"table": "shown", "column": "rather_nothing", "centre": 0, "spread": 50, "source": "x"},
        },
    ),
    "read": small(
        tables={"training": "training.csv", "test": "test.csv", "probes": "test.csv"},
        agent={"prior": "uniform", "feedback": [{"kind": "stops", "table": "probes", "column": "flags"}]},
    ),
    "shared": small(
        tables={
            "training": "training.csv",
            "test": "test.csv",
            "possible": {"combinations": {"red_paint": [False, True], "flags": [False, True], "slope": [0.5, 1.5]}},
        },
        agent={"prior": "values"},
        hypotheses={"red paint": "where(red_paint, 1, -1)", "level": "1 - slope"},
        values={"prior": "uniform", "source": "x"},
        analysis={"support": "possible"},
    ),
    "proportional": small(
        hypotheses={"red paint": "flags", "flags": "2 * flags", "slope": "slope"},
        values={"prior": "uniform", "source": "x"},
        feedback=[{"kind": "choices", "table": "test", "column": "flags", "scale": "raw"}],
    ),
    "passed": small(  # a test like training, of which nothing is good enough
        tables={"training": "training.csv", "test": "training.csv"}, catastrophe={"fail_utility": 1000}
    ),
    "raters": small(
        tables={"training": "rated.csv", "test": "rated.csv"},
        hypotheses={"flags": "where(flags, 1, -1)"},
        values={"prior": "uniform", "source": "x"},
        feedback=[{"kind": "choices", "table": "training", "column": "chosen", "rater": "who", "group": "side"}],
    ),
    "ledger": small(analysis={"ledger": "ledger.jsonl"}),
    "foil": small(
        values={"prior": "uniform", "source": "x"},
        agent={"policy": {"name": "expected", "abstain": True}, "fail_utility": -1, "prior": "simplicity"},
    ),
}


def named_on(text):
    """The keys that a page names, in its lists: `a.b` and `c` of a line "- `a.b`, `c`: what they are"."""
    joined = re.sub(r"\n  (?=\S)", " ", text)
    found = [key for entry in ENTRY.findall(joined) for key in re.findall(r"`([^`]+)`", entry)]
    assert len(found) == len(set(found)), "a key stands twice"
    return found


def paths(value, at=()):
    """Where the leaves of a document are; every entry of a list is at []."""
    inside = value.items() if isinstance(value, dict) else (("[]", v) for v in value) if isinstance(value, list) else ()
    found = {path for key, v in inside for path in paths(v, (*at, key))}
    return found or {at}


@cache
def parts_of(key):
    """A key as a page writes it, in parts: pairs[].silent is pairs, [], silent."""
    return key.replace("[]", ".[]").split(".")


def number(text):
    return re.fullmatch(r"\d+(\.\d+)?(e-?\d+)?", text) is not None


def stands_for(part, given, document):
    """Whether a part of a key on the page, such as <name>, stands for a part of a path."""
    if not part.startswith("<"):
        return part == given
    places = {
        "<name>": lambda: (
            given in document["agent_weights"] or given.partition(": ")[0] in (document["rule_spaces"] or ())
        ),
        "<table>": lambda: given in document["tables"] or given in document["data_sha256"],
        "<feedback>": lambda: given in document["n_items"] or given.startswith("agent_"),
        "<variable>": lambda: given.endswith("_rationality"),
        "<prior>": lambda: given in ("uniform", "values", "feature sets") or given.startswith("simplicity, "),
        "<target>": lambda: number(given),
        "<p>": lambda: number(given),
        "<pair>": lambda: given == "red_paint / flags",
        "<share>": lambda: number(given),
        "<group>": lambda: given in ("for", "against"),
        "<factor>": lambda: number(given),
        "<odds>": lambda: number(given),
        "<deployments>": lambda: number(given),
        "<language>": lambda: given in document["risk_by_language"],
        "<feature>": lambda: given in ("flags", "red_paint", "slope", "depth", "near", "red"),
        "<judge>": lambda: given in ("Ann", "Bob"),
        "<kind>": lambda: given in ("together", "apart", "decoy", "independent"),
        "<setting>": lambda: given in SETTINGS,
        "<argument>": lambda: True,
        "<package>": lambda: True,
        "<source>": lambda: given in ("values", "agent", "reward_weights", "scenes", "evidence", "all"),
    }
    return places[part]()


def without_end(path):
    """A path without the [] of a list of numbers or names."""
    while path and path[-1] == "[]":
        path = path[:-1]
    return path


def matches(key, path, document):
    """Whether a key names what is at a path, or something inside it where that is null or empty."""
    parts, path = parts_of(key), without_end(path)
    return len(path) <= len(parts) and all(stands_for(p, g, document) for p, g in zip(parts, path, strict=False))


def whole(keys, path, document):
    """A path as the page speaks of it: behind also.<table> and mcse the other keys stand again."""
    for key in keys:
        parts = parts_of(key)
        if parts[-1] == "*" and len(path) >= len(parts):
            if all(stands_for(p, g, document) for p, g in zip(parts[:-1], path, strict=False)):
                return whole(keys, path[len(parts) - 1 :], document)
    return path


def unnamed(keys, document):
    """Paths of a document that no key names."""
    known = {whole(keys, path, document) for path in paths(document)}
    return sorted(".".join(p) for p in known if not any(matches(key, p, document) for key in keys))


def unknown(keys, documents):
    """Keys that name nothing in any of the documents."""
    found = [(document, paths(document)) for document in documents]

    def is_there(key, document, places):
        parts = parts_of(key)
        wanted = parts[:-1] if parts[-1] == "*" else parts
        for path in places:
            same = zip(wanted, path, strict=False)
            if len(path) >= len(wanted) and all(stands_for(p, g, document) for p, g in same):
                return True
        return False

    return sorted(key for key in keys if not any(is_there(key, *of_document) for of_document in found))


def results_of(folder, study):
    folder.mkdir()
    path = write(folder, study, training=TRAINING, test=TEST, shown=SHOWN, rated=RATED)
    if "ledger" in study.get("analysis", {}):
        rh.Ledger(folder / "ledger.jsonl").record(folder / "test.csv", "x")
    return json.loads(json.dumps(rh.run(path)))


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    found = {name: results_of(folder / name, study) for name, study in STUDIES.items()}
    for path in (ROOT / "tests" / "golden" / "kept").glob(
        "*/results.json"
    ):  # test_golden.py holds what is written to these
        found[path.parent.name] = json.loads(path.read_text("utf-8"))
    return {name: document for name, document in found.items() if name != "nuts"}


@pytest.fixture(scope="module")
def keys():
    return named_on(KEYS.read_text(encoding="utf-8"))


def test_every_key_is_named(documents, keys):
    for name, document in documents.items():
        assert unnamed(keys, document) == [], name


def test_no_key_is_made_up(documents, keys):
    assert unknown([key for key in keys if not key.startswith(SAMPLED)], documents.values()) == []


@pytest.mark.slow
def test_keys_of_sampled_results(tmp_path, keys):
    document = results_of(tmp_path / "nuts", TESTED | {"fit": {"method": "nuts"}})
    assert unnamed(keys, document) == []
    assert unknown([key for key in keys if key.startswith(SAMPLED)], [document]) == []


def test_the_page_can_be_wrong(documents, keys):
    """A key more in the results or on the page, or one less, is seen, also where it is deep or behind another."""
    document = documents["tested"]
    assert unnamed([key for key in keys if key != "risk.floor"], document) == ["risk.floor"]
    assert unnamed([key for key in keys if not key.startswith("pairs[].silent")], document) == ["pairs.[].silent"]
    more = json.loads(json.dumps(document))
    more["also"]["again"]["risk"]["extra"] = 1
    more["shift"]["kinds"][0]["classes"]["no hypothesis"] = "x"
    more["tables"]["test"]["origin"]["by"] = None
    assert unnamed(keys, more) == ["risk.extra", "shift.kinds.[].classes.no hypothesis", "tables.test.origin.by"]
    made_up = ["risk.median", "tables.<table>.rows", "pairs[].odds", "n_items.<name>"]
    assert unknown([*keys, *made_up], [*documents.values(), {**document, "mcse": {"weights": {"flags": 0}}}]) == sorted(
        [*made_up, *(key for key in keys if key.startswith("fit.sampler."))]
    )
    with pytest.raises(AssertionError, match="stands twice"):
        named_on("- `a`, `b`: x\n- `b`: y\n")


def test_the_api_page_is_what_the_docstrings_say():
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(), "run python tests/support/api_page.py"
    assert not re.search(r"0x[0-9a-f]{6}|/home/|\b20[2-9]\d-\d\d", written)
    for here in (ROOT, ROOT.parent, Path.home()):  # no path of the machine that wrote it
        assert len(here.parts) < 2 or f"{here}/" not in written


def test_every_public_name_is_on_the_api_page():
    listed = [name for names in GROUPS.values() for name in names]
    assert sorted(listed) == sorted(name for name in rh.__all__ if is_exported(name))


@pytest.mark.parametrize("name", [name for name in rh.__all__ if is_exported(name)])
def test_every_public_name_has_a_summary(name):
    said = inspect.getdoc(getattr(rh, name)) if getattr(rh, name).__doc__ else ""
    first, _, rest = said.partition("\n")
    assert first.rstrip().endswith((".", ":", "`")) and len(first) <= 120, first
    assert rest == "" or rest.startswith("\n"), f"{name}: a summary is one line"
