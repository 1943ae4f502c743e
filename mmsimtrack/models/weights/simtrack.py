"""Official SimTrack files."""

from mmsimtrack.models.weights.official import Official, convert_file

UNUSED = 'backbone.visual.proj'  # CLIP's projection into the space of texts
SIMTRACK = Official(
    'SimTrack',
    layers=r'backbone\.visual\.transformer\.resblocks',
    unused=(UNUSED,),
)
__all__ = ['convert_file', 'simtrack_names', 'to_official', 'to_ours']
simtrack_names = SIMTRACK.names
to_ours, to_official = SIMTRACK.to_ours, SIMTRACK.to_official
