import { Badge } from "../../../components/badge";
import type { Placement } from "./placement";

/** The part of the split that a sequence is in, as the worklists name it. */
export function PlacementBadge({ placement: { bucket } }: { placement: Placement }) {
  switch (bucket) {
    case "review":
      return <Badge tone="ember">To Review</Badge>;
    case "unlabeled":
      return <Badge tone="pine">Unlabel</Badge>;
    case "labeled":
      return <Badge>Labeled</Badge>;
    case "dropped":
      return <Badge tone="signal">Dropped</Badge>;
    case "none":
      return null;
  }
}
