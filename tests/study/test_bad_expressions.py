"""Hypotheses that are refused: each problem a line, nothing on stdout, nothing written."""

import pytest
from bad_studies import hypothesis, refused, study

# name -> (what is changed, what each line of stderr must say, one pattern a line)
CASES = {
    "import in an expression": (
        hypothesis("__import__('os').system('touch pwned')"),
        [r"study.toml: \[hypotheses\] 'red paint': at position 12: there is no text"],
    ),
    "a call of something unknown": (hypothesis("open(flags)"), [r"no function 'open'; there is 'where'"]),
    "a misspelt function": (hypothesis("wher(flags, 1, 0)"), [r"no function 'wher'; did you mean 'where'\?"]),
    "attribute access": (hypothesis("flags.real"), [r"position 6: '\.' is no operator: there are no attributes"]),
    "indexing": (hypothesis("flags[0]"), [r"position 6: '\[' is not part"]),
    "a comprehension": (hypothesis("[x for x in flags]"), [r"position 1: '\['"]),
    "a lambda": (hypothesis("lambda: 1"), [r"position 7: ':'"]),
    "an f-string": (hypothesis("f'{flags}'"), [r"position 2: there is no text"]),
    "a walrus": (hypothesis("(a := 1)"), [r"':' is not part"]),
    "an unknown feature": (
        hypothesis("where(red_pant, 100, -100)"),
        [r"\[hypotheses\] 'red paint': no column 'red_pant' in training\.csv, test\.csv; did you mean 'red_paint'\?"],
    ),
    "doubled ampersands": (
        hypothesis("where(flags && red_paint, 1, 0)"),
        [r"position 14: '&' stands where .*; write & once"],
    ),
    "an exclamation mark": (hypothesis("where(!flags, 1, 0)"), [r"'!' is no operator; negate with ~ or not"]),
    "a name of two words": (
        hypothesis("where(red paint, 1, 0)"),
        [r"position 11: 'paint' stands where .*; if 'red paint' is one name, write `red paint`"],
    ),
    "two names in a row": (
        hypothesis("red paint"),
        [r"'paint' cannot follow here.*; if 'red paint' is one name, write `red paint`"],
    ),
    "an if": (hypothesis("1 if flags else 0"), [r"'if' cannot follow here; choose with where"]),
    "a tower of powers": (
        hypothesis("9**9**9**9"),
        [r"training\.csv.*'red paint' has a reward of inf", r"test\.csv.*inf"],
    ),
    "a constant too large": (hypothesis("1e999"), [r"a constant that is not finite"]),
    "division by zero": (
        hypothesis("1/(slope - 0.5)"),
        [r"training\.csv: line 2: .* reward of inf", r"test\.csv: line 2"],
    ),
    "an expression too long": (hypothesis("1+" * 6000 + "1"), [r"longer than 10000 characters"]),
    "an expression too deep": (hypothesis("(" * 300 + "1" + ")" * 300), [r"nested deeper than 100"]),
    "a chained comparison": (hypothesis("where(0 < slope < 3, 1, 0)"), [r"a chained comparison; bracket"]),
    "logic on numbers": (hypothesis("where(slope & flags, 1, 0)"), [r"'&' takes true or false on each side"]),
    "a number as condition": (hypothesis("where(slope, 1, 0)"), [r"condition of 'where' must be true or false"]),
    "an expression that is a number": (hypothesis(5), [r"'red paint': 5 is no expression; write it in quotes"]),
    "an empty expression": (hypothesis(""), [r"an empty expression"]),
    "two hypotheses broken": (
        study(hypotheses={"red paint": "1 +", "flags": "(flags"}),
        [r"'red paint': at position 4: it ends", r"'flags': at position 7: it ends where '\)'"],
    ),
}


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("case", CASES)
def test_refused(case, command, folder, capsys, monkeypatch):
    refused(*CASES[case], command, folder, capsys, monkeypatch)
