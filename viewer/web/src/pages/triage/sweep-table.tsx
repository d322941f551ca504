import { memo } from "react";
import { Count } from "../../components/words";
import type { SweepStep } from "../../split/counts";
import { writeThreshold } from "../../split/threshold";
import styles from "./deck.module.css";

type Props = {
  steps: readonly SweepStep[];
  threshold: number;
  written: number;
  onChoose: (threshold: number) => void;
};

/** What other thresholds would make of the selection; choosing one moves the threshold there. */
export const SweepTable = memo(function SweepTable({ steps, threshold, written, onChoose }: Props) {
  const last = steps.findLast((step) => step.threshold <= threshold);
  const reached = last?.threshold === threshold ? styles.chosen : styles.reached;
  return (
    <section className={styles.card} aria-labelledby="sweep">
      <h2 id="sweep" className={styles.title}>
        Sweep
      </h2>
      <div className={styles.scroll}>
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">At</th>
              <th scope="col">To Review</th>
              <th scope="col">Unlabel</th>
            </tr>
          </thead>
          <tbody>
            {steps.map((step) => (
              <tr
                key={step.threshold}
                className={`${styles.choosable} ${step === last ? reached : ""}`}
                aria-current={step.threshold === threshold ? "true" : undefined}
                onClick={() => onChoose(step.threshold)}
              >
                <th scope="row">
                  <button
                    type="button"
                    className={`${styles.choice} number`}
                    onClick={(event) => {
                      event.stopPropagation();
                      onChoose(step.threshold);
                    }}
                  >
                    <span className="unseen">Threshold </span>
                    {writeThreshold(step.threshold)}
                  </button>
                  {step.threshold === written && <span className={styles.remark}>written</span>}
                </th>
                <td>
                  <Count n={step.review} />
                </td>
                <td>
                  <Count n={step.unlabeled} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
});
