"""The compiler of torch is not imported for roma's sake, and roma works as ever."""

import subprocess
import sys

import pytest

NEAREST = """
torch.manual_seed(0)
matrix = torch.randn(4, 3, 3, dtype=torch.float64, requires_grad=True)
rotation = roma.special_procrustes(matrix)
(rotation * torch.arange(36.0).reshape(4, 3, 3)).sum().backward()
print(rotation.tolist(), matrix.grad.tolist())
"""


def run(code):
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_front_door_does_without_the_compiler():
    """As the demo imports it: FSDP, which is late there, has it too in torch 2.6."""
    code = """
import sys
from mmhand_dne.late_imports import late_imports
with late_imports():
    import mmhand_dne.apis
print('roma' in sys.modules, 'torch._dynamo' in sys.modules)
"""
    assert run(code) == ['True False']


@pytest.mark.large  # starts PyTorch and its compiler
def test_what_roma_keeps_from_the_compiler_gives_the_same():
    ours = run(f"""
import torch
from mmhand_dne.geometry import rotation
import roma, sys
print('torch._dynamo' in sys.modules)
{NEAREST}
print(torch._dynamo.is_compiling(), 'torch._dynamo' in sys.modules)
""")
    plain = run(f'import torch, roma\n{NEAREST}')
    assert ours[0] == 'False' and ours[2] == 'False True'
    assert ours[1:2] == plain and 'nan' not in plain[0]


@pytest.mark.large  # starts PyTorch and its compiler
def test_a_compiler_that_is_there_is_left_alone():
    said = run("""
import torch, torch._dynamo
real = torch._dynamo
from mmhand_dne.compat.late_dynamo import late_dynamo
with late_dynamo():
    print(torch._dynamo is real)
print(torch._dynamo is real)
""")
    assert said == ['True', 'True']


def test_the_name_is_the_compiler_s_again_also_after_a_failure():
    said = run("""
import torch
from mmhand_dne.compat.late_dynamo import late_dynamo
try:
    with late_dynamo():
        twice = torch._dynamo.disable(lambda x: 2 * x)
        raise KeyError
except KeyError:
    print(twice(4), torch._dynamo.__name__)
""")
    assert said == ['8 torch._dynamo']
