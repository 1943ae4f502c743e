"""Our trackers inside the toolkits of benchmarks, a file each.

Nothing imports these files: each needs a package of its toolkit.
"""
