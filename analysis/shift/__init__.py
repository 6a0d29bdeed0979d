"""Distribution shift: the two-sample test, worst cases, impact and minimax bounds."""
