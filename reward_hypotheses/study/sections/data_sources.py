"""Sources: the tables and MDPs that a study names, and where they came from."""

from dataclasses import dataclass, field
from typing import Any

from reward_hypotheses.data.readers.files import digest_of_columns
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.mdp.mdp import MDP


@dataclass(frozen=True, eq=False)
class Sources:
    """The tables and MDPs of a study, by name.

    Attributes
    ----------
    tables : dict of str to Table or None
        None where the table cannot be used, which is noted.
    mdps : dict of str to MDP or None
        None where the MDP cannot be used, which is noted.
    digests : dict of str to str
        SHA-256 of a file's bytes; of a table that was made, of its columns. Of an MDP's files: of the states by the MDP's
        name, of the transitions by ``<name> transitions``.
    origins : dict of str to dict
        Where each came from, in words and numbers that JSON holds.
    pictures : dict of str to bytes
        A picture of a table (PNG or JPEG), where the study names a file of one.
    versions : dict of str to str
        Of the packages that made a table.
    """

    tables: dict[str, Table | None] = field(default_factory=dict)
    mdps: dict[str, MDP | None] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    origins: dict[str, dict[str, Any]] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def add_made(self, name: str, table: Table, origin: dict[str, Any]) -> None:
        """Add a table that was made, not read from a file."""
        self.tables[name] = table
        self.digests[name] = digest_of_columns(table)
        self.origins[name] = origin

    def picture(self, name: str, scene: str | None) -> bytes | None:
        """Return a picture of a table, from its file or of a scene of its world.

        The scene is the first unless named.
        """
        origin = self.origins.get(name, {})
        if "landing_sites" not in origin:
            return self.pictures.get(name)
        from reward_hypotheses.data.worlds.lander.scenes import frame_of
        from reward_hypotheses.study.report import png

        return png(frame_of(origin["seed"], int(scene or 0), origin["mix"]))
