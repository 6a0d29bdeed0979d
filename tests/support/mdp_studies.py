"""A study of demonstrations in a corridor of five states, and its tables."""

from studies import small, write

STATES = "state,flags,red_paint,slope\n" + "".join(f"s{i},{int(i == 4)},{int(i == 0)},{i / 10}\n" for i in range(5))
MOVES = [(a, i, min(max(i + d, 0), 4)) for a, d in (("left", -1), ("right", 1)) for i in range(4)]
TRANSITIONS = "action,state,next_state,probability\n" + "".join(f"{a},s{i},s{j},1\n" for a, i, j in MOVES)
DEMOS = "trajectory,step,state,action\nAnn,1,s2,right\nAnn,2,s3,right\nAnn,3,s4,\nBob,0,s1,right\nBob,1,s2,left\n"
TEST = "scene,option,flags,red_paint,slope\n0,0,1,0,0\n0,1,0,1,0\n1,0,0,0,0.5\n1,1,1,1,0.2\n"


def study(**changes):
    document = small(
        tables={"demos": "demos.csv", "test": "test.csv"},
        mdps={"corridor": {"states": "states.csv", "transitions": "transitions.csv", "discount": 0.9}},
        feedback=[{"kind": "demonstrations", "mdp": "corridor", "table": "demos"}],
    )
    return document | changes


def written(folder, document=None, **tables):
    files = {"states": STATES, "transitions": TRANSITIONS, "demos": DEMOS, "test": TEST} | tables
    return write(folder, study() if document is None else document, **files)
