"""Worlds to drive in without a vehicle."""
