import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";

/** How one part of a page's state is written in the address: `read` of null is its default, null is not written. */
export type Field<T> = {
  read: (written: string | null, all: readonly string[]) => T;
  write: (value: T) => string | readonly string[] | null;
};

export type Fields<T> = { readonly [K in keyof T]: Field<T[K]> };

export function text(otherwise = ""): Field<string> {
  return {
    read: (written) => written ?? otherwise,
    write: (value) => (value === otherwise ? null : value),
  };
}

export function oneOf<const V extends string>(values: readonly V[], otherwise: V): Field<V> {
  return {
    read: (written) => values.find((value) => value === written) ?? otherwise,
    write: (value) => (value === otherwise ? null : value),
  };
}

/** A number within limits, or null; what is written and is none counts as null. */
export function number(lowest: number, highest: number): Field<number | null> {
  return {
    read: (written) => {
      const value = written === null || written.trim() === "" ? Number.NaN : Number(written);
      return value >= lowest && value <= highest ? value : null;
    },
    write: (value) => (value === null ? null : String(value)),
  };
}

export function integer(lowest: number, highest: number = Number.MAX_SAFE_INTEGER): Field<number | null> {
  const limits = number(lowest, highest);
  return {
    ...limits,
    read: (written, all) => {
      const value = limits.read(written, all);
      return Number.isInteger(value) ? value : null;
    },
  };
}

export const flag: Field<boolean> = {
  read: (written) => written === "1",
  write: (value) => (value ? "1" : null),
};

/** Yes, no or either (null). */
export const choice: Field<boolean | null> = {
  read: (written) => (written === "true" ? true : written === "false" ? false : null),
  write: (value) => (value === null ? null : String(value)),
};

export const list: Field<readonly string[]> = { read: (_, all) => all, write: (value) => value };

export function listOf<const V extends string>(values: readonly V[]): Field<readonly V[]> {
  return { read: (_, all) => values.filter((value) => all.includes(value)), write: (value) => value };
}

export function readAddress<T>(fields: Fields<T>, search: URLSearchParams): T {
  const entries = Object.entries<Field<unknown>>(fields as Record<string, Field<unknown>>);
  return Object.fromEntries(
    entries.map(([name, field]) => [name, field.read(search.get(name), search.getAll(name))]),
  ) as T;
}

/** The parameters that say nothing that a page understands, as they are written: its defaults stand in for them. */
export function misreadIn<T>(fields: Fields<T>, search: URLSearchParams): readonly string[] {
  return Object.entries<Field<unknown>>(fields as Record<string, Field<unknown>>).flatMap(([name, field]) => {
    const written = search.getAll(name);
    const otherwise = field.read(null, []);
    const isDefault = JSON.stringify(field.read(written[0] ?? null, written)) === JSON.stringify(otherwise);
    const isMeant = written.every((each) => each === "" || each === String(otherwise));
    return isDefault && !isMeant ? written.map((each) => `${name}=${each}`) : [];
  });
}

/** The parameters with these parts written anew; what other components have written there stays. */
export function writeAddress<T>(
  fields: Fields<T>,
  search: URLSearchParams,
  change: Partial<T>,
): URLSearchParams {
  const written = new URLSearchParams(search);
  for (const [name, value] of Object.entries(change)) {
    const field = (fields as Record<string, Field<unknown>>)[name];
    written.delete(name);
    const values = field?.write(value) ?? [];
    for (const each of typeof values === "string" ? [values] : values) written.append(name, each);
  }
  return written;
}

export type Change<T> = (change: Partial<T>, how?: { keepHistory?: boolean }) => void;

/** A page's state as its address has it. `keepHistory`: the back button returns to what was before. */
export function useAddress<T extends object>(fields: Fields<T>): [T, Change<T>] {
  const [search, setSearch] = useSearchParams();
  const state = useMemo(() => readAddress(fields, search), [fields, search]);
  const change = useCallback<Change<T>>(
    (part, { keepHistory = false } = {}) =>
      setSearch((now) => writeAddress(fields, now, part), { replace: !keepHistory }),
    [fields, setSearch],
  );
  return [state, change];
}
