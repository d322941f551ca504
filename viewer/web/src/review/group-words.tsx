import type { Schemas } from "../api/client";
import { Badge } from "../components/badge";
import { labelOf, words } from "./labels";

/** A camera's angle; less than 0 or more than 359 is no direction, but cameras are filed under it. */
export function Angle({ azimuth }: { azimuth: number }) {
  return <span className="number">{azimuth}°</span>;
}

/** What a group is said to be, and whether somebody looked that its members are one thing. */
export function GroupBadges({ group }: { group: Schemas["GroupRead"] }) {
  const label = labelOf(group);
  return (
    <>
      {label && <Badge tone={label.smoke_type ? "ember" : "plain"}>{words(label)}</Badge>}
      {group.is_unsure && <Badge tone="ember">unsure</Badge>}
      {group.label_state === "unlabeled" && <Badge tone="muted">unlabeled</Badge>}
      {group.is_validated ? <Badge tone="pine">validated</Badge> : <Badge tone="muted">not validated</Badge>}
    </>
  );
}

/** A name from elsewhere where no element can stand around it, as in a choice. */
export function onOneLine(name: string): string {
  return name.replace(/\p{Cc}+/gu, " ");
}
