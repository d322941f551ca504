import { Button } from "../../components/button";
import { Count } from "../../components/words";
import styles from "./pager.module.css";

type Props = {
  /** What is paged, in the plural. */
  of: string;
  page: number;
  size: number;
  total: number;
  onPage: (page: number) => void;
  /** The same once more, below what it pages. */
  isRepeated?: boolean;
};

/** Which part of a list is shown, of how many, and the way to the others. */
export function Pager({ of, page, size, total, onPage, isRepeated = false }: Props) {
  const pages = Math.max(1, Math.ceil(total / size));
  const first = (page - 1) * size + 1;
  const last = Math.min(page * size, total);
  return (
    <nav className={styles.pager} aria-label={`Pages of ${of}${isRepeated ? ", below" : ""}`}>
      <span className={styles.range}>
        {first <= total ? (
          <>
            <Count n={first} />–<Count n={last} /> of <Count n={total} /> {of}
          </>
        ) : (
          <>
            None here: there are <Count n={total} /> {of}
          </>
        )}
      </span>
      {(pages > 1 || page > 1) && (
        <>
          <Button onClick={() => onPage(Math.min(page - 1, pages))} disabled={page === 1}>
            Previous
          </Button>
          <Button onClick={() => onPage(page + 1)} disabled={page >= pages}>
            Next
          </Button>
        </>
      )}
    </nav>
  );
}
