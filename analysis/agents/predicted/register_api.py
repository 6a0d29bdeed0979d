"""Register a prediction of choices before the choices are seen."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.agents.predicted.choices_api import predict_choices
from reward_hypotheses.analysis.agents.predicted.choosers import rater_of_scene
from reward_hypotheses.analysis.agents.predicted.record import (
    KIND,
    SCHEMA_VERSION,
    Record,
    digest_of_record,
    digests_of_columns,
    option_names,
    register,
)
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.readers.csv import sha256
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.tree.read import in_order, study_in, tested

SUMMARY = ("share", "as_agent")


def register_prediction(
    tree: xr.DataTree,
    test: Any,
    path: str | Path,
    who: Any = "population",
    *,
    chosen: str,
    rater: str | None = None,
    policy: Policy | None = None,
    feedback: str | None = None,
    hypotheses: Mapping[str, Any] | None = None,
    agent_fail_utility: Any = None,
    prob: float = 0.95,
    draws: int = 1000,
    random_seed: int | None = None,
) -> xr.Dataset:
    """Write a prediction of choices to a file, before the choices are seen.

    The file (JSON, schema_version 1) holds the probability of every option, the shares with their intervals, the settings, the
    versions, digests of the test's columns and of the fitted evidence, the time, and a digest of all this (``sha256``), so
    that `compare_with_outcomes` detects a change. Give the digest to somebody, or commit the file, to prove the time.

    Parameters
    ----------
    tree, test, who, policy, feedback, hypotheses, agent_fail_utility, prob, draws, random_seed
        As for `predict_choices`.
    path : str or Path
        The file. One that holds the same prediction stays as it is.
    chosen : str
        Name of the column that will hold the choices. A test that has such a column is refused, unread.
    rater : str, optional
        Column of the test that names who answers each scene. Choices of one rater are not independent: errors of scores are
        then clustered by rater. For ``who="rater"`` that column, unless given.

    Returns
    -------
    Dataset
        As `predict_choices` returns, with the attributes ``sha256`` and ``registered`` (UTC).

    Raises
    ------
    InputError
        What `predict_choices` refuses; a test that has the column of choices; a file that holds something else.
    """
    table = tested(test, tree)
    if not isinstance(chosen, str) or not chosen.strip():
        raise InputError(f"chosen: {shown(chosen)}; name the column that will hold the choices, such as 'chosen'")
    if chosen in table.columns:
        raise InputError(
            f"{table.source}: has a column {chosen!r}, which is to hold the choices; register the prediction on a table without it"
        )
    options: dict[str, Any] = {"policy": policy, "feedback": feedback, "hypotheses": hypotheses, "prob": prob}
    options |= {"agent_fail_utility": agent_fail_utility, "draws": draws, "random_seed": random_seed}
    predicted = predict_choices(tree, test, who, **options)
    record = record_of(tree, table, predicted, chosen, predicted.attrs.get("rater") if rater is None else rater)
    record = register(record, path)
    return predicted.assign_attrs(sha256=record["sha256"], registered=record["registered"])


def record_of(tree: xr.DataTree, table: Table, predicted: xr.Dataset, chosen: str, rater: str | None) -> Record:
    """Return the record of a prediction, with its digest."""
    settings = {key: _plain(value) for key, value in predicted.attrs.items()} | {"chosen": chosen, "rater": rater}
    record: Record = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "registered": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "settings": settings,
        "study": {"hypotheses": study_in(tree)["hypotheses"], "evidence_sha256": _digest_of_evidence(tree)},
        "versions": json.loads(tree.attrs["versions"]),
        "test": {
            "scenes": table.n_scenes,
            "items": table.n_items,
            "columns_sha256": digests_of_columns(table, range(table.n_items), (chosen,)),
            "base_rates": _base_rates(tree, predicted),
        },
        "summary": _summary(predicted),
        "scenes": _scenes(table, predicted, rater),
    }
    return record | {"sha256": digest_of_record(record)}


def _scenes(table: Table, predicted: xr.Dataset, rater: str | None) -> list[dict[str, Any]]:
    """Return each scene with the probabilities of its options."""
    scene = np.repeat(np.arange(table.n_scenes), np.diff(table.starts))
    chance = predicted["probability"].to_numpy()[scene, table.positions].tolist()
    error = predicted["probability_mcse"].to_numpy()[scene, table.positions].tolist()
    names, weights = option_names(table), table.scene_weights()
    raters = None if rater is None else rater_of_scene(table, rater)
    out = []
    for m, (lo, hi) in enumerate(zip(table.starts[:-1].tolist(), table.starts[1:].tolist(), strict=True)):
        entry: dict[str, Any] = {
            "scene": table.scene_name(m),
            "options": names[lo:hi],
            "positions": table.positions[lo:hi].tolist(),
            "probability": chance[lo:hi],
            "probability_mcse": error[lo:hi],
        }
        if weights is not None:
            entry["weight"] = float(weights[m])
        if raters is not None:
            entry["rater"] = raters[m]
        out.append(entry)
    return out


def _summary(predicted: xr.Dataset) -> dict[str, Any]:
    """Return the shares and how often people choose as the agent, with intervals."""
    keys = [key for key in map(str, predicted.data_vars) if key.startswith(SUMMARY)]
    return {key: predicted[key].to_numpy().tolist() for key in keys}


def _base_rates(tree: xr.DataTree, predicted: xr.Dataset) -> list[float] | None:
    """Return how often training chose each position, one choice added to each.

    None where the tree holds no choices of which positions were counted.
    """
    kinds = {feedback["name"]: feedback["kind"] for feedback in study_in(tree)["feedback"]}
    name = predicted.attrs.get("feedback", next((n for n, kind in kinds.items() if kind == "choices"), None))
    if kinds.get(name) != "choices":
        return None
    counts = in_order(tree, "observed_data")[name].to_numpy().astype(float).sum(axis=0)
    n = len(predicted["option"])
    counts = np.pad(counts, (0, max(0, n - len(counts))))[:n] + 1
    return (counts / counts.sum()).tolist()


def _digest_of_evidence(tree: xr.DataTree) -> str:
    evidence = in_order(tree, "evidence")
    values = {key: evidence[key].to_numpy().tolist() for key in ("log_prior", "log_evidence", "weight")}
    return sha256(repr(values).encode())


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
