"""MMEngine and MMCV look for compiled operators where pkgutil lacks find_loader."""

import pkgutil
import subprocess
import sys

import pytest

ASK = """
import mmhand_dne.compat
mmhand_dne.compat.install()
from mmcv.utils.ext_loader import check_ops_exist
from mmengine.utils.dl_utils.misc import mmcv_full_available
print(check_ops_exist(), mmcv_full_available(), hasattr(pkgutil, 'find_loader'))
"""
AS_IN_3_14 = """
if hasattr(pkgutil, 'find_loader'):
    del pkgutil.find_loader
"""


def answers(code):
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_they_answer_as_they_do_where_python_has_it():
    from mmhand_dne.compat.optional_modules import OPTIONAL_PACKAGES, is_present

    there = str(is_present(OPTIONAL_PACKAGES['mmcv.ops']))
    assert answers(f'import pkgutil\n{AS_IN_3_14}\n{ASK}') == [there, there, 'False']


def test_the_function_finds_what_pkgutil_s_finds():
    from mmhand_dne.compat.extension_lookup import find_loader

    assert find_loader('json.no_such_module') is None
    loader = find_loader('json.decoder')
    assert loader.get_filename('json.decoder').endswith('decoder.py')
    with pytest.raises(ImportError):
        find_loader('no_such_package.module')


@pytest.mark.skipif(
    not hasattr(pkgutil, 'find_loader'), reason='this Python has no pkgutil.find_loader'
)
def test_nothing_is_replaced_where_python_has_it():
    from mmhand_dne.compat import extension_lookup

    for module in extension_lookup.ASKING:
        assert getattr(module, 'pkgutil', pkgutil) is pkgutil
