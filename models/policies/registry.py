"""The policies that study files may name.

They are also the policies that are compared with one another. A new policy is one line here.
"""

from collections.abc import Mapping

from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.boltzmann import Boltzmann
from reward_hypotheses.models.policies.commit import Commit
from reward_hypotheses.models.policies.cvar import Cvar
from reward_hypotheses.models.policies.expected import Expected
from reward_hypotheses.models.policies.maximin import Maximin
from reward_hypotheses.models.policies.most_probable import MostProbable
from reward_hypotheses.models.policies.quantilize import Quantilize

POLICIES: Mapping[str, type[Policy]] = {
    policy.name: policy for policy in (Commit, MostProbable, Expected, Boltzmann, Cvar, Maximin, Quantilize)
}
"""Every policy by its name, in the order in which they are compared."""
