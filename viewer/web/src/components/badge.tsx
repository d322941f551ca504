import type { ReactNode } from "react";
import styles from "./badge.module.css";

type Props = { tone?: "plain" | "ember" | "pine" | "signal" | "muted"; children: ReactNode };

/** A word or number that says what state something is in; colour only repeats what it says. */
export function Badge({ tone = "plain", children }: Props) {
  return <span className={`${styles.badge} ${styles[tone]}`}>{children}</span>;
}
