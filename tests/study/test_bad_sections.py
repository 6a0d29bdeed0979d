"""Sections of a study file that are refused: each problem a line, nothing on stdout, nothing written."""

import pytest
from bad_studies import CHOSEN, HEAD, both, feedback, refused, study, table, toml, values
from studies import small, toml_text

# name -> (what is changed, what each line of stderr must say, one pattern a line)
CASES = {
    "a section misspelt": (
        toml(toml_text(small()).replace("[hypotheses]", "[hypothesis]")),
        [r"hypothesis: unknown key; did you mean 'hypotheses'"],
    ),
    "a path with backslashes": (
        toml(toml_text(small()).replace('"training.csv"', '"C:\\Users\\x.csv"')),
        [r"not TOML: .*; a backslash in double quotes is an escape"],
    ),
    "curly quotes": (toml("title = \u201cx\u201d\n"), [r"not TOML: .*; use straight quotes"]),
    "True": (toml("x = True\n"), [r"write true and false in small letters"]),
    "a key with spaces": (toml("red paint = 1\n"), [r"a key with spaces goes in quotes"]),
    "no tables": (
        study(tables=None),
        [r"\[tables\]: the section is missing", r"\[\[feedback\]\] table: 'training' is no table"],
    ),
    "no hypotheses": (study(hypotheses=None), [r"\[hypotheses\]: the section is missing"]),
    "empty hypotheses": (study(hypotheses={}), [r"\[hypotheses\]: there is none"]),
    "no values": (study(values=None), [r"\[values\]: the section is missing; state the human values"]),
    "no catastrophe": (study(catastrophe=None), [r"\[catastrophe\]: the section is missing"]),
    "no failure line": (study(catastrophe={}), [r"fail_utility: missing; .*no default"]),
    "no feedback": (study(feedback=None), [r"\[\[feedback\]\]: there is none"]),
    "no source": (values(source=None), [r"\[values\] source: missing; say who was asked"]),
    "an empty source": (values(source="  "), [r"source: missing"]),
    "negative weight": (values(weights={"flags": -1, "red paint": 1}), [r"weights: 'flags' has -1; .*0 or more"]),
    "all weights zero": (values(weights={"flags": 0, "red paint": 0}), [r"weights: all are 0"]),
    "a weight of nan": (toml(toml_text(small()).replace('"flags" = 8', '"flags" = nan')), [r"'flags' has nan"]),
    "a weight of inf": (toml(toml_text(small()).replace('"flags" = 8', '"flags" = inf')), [r"'flags' has inf"]),
    "a weight that is text": (
        values(weights={"flags": "8", "red paint": 1}),
        [r"'flags' has '8'; a weight is a finite number"],
    ),
    "a weight for nobody": (
        values(weights={"flags": 8, "red paint": 1, "flag": 2}),
        [r"weights: 'flag' is no hypothesis; did you mean 'flags'\?"],
    ),
    "a hypothesis without weight": (values(weights={"flags": 8}), [r"hypothesis 'red paint' has no weight"]),
    "strength 0": (values(strength=0), [r"strength: 0; it must be a positive"]),
    "strength inf": (toml(toml_text(small()).replace('"strength" = 20', '"strength" = inf')), [r"strength: inf"]),
    "weights and judges": (values(judges=[]), [r"weights and judges together"]),
    "judge without source": (
        study(values={"judges": [{"name": "a", "weights": {"flags": 1, "red paint": 1}}]}),
        [r"judges: 'a': source: missing"],
    ),
    "a pool that is none": (
        study(
            values={"judges": [{"name": "a", "weights": {"flags": 1, "red paint": 1}, "source": "x"}], "pool": "median"}
        ),
        [r"pool: 'median'; give \"linear\" or \"log\""],
    ),
    "two judges alike, both wrong": (
        study(values={"judges": [{"name": "a", "weights": {}, "source": "x"}] * 2}),
        [r"judges: 'a': weights: missing", r"judges: 'a': the name stands twice"],
    ),
    "uniform values without source": (study(values={"prior": "uniform"}), [r"source: missing; say why"]),
    "an unknown agent prior": (
        study(agent={"prior": "unifrom"}),
        [r"\[agent\] prior: 'unifrom'; did you mean 'uniform'"],
    ),
    "an unknown language": (
        study(agent={"prior": {"name": "simplicity", "language": "french"}}),
        [r"language: 'french' is unknown; there is 'rules'"],
    ),
    "costs for nobody": (
        study(analysis={"languages": [{"name": "mine", "costs": {"flag": 1}}]}),
        [r"no hypothesis names 'flag'; did you mean 'flags'"],
    ),
    "a policy that is none": (
        study(agent={"policy": "obey"}),
        [r"policy: 'obey' is no policy of this version; there is 'commit'"],
    ),
    "cvar without a tail": (study(agent={"policy": "cvar"}), [r"'cvar' needs tail"]),
    "a tail in percent": (
        study(agent={"policy": {"name": "cvar", "tail": 5}}),
        [r"\[agent\] policy: tail: 5; give the worst"],
    ),
    "a base that is none": (
        study(agent={"policy": {"name": "quantilize", "q": 0.1, "base": "people"}}),
        [r"\[agent\] policy: base: 'people'; there is \"uniform\""],
    ),
    "boltzmann without beta": (study(agent={"policy": "boltzmann"}), [r"'boltzmann' needs beta"]),
    "boltzmann, beta negative": (
        study(agent={"policy": {"name": "boltzmann", "beta": -1}}),
        [r"\[agent\] policy: beta: -1"],
    ),
    "about that is a number": (study(about=3), [r"^study\.toml: about: 3 is no text; write it in quotes$"]),
    "about that is empty": (study(about=""), [r"^study\.toml: about: '' says nothing; write some text in quotes$"]),
    "abstain that is a word": (
        study(agent={"policy": {"name": "commit", "abstain": "yes"}}),
        [r"abstain: 'yes'; give true or false"],
    ),
    "fail_utility nan": (
        toml(toml_text(small()).replace('"fail_utility" = 0', '"fail_utility" = nan')),
        [r"fail_utility: nan is not a finite"],
    ),
    "fail_utility for one": (
        study(catastrophe={"fail_utility": {"flags": 0}}),
        [r"fail_utility: hypothesis 'red paint' has no value"],
    ),
    "fail_utility differs in a scene": (
        study(catastrophe={"fail_utility": "slope"}),
        [r"test\.csv: scene 0: \[catastrophe\] fail_utility \(slope\) of hypothesis 'red paint' differs"],
    ),
    "the agent's line differs in a scene": (
        study(agent={"fail_utility": "slope"}),
        [r"test\.csv: scene 0: \[agent\] fail_utility \(slope\) .* differs"],
    ),
    "the agent's line is not finite": (
        study(agent={"fail_utility": "1/(slope - slope)"}),
        [r"test\.csv: line 2: .* \[agent\] fail_utility of inf"],
    ),
    "a weight of 400 digits": (
        toml(toml_text(small()).replace('"flags" = 8', '"flags" = ' + "9" * 400)),
        [r"'flags' has a number of very many"],
    ),
    "a target of 400 digits": (
        toml(toml_text(small(analysis={"targets": [0.5]})).replace("[0.5]", "[" + "9" * 400 + "]")),
        [r"targets: "],
    ),
    "noise of 400 digits": (toml(toml_text(small()).replace("[1, 19]", "[1, " + "9" * 400 + "]")), [r"noise: "]),
    "a kind that is a list": (feedback(kind=["labels"]), [r"kind: \['labels'\] is no kind of this version"]),
    "a name that is a list": (feedback(name=["x"]), [r"name: \['x'\]; give a name"]),
    "judges too heavy": (
        study(
            values={
                "judges": [
                    {"name": n, "weights": {"flags": 1, "red paint": 1}, "source": "x", "weight": w}
                    for n, w in (("a", 0), ("b", 0.0))
                ]
            }
        ),
        [r"every judge's weight is 0"],
    ),
    "judges with nothing in common": (
        study(
            values={
                "judges": [
                    {"name": "a", "weights": {"flags": 1, "red paint": 0}, "source": "x"},
                    {"name": "b", "weights": {"flags": 0, "red paint": 1}, "source": "y"},
                ],
                "pool": "log",
            }
        ),
        [r"\[values\] no hypothesis has a positive weight under both .* pool linearly"],
    ),
    "costs too large": (
        study(analysis={"languages": [{"name": "mine", "costs": {"flags": 1e308}}]}),
        [r"'flags' has 1e\+308; give bits"],
    ),
    "draws by the billion": (study(fit={"draws": 10**9}), [r"\[fit\] draws: 1000000000"]),
    "a source that is a date": (
        toml(toml_text(small()).replace('"source" = "a test"', '"source" = 2024-01-01')),
        [r"source: missing; say who was asked"],
    ),
    "a test that is a number": (study(analysis={"test": 5}), [r"\[analysis\] test: 5 is no text"]),
    "a weight in training that is negative": (
        table("training", "scene_weight," + HEAD + "-1,1,1,1,1\n1,0,0,2,0\n"),
        [
            r"\[\[feedback\]\] training\.csv: column 'scene_weight' is not the same everywhere; .*count = \"scene_weight\""
        ],
    ),
    "sigma2 beyond reason": (
        study(feedback=[{"kind": "rewards", "table": "training", "column": "slope", "sigma2": [1e16, 1e16]}]),
        [r"sigma2: \[1e\+16, 1e\+16\]; give \[a, b\], shape \(at most 1e9\)"],
    ),
    "noise (0, -1)": (feedback(noise=[0, -1]), [r"noise: \[0, -1\]; give \[a, b\] with a and b positive"]),
    "noise 0.5": (feedback(noise=0.5), [r"noise: 0.5; give"]),
    "no noise": (feedback(noise=None), [r"\[\[feedback\]\] noise: missing"]),
    "a kind of later": (
        feedback(kind="corrections"),
        [
            r"kind: 'corrections' is no kind of this version; there is 'labels', 'rewards', 'choices', 'rankings', 'ratings', "
            r"'stops', 'proxy', 'demonstrations'"
        ],
    ),
    "a kind misspelt": (feedback(kind="label"), [r"kind: 'label' is no kind of this version; did you mean 'labels'"]),
    "rewards without sigma2": (
        study(feedback=[{"kind": "rewards", "table": "training", "column": "slope"}]),
        [r"sigma2: missing"],
    ),
    "a table unknown to feedback": (
        feedback(table="trainig"),
        [r"table: 'trainig' is no table; did you mean 'training'"],
    ),
    "a column unknown to feedback": (
        feedback(column="is_pda"),
        [r"training\.csv: no column 'is_pda'; did you mean 'is_pad'"],
    ),
    "an unknown key": (feedback(nose=[1, 2]), [r"\[\[feedback\]\] nose: unknown key; did you mean 'noise'"]),
    "an unknown section": (study(catastroph={"x": 1}), [r"catastroph: unknown key; did you mean 'catastrophe'"]),
    "an unknown test": (
        study(analysis={"test": "tset"}),
        [r"\[analysis\] test: 'tset' is no table; did you mean 'test'"],
    ),
    "a target above 1": (study(analysis={"targets": [2]}), [r"targets: \[2\]; give a list of risks"]),
    "a contamination of 0": (study(analysis={"contaminations": [0]}), [r"contaminations: \[0\]"]),
    "no deployments": (study(analysis={"deployments": [0]}), [r"deployments: \[0\]; give a list of whole numbers"]),
    "prob 1": (study(analysis={"prob": 1}), [r"prob: 1; give the probability"]),
    "draws 0": (study(fit={"draws": 0}), [r"\[fit\] draws: 0; give a whole number"]),
    "an unknown method": (study(fit={"method": "nutz"}), [r"\[fit\] method: 'nutz'; did you mean 'nuts'"]),
    "a negative seed": (study(seed=-1), [r"seed: -1; give a whole number"]),
    "duplicate keys": (toml("seed = 1\nseed = 2\n"), [r"study.toml: a key stands twice; give each key once .*line 2"]),
    "duplicate sections": (toml("[values]\n[values]\n"), [r"a section stands twice"]),
    "not TOML": (toml("title = \n"), [r"study.toml: not TOML: .*line 1"]),
    "bytes that are no text": (lambda f: (f / "study.toml").write_bytes(b"\xff\xfe\x00"), [r"byte 0xff is not UTF-8"]),
    "an answer about no hypothesis": (
        both(
            study(values={"judgements": "answers.csv", "source": "a test"}),
            table("answers", "judge,left,right,answer\nAnn,flags,red paint,equal\nAnn,flag,red paint,equal\n"),
        ),
        [r"judgements: answers\.csv: line 3: left: 'flag' is no hypothesis; did you mean 'flags'\?"],
    ),
    "one human, two rationalities": (
        study(feedback=[CHOSEN | {"human": "Ann"}, CHOSEN | {"human": "Ann", "rationality": 2}]),
        [
            r"human 'Ann': number 1 \(choices\) has rationality \{ dist = .*\}, number 2 \(choices_2\) has 2\.0; .* give both"
        ],
    ),
    "one human, two scales": (
        study(feedback=[CHOSEN | {"human": "Ann"}, CHOSEN | {"human": "Ann", "scale": "raw"}]),
        [r"number 1 \(choices\) has scale \"unit\", number 2 \(choices_2\) has \"raw\""],
    ),
    "a shared rationality that is to be sampled": (
        study(feedback=[CHOSEN | {"human": "Ann"}, CHOSEN | {"human": "Ann"}], fit={"method": "nuts"}),
        [r"'nuts', but number 1 \(choices\), number 2 \(choices_2\) share the rationality of 'Ann'.*use 'auto'"],
    ),
    "a grade that is blank": (
        both(
            study(feedback=[{"kind": "ratings", "table": "training", "column": "said", "grades": ["bad", "good"]}]),
            table("training", "red_paint,flags,slope,is_pad,said\n1,1,0,1,good\n0,0,0,0,\n"),
        ),
        [r"line 3: column 'said' is missing; .*missing = \"drop\""],
    ),
    "many things at once": (
        study(
            hypotheses={"red paint": "where(red_pant, 1, 0)", "flags": "flags +"},
            values={"weights": {"flags": 8, "red paint": -1}},
            catastrophe={},
            feedback=[{"kind": "labels", "table": "trainin", "column": "is_pad", "noise": [1, 19]}],
        ),
        [
            r"'flags': at position 8",
            r"source: missing",
            r"'red paint' has -1",
            r"fail_utility: missing",
            r"table: 'trainin' is no table",
            r"'red paint': no column 'red_pant' in test\.csv",
        ],
    ),
}


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("case", CASES)
def test_refused(case, command, folder, capsys, monkeypatch):
    refused(*CASES[case], command, folder, capsys, monkeypatch)
