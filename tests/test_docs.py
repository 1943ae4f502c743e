"""Links, commands and examples of the documents hold."""

import re

import pytest
from clips import write_clip
from processes import ROOT

from mmsimtrack.cli.main import command

PATTERNS = ('*.md', 'docs/en/*.md', 'configs/**/*.md')
DOCUMENTS = sorted(path for name in PATTERNS for path in ROOT.glob(name))
CODE = re.compile(r'^ *(```).*?^ *\1 *$|`[^`\n]+`', re.M | re.S)


def read(path):
    return path.read_text('utf-8')


def find_anchors(text):
    """Names of the headings of a document, as GitHub and MkDocs make them."""
    headings = re.findall(r'^#+ (.*)$', CODE.sub(lambda m: m[0], text), re.M)
    names = [re.sub(r'[^\w\- ]', '', h).lower() for h in headings]
    return {name.strip().replace(' ', '-') for name in names} | set(
        re.findall(r'<a id="([^"]+)">', text)
    )


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda p: p.name)
def test_links_lead_somewhere(path):
    for link in re.findall(r'\]\(([^)\s]+)\)', CODE.sub('', read(path))):
        name, _, anchor = link.partition('#')
        if ':' in name:
            continue
        target = path.parent / name if name else path
        assert target.exists(), link
        if anchor:
            assert anchor in find_anchors(read(target)), link


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda p: p.name)
def test_commands_and_scripts_exist(path):
    if path.name == 'CHANGELOG.md':  # also tells of what is gone
        return
    for block in re.findall(r'```bash\n(.*?)```', read(path), re.S):
        for name in re.findall(r'^(?:\S*/)?mmsimtrack (\w+)', block, re.M):
            assert name in command.commands
        for name in re.findall(r'\btools/[\w/]+\.(?:py|sh)', block):
            assert (ROOT / name).is_file(), name
        for name in re.findall(r'(?<![\w/])configs/[\w/.-]+\.py', block):
            # the data set of one's own, whose config the reader writes
            assert (ROOT / name).is_file() or 'mine' in name, name


def test_the_site_lists_every_page():
    nav = read(ROOT / 'mkdocs.yml').partition('\nnav:')[2]
    pages = {path.name for path in (ROOT / 'docs/en').glob('*.md')}
    assert pages <= set(re.findall(r'^ +- (\S+)$', nav, re.M))


def test_the_readme_tracks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / 'clip.mp4', size=(240, 360))
    (code,) = re.findall(
        r'```python\n(.*?)```', read(ROOT / 'README.md'), re.S
    )
    assert len([x for x in code.splitlines() if x]) == 6
    exec(code, {})
    assert capsys.readouterr().out.splitlines()[-1].startswith('23 [')
    names = {path.name for path in (tmp_path / 'out').glob('clip*')}
    assert names == {f'clip_tracked.{end}' for end in ('mp4', 'png', 'txt')}


def test_the_site_builds(tmp_path):
    """The same as `make docs`, where its packages are installed."""
    pytest.importorskip('material')
    pytest.importorskip('mkdocstrings_handlers.python')
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    cfg = load_config(str(ROOT / 'mkdocs.yml'), site_dir=str(tmp_path))
    cfg.plugins.on_startup(command='build', dirty=False)
    build(cfg)  # strict
    assert (tmp_path / 'source/configs/simtrack/index.html').is_file()
    page = read(tmp_path / 'evaluate.html')
    assert 'href="train_test.html#test"' in page
    reference = read(tmp_path / 'api/apis.html')
    assert 'id="mmsimtrack.apis.sot_inferencer.SOTInferencer"' in reference
