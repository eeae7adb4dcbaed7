"""Floor 2: the rules, one family per file. An op knows no Variable, no scope and no tape."""
