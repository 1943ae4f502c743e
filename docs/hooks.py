"""What MkDocs needs to make a site of a repository.

Documents link to configs, source files and READMEs by their places in the
repository, so that the links work in a checkout. Here each such file becomes
a page below `source/`, and links lead there; `README.md` becomes the home
page. Pages of the API reference are made from the package, and a page of each
notebook from its text, its code and what the code has put out.
"""

import json
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[1]
DOCS = 'docs/en/'
PLACES = {
    'README.md': 'index.md',
    'docs/tutorials/track_and_train.ipynb': 'tutorials/track_and_train.md',
}
TOP = ('CHANGELOG.md', 'CONTRIBUTING.md')
TEXTS = ('.md', '.ipynb')  # what may have links
LINK = re.compile(r'(\]\()([^)\s#]+)((?:#[^)]*)?\))')
FENCE = re.compile(r'^ *(`{3,}|~~~).*?^ *\1 *$|`[^`\n]+`', re.M | re.S)
API = (
    'apis',
    'structures',
    'datasets',
    'models',
    'engine',
    'evaluation',
    'visualization',
    'adapters',
    'runtime',
    'deployment',
)


def on_config(config: MkDocsConfig) -> None:
    """List the pages of the API reference in the navigation."""
    for part in config.nav:
        if 'API' in part:
            part['API'] = [{n: f'api/{n}.md'} for n in API]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that come from files outside of the documentation."""

    def add(uri: str, **source) -> None:
        file = File.generated(config, uri, **source)
        if uri.startswith('source/'):
            file.inclusion = InclusionLevel.NOT_IN_NAV
        files.append(file)

    made = {place(name): name for name in (*PLACES, *TOP)}
    found = list(made.values())
    found += [DOCS + f.src_uri for f in files.documentation_pages()]
    for name in found:  # grows while links are followed
        for target in linked_files(name):
            if target.startswith(DOCS) or place(target) in made:
                continue
            made[place(target)] = target
            found.append(target)
    for uri, name in made.items():
        if uri.endswith('.md'):
            add(uri, content=show(ROOT / name))
        else:
            add(uri, abs_src_path=str(ROOT / name))
    for name in API:
        add(f'api/{name}.md', content=reference(name))
    ORIGINS.update(made)
    return files


ORIGINS: dict[str, str] = {}  # page -> its place in the repository


def on_page_markdown(markdown: str, page, **_) -> str:
    """Let links lead to pages of the site."""
    uri = page.file.src_uri
    origin = ORIGINS.get(uri, DOCS + uri)
    if not origin.endswith(TEXTS):
        return markdown

    def rewrite(match: re.Match) -> str:
        before, link, after = match.groups()
        target = resolve(origin, link)
        if target is None:
            return match[0]
        link = posixpath.relpath(place(target), posixpath.dirname(uri) or '.')
        return before + link + after

    return outside_code(markdown, lambda text: LINK.sub(rewrite, text))


def outside_code(markdown: str, change) -> str:
    """Change what is neither a block of code nor code within a line."""
    parts, end = [], 0
    for code in FENCE.finditer(markdown):
        parts += [change(markdown[end : code.start()]), code[0]]
        end = code.end()
    return ''.join([*parts, change(markdown[end:])])


def linked_files(name: str) -> list[str]:
    """Files and folders of the repository that a document links to."""
    if not name.endswith(TEXTS):
        return []
    text = show(ROOT / name)
    links = LINK.findall(FENCE.sub('', text))
    targets = (resolve(name, link) for _, link, _ in links)
    return [target for target in targets if target]


def resolve(origin: str, link: str) -> str | None:
    """Place in the repository that a link leads to, if there is one."""
    if ':' in link:
        return None
    target = posixpath.normpath(
        posixpath.join(posixpath.dirname(origin), link)
    )
    return target if (ROOT / target).exists() else None


def place(name: str) -> str:
    """Address of a file of the repository in the site."""
    if name.startswith(DOCS):
        return name.removeprefix(DOCS)
    if name in PLACES or name in TOP:
        return PLACES.get(name, name)
    if (ROOT / name).is_dir():
        readme = f'{name}/README.md'
        return (
            place(readme)
            if (ROOT / readme).exists()
            else f'source/{name}/files.md'
        )
    shown = name.endswith(('.md', '.png', '.svg', '.webp'))
    return f'source/{name}' + ('' if shown else '.md')


def show(path: Path) -> str:
    """Page of a file or a folder."""
    name = path.relative_to(ROOT).as_posix()
    if path.suffix == '.md':
        return path.read_text('utf-8')
    if path.suffix == '.ipynb':
        return show_notebook(path)
    if path.is_dir():
        names = sorted(p.name + '/' * p.is_dir() for p in path.iterdir())
        rows = [f'- `{n}`' for n in names if not n.startswith(('_', '.'))]
        return f'# {name}\n\n' + '\n'.join(rows) + '\n'
    language = {'.py': 'python', '.yml': 'yaml', '.sh': 'bash'}
    text = path.read_text('utf-8')
    kind = language.get(path.suffix, 'text')
    return f'# {path.name}\n\n`{name}`\n\n{fence(text, kind)}\n'


def show_notebook(path: Path) -> str:
    """Page of a notebook: text, code, and the text and pictures put out."""
    parts = []
    for cell in json.loads(path.read_text('utf-8'))['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            parts.append(source)
            continue
        is_bash = source.startswith('%%bash')
        parts.append(fence(source, 'bash' if is_bash else 'python'))
        for output in cell['outputs']:
            data = output.get('data', {'text/plain': output.get('text')})
            if 'image/png' in data:
                picture = ''.join(data['image/png']).replace('\n', '')
                parts.append(f'![](data:image/png;base64,{picture})')
            else:
                parts.append(fence(''.join(data['text/plain']), 'text'))
    return '\n\n'.join(parts) + '\n'


def fence(text: str, language: str) -> str:
    """Block of code."""
    return f'``````{language}\n{text.rstrip()}\n``````'


def reference(name: str) -> str:
    """Page that lists the modules of a part of the package."""
    folder = ROOT / 'mmsimtrack' / name
    modules = sorted(
        '.'.join(path.relative_to(ROOT).with_suffix('').parts)
        for path in folder.rglob('*.py')
        if path.name != '__init__.py'
    )
    blocks = [f'::: {module}' for module in modules]
    return '\n\n'.join([f'# mmsimtrack.{name}', *blocks]) + '\n'
