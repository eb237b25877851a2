"""The imports at the head of a handout's file: each once, in the order that style guides ask for."""

from __future__ import annotations

import ast
import sys


def import_blocks(lines, siblings=()):
    """Sort import statements: the standard library, other packages, files beside this one.

    Parameters
    ----------
    lines : sequence of str
    siblings : sequence of str
        Modules beside this one.

    Returns
    -------
    list of str
        Up to three blocks of lines.

    Examples
    --------
    >>> import_blocks(["from boxes import iou", "import numpy as np", "import math"], siblings=["boxes"])
    ['import math', 'import numpy as np', 'from boxes import iou']
    """
    blocks = {}
    for line in dict.fromkeys(lines):
        blocks.setdefault(_section(module_of(line), siblings), []).append(line)
    return ["\n".join(sorted(blocks[section], key=_place)) for section in sorted(blocks)]


def module_of(line):
    """The module that an import statement imports; None if it is none.

    Examples
    --------
    >>> module_of("from boxes import iou"), module_of("import numpy as np"), module_of("x = 1")
    ('boxes', 'numpy', None)
    """
    try:
        (node,) = ast.parse(line).body
    except (SyntaxError, ValueError):
        return None
    if isinstance(node, ast.ImportFrom) and not node.level:
        return node.module
    return node.names[0].name if isinstance(node, ast.Import) else None


def _section(module, siblings):
    if module in siblings:
        return 2
    return 0 if module.partition(".")[0] in sys.stdlib_module_names else 1


def _place(line):
    """In a block: ``import`` before ``from``, each by module."""
    return line.startswith("from"), module_of(line)
