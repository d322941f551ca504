import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { type Fields, flag, integer, text, useAddress } from "../../address/address";
import { Empty, Loading, Trouble } from "../../components/states";
import { countOf, Name } from "../../components/words";
import { AngleCard } from "./angle-card";
import styles from "./camera-page.module.css";
import { byAngle, isDirection } from "./dial";
import { Dial } from "./dial-view";
import { type GroupsQuery, LEAST_MEMBERS } from "./filters";
import { Pager } from "./pager";
import { askGroups } from "./questions";

type CameraState = {
  azimuth: number | null;
  /** Things that were seen once as well. */
  singletons: boolean;
  organization: string;
  page: number | null;
};

const cameraFields: Fields<CameraState> = {
  azimuth: integer(Number.MIN_SAFE_INTEGER),
  singletons: flag,
  organization: text(),
  page: integer(1, 2 ** 31),
};

const SHOWN = 100;

/** Where the groups of one camera sit around it, and where each is in its pictures. */
export default function CameraPage({ cameraId }: { cameraId: number }) {
  const [state, change] = useAddress(cameraFields);
  const page = state.page ?? 1;
  const query: GroupsQuery = {
    camera_id: cameraId,
    label_state: "all",
    min_members: state.singletons ? 1 : LEAST_MEMBERS,
    order_by: "azimuth",
    order_direction: "asc",
    ...(state.organization && { organization: state.organization }),
    page,
    size: SHOWN,
  };
  const { data, error, refetch } = useQuery(askGroups(query));
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading what="the camera" />;
  const angles = byAngle(data.items);
  const shown = angles.filter(({ azimuth }) => state.azimuth === null || azimuth === state.azimuth);
  const aside = angles.filter(({ azimuth }) => !isDirection(azimuth));
  const first = data.items[0];
  return (
    <div className={styles.page}>
      <header className={styles.head}>
        <p className={styles.minor}>
          <Link href="/groups">Groups</Link>
          {first && (
            <>
              {" "}
              › <Name of={first.organisation_name} />
            </>
          )}
        </p>
        <h1>{first ? <Name of={first.camera_name} /> : `Camera ${cameraId}`}</h1>
        <p className={styles.minor}>
          <span className="number">{countOf(data.total, "group")}</span> at{" "}
          <span className="number">{countOf(angles.length, "angle")}</span> ·{" "}
          <Link href={`/groups?camera_id=${cameraId}&label_state=all`}>as a list</Link>
        </p>
      </header>
      {error && <Trouble error={error} onRetry={() => void refetch()} />}
      <div className={styles.columns}>
        <aside className={styles.aside} aria-label="Angles">
          <Dial
            angles={angles}
            chosen={state.azimuth}
            onChoose={(azimuth) => change({ azimuth }, { keepHistory: true })}
          />
          <p className={styles.legend}>
            <span className={styles.open} /> has unlabeled groups <span className={styles.done} /> all labeled
            or unsure
          </p>
          {aside.map(({ azimuth, groups }) => (
            <p key={azimuth} className={styles.minor}>
              {countOf(groups.length, "group")} at {azimuth}°, which is no direction.
            </p>
          ))}
          <label>
            <input
              type="checkbox"
              checked={state.singletons}
              onChange={(event) => change({ singletons: event.target.checked, page: null })}
            />{" "}
            With things that were seen once
          </label>
        </aside>
        <div className={styles.angles}>
          {state.azimuth !== null && (
            <p>
              Only <span className="number">{state.azimuth}°</span>.{" "}
              <Link href={`/cameras/${cameraId}${state.singletons ? "?singletons=1" : ""}`}>
                Show every angle
              </Link>
            </p>
          )}
          {shown.length === 0 && (
            <Empty title="No group is here">
              <p>
                Groups begin at {LEAST_MEMBERS} members: what was seen once is shown with the choice beside
                the dial.
              </p>
            </Empty>
          )}
          {shown.map(({ azimuth, groups }) => (
            <AngleCard key={azimuth} azimuth={azimuth} groups={groups} />
          ))}
          {data.total > SHOWN && (
            <Pager
              of="groups"
              page={data.page}
              size={SHOWN}
              total={data.total}
              onPage={(next) => change({ page: next === 1 ? null : next }, { keepHistory: true })}
            />
          )}
        </div>
      </div>
    </div>
  );
}
