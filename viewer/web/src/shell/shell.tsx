import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";
import { Link, useRoute } from "wouter";
import { usePlaceSaid } from "../address/title";
import { api, ask } from "../api/client";
import { keys } from "../api/keys";
import { asProblem } from "../api/problem";
import { useAnnounce, useForgetAnnouncements } from "../components/announcements";
import { Button } from "../components/button";
import { count, Name } from "../components/words";
import { type Session, useLogOut } from "../session/session";
import styles from "./shell.module.css";
import { ThemeChoice } from "./theme";

/** What is around every page: where one can go, who one is. */
export function Shell({ session, children }: { session: Session; children: ReactNode }) {
  const logOut = useLogOut();
  const announce = useAnnounce();
  const forget = useForgetAnnouncements();
  const page = usePlaceSaid();
  // It is taken down when one logs out, or another person logs in.
  useEffect(() => forget, [forget]);
  return (
    <>
      <a className={styles.skip} href="#page">
        Skip to the page
      </a>
      <header className={styles.bar}>
        <Link href="/triage" className={styles.brand}>
          Triage
        </Link>
        <nav className={styles.links} aria-label="Pages">
          <Place href="/triage" pattern="/triage">
            Split
          </Place>
          <Place href="/groups" pattern="/groups/*?">
            Groups <UnlabeledGroups />
          </Place>
          <Place href="/run" pattern="/run">
            Run
          </Place>
        </nav>
        <ThemeChoice />
        <span className={styles.person}>
          {session.name !== null && <Name of={session.name} />}
          {session.role === "viewer" && <span className={styles.role}>may look</span>}
        </span>
        {session.has_session && (
          <Button
            kind="quiet"
            onClick={() =>
              logOut.mutate(undefined, {
                onError: (error) => announce({ kind: "trouble", text: asProblem(error).detail }),
              })
            }
          >
            Log out
          </Button>
        )}
      </header>
      <main ref={page} id="page" className={styles.page} tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

function Place({ href, pattern, children }: { href: string; pattern: string; children: ReactNode }) {
  const [isHere] = useRoute(pattern);
  return (
    <Link href={href} className={styles.link} aria-current={isHere ? "page" : undefined}>
      {children}
    </Link>
  );
}

/** As many as the list of groups has under its default filter. */
function UnlabeledGroups() {
  const { data } = useQuery({
    queryKey: keys.reviewed("groups", "stats"),
    queryFn: ({ signal }) => ask(api.GET("/api/v1/sequence_groups/stats", { signal })),
    refetchInterval: 30_000,
  });
  if (!data) return null;
  return (
    <span className={styles.badge}>
      <span className="number">{count(data.total)}</span>
      <span className="unseen"> unlabeled</span>
    </span>
  );
}
