"""How the documentation is built: ``nox -s docs``, or ``sphinx-build -W -n docs docs/_build``."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
sys.path.insert(0, str(Path(__file__).parent))

project = "pytest-fakehv"
author = "the pytest-fakehv developers"
copyright = author  # noqa: A001  # Sphinx's name for it
release = version = version_of("pytest-fakehv")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "plots",
    "pytest_objects",
]
exclude_patterns = ["_build"]

if "READTHEDOCS" in os.environ:
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "pytest": ("https://docs.pytest.org/en/stable", None),
        "hypothesis": ("https://hypothesis.readthedocs.io/en/latest", None),
    }

html_theme = "furo"
html_title = "pytest-fakehv"
html_copy_source = False
html_show_copyright = False
html_math_renderer = "mathml"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 90

# In docstrings, `FakeCluster` is a link where it names something that is documented, and else just code.
default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [
    ("py:obj", r".*"),
    # Python's and others', whose inventories only the hosted build fetches: no other needs the network.
    (
        "py:.*",
        r"(_pytest|_thread|abc|collections|contextlib|fractions|hypothesis|os|pytest|types|typing|unittest|ganeti)(\..*)?",
    ),
    ("py:class", r"optional|Self|Any|PathLike|Fraction|TypeAlias|NoneType"),
    # What Sphinx makes of a type with a comma, in a signature where a default is "<factory>".
    ("py:class", r"tuple\[str"),
    # Types that only the package's own code names.
    (
        "py:class",
        r"pytest_fakehv\.(calls\.(selection|within)|cluster\.migrating|interface\.resources|storage\.(locks|memory|root))\..*",
    ),
]
