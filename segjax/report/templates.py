"""The templates of the pages, and what they share: `style.css`."""

from pathlib import Path

import jinja2

_HERE = Path(__file__).parent


def environment(folder: Path = _HERE) -> jinja2.Environment:
    """Templates of a folder; `style.css`, which is here, may be included.

    What is put into them is escaped, and what is not there is an error.
    """
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
