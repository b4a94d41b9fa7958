import gzip

import pytest


@pytest.fixture
def write(tmp_path, request):
    """Write a file, by default under the name FILE of the module that asks; gives its path."""

    def put(text, name=request.module.FILE, encoding="utf-8"):
        path = tmp_path / name
        contents = text.encode(encoding)
        path.write_bytes(gzip.compress(contents) if name.endswith(".gz") else contents)
        return path

    return put
