"""Timings side by side in one run: ours against what a user would use instead. Run as ``make bench``.

Medians of repeated runs. The last column is the ratio, or the limit that the figure is held against.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = [HERE.parents[1] / part for part in ("reward_hypotheses", "data", "models", "analysis")]
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def wall(command: list[str], repeat: int) -> list[float]:
    """Seconds of whole processes."""
    out = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        out.append(time.perf_counter() - start)
    return out


def isolated(case: str) -> dict:
    """Run one of `cases.py` in a process of its own, so that its peak memory is its own."""
    done = subprocess.run([sys.executable, str(HERE / "cases.py"), case], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def row(what: str, ours: str, other: str, verdict: str) -> None:
    """Print a line of the table."""
    print(f"{what:<72} {ours:>14} {other:>18} {verdict:>16}", flush=True)


def linear(*arguments: str) -> tuple[dict, float]:
    """Run `linear.py` in a process of its own: what it prints, and the seconds of the whole process."""
    start = time.perf_counter()
    command = [sys.executable, str(HERE / "linear.py"), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout), time.perf_counter() - start


def continuous() -> None:
    """Bradley-Terry with continuous weights: effective draws a second against nutpie, in turn, and very many comparisons."""
    for kind, what in (("distinct", "features distinct"), ("repeated", "repeated, nutpie on counts")):
        linear("ours", "10000", "16", kind)
        ours, theirs = [], []
        for _ in range(3):
            ours.append(linear("ours", "10000", "16", kind))
            theirs.append(linear("nutpie", "10000", "16", kind))
        for name, of in (("whole process", lambda d, s: s), ("its sampling alone", lambda d, s: d["seconds"])):
            a, b = (statistics.median(d["ess"] / of(d, s) for d, s in who) for who in (ours, theirs))
            row(f"Bradley-Terry 1e4 x 16, {what}: {name}", f"{a:.0f} ESS/s", f"{b:.0f} ESS/s", f"{a / b:.0f} x")
    done, seconds = linear("ours", "100000", "64", "distinct")
    row("Bradley-Terry 1e5 x 64", f"{seconds:.2f} s", f"peak {done['peak_kib'] / 2**20:.2f} GiB", "10 s, 2 GiB")


def rule_spaces() -> None:
    """Spaces of rules: first call and warm, beside numpy that goes through the rules, and beside rules listed."""

    def case(name: str) -> tuple[dict, str]:
        command = [sys.executable, str(HERE / "rule_spaces.py"), name]
        done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return done, f"peak {done['peak_kib'] / 2**20:.2f} GiB"

    def against(done: dict, key: str) -> tuple[str, str]:
        return f"{done['beside']:.0f} s", f"{done['beside'] / done[key]:.0f} x"

    for name, what, limit in (
        ("fit", "rules, 3 of 32 features, 1e6 items, rh.fit", "1500 x, 0.5 s"),
        ("wide", "rules, 4 of 16 features, 1e6 items, rh.fit", "1.5 s, 0.6 GiB"),
    ):
        case(name)  # compiles into the cache
        done, peak = case(name)
        row(f"{done['rules']:,} {what}: first call", f"{done['first']:.3f} s", peak, limit)
        row("  warm, vs numpy rule by rule", f"{done['seconds']:.3f} s", *against(done, "seconds"))
    for few, labels in (("", "1e6"), (", few labels", "100")):
        case(f"risk{few}")
        done, peak = case(f"risk{few}")
        row(f"  risk after {labels} labels, 1e4 scenes x 4: first call", f"{done['first']:.3f} s", peak, "")
        for what, key in (("warm, vs numpy rule by rule", "seconds"), ("its risk step alone", "step")):
            row(f"  {what}", f"{done[key]:.3f} s", *against(done, key))
        done, peak = case(f"dependence{few}")
        row(f"  dependence on features after {labels} labels: first call", f"{done['first']:.3f} s", peak, "10 s")
        row("  warm", f"{done['seconds']:.3f} s", "", "")
    done, peak = case("choices")
    row(
        f"{done['rules']:,} rules, 3 of 12 features, 1e5 choices of 4, rh.fit: first",
        f"{done['first']:.2f} s",
        peak,
        "30 s",
    )
    row("  warm, vs numpy's counts rule by rule", f"{done['seconds']:.2f} s", *against(done, "seconds"))
    done, _ = case("listed")
    ratio = f"{done['beside'] / done['seconds']:.2f} x"
    what = f"fit and risk, {done['rules']} rules as a space, vs listed"
    row(what, f"{done['seconds']:.3f} s", f"{done['beside']:.3f} s", ratio)


def sources() -> None:
    """Measure the sources of uncertainty beyond the risk alone."""
    for which, what, limit in (
        ("prior", "values, agent and scenes, 1,000 scenes x 4 x 8 hypotheses", "0.3 s"),
        ("read", "an agent read by a Linear of 12 features, 1,000 scenes x 4", "3 s"),
    ):
        command = [sys.executable, str(HERE / "sources.py"), which]
        done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        row(f"uncertainty by source: {what}", f"{done['beyond']:.3f} s", f"risk {done['alone']:.3f} s", limit)


def flights() -> None:
    """Flights of the lander to a chosen site, on one core, still and windy."""
    done = subprocess.run([sys.executable, str(HERE / "flying.py")], check=True, capture_output=True, text=True)
    for found in map(json.loads, done.stdout.splitlines()):
        what = f"{found['flights']} flights, wind {found['wind']:.0f}: {found['on_target']:.1%} on the site, {found['clean']:.1%} clean"
        row(what, f"{found['a_second']:.0f} flights/s", "", "60, 99.5%, 99%" if not found["wind"] else "")


def main() -> None:
    """Measure everything."""
    # bytecode as an installed tool has it, also where the environment forbids writing it
    subprocess.run([sys.executable, "-m", "compileall", "-q", *map(str, PACKAGE)], check=True)
    row("what", "ours", "beside it", "ratio or limit")
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.toml"
        subprocess.run([sys.executable, str(HERE / "cases.py"), "write", folder], check=True)
        command = [str(Path(sys.executable).with_name("reward-hypotheses")), "run", str(study), "--json"]
        pymc = [sys.executable, str(HERE / "plain_pymc.py"), folder]
        wall(command, 2)
        wall(pymc, 1)  # compiles into the cache, so that both are warm
        nuts = study.with_name("nuts.toml")
        nuts.write_text(study.read_text() + '[fit]\nmethod = "nuts"\n')
        sampling = [*command[:2], str(nuts), "--json"]
        wall(sampling, 1)
        ours, sampled, theirs = [], [], []
        for _ in range(3):  # in turn, so that a slow machine is slow for all
            ours += wall(command, 5)
            sampled += wall(sampling, 1)
            theirs += wall(pymc, 1)
        a, b = statistics.median(ours), statistics.median(theirs)
        row("whole process, 200 labels, 2 hypotheses, vs plain PyMC", f"{a:.3f} s", f"{b:.2f} s", f"{b / a:.0f} x")
        c = statistics.median(sampled)
        row("  the same by NUTS and bridge, with every error", f"{c:.2f} s", f"{b:.2f} s", f"{b / c:.1f} x")
        bare = wall([sys.executable, "-c", "import numpy"], 9)
        row("  of which Python and numpy starting", f"{statistics.median(bare):.3f} s", "", "")
    for case in (
        "NUTS on new data, model compiled before, vs pm.sample",
        "fit, 1,000 listed rules on 1,000 items, vs numpy for weights alone",
    ):
        done = isolated(case)
        ratio = f"{done['beside'] / done['seconds']:.3g} x"
        row(case, f"{done['seconds']:.3f} s", f"{done['beside']:.3f} s", ratio)
    for case, limit in (
        ("csv, 1e6 rows, pyarrow", "3 s"),
        ("csv, 1e6 rows, standard library", "6 s"),
        ("weights, H=256, N=1e5", "0.05 s"),
        ("weights, H=256, N=1e5, expressions evaluated", ""),
        ("weights, H=1000, N=1e6", "5 s, 1 GiB"),
        ("rankings of 10, N=1e5, H=64, rationality inferred", "10 s"),
        ("scalar risk, M=1e6, 3 options, H=256", "5 s, 2 GiB"),
        ("risk with matrix, M=1e5, 3 options, H=64", ""),
        ("evidence or prior, and other values, M=1e4, 3 options, H=256", "3 s"),
        ("worst case with its features, M=1e5, 4 options, H=64", "3 s"),
        ("expected reward and risk of 18 policies, M=1e4, 5 options, H=256", ""),
        ("what to ask next, 1e4 labels, H=64", "5 s"),
        ("100 continuous weights, rankings of 36 races of 40", "30 s"),
        ("100 demonstrated steps, 400 states, H=1000", "5 s"),
        ("100 demonstrated steps, 400 states, H=10, soft", ""),
    ):
        done = isolated(case)
        gib = done["peak_kib"] / 2**20
        row(case, f"{done['seconds']:.3f} s", f"peak {gib:.2f} GiB", limit)
    rule_spaces()
    sources()
    continuous()
    flights()
    print(f"\n{os.cpu_count()} cores; Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
