import { createContext, type ReactNode, useCallback, useContext, useRef, useState } from "react";
import styles from "./announcements.module.css";
import { Button } from "./button";

export type Announcement = {
  text: string;
  /** `trouble` stays until it is dismissed. */
  kind?: "done" | "trouble";
  /** A way back, offered as long as the announcement is there. */
  undo?: { label: string; run: () => void };
};

const SHOWN_MS = 8_000;
const DONE_AT_ONCE = 3;

type Shown = Announcement & { id: number };

/** Room for one more: of what was done the latest stay, and of what could not be everything. */
function withoutOldest(all: readonly Shown[]): readonly Shown[] {
  const done = all.filter(({ kind }) => kind !== "trouble");
  const kept = new Set(done.slice(1 - DONE_AT_ONCE));
  return all.filter((each) => each.kind === "trouble" || kept.has(each));
}

const Announce = createContext<(announcement: Announcement) => void>(() => undefined);

const Forget = createContext<() => void>(() => undefined);

/** Take everything back that was said: whoever is here next has not done it. */
export function useForgetAnnouncements(): () => void {
  return useContext(Forget);
}

/** Say in passing what was done, or what could not be; screen readers hear it as well. */
export function useAnnounce(): (announcement: Announcement) => void {
  return useContext(Announce);
}

export function Announcements({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState<readonly Shown[]>([]);
  const lastId = useRef(0);
  const dismiss = useCallback((id: number) => setShown((all) => all.filter((each) => each.id !== id)), []);
  const forget = useCallback(() => setShown([]), []);
  const announce = useCallback(
    (announcement: Announcement) => {
      lastId.current += 1;
      const id = lastId.current;
      setShown((all) => [...withoutOldest(all), { ...announcement, id }]);
      if (announcement.kind !== "trouble") setTimeout(() => dismiss(id), SHOWN_MS);
    },
    [dismiss],
  );
  return (
    <Announce value={announce}>
      <Forget value={forget}>{children}</Forget>
      <div className={styles.stack} role="status">
        {shown.map(({ id, text, kind, undo }) => (
          <div key={id} className={`${styles.announcement} ${kind === "trouble" ? styles.trouble : ""}`}>
            <span className={styles.text}>{text}</span>
            {undo && (
              <Button
                kind="quiet"
                onClick={() => {
                  dismiss(id);
                  undo.run();
                }}
              >
                {undo.label}
              </Button>
            )}
            <Button kind="quiet" onClick={() => dismiss(id)}>
              Dismiss
            </Button>
          </div>
        ))}
      </div>
    </Announce>
  );
}
