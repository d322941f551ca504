import type { ReactNode } from "react";
import styles from "./banner.module.css";
import { Button } from "./button";

type Props = {
  /** `attention` is read out at once, `note` when there is time. */
  kind: "note" | "attention" | "calm";
  children: ReactNode;
  onDismiss?: (() => void) | undefined;
};

/** Something to know about the whole page, which stays until it is dismissed or no longer so. */
export function Banner({ kind, children, onDismiss }: Props) {
  return (
    <div className={`${styles.banner} ${styles[kind]}`} role={kind === "attention" ? "alert" : "status"}>
      <div className={styles.text}>{children}</div>
      {onDismiss && (
        <Button kind="quiet" onClick={onDismiss}>
          Dismiss
        </Button>
      )}
    </div>
  );
}
