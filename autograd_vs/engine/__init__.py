"""Floor 1: recording and walking. No rule of calculus lives here, and no op is known by name."""
