"""Official OSTrack files."""

from mmsimtrack.models.weights.official import Official

# Of the pre-trained ViT, with their tokens. OSTrack keeps them in its files,
# which must have them, and never uses them.
SHAPES = {'backbone.cls_token': 1, 'backbone.pos_embed': 197}
OSTRACK = Official('OSTrack', r'backbone\.blocks', tuple(SHAPES), SHAPES)
to_ours, to_official = OSTRACK.to_ours, OSTRACK.to_official
