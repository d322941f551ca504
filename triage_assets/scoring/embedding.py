"""Patches to embeddings, and embeddings to logits, in batches as large as the device has memory for.

What lives here: batches, normalisation, and what happens when memory runs out. What does not: the networks themselves
(`runtimes`, `classifier`), and which patches there are (`frame_cuts`).
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triage_assets.scoring.classifier import TemporalHead
from triage_assets.scoring.config import Normalization
from triage_assets.scoring.runtimes.choice import Backbone
from triage_assets.scoring.runtimes.device import is_out_of_memory, too_small, wait_for

logger = logging.getLogger(__name__)

Patch = NDArray[np.uint8]
Slots = tuple[int | None, ...]

# Tubes or prefixes per pass of the head.
_CPU_JUDGED = 32
_ACCELERATOR_JUDGED = 512


class Batches:
    """Passes of at most ``size`` items, which becomes half of what did not fit, and stays so."""

    def __init__(self, size: int, items: str, device: str) -> None:
        self.size = size
        self._items = items
        self._device = device
        self._lock = threading.Lock()

    def run(self, n_items: int, one_pass: Callable[[slice], Tensor]) -> list[Tensor]:
        """The results of all passes in order. Raises `SettingsError` where not even one item fits."""
        results: list[Tensor] = []
        start = 0
        while start < n_items:
            part = slice(start, min(start + self.size, n_items))
            result = self._try(one_pass, part)
            if result is not None:
                results.append(result)
                start = part.stop
        return results

    def _try(self, one_pass: Callable[[slice], Tensor], part: slice) -> Tensor | None:
        """None where memory ran out, after making room; the failed pass's own tensors are gone by then."""
        try:
            return one_pass(part)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            n_items = part.stop - part.start
            if n_items == 1:
                raise too_small(self._device, f"with a batch of 1 {self._items}", error) from None
            with self._lock:
                self.size = min(self.size, n_items // 2)
            logger.warning(
                "The device %s has no memory for %d %s at once: going on with %d",
                self._device,
                n_items,
                self._items,
                self.size,
            )
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None


class Embedder:
    """Runs the backbone on patches as they were cut, as many passes side by side as there are ``lanes``.

    Which patches share a pass does not depend on the lanes, so neither does a single bit of the embeddings.
    """

    def __init__(self, backbone: Backbone, normalization: Normalization, lanes: int = 1) -> None:
        self._backbone = backbone
        self._lanes = lanes
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="embed")
        self._device = backbone.device
        self._batches = Batches(backbone.batch_size, "patches", str(backbone.device))
        self._mean = torch.tensor(normalization.mean, device=self._device).view(1, 3, 1, 1)
        self._std = torch.tensor(normalization.std, device=self._device).view(1, 3, 1, 1)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def appetite(self) -> int:
        """How many patches fill all lanes."""
        return self._batches.size * self._lanes

    @torch.inference_mode()
    def embed(self, patches: Sequence[Patch]) -> Tensor:
        """Patches of (side, side, 3) to (n, width) float32 on the backbone's device. At least one."""
        size = self._batches.size
        passes = [patches[start : start + size] for start in range(0, len(patches), size)]
        side_by_side = self._lanes > 1 and len(passes) > 1
        found = self._pool.map(self._pass, passes) if side_by_side else map(self._pass, passes)
        embeddings = torch.cat([part for parts in found for part in parts])
        wait_for(self._device)
        return embeddings

    # Inference mode is each thread's own.
    @torch.inference_mode()
    def _pass(self, patches: Sequence[Patch]) -> list[Tensor]:
        """The embeddings of one pass, in several tensors where memory ran out."""
        return self._batches.run(len(patches), lambda part: self._backbone.embed(self._normalize(patches[part])))

    def _normalize(self, patches: Sequence[Patch]) -> Tensor:
        images = torch.from_numpy(np.stack(patches)).to(self._device).permute(0, 3, 1, 2).to(torch.float32)
        # Dividing by 255 and multiplying by its reciprocal round differently; the model was trained on the former.
        return ((images / 255.0 - self._mean) / self._std).contiguous()


class Judge:
    """Runs the head, in float32 at any precision of the backbone: it takes a hundredth of the time."""

    def __init__(self, head: TemporalHead, device: torch.device) -> None:
        self._head = head.to(device)
        self._device = device
        size = _CPU_JUDGED if device.type == "cpu" else _ACCELERATOR_JUDGED
        self._batches = Batches(size, "tubes", str(device))

    @torch.inference_mode()
    def logits(self, embeddings: Tensor, tubes: Sequence[Slots]) -> list[float]:
        """One logit per tube, whose slots say which embedding is there, or None.

        Equal tubes are judged once, and those of about one length together, so that no pass is longer than what is in
        it.
        """
        distinct = sorted(dict.fromkeys(tubes), key=len)
        passes = self._batches.run(len(distinct), lambda part: self._pass(embeddings, distinct[part]))
        logits = dict(zip(distinct, torch.cat(passes).tolist() if passes else [], strict=True))
        return [logits[slots] for slots in tubes]

    def _pass(self, embeddings: Tensor, tubes: Sequence[Slots]) -> Tensor:
        longest = max(map(len, tubes))
        index = torch.zeros(len(tubes), longest, dtype=torch.int64)
        is_there = torch.zeros(len(tubes), longest, dtype=torch.bool)
        for row, slots in enumerate(tubes):
            for position, embedding in enumerate(slots):
                if embedding is not None:
                    index[row, position], is_there[row, position] = embedding, True
        is_there = is_there.to(self._device)
        gathered = embeddings[index.to(self._device)].masked_fill(~is_there.unsqueeze(-1), 0.0)
        logits: Tensor = self._head(gathered, is_there)
        return logits.cpu()
