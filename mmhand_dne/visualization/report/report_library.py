"""The 3D viewer that a report page carries: plotly.js, of the package plotly.

[decided] Of the packages that ship such a library it is the one that says so in its
documentation (``plotly.offline.get_plotlyjs``), has the licence's text in its wheel, is
released monthly, and draws meshes with values at their vertices beside a colour bar.
It is 4.8 MB, which a page holds once, compressed to 2 MB.
"""

import base64
import gzip
from functools import lru_cache
from importlib import metadata

from mmhand_dne.errors import UserError

REMEDY = "pip install 'mmhand_dne[report]'"


@lru_cache(maxsize=1)
def packed_library() -> str:
    """The library, compressed by gzip and in base64.

    Raises:
        ModuleNotFoundError: if plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the report's 3D view comes with plotly, which is not installed; {REMEDY}"
        ) from error
    # Without a time stamp: the same results give the same page.
    packed = gzip.compress(get_plotlyjs().encode(), compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode('ascii')


def library_licence() -> str:
    """Name, version and licence of the library, as its package states them.

    Raises:
        ValueError: if the package has lost its licence, without which the page must
            not carry the library.
    """
    package = metadata.distribution('plotly')
    for file in package.files or []:
        if file.name.upper().startswith('LICEN') and '.dist-info' in str(file):
            text = file.locate().read_text(encoding='utf-8').strip()
            return f'plotly.js, from the package plotly {package.version}\n\n{text}'
    raise UserError(
        f'plotly {package.version} is installed without its licence file, expected '
        'LICENSE.txt beside its metadata; reinstall it: pip install --force-reinstall '
        'plotly'
    )
