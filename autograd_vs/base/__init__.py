"""Floor 0: plain tools. No gradients, and no state of the user's."""
