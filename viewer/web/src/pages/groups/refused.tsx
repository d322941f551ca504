import type { ReactNode } from "react";
import { asProblem } from "../../api/problem";
import { Banner } from "../../components/banner";
import { isChangedMeanwhile } from "../../review/changes";

type Props = { error: unknown; onDismiss: () => void; children?: ReactNode };

/** A decision that was not made, and why; what somebody else did meanwhile is on the page by then. */
export function Refused({ error, onDismiss, children }: Props) {
  return (
    <Banner kind="attention" onDismiss={onDismiss}>
      {isChangedMeanwhile(error) && <strong>It changed meanwhile, and you see it anew. </strong>}
      {asProblem(error).detail} {children}
    </Banner>
  );
}
