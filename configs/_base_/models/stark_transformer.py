# The transformer of STARK-S between backbone and predictor: six encoder and
# six decoder layers.
interaction = dict(embed_dims=256, num_layers=6, num_heads=8, dropout=0.1)
