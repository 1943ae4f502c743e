"""Parts of generate_sequences.py: textures, photos, scenes."""
