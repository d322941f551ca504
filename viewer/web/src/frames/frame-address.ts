import type { Corners } from "../geometry/boxes";

/** The widths in pixels that the server makes pictures in. */
export const WIDTHS = [160, 320, 640, 1280] as const;

export type Width = (typeof WIDTHS)[number];

export type PictureWanted = {
  detectionId: number;
  /** Finding a frame is quicker with its sequence. */
  sequenceId?: number | undefined;
  /** At most so wide; the frame as it is without. */
  width?: Width | undefined;
  /** This part alone. */
  crop?: Corners | undefined;
};

/** Where the server has a picture: whether it is still the one that a browser keeps, its ETag tells. */
export function frameAddress({ detectionId, sequenceId, width, crop }: PictureWanted): string {
  const query = new URLSearchParams();
  if (sequenceId !== undefined) query.set("sequence_id", String(sequenceId));
  if (width !== undefined) query.set("width", String(width));
  // The server rounds to these decimals as well: whoever means the same part shares one picture.
  if (crop !== undefined) query.set("crop", crop.map((value) => Number(value.toFixed(4))).join(","));
  return `/api/v1/frames/${detectionId}?${query}`;
}

/**
 * The width to ask for where a picture fills so many pixels of the screen; undefined, the frame as it is, where no
 * width is enough, or where the frame is no wider itself: making a picture of it would cost time and lose some of it.
 */
export function widthFor(pixels: number, ownWidth: number | null = null): Width | undefined {
  const width = WIDTHS.find((each) => each >= pixels);
  return width !== undefined && ownWidth !== null && width >= ownWidth ? undefined : width;
}
