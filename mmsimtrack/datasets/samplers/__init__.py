"""Samplers."""

from .pair_sampler import PairSampler
