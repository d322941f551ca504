import { useState } from "react";
import type { Corners } from "../geometry/boxes";
import { frameAddress, type Width } from "./frame-address";
import styles from "./frame-picture.module.css";
import { Overlay } from "./overlay";
import { usePictureTrouble } from "./picture-trouble";

type Props = {
  detectionId: number;
  sequenceId?: number | undefined;
  width: Width;
  boxes?: readonly Corners[] | undefined;
  /** What the sequence's group is about. */
  region?: Corners | null | undefined;
  /** What a model looked at. */
  window?: Corners | null | undefined;
  alt: string;
};

// Until a picture tells its own: most cameras have this one, so little moves when it comes.
const USUAL_RATIO = 16 / 9;

/** A small picture of a frame, as wide as its parent, with what was found in it; or why there is none. */
export function FramePicture({ detectionId, sequenceId, width, boxes, region, window, alt }: Props) {
  const address = frameAddress({ detectionId, sequenceId, width });
  const [ratio, setRatio] = useState(USUAL_RATIO);
  const { trouble, attempt, noteError } = usePictureTrouble(address);
  return (
    <span className={styles.picture} style={{ aspectRatio: ratio }}>
      {trouble === null ? (
        <>
          <img
            key={`${address} ${attempt}`}
            src={address}
            alt={alt}
            loading="lazy"
            decoding="async"
            draggable={false}
            onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) =>
              setRatio(naturalWidth / naturalHeight)
            }
            onError={noteError}
          />
          <Overlay boxes={boxes} region={region} window={window} />
        </>
      ) : (
        <span className={styles.trouble}>
          <span className="unseen">{alt}: </span>
          {trouble.detail}
        </span>
      )}
    </span>
  );
}
