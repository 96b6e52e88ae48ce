"""Strategies: who goes next. Each opens with its paper, and knows plain data only."""
