"""Literature of the methods that a study can use, as BibTeX."""

from collections.abc import Iterable

AUTHOR = "The reward\\_hypotheses maintainers"
"""Author and title of the software, as in CITATION.cff."""
TITLE = "reward\\_hypotheses: posterior weights for reward hypotheses under explicit human values"

ENTRIES: dict[str, tuple[str, dict[str, str]]] = {
    "reward-hypotheses": ("misc", {"author": f"{{{AUTHOR}}}", "title": f"{{{TITLE}}}"}),
    "numpy": (
        "article",
        {
            "author": "Harris, Charles R. and Millman, K. Jarrod and van der Walt, St{\\'e}fan J. and others",
            "title": "Array programming with {NumPy}",
            "journal": "Nature",
            "volume": "585",
            "pages": "357--362",
            "year": "2020",
        },
    ),
    "pymc": (
        "article",
        {
            "author": "Abril-Pla, Oriol and Andreani, Virgile and Carroll, Colin and others",
            "title": "{PyMC}: a modern, and comprehensive probabilistic programming framework in {Python}",
            "journal": "PeerJ Computer Science",
            "volume": "9",
            "pages": "e1516",
            "year": "2023",
        },
    ),
    "arviz": (
        "article",
        {
            "author": "Kumar, Ravin and Carroll, Colin and Hartikainen, Ari and Martin, Osvaldo",
            "title": "{ArviZ} a unified library for exploratory analysis of {Bayesian} models in {Python}",
            "journal": "Journal of Open Source Software",
            "volume": "4",
            "number": "33",
            "pages": "1143",
            "year": "2019",
        },
    ),
    "nuts": (
        "article",
        {
            "author": "Hoffman, Matthew D. and Gelman, Andrew",
            "title": "The {No-U-Turn} sampler: adaptively setting path lengths in {Hamiltonian} {Monte} {Carlo}",
            "journal": "Journal of Machine Learning Research",
            "volume": "15",
            "pages": "1593--1623",
            "year": "2014",
        },
    ),
    "bridge": (
        "article",
        {
            "author": "Meng, Xiao-Li and Wong, Wing Hung",
            "title": "Simulating ratios of normalizing constants via a simple identity: a theoretical exploration",
            "journal": "Statistica Sinica",
            "volume": "6",
            "pages": "831--860",
            "year": "1996",
        },
    ),
    "rhat": (
        "article",
        {
            "author": 'Vehtari, Aki and Gelman, Andrew and Simpson, Daniel and Carpenter, Bob and B{\\"u}rkner, Paul-Christian',
            "title": "Rank-normalization, folding, and localization: an improved {$\\widehat{R}$} for assessing convergence of {MCMC}",
            "journal": "Bayesian Analysis",
            "volume": "16",
            "pages": "667--718",
            "year": "2021",
        },
    ),
    "psis": (
        "article",
        {
            "author": "Vehtari, Aki and Simpson, Daniel and Gelman, Andrew and Yao, Yuling and Gabry, Jonah",
            "title": "Pareto smoothed importance sampling",
            "journal": "Journal of Machine Learning Research",
            "volume": "25",
            "number": "72",
            "pages": "1--58",
            "year": "2024",
        },
    ),
    "smc": (
        "article",
        {
            "author": "Del Moral, Pierre and Doucet, Arnaud and Jasra, Ajay",
            "title": "Sequential {Monte} {Carlo} samplers",
            "journal": "Journal of the Royal Statistical Society: Series B",
            "volume": "68",
            "pages": "411--436",
            "year": "2006",
        },
    ),
    "luce": (
        "book",
        {
            "author": "Luce, R. Duncan",
            "title": "Individual choice behavior: a theoretical analysis",
            "publisher": "Wiley",
            "address": "New York",
            "year": "1959",
        },
    ),
    "bradley-terry": (
        "article",
        {
            "author": "Bradley, Ralph Allan and Terry, Milton E.",
            "title": "Rank analysis of incomplete block designs: {I}. {The} method of paired comparisons",
            "journal": "Biometrika",
            "volume": "39",
            "pages": "324--345",
            "year": "1952",
        },
    ),
    "plackett": (
        "article",
        {
            "author": "Plackett, R. L.",
            "title": "The analysis of permutations",
            "journal": "Applied Statistics",
            "volume": "24",
            "pages": "193--202",
            "year": "1975",
        },
    ),
    "mccullagh": (
        "article",
        {
            "author": "McCullagh, Peter",
            "title": "Regression models for ordinal data",
            "journal": "Journal of the Royal Statistical Society: Series B",
            "volume": "42",
            "pages": "109--142",
            "year": "1980",
        },
    ),
    "birl": (
        "inproceedings",
        {
            "author": "Ramachandran, Deepak and Amir, Eyal",
            "title": "Bayesian inverse reinforcement learning",
            "booktitle": "Proceedings of the 20th International Joint Conference on Artificial Intelligence",
            "pages": "2586--2591",
            "year": "2007",
        },
    ),
    "maxent-irl": (
        "inproceedings",
        {
            "author": "Ziebart, Brian D. and Maas, Andrew and Bagnell, J. Andrew and Dey, Anind K.",
            "title": "Maximum entropy inverse reinforcement learning",
            "booktitle": "Proceedings of the 23rd AAAI Conference on Artificial Intelligence",
            "pages": "1433--1438",
            "year": "2008",
        },
    ),
    "inverse-reward-design": (
        "inproceedings",
        {
            "author": "Hadfield-Menell, Dylan and Milli, Smitha and Abbeel, Pieter and Russell, Stuart and Dragan, Anca",
            "title": "Inverse reward design",
            "booktitle": "Advances in Neural Information Processing Systems 30",
            "year": "2017",
        },
    ),
    "off-switch": (
        "inproceedings",
        {
            "author": "Hadfield-Menell, Dylan and Dragan, Anca and Abbeel, Pieter and Russell, Stuart",
            "title": "The off-switch game",
            "booktitle": "Proceedings of the 26th International Joint Conference on Artificial Intelligence",
            "pages": "220--227",
            "year": "2017",
        },
    ),
    "cvar": (
        "article",
        {
            "author": "Rockafellar, R. Tyrrell and Uryasev, Stanislav",
            "title": "Optimization of conditional value-at-risk",
            "journal": "Journal of Risk",
            "volume": "2",
            "number": "3",
            "pages": "21--41",
            "year": "2000",
        },
    ),
    "quantilizers": (
        "inproceedings",
        {
            "author": "Taylor, Jessica",
            "title": "Quantilizers: a safer alternative to maximizers for limited optimization",
            "booktitle": "AAAI Workshop on AI, Ethics, and Society",
            "year": "2016",
        },
    ),
    "pools": (
        "article",
        {
            "author": "Genest, Christian and Zidek, James V.",
            "title": "Combining probability distributions: a critique and an annotated bibliography",
            "journal": "Statistical Science",
            "volume": "1",
            "pages": "114--135",
            "year": "1986",
        },
    ),
    "contamination": (
        "article",
        {
            "author": "Berger, James and Berliner, L. Mark",
            "title": "Robust {Bayes} and empirical {Bayes} analysis with $\\varepsilon$-contaminated priors",
            "journal": "The Annals of Statistics",
            "volume": "14",
            "pages": "461--486",
            "year": "1986",
        },
    ),
    "sobol": (
        "article",
        {
            "author": "Sobol', I. M.",
            "title": "Sensitivity estimates for nonlinear mathematical models",
            "journal": "Mathematical Modelling and Computational Experiments",
            "volume": "1",
            "pages": "407--414",
            "year": "1993",
        },
    ),
    "permutations": (
        "article",
        {
            "author": "Phipson, Belinda and Smyth, Gordon K.",
            "title": "Permutation {$p$}-values should never be zero: calculating exact {$p$}-values when permutations are randomly drawn",
            "journal": "Statistical Applications in Genetics and Molecular Biology",
            "volume": "9",
            "number": "1",
            "year": "2010",
        },
    ),
}
"""Key of a citation -> type and fields of its entry."""


def bibtex(keys: Iterable[str], version: str) -> bytes:
    """Return the entries of some keys as a BibTeX file, in the order of `ENTRIES`."""
    wanted, entries = set(keys), []
    for key, (kind, fields) in ENTRIES.items():
        if key in wanted:
            fields = fields | ({"note": f"Version {version}"} if key == "reward-hypotheses" and version else {})
            lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
            entries.append("\n".join([f"@{kind}{{{key},", *lines, "}"]))
    return ("\n\n".join(entries) + "\n").encode()
