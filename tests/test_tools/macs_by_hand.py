"""MACs of every network of the zoo by formulas, for get_flops.py to match.

Widths and depths that no config names are those of Swin-B, PVT-Medium and
ResNet-50.
"""

from itertools import pairwise


def macs_by_hand(cfg):
    """(`memory_macs`, `backbone_macs`, `macs`) of a model's config."""
    count = {
        'JointViT': joint_vit,
        'OneWayViT': joint_vit,
        'JointSwin': joint_swin,
        'JointPVT': joint_pvt,
        'Siamese': siamese,
    }[cfg.backbone.type]
    memory, forward, cells, channels = count(
        cfg.backbone, cfg.exemplar.size, cfg.search.size
    )
    return (
        memory,
        memory + forward,
        memory + forward + corner_head(cells, channels, cfg.head.channels),
    )


def corner_head(cells, channels_in, channels):
    widths = [channels, channels, channels // 2, channels // 4, channels // 8]
    branch = sum(9 * a * b for a, b in pairwise(widths)) + widths[-1]
    bottleneck = channels_in * channels if channels_in != channels else 0
    return cells * (2 * branch + bottleneck)


def attention(width, num_asking, num_answering):
    """Both products: queries with keys, weights with values."""
    return 2 * width * num_asking * num_answering


def vit_layer(width, num_tokens, hidden, num_kept=0):
    linear = 4 * width**2 + 2 * width * hidden
    return num_tokens * linear + attention(
        width, num_tokens, num_tokens + num_kept
    )


def position_mlp(width):
    """Of one patch: 3 -> width / 2 -> width."""
    return 3 * width // 2 + width // 2 * width


def detr_decoder(width, num_layers, num_asking, num_answering):
    """Self attention, cross attention, and hidden layers of 8 widths."""
    linear = (4 + 2 + 2 * 8) * num_asking + 2 * num_answering
    products = attention(width, num_asking, num_asking + num_answering)
    return num_layers * (linear * width**2 + products)


def joint_vit(cfg, exemplar_size, search_size):
    width, patch = cfg.arch.embed_dims, cfg.patch_size
    layers, hidden = cfg.arch.num_layers, cfg.arch.feedforward_channels
    n = (exemplar_size // patch) ** 2
    f = (cfg.tokenizer.foveal_size // patch) ** 2
    cells = (search_size // patch) ** 2
    embed = 3 * patch**2 * width
    memory = (n + f) * embed
    if cfg.tokenizer.get('target_position', True):
        released = cfg.tokenizer.get('as_released', False)
        memory += (n if released else n + f) * position_mlp(width)
    own, kept = cells + 1, n + f  # with the class token
    if cfg.type == 'OneWayViT':
        # of the last layer only queries, keys and values
        memory += (layers - 1) * vit_layer(width, kept, hidden)
        memory += 3 * kept * width**2
        forward = layers * vit_layer(width, own, hidden, kept)
    else:
        every = cfg.get('interaction_every', 1)
        joint = layers // every
        memory += (every - 1) * vit_layer(width, kept, hidden)
        forward = joint * vit_layer(width, own + kept, hidden)
        forward += (layers - joint) * vit_layer(width, own, hidden)
        between = layers - joint - (every - 1)
        forward += between * vit_layer(width, kept, hidden)
    forward += cells * embed
    if cfg.get('decoder') is None:
        return memory, forward, cells, width
    reduced = cfg.decoder.embed_dims
    forward += (cells + kept) * width * reduced
    forward += detr_decoder(reduced, cfg.decoder.num_layers, cells, kept)
    return memory, forward, cells, reduced


def joint_swin(cfg, exemplar_size, search_size):
    """Swin-B, windows of 7."""
    memory = search = 0
    a, b, width = exemplar_size // 4, search_size // 4, 128
    memory += a**2 * (3 * 16 * width + position_mlp(width))
    search += b**2 * 3 * 16 * width
    for stage, depth in enumerate((2, 2, 18, 2)):
        if stage > 0:  # four tokens become one
            a, b, width = -(-a // 2), -(-b // 2), 2 * width
            memory += a**2 * 2 * width * width
            search += b**2 * 2 * width * width
        pooled = min(a, 7) ** 2
        memory += depth * (
            swin_layer(width, a) + 2 * pooled * width**2  # keys and values
        )
        search += depth * swin_layer(width, b, pooled)
    memory -= swin_layer(width, a)  # the last block only keeps
    # the third stage and, enlarged, the fourth
    return memory, search, (search_size // 16) ** 2, 512 + 1024


def swin_layer(width, side, num_kept=0):
    padded = (-(-side // 7) * 7) ** 2
    return (
        4 * padded * width**2
        + 8 * side**2 * width**2
        + attention(width, padded, 49 + num_kept)
    )


def joint_pvt(cfg, exemplar_size, search_size):
    """PVT-Medium."""
    memory = forward = 0
    a, b, before = exemplar_size // 4, search_size // 4, 3
    for stage, (width, depth, mlp, ratio) in enumerate(
        zip((64, 128, 320, 512), cfg.num_layers, (8, 8, 4, 4), (8, 4, 2, 1))
    ):
        kernel = 4
        if stage > 0:
            a, b, kernel = -(-a // 2), -(-b // 2), 2
        memory += a**2 * position_mlp(width)
        embed = kernel**2 * before * width
        if stage == 0:
            memory, forward = memory + a**2 * embed, b**2 * embed
        else:
            forward += (a**2 + b**2) * embed
        forward += depth * pvt_layer(width, a, b, mlp, ratio)
        before = width
    return memory, forward, (search_size // 16) ** 2, 320 + 512


def pvt_layer(width, a, b, mlp, ratio):
    num, half = a**2 + b**2, max(ratio // 2, 1)
    answering = (a // half) ** 2 + (b // ratio) ** 2
    reduction = 0
    if ratio > 1:
        reduction = (a // half * half) ** 2 + (b // ratio * ratio) ** 2
    linear = (2 + 2 * mlp) * num + 2 * answering + reduction
    return linear * width**2 + attention(width, num, answering)


def siamese(cfg, exemplar_size, search_size):
    features = cfg.features
    if features.type.endswith('ResNet'):
        stride, channels = 16, 1024
        extract = resnet50
    else:
        stride, channels = features.patch_size, features.arch.embed_dims
        extract = vit
    width, layers = cfg.interaction.embed_dims, cfg.interaction.num_layers
    exemplar = (exemplar_size // stride) ** 2
    cells = (search_size // stride) ** 2
    bottleneck = channels * width
    memory = extract(features, exemplar_size) + exemplar * bottleneck
    forward = extract(features, search_size) + cells * bottleneck
    tokens = exemplar + cells
    forward += layers * vit_layer(width, tokens, 8 * width)
    forward += detr_decoder(width, layers, 1, tokens)
    return memory, forward + cells * width, cells, width  # similarity


def vit(cfg, size):
    width, hidden = cfg.arch.embed_dims, cfg.arch.feedforward_channels
    cells = (size // cfg.patch_size) ** 2
    return cells * 3 * cfg.patch_size**2 * width + (
        cfg.arch.num_layers * vit_layer(width, cells + 1, hidden)
    )


def resnet50(cfg, size):
    """Up to the third stage, stride 16."""
    macs = (size // 2) ** 2 * 49 * 3 * 64
    side, before = size // 4, 64
    for stage, (depth, width) in enumerate(zip((3, 4, 6), (64, 128, 256))):
        for block in range(depth):
            macs += side**2 * before * width  # the stride comes after it
            if block == 0 and stage > 0:
                side //= 2
            macs += side**2 * (9 * width**2 + width * 4 * width)
            if block == 0:
                macs += side**2 * before * 4 * width
            before = 4 * width
    return macs


def tokens_by_hand(cfg):
    """Numbers of tokens by kind, stage by stage in a pyramid."""
    sizes = cfg.exemplar.size, cfg.search.size
    if cfg.backbone.type in ('JointSwin', 'JointPVT'):
        exemplar, search = (
            [(-(-size // (4 * 2**stage))) ** 2 for stage in range(4)]
            for size in sizes
        )
        return {'exemplar': exemplar, 'search': search}
    vit = cfg.backbone.get('features', cfg.backbone)
    patch = vit.get('patch_size', 16)
    exemplar, search = ((size // patch) ** 2 for size in sizes)
    found = {'exemplar': exemplar}
    if cfg.backbone.type != 'Siamese':
        if cfg.backbone.tokenizer.foveal_size:
            found['foveal'] = (
                cfg.backbone.tokenizer.foveal_size // patch
            ) ** 2
        found['class'] = 1
    elif 'patch_size' in vit:
        found['class'] = 2
    return found | {'search': search}
