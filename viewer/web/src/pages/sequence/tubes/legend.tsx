import own from "./legend.module.css";
import styles from "./timeline.module.css";

/** What the timeline's signs mean. */
export function Legend() {
  return (
    <ul className={own.legend}>
      <Sign className={`${styles.chosen}`} words="observed, as tall as it is sure">
        <span className={`${styles.confidence} ${own.sure}`} />
      </Sign>
      <Sign className={styles.gap} words="gap, interpolated" />
      <Sign className={styles.copy} words="copy of a frame, to fill the input" />
      <Sign className={styles.crossing} words="first above the model's threshold" />
      <Sign className={styles.trigger} words="trigger" />
    </ul>
  );
}

function Sign({
  className,
  words,
  children,
}: {
  className: string | undefined;
  words: string;
  children?: React.ReactNode;
}) {
  return (
    <li>
      <span className={`${styles.cell} ${own.sign} ${className}`} aria-hidden="true">
        {children}
      </span>
      {words}
    </li>
  );
}
