"""Rules of the public evaluation kits, where they differ."""

from dataclasses import dataclass, replace

from mmsimtrack.benchmarks import BENCHMARKS


@dataclass(frozen=True)
class Profile:
    """The rules of one kit for one benchmark, where kits differ.

    Args:
        measure: What is computed: ``'curves'`` (one-pass evaluation: three
            curves per sequence, then their mean), ``'frames'`` (GOT-10k: the
            overlaps of all frames in one pool) or ``'server'``
            (TrackingNet). The rules below are those of curves.
        valid: When the annotation of a frame is valid. ``'box'``: x, y, w, h
            > 0. ``'size'``: w, h > 0. ``'center'``: w, h > 0 (success) or
            center > 0 (precision). ``'any'``: always. ``'number'``: it is
            not NaN; other frames are dropped. Invalid frames miss in success
            and hit in normalized precision.
        invalid_hits: Invalid frames hit in precision too; otherwise they
            miss there.
        reads_visible: A frame without visible target misses everywhere.
            Otherwise flags are not read.
        keeps_first: The first row of the result counts. Otherwise it is
            replaced by the annotation.
        repeats: Which rows of the result are replaced by the row before:
            ``'broken'`` (NaN, or w or h <= 0), ``'empty'`` (w or h = 0), or
            ``''``, none.
        refuses_nan: NaN and negative sizes in a result are refused.
        refuses_unknown: NaN in an annotation is refused.
        short: A result with too few rows is refused (``'refuse'``), padded
            with zero boxes (``'pad'``), or cuts the annotation (``'cut'``).
        arithmetic: ``'pixel'``, ``'continuous'`` (overlaps are clipped to
            1) or ``'subtract'`` (also, centers are subtracted before they are
            divided by sizes of at least 1).
        drops_zero_curves: A curve that is zero everywhere does not enter the
            mean over sequences.
    """

    measure: str = 'curves'
    valid: str = 'size'
    invalid_hits: bool = False
    reads_visible: bool = False
    keeps_first: bool = False
    repeats: str = 'empty'
    refuses_nan: bool = True
    refuses_unknown: bool = True
    short: str = 'pad'
    arithmetic: str = 'pixel'
    drops_zero_curves: bool = False


_MATLAB = Profile(
    valid='box',
    invalid_hits=True,
    repeats='broken',
    refuses_nan=False,
    refuses_unknown=False,
    short='refuse',
    drops_zero_curves=True,
)
_MATLAB_WITH_FLAGS = replace(_MATLAB, reads_visible=True)
_GOT10K, _TRACKINGNET = Profile('frames'), Profile('server')
_PYSOT = replace(
    _MATLAB,
    valid='center',
    keeps_first=True,
    repeats='',
    arithmetic='continuous',
    drops_zero_curves=False,
)
_GOT10K_OTB = replace(
    _PYSOT, valid='any', keeps_first=False, short='cut', arithmetic='subtract'
)
_GOT10K_LASOT = replace(_GOT10K_OTB, valid='number')


def _of_pytracking(profile: Profile) -> dict[str | None, Profile]:
    """Add pytracking's special cases, which go by the name of a data set."""
    return {
        None: profile,
        # a benchmark of no kit: NaN marks absent targets, as zeros do
        'custom': replace(profile, refuses_unknown=False),
        'lasot': replace(profile, reads_visible=True, short='refuse'),
        'uav123': replace(profile, invalid_hits=True, refuses_unknown=False),
    }


# kit -> benchmark -> rules; those for all other benchmarks are under None
_PROFILES = {
    'official': {
        None: _MATLAB_WITH_FLAGS,
        'uav123': _MATLAB,
        'otb100': _MATLAB,
        'nfs': _MATLAB,
        'got10k': _GOT10K,
        'trackingnet': _TRACKINGNET,
    },
    'pytracking': _of_pytracking(Profile(valid='box')),
    'stark': _of_pytracking(Profile()),
    'pysot': {None: _PYSOT, 'lasot': replace(_PYSOT, reads_visible=True)},
    'got10k': {
        None: _GOT10K_LASOT,
        'got10k': _GOT10K,
        'custom': _GOT10K,
        'otb100': _GOT10K_OTB,
        'nfs': _GOT10K_OTB,
        'trackingnet': _GOT10K_OTB,
    },
    'trackingnet': {None: _TRACKINGNET},
}
KITS = tuple(_PROFILES)


def get_profile(kit: str, benchmark: str = 'custom') -> Profile:
    """Look up the rules of a kit; `docs/en/evaluate.md` lists them all.

    Args:
        kit: ``'official'`` (the benchmark's own kit), ``'pytracking'``,
            ``'stark'`` (the file shared by STARK, SimTrack and OSTrack),
            ``'pysot'``, ``'got10k'`` (AO and SR for GOT-10k and custom data,
            else the curves of that kit) or ``'trackingnet'`` (the server).
        benchmark: One of `BENCHMARKS`.

    Raises:
        ValueError: If there is no such kit or benchmark.
    """
    for what, name, known in (
        ('kit', kit, KITS),
        ('benchmark', benchmark, BENCHMARKS),
    ):
        if name not in known:
            raise ValueError(
                f"get_profile: found {what} '{name}', expected one of "
                f'{sorted(known)}. Correct the profile or the benchmark.'
            )
    rules = _PROFILES[kit]
    return rules.get(benchmark, rules[None])
