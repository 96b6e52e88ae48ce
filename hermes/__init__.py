"""Hermes: a compact agent runtime whose agents delegate work to concurrent child agents."""
