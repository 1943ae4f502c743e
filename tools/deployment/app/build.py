"""Put runtime and networks of the page into mmsimtrack/app; see `make app`.

The runtime is onnxruntime-web of node_modules, as the lock file has it, the
networks are those of the small shipped model. All is gzipped: servers need not
compress, and the page unpacks it.
"""

import gzip
import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from mmsimtrack.apis import zoo
from mmsimtrack.deployment.export import (
    draw_clip,
    export,
    follow,
    write_settings,
)
from mmsimtrack.runtime import Tracker

MODEL = 'sim_t16_real'
HERE = Path(__file__).parent
RUNTIME = HERE / 'node_modules/onnxruntime-web/dist'
STATIC = Path(zoo.PACKAGE, 'app/static')
LIMIT = 10e6  # bytes of everything that the page loads


def store_halves(path: Path) -> None:
    """Store the weights of a network that fit into fp16 so.

    The shipped weights do, so that the boxes stay as they are; the arithmetic
    is in fp32.
    """
    network = onnx.load(path)
    graph, casts = network.graph, []
    for weight in graph.initializer:
        array, name = numpy_helper.to_array(weight), weight.name
        with np.errstate(over='ignore'):
            half = array.astype(np.float16)
        if array.dtype == np.float32 and (half == array).all():
            weight.CopyFrom(numpy_helper.from_array(half, f'{name}_fp16'))
            cast = onnx.helper.make_node('Cast', [weight.name], [name], to=1)
            casts.append(cast)
    nodes = [*casts, *graph.node]
    for node in nodes:
        del node.metadata_props[:]  # where in our code it comes from
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    onnx.save(network, path)


def compress(source: Path, folder: Path) -> int:
    """Write a file into a folder, gzipped; return the number of bytes."""
    content = gzip.compress(source.read_bytes(), 9, mtime=0)
    return (folder / f'{source.name}.gz').write_bytes(content)


def build_model(folder: Path, other_bytes: int) -> None:
    """Write the networks and `tracker.json` into a folder."""
    weights = zoo.find_model(MODEL)[1]
    with tempfile.TemporaryDirectory() as temporary:
        exported = Path(temporary, MODEL)
        export(zoo.get_model(MODEL, device='cpu'), exported, name=MODEL)
        clip = draw_clip()
        expected = follow(Tracker(exported), *clip)
        settings = json.loads((exported / 'tracker.json').read_text('utf-8'))
        content, size = weights.read_bytes(), other_bytes
        settings['weights_sha256'] = hashlib.sha256(content).hexdigest()
        for file in settings['files'].values():
            store_halves(exported / file)
            size += compress(exported / file, folder)
        settings['wire_bytes'] = size  # for the progress bar
        write_settings(exported, settings)
        found = follow(Tracker(exported), *clip)
        np.testing.assert_array_equal(found, expected)
        shutil.copy(exported / 'tracker.json', folder)


def main() -> None:
    """Write all files, and say how much the page loads."""
    ort, model = STATIC / 'ort', STATIC / 'model'
    ort.mkdir(exist_ok=True)
    model.mkdir(exist_ok=True)
    shutil.copy(RUNTIME / 'ort.wasm.bundle.min.mjs', ort)
    size = compress(RUNTIME / 'ort-wasm-simd-threaded.wasm', ort)
    build_model(model, size)
    total = sum(f.stat().st_size for f in STATIC.rglob('*') if f.is_file())
    print(f'{STATIC}: {total / 1e6:.2f} MB')
    if total > LIMIT:
        raise SystemExit(f'expected at most {LIMIT / 1e6:.0f} MB')


if __name__ == '__main__':
    main()
