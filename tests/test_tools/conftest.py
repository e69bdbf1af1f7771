import pytest


@pytest.fixture(scope='session')
def export(tmp_path_factory):
    """kind -> the exported file and what it was made of, made when first asked for."""
    from tests.onnx_models import export_with_the_tool  # needs torch >= 2.5

    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = export_with_the_tool(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return get
