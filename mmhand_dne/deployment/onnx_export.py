"""Writing a model as an ONNX file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .description import KEY, OUTPUTS
from .hand_network import HandNetwork
from .onnx_parts import exportable

if TYPE_CHECKING:
    import onnx_ir

# The lowest opset that torch's exporter writes, hence the one that most runtimes read:
# GridSample is there since 16, maxima in ScatterElements since 18.
OPSET = 18
TRACED_BATCH = 2  # of a dynamic batch; at 1 the exporter would take N for a constant
ONE_FILE = 1.8e9  # bytes of weights; protobuf holds 2 GiB, beyond it they go beside


def export_onnx(
    network: HandNetwork, path: Path, batch: int | None, about: dict[str, Any]
) -> None:
    """Write a network, and what it is, to a file.

    Weights of more than 1.8 GB go into ``path.data`` beside it.

    Args:
        network: in evaluation mode, on the CPU.
        path: where to write.
        batch: crops per run; None leaves it to the run.
        about: see :func:`describe`.
    """
    size = about['input']['size']
    crops = torch.zeros(batch or TRACED_BATCH, size, size, 3, dtype=torch.uint8)
    with torch.no_grad():
        names = list(network(crops))
        with exportable(network.model):
            program = _trace(network, crops, names, dynamic=batch is None)
    outputs = {name: OUTPUTS[name]._asdict() for name in names}
    annotate(program.model, {**about, 'opset': OPSET, 'outputs': outputs})
    weights = sum(value.nbytes for value in network.state_dict().values())
    program.save(path, external_data=weights > ONE_FILE)


def _trace(
    network: HandNetwork, crops: Tensor, names: list[str], dynamic: bool
) -> torch.onnx.ONNXProgram:
    """The network as ONNX; with ``dynamic`` for any number of crops."""
    from .onnx_operators import TRANSLATIONS  # needs onnxscript

    shapes = None
    if dynamic:
        shapes = dict(crops={0: torch.export.Dim('batch', min=1, max=4096)})
    return torch.onnx.export(
        network,
        (crops,),
        dynamo=True,
        opset_version=OPSET,
        verbose=False,
        input_names=['crops'],
        output_names=names,
        dynamic_shapes=shapes,
        custom_translation_table=TRANSLATIONS,
    )


def annotate(model: 'onnx_ir.Model', about: dict[str, Any]) -> None:
    """Store the description in a file's metadata and in the notes of its outputs."""
    model.producer_name = 'mmhand_dne'
    model.doc_string = (
        f'Hand meshes from crops. {about["hand"]} The metadata property {KEY!r} holds '
        'the whole description as JSON.'
    )
    model.metadata_props[KEY] = json.dumps(about)
    model.metadata_props['licence'] = about['hand']
    graph = model.graph
    graph.inputs[0].doc_string = about['input']['meaning']
    slots = len(about['slots'])
    for value in graph.outputs:
        shape, meaning = about['outputs'][value.name].values()
        value.doc_string = f'(N, {slots}{shape and ", "}{shape}): {meaning}'
