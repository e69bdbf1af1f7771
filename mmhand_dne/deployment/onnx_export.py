"""Writing a model as an ONNX file."""

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mmhand_dne.geometry.camera import crop_sides

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
    width, height = crop_sides(about['input']['size'])
    crops = torch.zeros(batch or TRACED_BATCH, height, width, 3, dtype=torch.uint8)
    shapes = None
    if batch is None:
        shapes = dict(crops={0: torch.export.Dim('batch', min=1, max=4096)})
    with torch.no_grad():
        names = list(network(crops))
        with exportable(network.model):
            program = trace(network, dict(crops=crops), names, shapes)
    outputs = {name: OUTPUTS[name]._asdict() for name in names}
    annotate(program.model, {**about, 'opset': OPSET, 'outputs': outputs})
    weights = sum(value.nbytes for value in network.state_dict().values())
    program.save(path, external_data=weights > ONE_FILE)


def trace(
    network: nn.Module,
    inputs: dict[str, Tensor],
    names: list[str],
    shapes: dict[str, dict] | None,
) -> torch.onnx.ONNXProgram:
    """A network as ONNX.

    Args:
        inputs: by the names of its arguments, which the file's inputs get.
        names: of its outputs.
        shapes: of each input the axes whose length is left to the run; None: none.
    """
    from .onnx_operators import TRANSLATIONS  # needs onnxscript

    with warnings.catch_warnings():
        # Two axes of one length need one name only.
        warnings.filterwarnings('ignore', '# The axis name', UserWarning)
        return torch.onnx.export(
            network,
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            verbose=False,
            input_names=list(inputs),
            output_names=names,
            dynamic_shapes=shapes,
            custom_translation_table=TRANSLATIONS,
        )


def store(model: 'onnx_ir.Model', about: dict[str, Any], licence: str) -> None:
    """Store a description among a file's metadata."""
    model.producer_name = 'mmhand_dne'
    model.metadata_props[KEY] = json.dumps(about)
    model.metadata_props['licence'] = licence


def annotate(model: 'onnx_ir.Model', about: dict[str, Any]) -> None:
    """Store the description in a file's metadata and in the notes of its outputs."""
    store(model, about, about['hand'])
    model.doc_string = (
        f'Hand meshes from crops. {about["hand"]} The metadata property {KEY!r} holds '
        'the whole description as JSON.'
    )
    graph = model.graph
    graph.inputs[0].doc_string = about['input']['meaning']
    slots = len(about['slots'])
    for value in graph.outputs:
        shape, meaning = about['outputs'][value.name].values()
        value.doc_string = f'(N, {slots}{shape and ", "}{shape}): {meaning}'
