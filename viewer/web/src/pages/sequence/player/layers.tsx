import { LAYERS, type Layer } from "../selection";
import styles from "./layers.module.css";

/** How many of each there are on this frame; a sentence where there cannot be any. */
export type LayerCounts = Readonly<Record<Layer, number | string>>;

type Props = { counts: LayerCounts; hide: readonly Layer[]; onHide: (hide: readonly Layer[]) => void };

const NAMES: Readonly<Record<Layer, string>> = {
  boxes: "Boxes",
  others: "Other boxes",
  window: "Tube's window",
  region: "Group's region",
};

/** The legend of what is drawn, where each can be left out. */
export function Layers({ counts, hide, onHide }: Props) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms, and nothing here is sent
    <div className={styles.layers} role="group" aria-label="Drawn on the frame">
      {LAYERS.map((layer) => {
        const found = counts[layer];
        const isShown = !hide.includes(layer);
        const others = hide.filter((each) => each !== layer);
        return (
          <label key={layer} className={styles.layer} title={typeof found === "string" ? found : undefined}>
            <input
              type="checkbox"
              checked={isShown}
              onChange={() => onHide(isShown ? [...others, layer] : others)}
            />
            <span className={`${styles.line} ${styles[layer]}`} aria-hidden="true" />
            {NAMES[layer]}
            <span className={`number ${styles.count}`}>
              {typeof found === "number" ? found : "–"}
              {typeof found === "string" && <span className="unseen"> {found}</span>}
            </span>
          </label>
        );
      })}
    </div>
  );
}
