"""Slow reference implementations: exact fractions, plain loops, exponential enumeration.

Every function restates one equation of the design in the most literal way. Nothing here shares code with the package,
and nothing here cares about speed. Rewards are ints or Fractions, so equality is exact. Hypotheses are positions
0 .. H-1 in lists; scenes are indexed by m, options by o, and an entry after the last option stands for abstaining.

Longer than other files: every test of a kind holds it against one reference, to be read from one page.
"""

import itertools
import math
from fractions import Fraction

DIGITS = 50


def _mpf(x):
    """Return x (int, float, Fraction or mpf) as an mpmath number at the working precision."""
    import mpmath

    if isinstance(x, Fraction):
        return mpmath.mpf(x.numerator) / x.denominator
    return mpmath.mpf(x)


def _normalised(weights):
    """Return weights / sum(weights) as Fractions."""
    total = sum(Fraction(x) for x in weights)
    return [Fraction(x) / total for x in weights]


# --- evidence -------------------------------------------------------------------------------------------------------


def _half_beta(p, q):
    """Integrate x^(p-1) (1-x)^(q-1) from 0 to 1/2 for positive integers, expanding the second factor."""
    total = Fraction(0)
    for i in range(q):
        total += Fraction((-1) ** i * math.comb(q - 1, i), (p + i) * 2 ** (p + i))
    return total


def labels_evidence(predictions, labels, noise):
    """Return p(labels | h) for each h, exactly.

    With k wrong among n it is ``B(1/2; a+k, b+n-k) / B(1/2; a, b)`` for noise (a, b), or ``eps^k (1-eps)^(n-k)`` for a
    fixed eps.

    Parameters
    ----------
    predictions : list over hypotheses of list of bool
    labels : list of bool
    noise : (int, int) or Fraction
    """
    answer = []
    for predicted in predictions:
        wrong = sum(1 for p, y in zip(predicted, labels, strict=True) if bool(p) != bool(y))
        right = len(labels) - wrong
        if isinstance(noise, tuple | list):
            a, b = noise
            answer.append(_half_beta(a + wrong, b + right) / _half_beta(a, b))
        else:
            eps = Fraction(noise)
            answer.append(eps**wrong * (1 - eps) ** right)
    return answer


def _log_half_beta_series(p, q):
    """Return log B(1/2; p, q) for p >= q: ``(1/2)^(p+q) / p * sum_i (p+q)_i / (p+1)_i (1/2)^i``, all terms positive."""
    import mpmath

    term = mpmath.mpf(1)
    total = mpmath.mpf(1)
    i = 0
    small = mpmath.mpf(10) ** (-mpmath.mp.dps - 5)
    while True:
        ratio = (p + q + i) / (p + 1 + i) / 2
        term *= ratio
        total += term
        i += 1
        if ratio < 1 and term * ratio / (1 - ratio) < small * total:
            break
    return -(p + q) * mpmath.log(2) - mpmath.log(p) + mpmath.log(total)


def _log_half_beta(p, q):
    """Return log B(1/2; p, q) for real p, q > 0; the smaller side of 1/2 by series, the larger by complement."""
    import mpmath

    if p >= q:
        return _log_half_beta_series(p, q)
    whole = mpmath.loggamma(p) + mpmath.loggamma(q) - mpmath.loggamma(p + q)
    above = _log_half_beta_series(q, p)
    return whole + mpmath.log1p(-mpmath.exp(above - whole))


def labels_evidence_mp(k, n, a, b):
    """Return the log evidence of k wrong labels among n, ``log B(1/2; a+k, b+n-k) - log B(1/2; a, b)``, 50 digits."""
    import mpmath

    with mpmath.workdps(DIGITS + 20):
        p, q = _mpf(a), _mpf(b)
        answer = _log_half_beta(p + k, q + n - k) - _log_half_beta(p, q)
    with mpmath.workdps(DIGITS):
        return +answer


def rewards_log_evidence(rewards, observed, a, b):
    """Return log p(y | h) for y ~ Normal(r_h, sigma), sigma^2 ~ InvGamma(a, b).

    ``(2 pi)^(-n/2) b^a / Gamma(a) * Gamma(a + n/2) / (b + SS_h/2)^(a + n/2)``.
    """
    import mpmath

    answer = []
    with mpmath.workdps(DIGITS):
        a, b, n = _mpf(a), _mpf(b), len(observed)
        for row in rewards:
            squares = mpmath.mpf(0)
            for r, y in zip(row, observed, strict=True):
                squares += (_mpf(y) - _mpf(r)) ** 2
            value = -mpmath.mpf(n) / 2 * mpmath.log(2 * mpmath.pi) + a * mpmath.log(b) - mpmath.loggamma(a)
            value += mpmath.loggamma(a + mpmath.mpf(n) / 2) - (a + mpmath.mpf(n) / 2) * mpmath.log(b + squares / 2)
            answer.append(value)
    return answer


def rewards_log_evidence_quad(rewards, observed, a, b, digits=30):
    """Return what `rewards_log_evidence` returns, by numerical integration over log sigma^2."""
    import mpmath

    answer = []
    with mpmath.workdps(digits):
        a, b, n = _mpf(a), _mpf(b), len(observed)
        for row in rewards:
            squares = sum(((_mpf(y) - _mpf(r)) ** 2 for r, y in zip(row, observed, strict=True)), mpmath.mpf(0))

            def log_integrand(t, n=n, squares=squares):
                variance = mpmath.exp(t)
                likelihood = -(mpmath.log(2 * mpmath.pi) + t) * n / 2 - squares / (2 * variance)
                prior = a * mpmath.log(b) - mpmath.loggamma(a) - (a + 1) * t - b / variance
                return likelihood + prior + t

            rate = a + mpmath.mpf(n) / 2
            mode = mpmath.log((b + squares / 2) / rate)
            top = log_integrand(mode)
            width = 1 / mpmath.sqrt(rate)
            reach = 3 * digits / rate + 20 * width
            points = [mode - 20 * width, mode - 8 * width, mode - 3 * width, mode - width, mode, mode + width]
            points += [mode + 3 * width, mode + 8 * width, mode + 20 * width, mode + 20 * width + reach]
            area = mpmath.quad(lambda t, f=log_integrand, top=top: mpmath.exp(f(t) - top), points)
            answer.append(top + mpmath.log(area))
    return answer


def posterior(prior, evidence):
    """Return w_h proportional to pi_h L_h, as Fractions."""
    return _normalised([Fraction(p) * Fraction(e) for p, e in zip(prior, evidence, strict=True)])


def silent_classes(feedback_inputs):
    """Return a class id for each hypothesis; two share a class iff their likelihood inputs agree in every feedback.

    Parameters
    ----------
    feedback_inputs : list over feedbacks of list over hypotheses of hashable
    """
    seen = []
    answer = []
    for signature in zip(*feedback_inputs, strict=True):
        if signature not in seen:
            seen.append(signature)
        answer.append(seen.index(signature))
    return answer


# --- expressions ----------------------------------------------------------------------------------------------------

_FUNCTIONS = ("where", "min", "max", "abs", "exp", "log", "sqrt", "clip")
_WORDS = {"and": "&", "or": "|", "not": "~"}
_COMPARISONS = ("<=", ">=", "==", "!=", "<", ">")


def _tokens(expression):
    """Return a list of (kind, text): kinds number, feature, function, symbol; the words of logic are symbols."""
    answer = []
    i = 0
    while i < len(expression):
        c = expression[i]
        if c.isspace():
            i += 1
        elif c == "`":
            end = expression.index("`", i + 1)
            answer.append(("feature", expression[i + 1 : end]))
            i = end + 1
        elif c.isdigit() or (c == "." and expression[i + 1 : i + 2].isdigit()):
            end = i
            while end < len(expression) and (
                expression[end].isdigit()
                or expression[end] in ".eE"
                or (expression[end] in "+-" and expression[end - 1] in "eE")
            ):
                end += 1
            answer.append(("number", expression[i:end]))
            i = end
        elif c.isidentifier():
            end = i
            while end < len(expression) and (expression[i : end + 1]).isidentifier():
                end += 1
            word = expression[i:end]
            if word in _WORDS:
                answer.append(("symbol", word))
            elif word in _FUNCTIONS and expression[end:].lstrip().startswith("("):
                answer.append(("function", word))
            else:
                answer.append(("feature", word))
            i = end
        else:
            two = expression[i : i + 2]
            text = two if two in ("**", "<=", ">=", "==", "!=") else c
            if text not in (*_COMPARISONS, "**", "+", "-", "*", "/", "&", "|", "~", "(", ")", ","):
                raise ValueError(f"unexpected {text!r} at {i}")
            answer.append(("symbol", text))
            i += len(text)
    return answer


class _Parser:
    """Recursive descent with Python's precedence; a node is a tuple (kind, text, children...)."""

    def __init__(self, expression):
        self.tokens = [*_tokens(expression), ("end", "")]
        self.at = 0

    def take(self, *texts):
        """Consume and return the next token's text if it is one of these symbols, else return None."""
        kind, text = self.tokens[self.at]
        if kind == "symbol" and text in texts:
            self.at += 1
            return text
        return None

    def need(self, text):
        """Consume this symbol or fail."""
        if self.take(text) is None:
            raise ValueError(f"expected {text!r}, got {self.tokens[self.at]}")

    def whole(self):
        """Parse everything."""
        tree = self.word_or()
        if self.tokens[self.at][0] != "end":
            raise ValueError(f"left over: {self.tokens[self.at]}")
        return tree

    def chain(self, lower, *texts):
        """Parse a left-associative chain of binary operators over a lower level."""
        left = lower()
        while (text := self.take(*texts)) is not None:
            left = ("operator", _WORDS.get(text, text), left, lower())
        return left

    def word_or(self):
        """Parse ``or``."""
        return self.chain(self.word_and, "or")

    def word_and(self):
        """Parse ``and``."""
        return self.chain(self.word_not, "and")

    def word_not(self):
        """Parse ``not``."""
        if self.take("not"):
            return ("operator", "~", self.word_not())
        return self.comparison()

    def comparison(self):
        """Parse at most one comparison."""
        left = self.bar()
        text = self.take(*_COMPARISONS)
        if text is None:
            return left
        tree = ("operator", text, left, self.bar())
        if self.take(*_COMPARISONS):
            raise ValueError("chained comparison")
        return tree

    def bar(self):
        """Parse ``|``."""
        return self.chain(self.ampersand, "|")

    def ampersand(self):
        """Parse ``&``."""
        return self.chain(self.sum, "&")

    def sum(self):
        """Parse ``+`` and ``-``."""
        return self.chain(self.product, "+", "-")

    def product(self):
        """Parse ``*`` and ``/``."""
        return self.chain(self.unary, "*", "/")

    def unary(self):
        """Parse unary ``-`` and ``~``; a minus whose operand is a bare constant belongs to the constant."""
        text = self.take("-", "~")
        if text is None:
            return self.power()
        child = self.unary()
        if text == "-" and child[0] == "number" and not child[1].startswith("-"):
            return ("number", "-" + child[1])
        return ("operator", text, child)

    def power(self):
        """Parse ``**``: right-associative, binding tighter than a minus on its left, looser than one on its right."""
        left = self.atom()
        if self.take("**"):
            return ("operator", "**", left, self.unary())
        return left

    def atom(self):
        """Parse a number, feature, call or bracket."""
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind in ("number", "feature"):
            return (kind, text)
        if kind == "function":
            self.need("(")
            arguments = [self.word_or()]
            while self.take(","):
                arguments.append(self.word_or())
            self.need(")")
            return ("operator", text, *arguments)
        if (kind, text) == ("symbol", "("):
            tree = self.word_or()
            self.need(")")
            return tree
        raise ValueError(f"unexpected {text!r}")


def expression_columns(expression):
    """Return the set of features that an expression names."""
    return {text for kind, text in _tokens(expression) if kind == "feature"}


def evaluate_expression(expression, features):
    """Return the value of an expression for one item, exactly (exp, log, sqrt and odd powers: floats)."""

    def value(node):
        kind, text, *children = node
        if kind == "number":
            return Fraction(text)
        if kind == "feature":
            x = features[text]
            return x if isinstance(x, bool) else Fraction(x)
        xs = [value(child) for child in children]
        if text == "-" and len(xs) == 1:
            return -(xs[0] + Fraction(0))
        one = {"abs": abs, "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "~": lambda x: not x}
        if text in one:
            return one[text](xs[0])
        if text == "where":
            return xs[1] if xs[0] else xs[2]
        if text == "min":
            return min(xs)
        if text == "max":
            return max(xs)
        if text == "clip":
            return min(max(xs[0], xs[1]), xs[2])
        x, y = xs
        two = {
            "+": lambda: x + y,
            "-": lambda: x - y,
            "*": lambda: x * y,
            "/": lambda: Fraction(x) / y,
            "**": lambda: Fraction(x) ** y,
            "<": lambda: x < y,
            "<=": lambda: x <= y,
            ">": lambda: x > y,
            ">=": lambda: x >= y,
            "==": lambda: x == y,
            "!=": lambda: x != y,
            "&": lambda: x and y,
            "|": lambda: x or y,
        }
        return two[text]()

    return value(_Parser(expression).whole())


def simplicity_bits(expression, language, columns_used, column_order):
    """Return the length in bits of an expression under a language.

    ``rules``: log2(22 + number of distinct columns used + 1) a symbol of the parsed expression, a minus before a
    constant being part of it, brackets and commas free. ``letters``: 8 bits a character that is not white space.
    ``columns``: as rules, but the feature at position k of the order costs ``2 floor(log2 k) + 1``. A dict: as rules,
    but a feature costs what the dict says.

    Parameters
    ----------
    expression : str
    language : "rules", "letters", "columns" or dict of feature -> bits
    columns_used : iterable of the columns that any hypothesis names
    column_order : list of the columns of the first feedback table, in order
    """
    if language == "letters":
        return 8.0 * sum(1 for c in expression if not c.isspace())
    symbol = math.log2(22 + len(set(columns_used)) + 1)
    order = [name for name in column_order if name not in ("scene", "option", "available")]

    def length(node):
        kind, text, *children = node
        if kind == "feature" and language == "columns":
            return 2.0 * (order.index(text) + 1).bit_length() - 1
        if kind == "feature" and language != "rules":
            return float(language[text])
        return symbol + sum(length(child) for child in children)

    return length(_Parser(expression).whole())


# --- policies -------------------------------------------------------------------------------------------------------


def commit_choice(rewards, available, u=None):
    """Return the choice probabilities of an agent certain of one hypothesis, in one scene: ties are uniform.

    The last entry is abstaining, an option worth u, or impossible where u is None.
    """
    values = [(o, Fraction(r)) for o, (r, here) in enumerate(zip(rewards, available, strict=True)) if here]
    if u is not None:
        values.append((len(rewards), Fraction(u)))
    best = max(value for _, value in values)
    winners = [o for o, value in values if value == best]
    return [Fraction(1, len(winners)) if o in winners else Fraction(0) for o in range(len(rewards) + 1)]


def _boltzmann_choice(rewards, available, u, beta, scale):
    """Return softmax(beta r / s) over the available options, and abstaining where u is given; s = 0: at chance."""
    import mpmath

    allowed = [(o, r) for o, (r, here) in enumerate(zip(rewards, available, strict=True)) if here]
    if u is not None:
        allowed.append((len(rewards), u))
    answer = [mpmath.mpf(0)] * (len(rewards) + 1)
    for o, r in allowed:
        answer[o] = mpmath.exp(_mpf(beta) * _mpf(r) / _mpf(scale)) if scale != 0 else mpmath.mpf(1)
    total = mpmath.fsum(answer)
    return [x / total for x in answer]


def _cvar(values, weights, tail):
    """Return max_t t - sum_i w_i (t - x_i)^+ / tail, whose maximum is at one of the x_i."""
    return max(t - sum(w * max(t - x, 0) for w, x in zip(weights, values, strict=True)) / tail for t in values)


def _believed(weights, credible):
    """Return the smallest set of most probable hypotheses with that mass, with those tied with its last."""
    order = sorted(range(len(weights)), key=lambda h: -weights[h])
    kept, mass = [], Fraction(0)
    while mass < credible:
        kept.append(order[len(kept)])
        mass += weights[kept[-1]]
    return [h for h in order if weights[h] >= weights[kept[-1]] and weights[h] > 0]


def _quantilized(rewards, available, u, q):
    """Return a uniform base restricted to its best q share; what is worse than u gives way to abstaining, half if equal."""
    there = [o for o, here in enumerate(available) if here]
    answer = [Fraction(0)] * (len(rewards) + 1)
    left = q
    for value in sorted({rewards[o] for o in there}, reverse=True):
        tied = [o for o in there if rewards[o] == value]
        taken = min(left, Fraction(len(tied), len(there)))
        left -= taken
        for o in tied:
            answer[o] = taken / len(tied) / q
    if u is not None:
        for o in there:
            kept = Fraction(1) if rewards[o] > u else Fraction(0) if rewards[o] < u else Fraction(1, 2)
            answer[-1] += answer[o] * (1 - kept)
            answer[o] *= kept
        if not there:
            answer[-1] = Fraction(1)
    return answer


def policy_probabilities(name, weights, rewards, available, u, abstain, beta=None, scales=None, share=None):
    """Return pi(option | scene) with abstaining last, for one scene.

    commit, boltzmann: ``sum_h w_h choice_h``; most_probable: the choices of the tied most probable ones, averaged;
    expected: the best ``sum_h w_h r_h``, abstaining being worth ``sum_h w_h u_h``; cvar, maximin and quantilize by their
    share (tail, credible, q).

    Parameters
    ----------
    name : "commit", "most_probable", "expected", "boltzmann", "cvar", "maximin" or "quantilize"
    weights : list over hypotheses
    rewards : list over hypotheses of list over options
    available : list over options of bool
    u : list over hypotheses, or None where abstain is False
    abstain : bool
    """
    import mpmath

    hypotheses = range(len(weights))
    weights = _normalised(weights)
    options = len(available)
    told = [u[h] if abstain else None for h in hypotheses]
    if name == "expected":
        mixed = []
        for o in range(options):
            mixed.append(sum(weights[h] * Fraction(rewards[h][o]) for h in hypotheses) if available[o] else 0)
        failing = sum(weights[h] * Fraction(u[h]) for h in hypotheses) if abstain else None
        return commit_choice(mixed, available, failing)
    if name in ("cvar", "maximin"):
        believed = _believed(weights, share)

        def worth(values):
            return _cvar(values, weights, share) if name == "cvar" else min(values[h] for h in believed)

        worths = [worth([Fraction(rewards[h][o]) for h in hypotheses]) if available[o] else 0 for o in range(options)]
        return commit_choice(worths, available, worth([Fraction(x) for x in u]) if abstain else None)
    if name == "quantilize":
        answer = [Fraction(0)] * (options + 1)
        for h in hypotheses:
            choice = _quantilized(rewards[h], available, told[h], share)
            answer = [x + weights[h] * c for x, c in zip(answer, choice, strict=True)]
        return answer
    if name == "most_probable":
        weights = _top(weights)
    if name == "boltzmann":
        with mpmath.workdps(DIGITS):
            answer = [mpmath.mpf(0)] * (options + 1)
            for h in hypotheses:
                choice = _boltzmann_choice(rewards[h], available, told[h], beta, scales[h])
                answer = [x + _mpf(weights[h]) * c for x, c in zip(answer, choice, strict=True)]
            return answer
    if name not in ("commit", "most_probable"):
        raise ValueError(name)
    answer = [Fraction(0)] * (options + 1)
    for h in hypotheses:
        choice = commit_choice(rewards[h], available, told[h])
        answer = [x + weights[h] * c for x, c in zip(answer, choice, strict=True)]
    return answer


def _top(weights):
    """Return uniform weights over the most probable hypotheses."""
    best = max(weights)
    tied = [h for h, w in enumerate(weights) if w == best]
    return [Fraction(1, len(tied)) if h in tied else Fraction(0) for h in range(len(weights))]


def boltzmann_scale(rewards_h_scenes, available_scenes, scene_weights=None):
    """Return (s_h^2, s_h): the mean, over scenes with two available options or more, of the population variance.

    Parameters
    ----------
    rewards_h_scenes : list over scenes of list over options, of one hypothesis
    available_scenes : list over scenes of list over options of bool
    scene_weights : list over scenes, or None
    """
    total = Fraction(0)
    mass = Fraction(0)
    for m, (rewards, available) in enumerate(zip(rewards_h_scenes, available_scenes, strict=True)):
        seen = [Fraction(r) for r, here in zip(rewards, available, strict=True) if here]
        if len(seen) < 2:
            continue
        weight = Fraction(1 if scene_weights is None else scene_weights[m])
        mean = sum(seen) / len(seen)
        total += weight * sum((r - mean) ** 2 for r in seen) / len(seen)
        mass += weight
    square = total / mass if mass else Fraction(0)
    return square, math.sqrt(square)


# --- risk -----------------------------------------------------------------------------------------------------------


def endless_limit(agent_weights, judge_weights, matrix, classes, agent_prior, judge_prior=None):
    """Return ``sum_S v(S) sum_{i,j in S} p_i v_j C_ij``, p and v normalised within each silent class S.

    Where the agent gives S no weight p is its prior within S, or uniform if that is 0 too.
    """
    answer = 0
    for name in sorted(set(classes)):
        members = [h for h, c in enumerate(classes) if c == name]
        mass = sum(Fraction(judge_weights[j]) for j in members)
        if mass == 0:
            continue
        inside = [judge_weights[j] if judge_prior is None else judge_prior[j] for j in members]
        v = _normalised(inside)
        p = [1] * len(members)
        for candidate in (agent_weights, agent_prior):
            if candidate is not None and sum(candidate[i] for i in members) > 0:
                p = [candidate[i] for i in members]
                break
        p = _normalised(p)
        for i, p_i in zip(members, p, strict=True):
            for j, v_j in zip(members, v, strict=True):
                share = mass * p_i * v_j
                answer += share * matrix[i][j] if isinstance(matrix[i][j], Fraction) else _mpf(share) * matrix[i][j]
    return answer


def certain_rewards(
    name, judge_weights, rewards, available, judge_u, agent_u, abstain, scene_weights=None, beta=None, share=None
):
    """Return what the judge expects an agent certain of each hypothesis to earn, by loops over scenes, choices and truths.

    ``R_h = sum_m s_m sum_j v_j (sum_o A_h[m,o] r_j[m,o] + a_h[m] u_j[m])``; parameters as those of `risk_report`.
    """
    import mpmath

    hypotheses, earned = range(len(rewards)), []
    soft = name == "boltzmann"
    with mpmath.workdps(DIGITS):
        v = _normalised(judge_weights)
        s = _normalised([1] * len(available) if scene_weights is None else scene_weights)
        scales = None
        if soft:
            scales = [mpmath.sqrt(_mpf(boltzmann_scale(rewards[h], available, scene_weights)[0])) for h in hypotheses]
        for h in hypotheses:
            total = _mpf(0) if soft else Fraction(0)
            for m, there in enumerate(available):
                seen = [rewards[i][m] for i in hypotheses]
                told = [agent_u[i][m] for i in hypotheses] if abstain else None
                certain = [Fraction(int(i == h)) for i in hypotheses]
                chosen = policy_probabilities(name, certain, seen, there, told, abstain, beta, scales, share)
                for j in hypotheses:
                    gets = [rewards[j][m][o] if there[o] else Fraction(0) for o in range(len(there))] + [judge_u[j][m]]
                    for chance, reward in zip(chosen, gets, strict=False):
                        total += chance * (_mpf(s[m] * v[j] * reward) if soft else s[m] * v[j] * reward)
            earned.append(total)
    return earned


def risk_report(
    name,
    agent_weights,
    judge_weights,
    rewards,
    available,
    judge_u,
    agent_u,
    abstain,
    scene_weights=None,
    deployments=(1, 10, 100, 1000),
    classes=None,
    agent_prior=None,
    beta=None,
    judge_prior=None,
    share=None,
):
    """Return every number of the risk, by loops over scenes, options, agents and truths.

    ``mean = sum_m s_m sum_o A[m,o] sum_j v_j [r_j < u_j]`` and what follows from it. All Fractions, or mpmath numbers
    for boltzmann; se_scenes is a float (nan with one scene). ``limit`` is None without classes, and for policies that
    do not draw one hypothesis.

    Parameters
    ----------
    rewards : rewards[h][m][o]
    available : available[m][o]
    judge_u, agent_u : u[h][m]; agent_u may be None where abstain is False
    classes, agent_prior, judge_prior : what `endless_limit` needs
    """
    import mpmath

    hypotheses = range(len(rewards))
    scenes = range(len(available))
    soft = name == "boltzmann"
    number = _mpf if soft else Fraction
    with mpmath.workdps(DIGITS):
        w = _normalised(agent_weights)
        v = _normalised(judge_weights)
        s = _normalised([1] * len(available) if scene_weights is None else scene_weights)
        scales = None
        if soft:
            squares = [boltzmann_scale(rewards[h], available, scene_weights)[0] for h in hypotheses]
            scales = [mpmath.sqrt(_mpf(x)) for x in squares]

        def act(weights):
            """Return A[m][o] for an agent with these weights."""
            chosen = []
            for m in scenes:
                seen = [rewards[h][m] for h in hypotheses]
                told = [agent_u[h][m] for h in hypotheses] if abstain else None
                chosen.append(
                    policy_probabilities(name, weights, seen, available[m], told, abstain, beta, scales, share)
                )
            return chosen

        def catastrophes(chosen, m, j):
            """Return sum_o A[m,o] K_j[m,o]; abstaining is never a catastrophe."""
            total = number(0)
            for o in range(len(available[m])):
                if available[m][o] and rewards[j][m][o] < judge_u[j][m]:
                    total += chosen[m][o]
            return total

        matrix = []
        for i in hypotheses:
            certain = act([1 if h == i else 0 for h in hypotheses])
            row = []
            for j in hypotheses:
                row.append(sum((number(s[m]) * catastrophes(certain, m, j) for m in scenes), number(0)))
            matrix.append(row)

        chosen = act(w)
        by_scene, by_truth = [], [number(0) for _ in hypotheses]
        floor, abstained, regret = Fraction(0), number(0), number(0)
        for m in scenes:
            here = number(0)
            for j in hypotheses:
                share = catastrophes(chosen, m, j)
                here += number(v[j]) * share
                by_truth[j] += number(s[m]) * share
            by_scene.append(here)
            options = [o for o in range(len(available[m])) if available[m][o]]
            badness = [sum(v[j] for j in hypotheses if rewards[j][m][o] < judge_u[j][m]) for o in options]
            floor += s[m] * min(badness)
            abstained += number(s[m]) * chosen[m][-1]
            for j in hypotheses:
                best = max([Fraction(judge_u[j][m])] + [Fraction(rewards[j][m][o]) for o in options])
                achieved = chosen[m][-1] * number(judge_u[j][m])
                for o in options:
                    achieved += chosen[m][o] * number(rewards[j][m][o])
                regret += number(s[m]) * number(v[j]) * (number(best) - achieved)
        mean = sum((number(s[m]) * by_scene[m] for m in scenes), number(0))
        by_agent = [sum((matrix[i][j] * number(v[j]) for j in hypotheses), number(0)) for i in hypotheses]

        if len(available) > 1:
            spread = sum((number(s[m]) ** 2 * (by_scene[m] - mean) ** 2 for m in scenes), number(0))
            se_scenes = math.sqrt(spread * len(available) / (len(available) - 1))
        else:
            se_scenes = math.nan

        at_least_one = {}
        for times in deployments:
            total = number(0)
            if name in ("expected", "cvar", "maximin"):
                for j in hypotheses:
                    total += number(v[j]) * (1 - (1 - by_truth[j]) ** times)
            else:
                drawn = _top(w) if name == "most_probable" else w
                for i in hypotheses:
                    for j in hypotheses:
                        total += number(drawn[i]) * number(v[j]) * (1 - (1 - matrix[i][j]) ** times)
            at_least_one[times] = total

        limit = None
        if classes is not None and name in ("commit", "boltzmann"):
            limit = endless_limit(w, v, matrix, classes, agent_prior, judge_prior)
    return {
        "mean": mean,
        "by_truth": by_truth,
        "by_agent": by_agent,
        "by_scene": by_scene,
        "matrix": matrix,
        "floor": floor,
        "abstained": abstained,
        "regret": regret,
        "se_scenes": se_scenes,
        "at_least_one": at_least_one,
        "limit": limit,
    }


# --- bits of human values -------------------------------------------------------------------------------------------


def _easy_bits(C, v, w, target):
    """Return (bits, None) where the answer needs no optimiser, else (None, least) with the least attainable risk.

    0 if ``w'Cv <= t``; infinite if ``sum_j v_j min_h C_hj > t + 1e-12``; within 1e-12 of t,
    ``-sum_j v_j log2 w(argmin_h C_hj)``.
    """
    exact = [[Fraction(x) for x in row] for row in C]
    v, w, t = _normalised(v), _normalised(w), Fraction(target)
    live = [h for h in range(len(w)) if w[h] > 0]
    told_nothing = sum(w[h] * exact[h][j] * v[j] for h in live for j in range(len(v)))
    if told_nothing <= t:
        return 0.0, None
    tiny = Fraction(1, 10**12)
    least = [min(exact[h][j] for h in live) for j in range(len(v))]
    minimum = sum(v_j * x for v_j, x in zip(v, least, strict=True))
    if minimum > t + tiny:
        return math.inf, None
    if minimum >= t - tiny:
        bits = 0.0
        for j in range(len(v)):
            if v[j] > 0:
                mass = sum(w[h] for h in live if exact[h][j] <= least[j] + tiny)
                bits -= float(v[j]) * math.log2(mass)
        return bits, None
    return None, least


def value_bits(C, v, w, target):
    """Return ``min sum_j v_j KL(q_j || w) / ln 2`` subject to ``sum_j v_j q_j' C[:,j] <= target``, by SLSQP.

    A general optimiser works on all q_j at once, from several starts; its answers are mixed with the least risky q
    until they are feasible, so that the result is an upper bound, tight to about 1e-7. Small H only.
    """
    from scipy.optimize import minimize

    bits, least = _easy_bits(C, v, w, target)
    if bits is not None:
        return bits
    v, w, target = _normalised(v), _normalised(w), float(target)
    live = [h for h in range(len(w)) if w[h] > 0]
    truths = [j for j in range(len(v)) if v[j] > 0]
    size = len(live)
    cells = [(j, h) for j in truths for h in live]
    weight = [float(w[h]) for _, h in cells]
    truth = [float(v[j]) for j, _ in cells]
    cost = [float(C[h][j]) for j, h in cells]

    def objective(x):
        total = 0.0
        for q, p, t in zip(x, weight, truth, strict=True):
            if q > 0:
                total += t * q * math.log2(q / p)
        return total

    def gradient(x):
        answer = []
        for q, p, t in zip(x, weight, truth, strict=True):
            answer.append(t * (math.log2(max(q, 1e-300) / p) + 1 / math.log(2)))
        return answer

    def slack(x):
        return target - math.fsum(t * c * q for q, t, c in zip(x, truth, cost, strict=True))

    def rows(x):
        """Return x with each q_j clipped at zero and normalised."""
        answer = []
        for start in range(0, len(cells), size):
            row = [max(float(q), 0.0) for q in x[start : start + size]]
            answer.extend(q / math.fsum(row) for q in row)
        return answer

    one = [[1.0 if cell[0] == j else 0.0 for cell in cells] for j in truths]
    constraints = [
        {
            "type": "eq",
            "fun": lambda x: [math.fsum(x[k : k + size]) - 1 for k in range(0, len(cells), size)],
            "jac": lambda x: one,
        },
        {"type": "ineq", "fun": slack, "jac": lambda x: [-t * c for t, c in zip(truth, cost, strict=True)]},
    ]
    near = [c <= float(least[j]) + 1e-12 for (j, _), c in zip(cells, cost, strict=True)]
    safest = rows([p if here else 0.0 for p, here in zip(weight, near, strict=True)])
    starts = [safest, weight]
    starts.append([(a + b) / 2 for a, b in zip(safest, weight, strict=True)])
    starts.append([0.9 * a + 0.1 / size for a in safest])
    for k in range(1, 6):
        starts.append(rows([p * math.exp(-(4.0**k) * c) for p, c in zip(weight, cost, strict=True)]))
    answer = math.inf
    for start in starts:
        found = minimize(
            objective,
            [max(q, 1e-13) for q in start],
            jac=gradient,
            bounds=[(1e-14, 1.0)] * len(cells),
            constraints=constraints,
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 1000},
        )
        for x in (list(found.x), start):
            if not all(math.isfinite(q) for q in x):
                continue
            x = rows(x)
            short = -slack(x)
            if short > 0:
                share = min(1.0, short / (short + slack(safest)))
                x = [(1 - share) * q + share * s for q, s in zip(x, safest, strict=True)]
            answer = min(answer, objective(x))
    return answer


def value_bits_blahut(C, v, w, target):
    """Return what `value_bits` returns, from ``q_j`` proportional to ``w exp(-lambda C[:,j])``, by bisection."""
    import mpmath

    bits, _ = _easy_bits(C, v, w, target)
    if bits is not None:
        return bits
    v, w = _normalised(v), _normalised(w)
    live = [h for h in range(len(w)) if w[h] > 0]
    truths = [j for j in range(len(v)) if v[j] > 0]
    with mpmath.workdps(DIGITS):
        t = _mpf(target)

        def tilted(rate):
            answer = []
            for j in truths:
                least = min(Fraction(C[h][j]) for h in live)
                raw = [_mpf(w[h]) * mpmath.exp(-rate * _mpf(Fraction(C[h][j]) - least)) for h in live]
                total = mpmath.fsum(raw)
                answer.append([x / total for x in raw])
            return answer

        def risk(q):
            return mpmath.fsum(
                _mpf(v[j]) * q_j[a] * _mpf(C[h][j])
                for j, q_j in zip(truths, q, strict=True)
                for a, h in enumerate(live)
            )

        low, high = mpmath.mpf(0), mpmath.mpf(1)
        while risk(tilted(high)) > t:
            low, high = high, high * 2
        for _ in range(180):
            middle = (low + high) / 2
            if risk(tilted(middle)) > t:
                low = middle
            else:
                high = middle
        total = mpmath.mpf(0)
        for j, q_j in zip(truths, tilted(high), strict=True):
            for x, h in zip(q_j, live, strict=True):
                if x > 0:
                    total += _mpf(v[j]) * x * mpmath.log(x / _mpf(w[h]), 2)
        return float(total)


# --- robustness -----------------------------------------------------------------------------------------------------


def _pieces(prior, evidence, by_truth, e):
    """Return (pi, L, d, e, sum pi L d, sum pi L) as Fractions."""
    prior = _normalised(prior)
    evidence = [Fraction(x) for x in evidence]
    by_truth = [Fraction(x) for x in by_truth]
    top = sum(p * x * d for p, x, d in zip(prior, evidence, by_truth, strict=True))
    bottom = sum(p * x for p, x in zip(prior, evidence, strict=True))
    return evidence, by_truth, Fraction(e), top, bottom


def risk_bounds(prior, evidence, by_truth, e):
    """Return (lower, upper) risk over all q, by a linear-fractional program (Charnes and Cooper).

    ``((1-e) sum pi L d + e sum q L d) / ((1-e) sum pi L + e sum q L)``; with y = t q the program is linear in (y, t).
    """
    from scipy.optimize import linprog

    evidence, by_truth, e, top, bottom = _pieces(prior, evidence, by_truth, e)
    unit = max(evidence)
    size = len(evidence)
    cost = [float(e * x * d / unit) for x, d in zip(evidence, by_truth, strict=True)] + [float((1 - e) * top / unit)]
    scale = [float(e * x / unit) for x in evidence] + [float((1 - e) * bottom / unit)]
    simplex = [1.0] * size + [-1.0]
    bounds = []
    for sign in (1, -1):
        found = linprog([sign * c for c in cost], A_eq=[scale, simplex], b_eq=[1.0, 0.0], bounds=(0, None))
        if found.status != 0:
            raise ArithmeticError(found.message)
        bounds.append(sign * found.fun)
    return bounds[0], bounds[1]


def risk_bounds_exact(prior, evidence, by_truth, e):
    """Return (lower, upper) as Fractions, by trying every point mass q."""
    evidence, by_truth, e, top, bottom = _pieces(prior, evidence, by_truth, e)
    values = []
    for x, d in zip(evidence, by_truth, strict=True):
        denominator = (1 - e) * bottom + e * x
        if denominator > 0:
            values.append(((1 - e) * top + e * x * d) / denominator)
    return min(values), max(values)


def risk_bound_unlisted(prior, evidence, by_truth, e):
    """Return ``((1-e) sum pi L d + e max L) / ((1-e) sum pi L + e max L)``: an unlisted truth dreads all."""
    evidence, by_truth, e, top, bottom = _pieces(prior, evidence, by_truth, e)
    best = max(evidence)
    return ((1 - e) * top + e * best) / ((1 - e) * bottom + e * best)


def identity_sides(prior, n_items, predictions, noise, C):
    """Return (E[w'C e_truth], E[w'C v]) over all truths and all 2**n label vectors; agent and judge share the prior."""
    prior = _normalised(prior)
    hypotheses = range(len(prior))
    left, right = Fraction(0), Fraction(0)
    for labels in itertools.product([False, True], repeat=n_items):
        likelihood = labels_evidence(predictions, list(labels), noise)
        if sum(p * x for p, x in zip(prior, likelihood, strict=True)) == 0:
            continue
        w = posterior(prior, likelihood)
        expected = sum(w[i] * Fraction(C[i][j]) * w[j] for i in hypotheses for j in hypotheses)
        for truth in hypotheses:
            chance = prior[truth] * likelihood[truth]
            left += chance * sum(w[i] * Fraction(C[i][truth]) for i in hypotheses)
            right += chance * expected
    return left, right


# --- random studies -------------------------------------------------------------------------------------------------

_BOOLEANS = ("red", "flags", "dark mark")
_INTEGERS = ("slope", "depth")


def _quoted(name):
    """Return a feature as the grammar writes it."""
    return name if name.isidentifier() else f"`{name}`"


def _random_condition(rng, depth):
    """Return (text, function) of a boolean expression; the text is bracketed where it is compound."""
    kind = rng.choice(["feature", "feature", "compare", "not", "and", "or"]) if depth else "feature"
    if kind == "feature":
        name = rng.choice(_BOOLEANS)
        return _quoted(name), lambda f: f[name]
    if kind == "compare":
        name, c = rng.choice(_INTEGERS), rng.randint(1, 3)
        sign = rng.choice(["<", "<=", ">", ">=", "==", "!="])
        tests = {
            "<": lambda f: f[name] < c,
            "<=": lambda f: f[name] <= c,
            ">": lambda f: f[name] > c,
            ">=": lambda f: f[name] >= c,
            "==": lambda f: f[name] == c,
            "!=": lambda f: f[name] != c,
        }
        return f"({name} {sign} {c})", tests[sign]
    left, a = _random_condition(rng, depth - 1)
    if kind == "not":
        return (f"~{left}" if rng.random() < 0.5 else f"(not {left})"), lambda f: not a(f)
    right, b = _random_condition(rng, depth - 1)
    if kind == "and":
        return f"({left} {rng.choice(['&', 'and'])} {right})", lambda f: a(f) and b(f)
    return f"({left} {rng.choice(['|', 'or'])} {right})", lambda f: a(f) or b(f)


def _random_number(rng, depth):
    """Return (text, function) of a numeric expression; the text is bracketed where it is compound."""
    kinds = ["where", "where", "sum", "difference", "times", "min", "max", "abs", "clip", "half", "square", "minus"]
    kind = rng.choice(kinds) if depth else rng.choice(["constant", "integer", "boolean"])
    if kind == "constant":
        c = rng.randint(-2, 3)
        return str(c), lambda f: Fraction(c)
    if kind == "integer":
        name = rng.choice(_INTEGERS)
        return name, lambda f: Fraction(f[name])
    if kind == "boolean":
        name, c = rng.choice(_BOOLEANS), rng.randint(1, 3)
        return f"({c}*{_quoted(name)})", lambda f: Fraction(c if f[name] else 0)
    if kind == "square":
        name = rng.choice(_INTEGERS)
        return f"({name}**2)", lambda f: Fraction(f[name] * f[name])
    left, a = _random_number(rng, depth - 1)
    c = rng.randint(1, 3)
    if kind == "times":
        return f"({c} * {left})", lambda f: c * a(f)
    if kind == "abs":
        return f"abs({left} - {c})", lambda f: abs(a(f) - c)
    if kind == "clip":
        return f"clip({left}, {-c}, {c})", lambda f: min(max(a(f), Fraction(-c)), Fraction(c))
    if kind == "half":
        return f"({left} / 2)", lambda f: a(f) / 2
    if kind == "minus":
        return f"(-{left})", lambda f: -a(f)
    right, b = _random_number(rng, depth - 1)
    if kind == "where":
        condition, test = _random_condition(rng, depth - 1)
        return f"where({condition}, {left}, {right})", lambda f: a(f) if test(f) else b(f)
    if kind == "sum":
        return f"({left} + {right})", lambda f: a(f) + b(f)
    if kind == "difference":
        return f"({left} - {right})", lambda f: a(f) - b(f)
    if kind == "min":
        return f"min({left}, {right})", lambda f: min(a(f), b(f))
    return f"max({left}, {right}, 0)", lambda f: max(a(f), b(f), Fraction(0))


def _random_hypothesis(rng):
    """Return (expression, function of a feature dict giving a Fraction); mostly shapes that coincide in training."""
    high, low = rng.randint(1, 3), rng.randint(-3, 0)
    first, second = rng.sample(_BOOLEANS, 2)
    p, q = _quoted(first), _quoted(second)
    x, c = rng.choice(_INTEGERS), rng.randint(1, 3)

    def pick(test):
        return lambda f: Fraction(high if test(f) else low)

    kind = rng.randrange(11)
    if kind <= 2:
        return f"where({p}, {high}, {low})", pick(lambda f: f[first])
    if kind == 3:
        return f"where({p} & {q}, {high}, {low})", pick(lambda f: f[first] and f[second])
    if kind == 4:
        return f"where({p} or {q}, {high}, {low})", pick(lambda f: f[first] or f[second])
    if kind == 5:
        start = pick(lambda f: f[first])
        return f"where({p}, {high}, {low}) - {c}*{q}", lambda f: start(f) - (c if f[second] else 0)
    if kind == 6:
        return f"where(~{p} & ({x} < {c}), {high}, {low})", pick(lambda f: not f[first] and f[x] < c)
    if kind == 7:
        return f"where({x} >= {c}, {high}, {low})", pick(lambda f: f[x] >= c)
    if kind == 8:
        return f"2*{p} + {q} - 1", lambda f: Fraction((2 if f[first] else 0) + (1 if f[second] else 0) - 1)
    if kind == 9:
        return f"-{x}**2 + {c}", lambda f: Fraction(c - f[x] * f[x])
    while True:
        text, function = _random_number(rng, rng.randint(1, 2))
        if any(name in text for name in _BOOLEANS + _INTEGERS):
            return text, function


def random_study(rng):
    """Return a small random study whose every number is an exact fraction.

    Keys: ``names``; ``hypotheses``, a list of (expression, function of a feature dict giving a Fraction); ``training``,
    a list of feature dicts; ``labels``, a list of bool (column ``label_column``); ``test``, a list over scenes of lists
    of feature dicts, ragged; ``prior_weights``, ints, some 0; ``noise``; ``fail_utility``, an int or one int a
    hypothesis; ``policy``; ``abstain``; ``agent_prior``, "values" or "uniform". In training the boolean features often
    coincide, so that silent pairs are common; every integer feature takes a value above 1 in training.

    Parameters
    ----------
    rng : random.Random
    """
    together = rng.random() < 0.6
    flat = rng.random() < 0.4

    def item(training):
        features = {name: rng.random() < 0.5 for name in _BOOLEANS}
        if training and together:
            features = dict.fromkeys(_BOOLEANS, features["red"])
        for name in _INTEGERS:
            features[name] = 2 if training and flat else rng.randint(0, 4)
        return features

    training = [item(True) for _ in range(rng.randint(1, 12))]
    for name in _INTEGERS:
        training[0][name] = max(2, training[0][name])
    test = []
    for _ in range(rng.randint(1, 6)):
        options = [item(False) for _ in range(rng.randint(1, 4))]
        if len(options) > 1 and rng.random() < 0.2:
            options[-1] = dict(options[0])
        test.append(options)

    hypotheses = []
    for _ in range(rng.randint(2, 5)):
        if hypotheses and rng.random() < 0.15:
            text, function = rng.choice(hypotheses)
            hypotheses.append((f"1 * ({text})", function))
        else:
            hypotheses.append(_random_hypothesis(rng))
    size = len(hypotheses)
    prior_weights = [rng.choice([0, 1, 1, 2, 3, 8]) for _ in range(size)]
    if sum(prior_weights) == 0:
        prior_weights[rng.randrange(size)] = 1
    fail_utility = rng.randint(-1, 1)
    if rng.random() < 0.4:
        fail_utility = [rng.randint(-2, 1) for _ in range(size)]
    lines = fail_utility if isinstance(fail_utility, list) else [fail_utility] * size
    truth = rng.randrange(size)
    flip = rng.choice([0, 0.1, 0.3])
    labels = [(hypotheses[truth][1](row) > lines[truth]) != (rng.random() < flip) for row in training]
    return {
        "names": [f"h{i}" for i in range(size)],
        "hypotheses": hypotheses,
        "training": training,
        "labels": labels,
        "label_column": "good",
        "test": test,
        "prior_weights": prior_weights,
        "noise": (rng.randint(1, 3), rng.randint(1, 5)),
        "fail_utility": fail_utility,
        "policy": rng.choice(["commit", "most_probable", "expected"]),
        "abstain": rng.random() < 0.5,
        "agent_prior": rng.choice(["values", "uniform"]),
    }


def solve_random_study(study):
    """Return a study's exact results.

    Keys: ``prior``, ``evidence``, ``weights``, ``agent_weights``, ``classes``, ``silent_pairs`` (pairs of positions),
    ``rewards`` (rewards[h][m][o]), ``predictions``, and ``risk``, a `risk_report`.
    """
    functions = [function for _, function in study["hypotheses"]]
    size = len(functions)
    u = study["fail_utility"]
    lines = list(u) if isinstance(u, list | tuple) else [u] * size
    predictions = [[functions[h](row) > lines[h] for row in study["training"]] for h in range(size)]
    prior = _normalised(study["prior_weights"])
    agent_prior = prior if study["agent_prior"] == "values" else _normalised([1] * size)
    evidence = labels_evidence(predictions, study["labels"], study["noise"])
    classes = silent_classes([[tuple(row) for row in predictions]])
    weights = posterior(prior, evidence)
    agent_weights = posterior(agent_prior, evidence)
    rewards = [[[functions[h](option) for option in scene] for scene in study["test"]] for h in range(size)]
    judge_u = [[lines[h]] * len(study["test"]) for h in range(size)]
    risk = risk_report(
        study["policy"],
        agent_weights,
        weights,
        rewards,
        [[True] * len(scene) for scene in study["test"]],
        judge_u,
        judge_u,
        study["abstain"],
        classes=classes,
        agent_prior=agent_prior,
        judge_prior=prior,
    )
    return {
        "prior": prior,
        "evidence": evidence,
        "weights": weights,
        "agent_weights": agent_weights,
        "classes": classes,
        "silent_pairs": [(i, j) for i, j in itertools.combinations(range(size), 2) if classes[i] == classes[j]],
        "predictions": predictions,
        "rewards": rewards,
        "risk": risk,
    }
