import { memo, type PointerEvent, useId } from "react";
import styles from "./threshold-control.module.css";

type Props = {
  bins: readonly number[];
  threshold: number;
  isLogarithmic: boolean;
  onMove: (threshold: number) => void;
};

const WIDTH = 1000;
const HEIGHT = 100;
const GAP = 1.5;

/** How the scores lie, and what the threshold makes of them. The slider under it says the same to a keyboard. */
export function Histogram({ bins, threshold, isLogarithmic, onMove }: Props) {
  const id = useId();
  const follow = (event: PointerEvent<SVGSVGElement>) => {
    if (event.type !== "pointerdown" && !event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const { left, width } = event.currentTarget.getBoundingClientRect();
    onMove((event.clientX - left) / width);
  };
  const at = threshold * WIDTH;
  return (
    <svg
      className={styles.histogram}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      data-testid="histogram"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        follow(event);
      }}
      onPointerMove={follow}
    >
      <clipPath id={`${id}-below`}>
        <rect width={at} height={HEIGHT} />
      </clipPath>
      <clipPath id={`${id}-above`}>
        <rect x={at} width={WIDTH - at} height={HEIGHT} />
      </clipPath>
      <g className={styles.below} clipPath={`url(#${id}-below)`}>
        <Bars bins={bins} isLogarithmic={isLogarithmic} />
      </g>
      <g className={styles.above} clipPath={`url(#${id}-above)`}>
        <Bars bins={bins} isLogarithmic={isLogarithmic} />
      </g>
      <line className={styles.line} x1={at} x2={at} y1={0} y2={HEIGHT} />
    </svg>
  );
}

/** They do not move with the threshold: what is drawn over them does. */
const Bars = memo(function Bars({ bins, isLogarithmic }: Pick<Props, "bins" | "isLogarithmic">) {
  const heightOf = (n: number) => (isLogarithmic ? Math.log1p(n) : n);
  const most = Math.max(1, ...bins.map(heightOf));
  const step = WIDTH / bins.length;
  const path = bins
    .map((n, bin) => {
      if (n === 0) return "";
      // One among thousands is still to be seen.
      const height = Math.max(1.5, (heightOf(n) / most) * HEIGHT);
      return `M${bin * step + GAP} ${HEIGHT}v${-height}h${step - 2 * GAP}v${height}z`;
    })
    .join("");
  return <path d={path} />;
});
