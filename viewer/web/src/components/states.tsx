import type { ReactNode } from "react";
import { asProblem } from "../api/problem";
import { Button } from "./button";
import styles from "./states.module.css";

/** What there is while an answer is on its way; it appears only where that takes long enough to wonder. */
export function Loading({ what }: { what: string }) {
  return (
    <p className={`${styles.state} ${styles.loading}`} role="status">
      Loading {what}…
    </p>
  );
}

/** What went wrong, and the way to try again. */
export function Trouble({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { detail, isPassing } = asProblem(error);
  return (
    <div className={`${styles.state} ${styles.trouble}`} role="alert">
      <p>{detail}</p>
      {onRetry && isPassing && <Button onClick={onRetry}>Try again</Button>}
    </div>
  );
}

/** Nothing is here, and why, and what would be something. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className={styles.state}>
      <h2>{title}</h2>
      {children}
    </div>
  );
}
