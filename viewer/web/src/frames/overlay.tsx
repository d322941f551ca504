import { type Corners, rectOf, WHOLE } from "../geometry/boxes";
import styles from "./overlay.module.css";

type Props = {
  boxes?: readonly Corners[] | undefined;
  otherBoxes?: readonly Corners[] | undefined;
  region?: Corners | null | undefined;
  window?: Corners | null | undefined;
  /** The part of the picture that is shown. */
  part?: Corners | undefined;
};

/** Lines over a picture, which must be as large as the parent: they are as thin at every size. */
export function Overlay({ boxes = [], otherBoxes = [], region, window, part = WHOLE }: Props) {
  const [x1, y1, x2, y2] = part;
  const viewBox = `${x1} ${y1} ${x2 - x1} ${y2 - y1}`;
  return (
    <svg className={styles.overlay} viewBox={viewBox} preserveAspectRatio="none" aria-hidden="true">
      <Outlines of={region ? [region] : []} className={styles.region} />
      <Outlines of={window ? [window] : []} className={styles.window} />
      <Outlines of={otherBoxes} className={styles.other} />
      <Outlines of={boxes} className={styles.box} />
    </svg>
  );
}

function Outlines({ of, className }: { of: readonly Corners[]; className: string | undefined }) {
  return of.map((corners, place) => {
    const rect = rectOf(corners);
    // biome-ignore lint/suspicious/noArrayIndexKey: boxes have no names, and two may be the same
    return rect && <rect key={place} className={className} {...rect} vectorEffect="non-scaling-stroke" />;
  });
}
