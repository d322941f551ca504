"""The configuration that a model package carries, parsed and checked.

What lives here: the values of ``config.yaml`` and ``manifest.yaml`` that scoring uses, with their types. What does not:
reading them out of the package (`package`) and using them. Unknown values are left alone, needed ones are refused
by name when they are missing.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]
PositiveFinite = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Channels = tuple[Finite, Finite, Finite]


class _Block(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class InferConfig(_Block):
    """Padding of short sequences, and the settings of the bundled detector."""

    pad_to_min_frames: int = Field(0, ge=0)
    pad_strategy: Literal["symmetric", "uniform"] = "symmetric"
    confidence_threshold: Finite = 0.1
    iou_nms: Finite = 0.2
    image_size: int = Field(1024, gt=0)


class TubesConfig(_Block):
    """Tracking, filtering and merging of tubes."""

    iou_threshold: PositiveFinite
    max_misses: int = Field(ge=0)
    infer_min_tube_length: int = Field(ge=1)
    min_detected_entries: int = Field(ge=1)
    interpolate_gaps: bool
    merge_iomin: Finite | None = None
    merge_prox_factor: Finite | None = None
    merge_max_gap: int | None = None

    @property
    def merges(self) -> bool:
        """Whether fragments are merged: only when all three values are set."""
        return None not in (self.merge_iomin, self.merge_prox_factor, self.merge_max_gap)


class Normalization(_Block):
    """Mean and standard deviation per channel, of values from 0 to 1."""

    mean: Channels
    std: tuple[PositiveFinite, PositiveFinite, PositiveFinite]


class ModelInputConfig(_Block):
    """How a window becomes the network's input. Without ``stabilize`` each box has its own window."""

    context_factor: PositiveFinite
    patch_size: int = Field(gt=0)
    normalization: Normalization
    stabilize: bool = False


class ClassifierConfig(_Block):
    """What the weights' shapes do not say, and inputs that some packages want besides the crops."""

    backbone: str
    max_frames: int = Field(gt=0)
    global_pool: str = "token"
    transformer_num_heads: int = Field(gt=0)
    transformer_num_layers: int | None = None
    yolo_roi_dim: int | None = None
    yolo_ctx_dim: int | None = None


class DecisionConfig(_Block):
    """When a sequence is positive: by calibrated probability (``logistic``) or by the logit itself (``max_logit``)."""

    aggregation: Literal["logistic", "max_logit"]
    logistic_threshold: Finite | None = None
    threshold: Finite | None = None


class PackageConfig(_Block):
    """All of ``config.yaml`` that scoring uses."""

    infer: InferConfig
    tubes: TubesConfig
    model_input: ModelInputConfig
    classifier: ClassifierConfig
    decision: DecisionConfig


class Manifest(_Block):
    """``manifest.yaml``: the names of the other members, and where the model comes from."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True, protected_namespaces=())

    classifier_checkpoint: str
    config: str
    logistic_calibrator: str | None = None
    yolo_weights: str | None = None
    model_version: str | None = None
    variant: str | None = None
    provenance: dict[str, object] = Field(default_factory=dict)
