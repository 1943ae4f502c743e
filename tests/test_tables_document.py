"""docs/en/paper_tables.md tells the numbers of the metafiles."""

import re

import pytest
import yaml
from processes import ROOT

DOC = (ROOT / 'docs/en/paper_tables.md').read_text()
FLOPS = (ROOT / 'docs/en/flops.md').read_text()
ROWS = {
    row['Config']: row
    for path in ROOT.glob('configs/*/metafile.yml')
    for row in yaml.safe_load(path.read_text())['Models']
}
KEYS = {
    'AUC': 'AUC',
    'P': 'Precision',
    'P_norm': 'Normalized Precision',
    'AO': 'AO',
    'SR_0.5': 'SR 0.5',
    'SR_0.75': 'SR 0.75',
}


def tables():
    """Heading, heads of the columns, and rows of cells, of each table."""
    for part in DOC.split('\n## Table ')[1:]:
        heading, _, text = part.partition('\n')
        lines = [x for x in text.splitlines() if x.startswith('|')]
        header, _, *rows = (
            [c.strip() for c in x.split('|')[1:-1]] for x in lines
        )
        yield heading, header, rows


CELLS = [
    (heading, head, cell)
    for heading, header, rows in tables()
    for row in rows
    for head, cell in zip(header, row)
    if '](' in cell
]


@pytest.mark.parametrize(('heading', 'head', 'cell'), CELLS)
def test_cell(heading, head, cell):
    numbers, config = re.fullmatch(
        r'\[(.+)\]\(\.\./\.\./(.+)\)', cell
    ).groups()
    # the benchmark stands in the head of the column, or in the heading
    results = {r['Dataset']: r for r in ROWS[config]['Results']}
    (result,) = [
        *(r for name, r in results.items() if head.startswith(f'{name} ')),
        *(r for name, r in results.items() if name in heading.split(', ')[0]),
    ][:1]
    names = head.removeprefix(result['Dataset']).strip().split(' / ')
    for name, number in zip(names, numbers.split(' / '), strict=True):
        if number != '-':
            value = result['Metrics'][f'{KEYS[name]} (paper)']
            assert float(number) == value


def test_flops_are_those_beside_ours():
    paper = {
        (name, float(number))
        for name, number in re.findall(
            r'^\| (\S+) \| ([\d.]+) \| [\d, ]+ \|', FLOPS, re.M
        )
    }
    found = set()
    for _, header, rows in tables():
        if 'FLOPs' not in header:
            continue
        for row in rows:
            link = next(cell for cell in row if '](' in cell)
            name = re.search(r'/([^/]+)_[a-z0-9]+\.py', link)[1]
            flops = row[header.index('FLOPs')].removesuffix(' G')
            found.add((name, float(flops)))
    assert found == paper


def test_all_tables_are_there():
    assert [heading[0] for heading, *_ in tables()] == list('12347')
    assert len(CELLS) == 14 + 2 + 3 + 12 + 6
