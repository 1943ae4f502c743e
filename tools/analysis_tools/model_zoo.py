"""Write docs/en/model_zoo.md: every model of the metafiles, and its weights.

python tools/analysis_tools/model_zoo.py
"""

from collections.abc import Iterator
from itertools import groupby

from mmsimtrack.apis.zoo import ROOT, describe_weights, get_row, list_models
from mmsimtrack.fileio import write_text

DOCUMENT = ROOT / 'docs/en/model_zoo.md'
HEAD = """# Model zoo

This page lists every model by its name. `SOTInferencer(NAME)`,
`get_model(NAME, FILE)` and `mmsimtrack track --model NAME` take names;
`mmsimtrack models NAME` tells where the config lies, which the other commands
take. `python tools/analysis_tools/model_zoo.py` writes this page from the
metafiles in `configs/`.

Results are in per cent and, where marked *paper*, those of the authors of the
method, not measured by us. We have seen none of the files to download: what is
known of them is in the [FAQ](faq.md#weights).
"""


def write_rows(names: list[str]) -> Iterator[str]:
    """Yield the lines of one table."""
    yield '| model | parameters, M | training data | results | weights |'
    yield '|---|---:|---|---|---|'
    for name in names:
        row = get_row(name)
        about, download = row['Metadata'], row.get('Download')
        results = [
            f'{result["Dataset"]}: '
            + ', '.join(f'{k} {v}' for k, v in result['Metrics'].items())
            for result in row.get('Results', [])
        ]
        weights = 'in the package' if 'Weights' in row else 'none'
        if isinstance(download, dict):
            weights = '[to download](#downloads)'
        yield (
            f'| [{name}](../../{row["Config"]}) '
            f'| {about["Parameters"] / 1e6:.2f} '
            f'| {", ".join(about["Training Data"])} '
            f'| {"; ".join(results)} | {weights} |'
        )


def write_document() -> str:
    """Return the whole page."""
    names = list_models()
    lines = [HEAD]

    def collection(name: str) -> str:
        return get_row(name)['In Collection']

    for title, group in groupby(sorted(names, key=collection), collection):
        lines += [f'## {title}', '', *write_rows(list(group)), '']
    lines += ['<a id="downloads"></a>', '## Files to download', '']
    for name in names:
        if isinstance(get_row(name).get('Download'), dict):
            lines.append(f'- **{name}**: {describe_weights(name)}')
    return '\n'.join(lines) + '\n'


def main() -> None:
    """Write the page."""
    write_text(DOCUMENT, write_document())
    print(f'Wrote {DOCUMENT}')


if __name__ == '__main__':
    main()
