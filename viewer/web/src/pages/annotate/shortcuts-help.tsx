import { useEffect } from "react";
import { Button } from "../../components/button";
import { Dialog } from "../../components/dialog";
import { plain } from "../../components/words";
import { FALSE_POSITIVE_KEYS, SMOKE_KEYS, UNSURE_KEY } from "../../review/labels";
import { BACK_KEY, SKIP_KEY } from "./shortcuts";
import styles from "./shortcuts-help.module.css";

const ACTIONS = [
  ["Enter", "save, and go to the next"],
  [UNSURE_KEY, "unsure, or sure again"],
  [SKIP_KEY, "skip: go to the next without saving"],
  [BACK_KEY, "go back to the one before"],
  ["?", "show or hide these keys"],
] as const;

const PLAYERS = [
  ["Space", "play or pause"],
  ["← →", "the frame before, the frame after"],
  ["Home End", "the first frame, the last"],
  ["+ - 0", "nearer, further, all of it"],
  ["Shift", "with an arrow: move what is near"],
] as const;

/** Every key that does something while annotating. */
export function ShortcutsHelp({ onClose }: { onClose: () => void }) {
  useEffect(() => {
    const listen = ({ key }: KeyboardEvent) => {
      if (key === "?") onClose();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, [onClose]);
  return (
    <Dialog title="Keys" onClose={onClose}>
      <Keys title="What to do" keys={ACTIONS} />
      <Keys title="The player" keys={PLAYERS} />
      <Keys title="Smoke" keys={Object.entries(SMOKE_KEYS).map(([name, key]) => [key, plain(name)])} />
      <Keys
        title="False positive"
        keys={Object.entries(FALSE_POSITIVE_KEYS).map(([name, key]) => [key, plain(name)])}
      />
      <Button onClick={onClose}>Close</Button>
    </Dialog>
  );
}

function Keys({ title, keys }: { title: string; keys: readonly (readonly [string, string])[] }) {
  return (
    <section>
      <h3>{title}</h3>
      <dl className={styles.keys}>
        {keys.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd className="number">{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
