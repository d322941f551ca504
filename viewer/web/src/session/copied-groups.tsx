import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { keys } from "../api/keys";
import { Banner } from "../components/banner";
import { Moment } from "../components/words";
import { useSession } from "./session";

/** Where the groups are the store's and nobody decides: when they were last changed, and where decisions are taken. */
export function CopiedGroups() {
  const client = useQueryClient();
  const copied = useSession().data?.copied_groups ?? null;
  const changedAt = copied?.changed_at ?? null;
  const before = useRef(changedAt);
  useEffect(() => {
    // What is on the page is of the copy before.
    if (before.current !== changedAt) void client.invalidateQueries({ queryKey: keys.reviewed() });
    before.current = changedAt;
  }, [changedAt, client]);
  if (copied === null) return null;
  return (
    <Banner kind={copied.trouble === null ? "note" : "attention"}>
      {changedAt === null ? "Groups from the store" : "Groups from the store, last changed "}
      {changedAt !== null && <Moment iso={changedAt} />}. Decisions are taken in the review database of
      whoever makes the store: set <code>TRIAGE_REVIEW_DB</code> to it.
      {copied.trouble !== null && <> Its latest groups cannot be shown: {copied.trouble}</>}
    </Banner>
  );
}
