import importlib
import importlib.util
import sys

import pytest

import mmhand_dne  # noqa: F401
from mmhand_dne.compat import check_optional_packages_load, optional_modules
from mmhand_dne.compat.optional_modules import (
    OPTIONAL_PACKAGES,
    OptionalPackage,
    is_present,
    make_placeholder,
    stand_ins,
)


@pytest.fixture
def only(monkeypatch, tmp_path):
    """Replace the list by one package of our own, and give a folder on the path."""

    def replace(probe, members):
        package = OptionalPackage(probe, f'pip install {probe}', members)
        for listed in list(OPTIONAL_PACKAGES):
            monkeypatch.delitem(OPTIONAL_PACKAGES, listed)
        monkeypatch.setitem(OPTIONAL_PACKAGES, probe, package)
        return tmp_path

    monkeypatch.syspath_prepend(tmp_path)
    yield replace
    for name in [n for n in sys.modules if n.startswith('odd_package')]:
        del sys.modules[name]


def test_absent_package_imports_and_refuses_use_in_one_sentence(only):
    only('odd_package_a', {'odd_package_a': (), 'odd_package_a.part': ('Thing',)})
    with stand_ins() as absent:
        from odd_package_a.part import Thing
    assert absent == ('odd_package_a',)

    class Child(Thing):
        pass

    for use in (Thing, Child, lambda: Thing.method, lambda: Thing(1, key=2)):
        with pytest.raises(ImportError, match='odd_package_a.part.Thing') as caught:
            use()
        assert 'run: pip install odd_package_a' in str(caught.value)
        assert '\n' not in str(caught.value)


def test_names_imported_under_a_guard_stay_absent(only):
    only('odd_package_b', {'odd_package_b': ('Listed',)})
    with stand_ins():
        from odd_package_b import Listed  # noqa: F401

        with pytest.raises(ImportError):
            from odd_package_b import Unlisted  # noqa: F401
        with pytest.raises(ImportError):
            import odd_package_b.submodule  # noqa: F401


def test_nothing_is_left_behind(only):
    only('odd_package_c', {'odd_package_c': ('Thing',)})
    with stand_ins():
        assert 'odd_package_c' in sys.modules
    assert 'odd_package_c' not in sys.modules
    assert importlib.util.find_spec('odd_package_c') is None


def test_present_package_is_never_touched(only):
    folder = only('odd_package_d', {'odd_package_d': ('value',)})
    (folder / 'odd_package_d.py').write_text('value = 7\n')
    importlib.invalidate_caches()
    with stand_ins() as absent:
        import odd_package_d
    assert absent == ()
    assert odd_package_d.value == 7
    assert sys.modules['odd_package_d'] is odd_package_d
    assert odd_package_d.__file__ == str(folder / 'odd_package_d.py')


def test_broken_package_is_named_with_its_repair(only):
    folder = only('odd_package_e', {'odd_package_e': ()})
    (folder / 'odd_package_e.py').write_text(
        "raise RuntimeError('operator odd::nms does not exist')\n"
    )
    importlib.invalidate_caches()
    with stand_ins() as absent, pytest.raises(ImportError) as caught:
        check_optional_packages_load(absent)
    message = str(caught.value)
    assert 'odd::nms' in message and 'pip uninstall -y odd_package_e' in message


def test_mmcv_without_its_binary_counts_as_without_ops(monkeypatch):
    package = OPTIONAL_PACKAGES['mmcv.ops']
    monkeypatch.setattr(optional_modules, 'find_spec', lambda name: None)
    monkeypatch.delitem(sys.modules, 'mmcv._ext', raising=False)
    assert not is_present(package)
    monkeypatch.setattr(optional_modules, 'find_spec', lambda name: name == 'mmcv._ext')
    assert is_present(package)


@pytest.mark.parametrize(
    ('package', 'module', 'name'),
    [
        ('mmdet', 'mmpose.models.heads.hybrid_heads.rtmo_head', 'reduce_mean'),
        ('torchvision', 'mmpose.visualization.simcc_vis', 'ToPILImage'),
        (
            'mmcv.ops',
            'mmpose.models.heads.transformer_heads.edpose_head',
            'MultiScaleDeformableAttention',
        ),
    ],
)
def test_mmpose_has_the_real_thing_or_a_placeholder(package, module, name):
    found = getattr(importlib.import_module(module), name)
    if is_present(OPTIONAL_PACKAGES[package]):
        assert not isinstance(found, optional_modules.PlaceholderType)
        return
    with pytest.raises(ImportError, match='not installed; run: pip'):
        found()


def test_mmpose_knows_that_guarded_packages_are_absent():
    from mmpose.apis.inferencers import base_mmpose_inferencer
    from mmpose.models.heads.hybrid_heads import dekr_head

    assert base_mmpose_inferencer.has_mmdet == is_present(OPTIONAL_PACKAGES['mmdet'])
    assert dekr_head.has_mmcv_full == is_present(OPTIONAL_PACKAGES['mmcv.ops'])


def test_placeholder_can_be_annotated_and_copied():
    import copy
    import typing

    thing = make_placeholder('package.Thing', 'pip install package')
    assert typing.Optional[thing] is not None  # noqa: UP045, what MMPose writes
    assert copy.deepcopy(thing) is thing
    assert thing.__name__ == 'Thing' and thing.__module__ == 'package'
