import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { type Fields, flag, integer, text, useAddress } from "../../address/address";
import { type GroupsQuery, LEAST_MEMBERS } from "../../address/groups";
import { Banner } from "../../components/banner";
import { Empty, Loading, Trouble } from "../../components/states";
import { Count, countOf, Name } from "../../components/words";
import { askAllGroups } from "../../review/questions";
import { CopiedGroups } from "../../session/copied-groups";
import { AngleCard } from "./angle-card";
import styles from "./camera-page.module.css";
import { byAngle, isDirection } from "./dial";
import { Dial } from "./dial-view";

type CameraState = {
  azimuth: number | null;
  /** Things that were seen once as well. */
  singletons: boolean;
  organization: string;
};

const cameraFields: Fields<CameraState> = {
  azimuth: integer(Number.MIN_SAFE_INTEGER),
  singletons: flag,
  organization: text(),
};

/** Where the groups of one camera sit around it, and where each is in its pictures. */
export default function CameraPage({ cameraId }: { cameraId: number }) {
  const [state, change] = useAddress(cameraFields);
  const around: GroupsQuery = {
    camera_id: cameraId,
    label_state: "all",
    min_members: state.singletons ? 1 : LEAST_MEMBERS,
    order_by: "azimuth",
    order_direction: "asc",
    ...(state.organization && { organization: state.organization }),
  };
  const { data, error, refetch } = useQuery({ ...askAllGroups(around), placeholderData: keepPreviousData });
  const isWhole = data !== undefined && data.items.length >= data.total;
  // Of a camera with very many groups, what was read for the dial may end before this angle.
  const here = useQuery({
    ...askAllGroups({ ...around, azimuth: state.azimuth }),
    enabled: state.azimuth !== null && data !== undefined && !isWhole,
  });
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading what="the camera" />;
  const angles = byAngle(data.items);
  const isAsked = state.azimuth !== null && !isWhole;
  const shown = isAsked
    ? byAngle(here.data?.items ?? [])
    : angles.filter(({ azimuth }) => state.azimuth === null || azimuth === state.azimuth);
  const aside = angles.filter(({ azimuth }) => !isDirection(azimuth));
  const first = data.items[0];
  const list = `/groups?camera_id=${cameraId}&label_state=all${state.singletons ? "&min_members=1" : ""}`;
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
          <span className="number">{countOf(data.total, "group")}</span> at {!isWhole && "at least "}
          <span className="number">{countOf(angles.length, "angle")}</span> ·{" "}
          <Link href={list}>as a list</Link>
        </p>
      </header>
      <CopiedGroups />
      {error && <Trouble error={error} onRetry={() => void refetch()} />}
      {!isWhole && (
        <Banner kind="note">
          Of <Count n={data.total} /> groups the first <Count n={data.items.length} /> by angle are on the
          dial. <Link href={list}>The list has all of them.</Link>
        </Banner>
      )}
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
              onChange={(event) => change({ singletons: event.target.checked })}
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
          {here.error && !here.data && <Trouble error={here.error} onRetry={() => void here.refetch()} />}
          {isAsked && here.isPending && <Loading what="the angle" />}
          {(!isAsked || here.data) && shown.length === 0 && (
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
          {isAsked && here.data && here.data.items.length < here.data.total && (
            <p>
              The first <Count n={here.data.items.length} /> of <Count n={here.data.total} /> groups.
            </p>
          )}
        </div>
      </div>
    </div>
  );
}
