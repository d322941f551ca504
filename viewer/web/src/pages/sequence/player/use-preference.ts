import { useState } from "react";

/** A choice that this browser remembers, as long as it is one of those there are. */
export function usePreference<V extends string | number | boolean>(
  name: string,
  values: readonly V[],
  otherwise: V,
) {
  const [value, setValue] = useState(() => {
    const stored = localStorage.getItem(name);
    return values.find((each) => String(each) === stored) ?? otherwise;
  });
  const choose = (chosen: V) => {
    localStorage.setItem(name, String(chosen));
    setValue(chosen);
  };
  return [value, choose] as const;
}
