"""A process that is forked while other threads read frames does not hang.

Pillow imports what reads a format when it meets one: a fork in the midst of
that would leave the lock of the import behind.
"""

import multiprocessing
import os
import threading

import cv2
import numpy as np
from clips import write_folder

from mmsimtrack.datasets import FrameReader
from mmsimtrack.structures import CropWindow

REPEATS = int(os.environ.get('MMSIMTRACK_STRESS', 3))


def read(paths):
    bbox = np.array([100.0, 100, 400, 300])
    for frame in FrameReader(paths, 4, 8):
        CropWindow.around(bbox, 2, 256).cut(frame)


def test_forks_while_frames_are_read(tmp_path):
    names = [f'{i}.jpg' for i in range(8)]
    folder = write_folder(
        tmp_path / 'ball', names, lambda image: cv2.resize(image, (900, 700))
    )
    paths, ended = [str(folder / name) for name in names], threading.Event()

    def keep_reading():
        while not ended.is_set():
            read(paths)

    cv2.setNumThreads(4)
    thread = threading.Thread(target=keep_reading)
    thread.start()
    try:
        for _ in range(REPEATS):
            context = multiprocessing.get_context('fork')
            child = context.Process(target=read, args=(paths,))
            child.start()
            child.join(120)
            hangs = child.exitcode is None
            child.kill()
            assert not hangs and child.exitcode == 0
    finally:
        ended.set()
        thread.join()
        cv2.setNumThreads(0)
