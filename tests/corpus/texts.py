"""Boxes, labels, lists, attributes and results as text files."""

import codecs
import gzip
import json
import os
import random

import layouts
import storage
from cases import Case
from storage import check_arguments

# How a file of n rows is changed, and what is then wrong with it. Where
# nothing is, the file is read as it was.
FINE = {
    'crlf': lambda text: text.replace(b'\n', b'\r\n'),
    'mark': lambda text: codecs.BOM_UTF8 + text,
    'utf-16': lambda text: text.decode().encode('utf-16'),
    'utf-16-be': lambda text: (
        codecs.BOM_UTF16_BE + text.decode().encode('utf-16-be')
    ),
    'no end of line': lambda text: text.rstrip(b'\n'),
    'blank lines after': lambda text: text + b'\n \n\n',
    'space before lines': lambda text: b' ' + text.replace(b'\n', b'\n '),
    'space after lines': lambda text: text.replace(b'\n', b' \t\n'),
}
NUMBERS_FINE = {
    'spaces': lambda text: text.replace(b',', b' '),
    'tabs': lambda text: text.replace(b',', b'\t'),
    'commas and spaces': lambda text: text.replace(b',', b' , '),
}
BROKEN = {
    'empty': lambda text: b'',
    'blank': lambda text: b'\n \n\t\n',
    'word': lambda text: text.replace(b'\n', b'\nnone\n', 1),
    'binary': lambda text: random.Random(0).randbytes(400),
    'nul': lambda text: text + b'\0' * 64,
    'gzip': lambda text: gzip.compress(text),
    'page': lambda text: b'<!DOCTYPE html>\n<html>404</html>\n',
    'lfs': lambda text: b'version https://git-lfs.github.com/spec/v1\n',
    'json': lambda text: json.dumps([[1, 2, 3, 4]]).encode(),
    'utf-16 without mark': lambda text: text.decode().encode('utf-16-le'),
    'latin-1': lambda text: text + b'\xe9\xff\n',
    'semicolons': lambda text: b'1;2;3;4\n' * 8,
    'hexadecimal': lambda text: text.replace(b'\n', b'\n0x10\n', 1),
    'infinity': lambda text: _first_number(text, b'inf'),
    'too large to be a number': lambda text: _first_number(text, b'1e400'),
    'underscores': lambda text: _first_number(text, b'1__0'),
    'quotes': lambda text: _first_number(text, b'"1"'),
    'None': lambda text: _first_number(text, b'None'),
    'remark': lambda text: b'# boxes\n' + text,
    'cut in a number': lambda text: text[: len(text) // 2] + b'-',
}
BOXES_BROKEN = {
    'a row less': lambda text: text[: text[:-1].rindex(b'\n') + 1],
    'a row more': lambda text: text + text[text[:-1].rindex(b'\n') + 1 :],
    'three numbers': lambda text: _second_line(text, b'1,2,3'),
    'five numbers': lambda text: _second_line(text, b'1,2,3,4,5'),
    'a header': lambda text: b'x,y,w,h\n' + text,
    'far beyond any frame': lambda text: _first_number(text, b'1e160'),
    'decimal commas': lambda text: text.replace(b'\n', b',5,5,5,5\n'),
}
FLAGS_BROKEN = {
    'a flag less': lambda text: text.strip()[:-2] + b'\n',
    'a flag more': lambda text: (
        text.rstrip(b'\n') + (b',1' if b',' in text else b'\n1')
    ),
    'a fraction': lambda text: _first_number(text, b'0.5'),
    'not a number': lambda text: _first_number(text, b'nan'),
}
PLACES = {
    'missing': lambda path: path.unlink(),
    'folder': lambda path: (path.unlink(), path.mkdir()),
    'dangling link': lambda path: (path.unlink(), path.symlink_to('gone')),
    'pipe': lambda path: (path.unlink(), os.mkfifo(path)),
}

# where the miniature of each layout has boxes and flags
FILES = {
    'lasot': ('groundtruth.txt', 'full_occlusion.txt', 'out_of_view.txt'),
    'got10k': ('groundtruth.txt', 'absence.label', 'cover.label'),
    'trackingnet': ('TRAIN_0_video_0.txt',),
    'tnl2k': ('groundtruth.txt',),
    'uav123': ('uav6.txt',),
    'otb100': ('groundtruth_rect.txt',),
    'nfs': ('dog_1.txt',),
    'vasttrack': ('Groundtruth.txt',),
    'folder': ('Cat_video_01-Done.txt',),
}


def _first_number(text, number):
    rest = text.lstrip(b'0123456789.')
    return number + rest


def _second_line(text, line):
    first, _, rest = text.partition(b'\n')
    return b'\n'.join([first, line, rest.partition(b'\n')[2]])


def damaged(layout, file, change):
    """A data set of which one file is changed."""

    def make(folder):
        cfg = storage.make(layout, folder / 'data')
        path = min(folder.rglob(file))
        if change in PLACES.values():
            change(path)
        else:
            path.write_bytes(change(path.read_bytes()))
        return check_arguments(cfg)

    return make


def boxes_and_flags():
    for layout, files in FILES.items():
        for file in files:
            flags = file != files[0]
            broken = BROKEN | (FLAGS_BROKEN if flags else BOXES_BROKEN)
            fine = FINE | NUMBERS_FINE
            if flags:  # a number on its own is whole, however it is written
                del broken['semicolons']
            if layout == 'nfs':  # nine columns, of which four count
                fine = FINE
                drop = 'a row less', 'a row more', 'decimal commas'
                broken = {k: v for k, v in broken.items() if k not in drop}
            # flags of GOT-10k may be missing; TrackingNet has no list
            places = {} if layout == 'got10k' and flags else PLACES
            if layout == 'trackingnet':
                places = {'dangling link': PLACES['dangling link']}
            for name, change in fine.items():
                make = damaged(layout, file, change)
                yield Case(f'{layout}/{file}: {name}', make, 0)
            for name, change in (broken | places).items():
                make = damaged(layout, file, change)
                yield Case(f'{layout}/{file}: {name}', make, 1, (file,))


NAMES_FINE = ('{2024}', '{}', '%d', 'a b', 'ü', '-x', '#1', '$(x)', "a'b")
NAMES_BROKEN = {
    '../x': r"lists the sequence '\.\./x'",
    '/x': "lists the sequence '/x'",
    'a/b': 'lists the sequence',
    'a\\b': 'lists the sequence',
    '.': 'lists the sequence',
    '..': 'lists the sequence',
    'a\0b': 'lists the sequence',
    'x' * 300: 'x is missing',
    'nobody': 'nobody is missing',
    '*': 'is missing',
    '~': 'is missing',
}


def indices():
    for some in ('x', '[9]', '[0.5]', '1.5', '[x]'):

        def make(folder, some=some):
            cfg = storage.make('got10k', folder / 'data')
            return check_arguments(dict(cfg, indices=some))

        yield Case(f'indices {some}', make, 1, ('expected a number of',))


def lists():
    def listed(change):
        def make(folder):
            root = folder / 'data'
            layouts.make_got10k(root, num_sequences=2, num_frames=3)
            change(root / 'train/list.txt')
            cfg = dict(type='Got10kDataset', split='train', data_root=root)
            return check_arguments(cfg)

        return make

    def rewrite(change):
        return lambda path: path.write_bytes(change(path.read_bytes()))

    def rename(name):
        def change(path):
            path.with_name('seq_1').rename(path.with_name(name))
            path.write_text(f'seq_0\n{name}\n', encoding='utf-8')

        return change

    def add(name):
        return rewrite(lambda text: text + name.encode() + b'\n')

    for name, change in FINE.items():
        yield Case(f'list: {name}', listed(rewrite(change)), 0)
    for name in NAMES_FINE:
        yield Case(f'list with {name!r}', listed(rename(name)), 0)
    for name, says in NAMES_BROKEN.items():
        make = listed(add(name))
        yield Case(f'list with {name[:9]!r}', make, 1, (says,))
    for name in ('binary', 'page', 'lfs', 'json', 'gzip', 'nul', 'latin-1'):
        make = listed(rewrite(BROKEN[name]))
        yield Case(f'list: {name}', make, 1, ('missing|lists the sequence',))
    for name in ('empty', 'blank'):
        make = listed(rewrite(BROKEN[name]))
        yield Case(f'list: {name}', make, 1, ('holds no sequence',))
    twice = listed(add('seq_0'))
    yield Case('list: twice', twice, 1, ("'seq_0' twice",))
    for name, change in PLACES.items():
        says = ('list.txt|holds no sequence',)
        yield Case(f'list: {name}', listed(change), 1, says)


SCORE = dict(gt='gt', results='results', absent='absent', sequences='list.txt')


def results():
    """Result files, annotations and flags in flat folders."""

    def scored(kind, change):
        def make(folder):
            rng = random.Random(1)
            for name in ('a', 'b'):
                rows = [[rng.randint(9, 20) for _ in 'xywh'] for _ in range(6)]
                text = ''.join('{},{},{},{}\n'.format(*r) for r in rows)
                for part in ('gt', 'results', 'absent'):
                    path = folder / part / f'{name}.txt'
                    path.parent.mkdir(exist_ok=True)
                    path.write_text('0\n' * 6 if part == 'absent' else text)
            (folder / 'list.txt').write_text('a\nb\n')
            path = folder / SCORE[kind]
            path = path / 'a.txt' if path.is_dir() else path
            if change in PLACES.values():
                change(path)
            else:
                path.write_bytes(change(path.read_bytes()))
            args = ['score', '--benchmark', 'lasot', '--profile', 'official']
            for option, value in SCORE.items():
                args += [f'--{option}', folder / value]
            return args + ['--out', folder / 'm.json']

        return make

    def whole(folder, _):
        content = json.loads((folder / 'm.json').read_text())
        assert content['overall']['auc'] > 95
        assert set(content['per_sequence']) == {'a', 'b'}

    def nothing(folder, _):
        assert not list(folder.glob('m*'))

    for row in (b'nan,nan,nan,nan', b'1,2,NaN,4', b'nan,nan,0,0'):
        make = scored('results', lambda text, row=row: (row + b'\n') * 6)
        says = ('a.txt: 6 of the boxes are NaN',)
        yield Case(f'score results: all {row.decode()}', make, 0, says)
    for kind in SCORE:
        is_list, is_flags = kind == 'sequences', kind == 'absent'
        fine = FINE if is_list else FINE | NUMBERS_FINE
        for name, change in fine.items():
            make = scored(kind, change)
            yield Case(f'score {kind}: {name}', make, 0, check=whole)
        broken = BROKEN | (FLAGS_BROKEN if is_flags else BOXES_BROKEN)
        if is_list:
            broken = {k: BROKEN[k] for k in ('empty', 'binary', 'page', 'nul')}
            broken['path'] = lambda text: b'../results/a\n'
            broken['unknown'] = lambda text: text + b'nobody\n'
        if is_flags:
            del broken['semicolons']
        # kits cut what is longer than the annotation
        warned = {'gt': 'a row less', 'results': 'a row more'}.get(kind)
        if warned:
            make = scored(kind, broken.pop(warned))
            says = ('a.txt: . rows for . frames',)
            yield Case(f'score {kind}: {warned}', make, 0, says)
        says = (r'list\.txt|no annotation of' if is_list else r'a\.txt|gt: ',)
        for name, change in (broken | PLACES).items():
            make = scored(kind, change)
            yield Case(f'score {kind}: {name}', make, 2, says, nothing)


def all_cases():
    yield from boxes_and_flags()
    yield from indices()
    yield from lists()
    yield from results()
