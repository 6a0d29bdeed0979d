"""Design of probe scenes for agents and of questions for judges."""
