"""A folder with a study in it that has nothing wrong."""

import pytest
from bad_studies import good


@pytest.fixture
def folder(tmp_path):
    good(tmp_path)
    return tmp_path
