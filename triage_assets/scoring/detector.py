"""The detector that a package carries: boxes found in the images themselves instead of those the annotator serves.

What lives here: running it through the optional extra ``yolo``. What does not: choosing between the two, and keeping
their predictions apart.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from triage_assets.errors import PackageError
from triage_assets.images import decode_rgb
from triage_assets.scoring.package import ModelPackage
from triage_assets.scoring.records import ScoringBox, box_from_centre
from triage_assets.scoring.runtimes.device import all_lanes

_OTHERWISE = "or choose the detector `annotator`."


def load_detector(package: ModelPackage, *, allow_unsafe_load: bool) -> Callable[[bytes], tuple[ScoringBox, ...]]:
    """A function from an image file's bytes to its boxes, with the thresholds of the package.

    Raises `PackageError` where the package has no detector, where the extra is not installed, and where loading was not
    allowed: weights of this kind always run code while they load.
    """
    if package.yolo_weights is None:
        raise PackageError(
            f"The model package {package.identity.path} has no detector",
            found="no yolo_weights",
            do=f"Use a package that has one, {_OTHERWISE}",
        )
    try:
        from ultralytics import YOLO
    except ImportError:
        raise PackageError(
            "The bundled detector needs ultralytics", do=f"Run `pip install 'triage-assets[yolo]'`, {_OTHERWISE}"
        ) from None
    if not allow_unsafe_load:
        raise PackageError(
            f"The detector in {package.identity.path} runs code of its author while it loads",
            do=f"Set allow_unsafe_load only if you trust its author with your machine, {_OTHERWISE}",
        )
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        weights.write_bytes(package.yolo_weights)
        network = YOLO(str(weights))
    infer = package.settings.infer

    def find_boxes(image: bytes) -> tuple[ScoringBox, ...]:
        # The network takes arrays as OpenCV reads them: blue first.
        pixels = decode_rgb(image)[:, :, ::-1].copy()
        with all_lanes():
            found = network.predict(
                pixels, conf=infer.confidence_threshold, iou=infer.iou_nms, imgsz=infer.image_size, verbose=False
            )[0].boxes
        rows = zip(found.xywhn.tolist(), found.conf.tolist(), strict=True)
        boxes = [box_from_centre(cx, cy, w, h, confidence) for (cx, cy, w, h), confidence in rows]
        return tuple(box for box in boxes if box is not None)

    return find_boxes
