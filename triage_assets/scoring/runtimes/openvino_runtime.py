"""The backbone on OpenVINO, for CPUs: an optional extra that gets more out of one core than torch does.

What lives here: the network as an OpenVINO graph, operation by operation (tracing the torch module gives the same
graph with warnings). What does not: torch's own way (`torch_runtime`), and the choice between them (`choice`).
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triage_assets.scoring.records import BFLOAT16
from triage_assets.scoring.runtimes.folding import Affine, FoldedBlock, FoldedVit
from triage_assets.scoring.runtimes.torch_runtime import CPU_BATCH


@contextmanager
def _telling_nobody() -> Iterator[None]:
    """Import OpenVINO as if its telemetry package were not installed.

    With it the bare import sends an event to its makers and writes to the home folder, unless the user has opted out.
    """
    name = "openvino_telemetry"
    before = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before


with _telling_nobody():
    import openvino
    from openvino import Node
    from openvino import opset13 as ops


class OpenVinoBackbone:
    """Normalised images to embeddings, on one thread for each of the ``lanes`` that may call it at once."""

    def __init__(self, vit: FoldedVit, precision: str, lanes: int) -> None:
        self.label = f"openvino cpu {precision}"
        self.device = torch.device("cpu")
        self.batch_size = CPU_BATCH
        options = {
            # Without it machines with bfloat16 units use them, which moves logits by hundredths.
            "INFERENCE_PRECISION_HINT": "bf16" if precision == BFLOAT16 else "f32",
            "INFERENCE_NUM_THREADS": lanes,
            "NUM_STREAMS": lanes,
            # Several processes that each pin their threads would all pin them to the first cores.
            "ENABLE_CPU_PINNING": False,
        }
        self._model = openvino.Core().compile_model(build_graph(vit), "CPU", options)
        self._requests = threading.local()

    def embed(self, images: Tensor) -> Tensor:
        """(n, 3, side, side) float32 to (n, width) float32."""
        if not hasattr(self._requests, "mine"):
            self._requests.mine = self._model.create_infer_request()
        # The output's memory is used again by the next pass.
        return torch.from_numpy(self._requests.mine.infer(images.numpy(), share_inputs=True)[0].copy())


def build_graph(vit: FoldedVit) -> openvino.Model:
    """The network with a free number of images."""
    side = vit.image_px
    images = ops.parameter([-1, 3, side, side], np.float32)
    stride = [vit.patch_px, vit.patch_px]
    pixels = ops.convolution(images, _weights(vit.patches.weight), stride, [0, 0], [0, 0], [1, 1])
    pixels = ops.add(pixels, _weights(vit.patches.bias.view(1, -1, 1, 1)))
    pixels = ops.transpose(ops.reshape(pixels, _whole(0, vit.width, -1), True), _whole(0, 2, 1))
    count = ops.gather(ops.shape_of(images), _whole(0), _whole_scalar(0))
    cls_tokens = ops.broadcast(_weights(vit.cls_token), ops.concat([count, _whole(1, vit.width)], 0))
    tokens = ops.add(ops.concat([cls_tokens, pixels], 1), _weights(vit.pos_embed))
    for number, block in enumerate(vit.blocks):
        tokens = _add_block(vit, block, tokens, vit.queries(number))
    if vit.n_pooled == 1:
        pooled = ops.squeeze(tokens, _whole(1))
    else:
        pooled = ops.reduce_mean(_first_tokens(tokens, 1, vit.n_tokens), _whole(1), False)
    return openvino.Model([_norm(vit, pooled, vit.norm)], [images], "backbone")


def _add_block(vit: FoldedVit, block: FoldedBlock, tokens: Node, n_queries: int) -> Node:
    seen = _norm(vit, tokens, block.norm1)
    asking = seen
    if n_queries < vit.n_tokens:
        asking, tokens = _first_tokens(seen, 0, n_queries), _first_tokens(tokens, 0, n_queries)
    query = _heads(vit, _linear(asking, block.query))
    # Apart they need no cut through the middle of a token, which costs a copy here.
    key = _heads(vit, _linear(seen, _rows(block.key_value, 0, vit.width)))
    value = _heads(vit, _linear(seen, _rows(block.key_value, vit.width, 2 * vit.width)))
    mixed = ops.transpose(ops.scaled_dot_product_attention(query, key, value), _whole(0, 2, 1, 3))
    mixed = ops.reshape(mixed, _whole(0, 0, vit.width), True)
    tokens = ops.add(tokens, _linear(mixed, block.projection))
    hidden = ops.gelu(_linear(_norm(vit, tokens, block.norm2), block.fc1), "erf")
    return ops.add(tokens, _linear(hidden, block.fc2))


def _norm(vit: FoldedVit, tokens: Node, norm: Affine) -> Node:
    centred = ops.mvn(tokens, _whole(-1), True, vit.norm_epsilon, "inside_sqrt")
    return ops.add(ops.multiply(centred, _weights(norm.weight)), _weights(norm.bias))


def _linear(tokens: Node, layer: Affine) -> Node:
    return ops.add(ops.matmul(tokens, _weights(layer.weight), False, True), _weights(layer.bias))


def _rows(layer: Affine, start: int, stop: int) -> Affine:
    return Affine(layer.weight[start:stop], layer.bias[start:stop])


def _heads(vit: FoldedVit, tokens: Node) -> Node:
    split = _whole(0, 0, vit.num_heads, vit.width // vit.num_heads)
    return ops.transpose(ops.reshape(tokens, split, True), _whole(0, 2, 1, 3))


def _first_tokens(tokens: Node, start: int, stop: int) -> Node:
    return ops.slice(tokens, _whole(start), _whole(stop), _whole(1), _whole(1))


def _weights(values: Tensor) -> Node:
    data: NDArray[np.float32] = np.ascontiguousarray(values.detach().cpu().numpy())
    return ops.constant(data, np.float32)


def _whole(*values: int) -> Node:
    return ops.constant(np.array(values, np.int64))


def _whole_scalar(value: int) -> Node:
    return ops.constant(np.int64(value))
