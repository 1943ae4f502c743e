"""Rules of the public evaluation kits, where they differ."""

from dataclasses import dataclass

CURVE_SCORES = (
    'auc',
    'op50',
    'op75',
    'precision20',
    'norm_precision_at_0_2',
    'norm_precision_auc_0_0_5',
)
FRAME_SCORES = ('ao', 'sr_0_5', 'sr_0_75')


@dataclass(frozen=True)
class Profile:
    """Rules of one kit, for one benchmark, where kits differ.

    Args:
        pools_frames: GOT-10k: boxes are clipped to the image, the first frame
            and hidden ones are dropped, and the frames of all sequences form
            one pool. Otherwise each sequence has three curves, whose means
            are the scores.
        reads_visible: An invisible target is a miss in all three curves.
            Otherwise only the size of its box counts.
        pads_result: Rows that a result lacks are zero boxes. Otherwise it is
            refused.
        marks_absent_by_nan: NaN boxes are frames without target, which hit in
            precision. Otherwise NaN is refused and such frames miss there.
    """

    pools_frames: bool = False
    reads_visible: bool = False
    pads_result: bool = True
    marks_absent_by_nan: bool = False

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of the scores that this profile defines."""
        return FRAME_SCORES if self.pools_frames else CURVE_SCORES


_UAV = Profile(marks_absent_by_nan=True)
# (kit, benchmark); a kit's rules for all other benchmarks are under None
_PROFILES = {
    ('stark', None): Profile(),
    ('stark', 'lasot'): Profile(reads_visible=True, pads_result=False),
    ('stark', 'uav123'): _UAV,
    ('stark', 'uav123_10fps'): _UAV,
    ('stark', 'uav20l'): _UAV,
    ('got10k', None): Profile(pools_frames=True),
}


def get_profile(kit: str, benchmark: str = 'custom') -> Profile:
    """Rules of a kit.

    Args:
        kit: ``'stark'`` (the file shared by STARK, SimTrack and OSTrack) or
            ``'got10k'`` (AO and SR of the GOT-10k toolkit).
        benchmark: Lower case, such as ``'lasot'`` or ``'uav123'``. The kits
            treat every name that they do not know alike.

    Raises:
        ValueError: If there is no such kit.
    """
    kits = sorted({name for name, _ in _PROFILES})
    if kit not in kits:
        raise ValueError(
            f"get_profile: found kit '{kit}', expected one of "
            f'{kits}. Correct the profile of the metric.'
        )
    return _PROFILES.get((kit, benchmark), _PROFILES[kit, None])
