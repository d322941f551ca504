import styles from "./key.module.css";

/** The key that does what a button says. Screen readers have it from the button's `aria-keyshortcuts`. */
export function Key({ children }: { children: string }) {
  return (
    <span className={styles.key} aria-hidden="true">
      {children}
    </span>
  );
}
