"""Pictures of embeddings: `disk` draws with matplotlib, `html` writes a page to explore."""

from .disk import disk as disk
from .html import html as html
