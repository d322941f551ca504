import styles from "./filter-bar.module.css";

type Props<V extends string> = {
  legend: string;
  values: readonly V[];
  nameOf: (value: V) => string;
  chosen: readonly V[];
  onChange: (chosen: readonly V[]) => void;
};

/** Some of a few: none chosen is all of them. */
export function Toggles<V extends string>({ legend, values, nameOf, chosen, onChange }: Props<V>) {
  return (
    <fieldset className={styles.toggles}>
      <legend>{legend}</legend>
      {values.map((value) => (
        <button
          key={value}
          type="button"
          className={styles.toggle}
          aria-pressed={chosen.includes(value)}
          onClick={() => onChange(toggled(chosen, value))}
        >
          {nameOf(value)}
        </button>
      ))}
    </fieldset>
  );
}

export function toggled<V extends string>(chosen: readonly V[], value: V): readonly V[] {
  return chosen.includes(value) ? chosen.filter((each) => each !== value) : [...chosen, value];
}
