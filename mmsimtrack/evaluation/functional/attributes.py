"""Scores of the sequences that share an attribute."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .profiles import Profile
from .scores import FrameErrors, overall_scores


def attribute_scores(
    errors: Mapping[str, FrameErrors],
    attributes: Mapping[str, np.ndarray],
    names: list[str],
    profile: Profile,
) -> dict[str, dict[str, float]]:
    """Scores per attribute, each over the sequences that have it.

    Args:
        errors: By sequence.
        attributes: (K,) bool by sequence.
        names: Of the K attributes.
        profile: Whose rules apply.

    Returns:
        As `overall_scores`, and ``num_sequences``, by attribute; those that
        no sequence has are left out.
    """
    result = {}
    for index, name in enumerate(names):
        members = [e for key, e in errors.items() if attributes[key][index]]
        if members:
            scores = overall_scores(members, profile)
            result[name] = {'num_sequences': len(members), **scores}
    return result
