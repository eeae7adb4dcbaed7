"""Floor 2: named things that change: variables, stores, scopes, initializers. No gradient is known here."""
