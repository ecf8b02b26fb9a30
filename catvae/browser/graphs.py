"""Networks as ONNX graphs whose weights lie beside them in a small form.

`decoder.onnx` is a graph that names its large weights as external data; `decoder.safetensors.gz` holds
them as fp16, or as int8 with a scale per output channel. Who opens a network expands them to float32
first: with the expansion inside the graph a frame would take two to three times as long.
"""

import gzip
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors
from torch import Tensor, nn, onnx
from torch.export import Dim

from catvae.errors import CheckpointError, MissingPackageError
from catvae.model import CatVAE

PRECISIONS = ("int8", "fp16")
LARGE = 1024  # numbers; smaller tensors stay in the graph, exact
SCALE = ".scale"


class Encoder(nn.Module):
    """Images (N, 3, 64, 64) in [0, 1] to the posterior's mean (N, latent_dim): the half of `encode` a mix needs."""

    def __init__(self, model: CatVAE) -> None:
        super().__init__()
        self.encoder, self.to_mu = model.encoder, model.to_mu

    def forward(self, pictures: Tensor) -> Tensor:
        return self.to_mu(self.encoder(pictures))


class Decoder(nn.Module):
    """Latents (N, latent_dim) to the decoder's pictures in [0, 1], (N, 3, 64, 64), which a painter has not seen."""

    def __init__(self, model: CatVAE) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(self, latents: Tensor) -> Tensor:
        return self.decoder(latents).sigmoid()


class Painting(nn.Module):
    """A decoder's pictures (N, 3, 64, 64) in [0, 1] and the latents (N, latent_dim) to what `CatVAE.decode` gives."""

    def __init__(self, model: CatVAE) -> None:
        super().__init__()
        assert model.painter is not None
        self.painter = model.painter

    def forward(self, pictures: Tensor, latents: Tensor) -> Tensor:
        return self.painter(pictures, latents).clamp(0, 1)


def save_graph(
    network: nn.Module, examples: Mapping[str, Tensor], open_axes: tuple[int, ...], path: Path, weights: str
) -> None:
    """Write `path` (.onnx) and its weights beside it, as "int8" or "fp16".

    The network takes tensors like `examples`, by name in its order, of any size along `open_axes`, and gives
    "output". Raises MissingPackageError without the packages that export.
    """
    try:
        import onnxscript  # noqa: F401  what torch exports with
        from onnx import TensorProto, numpy_helper
    except ImportError as error:
        raise MissingPackageError(
            f"the export needs packages that are not here ({error}): pip install '.[web]'"
        ) from error
    graph = _trace(network, examples, open_axes)
    transposed = {node.input[1] for node in graph.graph.node if node.op_type == "ConvTranspose"}
    stored: dict[str, np.ndarray] = {}
    for tensor in graph.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LARGE:
            continue
        stored |= _shrink(tensor.name, values, weights, channel_axis=1 if tensor.name in transposed else 0)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=tensor.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(graph.SerializeToString(deterministic=True))
    weights_path(path).write_bytes(gzip.compress(save_tensors(stored), 9, mtime=0))


def weights_path(path: Path) -> Path:
    """Where the weights of a graph lie."""
    return path.with_suffix(".safetensors.gz")


def open_graph(path: Path, threads: int = 1):  # noqa: ANN201  onnxruntime is an optional package
    """An onnxruntime session of a saved network, its weights expanded as the page expands them.

    Raises MissingPackageError without onnxruntime, CheckpointError for files that do not fit.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError(f"this needs a package that is not here ({error}): pip install '.[web]'") from error
    try:
        graph = onnx.load(path, load_external_data=False)
        values = expand(load_tensors(gzip.decompress(weights_path(path).read_bytes())))
        for tensor in graph.graph.initializer:
            if tensor.external_data:
                tensor.CopyFrom(onnx.numpy_helper.from_array(values[tensor.name], tensor.name))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each of the libraries has errors of its own
        raise CheckpointError(f"{path}: not a network that was exported here ({error}); export it again") from error


def expand(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Stored weights in float32: int8 times its scale, fp16 as it is."""
    return {
        name: values.astype(np.float32) * stored.get(name + SCALE, np.float32(1))
        for name, values in stored.items()
        if not name.endswith(SCALE)
    }


def _shrink(name: str, values: np.ndarray, weights: str, channel_axis: int) -> dict[str, np.ndarray]:
    if weights == "fp16" or values.ndim == 1:  # biases are few, and their rounding shows as a tint
        return {name: values.astype(np.float16 if weights == "fp16" else np.float32)}
    others = tuple(axis for axis in range(values.ndim) if axis != channel_axis)
    scale = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-12).astype(np.float32) / np.float32(127)
    return {name: np.rint(values / scale).astype(np.int8), name + SCALE: scale}


def _trace(network: nn.Module, examples: Mapping[str, Tensor], open_axes: tuple[int, ...]):
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it tells of operators of torchvision, which is not in use
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = onnx.export(
                network.eval(),
                tuple(examples.values()),
                dynamo=True,
                verbose=False,
                input_names=list(examples),
                output_names=["output"],
                dynamic_shapes=tuple({axis: Dim.DYNAMIC for axis in open_axes} for _ in examples),
            )
    finally:
        logger.setLevel(level)
    assert program is not None  # dynamo's exporter always gives one
    graph = program.model_proto
    for node in graph.graph.node:  # what the exporter notes of our source files is of no use to a browser
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    del graph.graph.value_info[:]
    return graph
