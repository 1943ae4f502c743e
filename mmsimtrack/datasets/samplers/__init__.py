"""Samplers."""

from .pair_sampler import PairSampler

__all__ = ['PairSampler']
