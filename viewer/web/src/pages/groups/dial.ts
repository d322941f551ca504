/** Where a camera's groups sit around it, on a square from 0 to 1 with north at the top. */

export type Spot = { x: number; y: number };

/** Cameras that do not turn are filed under angles that are none, such as -1. */
export function isDirection(azimuth: number): boolean {
  return azimuth >= 0 && azimuth < 360;
}

/** The spot in a direction, clockwise from north, so far from the middle. */
export function spotAt(azimuth: number, radius: number): Spot {
  const angle = (azimuth * Math.PI) / 180;
  return { x: 0.5 + radius * Math.sin(angle), y: 0.5 - radius * Math.cos(angle) };
}

/** The radius of a dot whose area tells a count, of which the largest on the dial is given. */
export function dotRadius(count: number, largest: number, [least, most]: readonly [number, number]): number {
  return least + (most - least) * Math.sqrt(count / Math.max(largest, 1));
}

export type AtAngle<T> = { azimuth: number; groups: readonly T[] };

/** The groups of each angle, angles in order. */
export function byAngle<T extends { azimuth: number }>(groups: readonly T[]): AtAngle<T>[] {
  const angles = new Map<number, T[]>();
  for (const group of groups) {
    const some = angles.get(group.azimuth);
    if (some) some.push(group);
    else angles.set(group.azimuth, [group]);
  }
  return [...angles]
    .sort(([one], [other]) => one - other)
    .map(([azimuth, some]) => ({ azimuth, groups: some }));
}
