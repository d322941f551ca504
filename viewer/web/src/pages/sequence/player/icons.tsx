/** The player's signs: what each means is said by the button that it is in. */

const PATHS = {
  play: "M5 3.5v9l7.5-4.5z",
  pause: "M4.5 3.5h2.5v9h-2.5zM9 3.5h2.5v9h-2.5z",
  first: "M4 3.5h1.5v9h-1.5zM12 3.5v9l-6-4.5z",
  last: "M10.5 3.5h1.5v9h-1.5zM4 3.5v9l6-4.5z",
  previous: "M10.5 3.5v9l-6-4.5z",
  next: "M5.5 3.5v9l6-4.5z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" fill="currentColor" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
