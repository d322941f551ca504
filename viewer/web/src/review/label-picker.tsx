import { useId } from "react";
import { Button } from "../components/button";
import { plain } from "../components/words";
import type { Choice } from "./choice";
import styles from "./label-picker.module.css";
import {
  FALSE_POSITIVE_KEYS,
  FALSE_POSITIVE_TYPES,
  falsePositive,
  isSame,
  type Label,
  SMOKE_KEYS,
  SMOKE_TYPES,
  smoke,
  UNSURE_KEY,
} from "./labels";

type Props = {
  value: Choice;
  onChange: (value: Choice) => void;
  disabled?: boolean;
  /** Show the key beside each, where keys are listened to. */
  withKeys?: boolean;
};

/** Exactly one of the smoke and false-positive types, and whether that is sure. */
export function LabelPicker({ value, onChange, disabled = false, withKeys = false }: Props) {
  const name = useId();
  const option = (label: Label, text: string, key: string) => (
    <Option
      key={key}
      name={name}
      checked={isSame(value.label, label)}
      onChoose={() => onChange({ ...value, label })}
      text={text}
      shortcut={withKeys ? key : undefined}
    />
  );
  return (
    <fieldset className={styles.picker} disabled={disabled}>
      <legend className="unseen">Label</legend>
      <fieldset className={styles.kind}>
        <legend>Smoke</legend>
        <div className={styles.few}>
          {SMOKE_TYPES.map((type) => option(smoke(type), plain(type), SMOKE_KEYS[type]))}
        </div>
      </fieldset>
      <fieldset className={styles.kind}>
        <legend>False positive</legend>
        <div className={styles.options}>
          {FALSE_POSITIVE_TYPES.map((type) =>
            option(falsePositive(type), plain(type), FALSE_POSITIVE_KEYS[type]),
          )}
        </div>
      </fieldset>
      <div className={styles.last}>
        <label className={styles.unsure}>
          <input
            type="checkbox"
            checked={value.isUnsure}
            onChange={(event) => onChange({ ...value, isUnsure: event.target.checked })}
            aria-keyshortcuts={withKeys ? UNSURE_KEY : undefined}
          />
          Unsure
          {withKeys && (
            <span className={styles.key} aria-hidden="true">
              {UNSURE_KEY}
            </span>
          )}
        </label>
        {value.label && (
          <Button kind="quiet" onClick={() => onChange({ ...value, label: null })}>
            Choose none
          </Button>
        )}
      </div>
    </fieldset>
  );
}

type OptionProps = {
  name: string;
  checked: boolean;
  onChoose: () => void;
  text: string;
  shortcut: string | undefined;
};

function Option({ name, checked, onChoose, text, shortcut }: OptionProps) {
  return (
    <label className={styles.option}>
      <input type="radio" name={name} checked={checked} onChange={onChoose} aria-keyshortcuts={shortcut} />
      {text}
      {shortcut && (
        <span className={styles.key} aria-hidden="true">
          {shortcut}
        </span>
      )}
    </label>
  );
}
