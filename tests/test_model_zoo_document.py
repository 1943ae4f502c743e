"""docs/en/model_zoo.md is what its tool writes; weights are told in rows."""

import model_zoo
import pytest

from mmsimtrack.apis.zoo import ROOT, get_row, list_models


def test_the_document_is_up_to_date():
    """Else run `python tools/analysis_tools/model_zoo.py`."""
    assert model_zoo.DOCUMENT.read_text('utf-8') == model_zoo.write_document()


@pytest.mark.parametrize('name', list_models())
def test_every_row_says_where_weights_come_from(name):
    row = get_row(name)
    assert ('Weights' in row) != ('Download' in row)
    download = row.get('Download', 'none')
    if download == 'none':
        return
    keys = {'Address', 'File', 'Size', 'License', 'Converter'}
    assert download.keys() - {'SHA256'} == keys
    assert download['Address'].startswith('https://')
    assert (ROOT / download['Converter']).is_file()
    line = f'- **{name}**: Download {download["File"]} by hand from '
    assert line in model_zoo.DOCUMENT.read_text('utf-8')
