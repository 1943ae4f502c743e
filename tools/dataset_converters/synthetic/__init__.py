"""Parts of the generator of synthetic tracking sequences.

A sequence is drawn first (`drawing.draw_scene`: what moves where, with which
outline and look) and rendered afterwards (`render.render_scene`).
"""
