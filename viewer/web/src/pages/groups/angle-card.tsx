import { useState } from "react";
import { Link } from "wouter";
import type { Schemas } from "../../api/client";
import { countOf, Score } from "../../components/words";
import { FramePicture } from "../../frames/frame-picture";
import { Angle, GroupBadges } from "../../review/group-words";
import styles from "./angle-card.module.css";
import { isDirection } from "./dial";

type Item = Schemas["GroupListItemRead"];

/** One angle of a camera: the regions of all of its groups on one frame, and the groups beside it. */
export function AngleCard({ azimuth, groups }: { azimuth: number; groups: readonly Item[] }) {
  const [pointed, setPointed] = useState<number | null>(null);
  const frame = groups.flatMap((group) => group.thumbnails)[0];
  return (
    <section className={styles.card} aria-label={`Angle ${azimuth}°`}>
      <h2>
        <Angle azimuth={azimuth} />{" "}
        <span className={styles.minor}>
          {countOf(groups.length, "group")}
          {!isDirection(azimuth) && " (no direction: the camera is filed under this number)"}
        </span>
      </h2>
      <div className={styles.columns}>
        {frame ? (
          <div className={styles.picture}>
            <FramePicture
              detectionId={frame.detection_id}
              sequenceId={frame.sequence_id}
              width={640}
              alt={`What the camera sees at ${azimuth}°, with the regions of its groups`}
            />
            <Regions groups={groups} pointed={pointed} />
          </div>
        ) : (
          <p className={styles.minor}>No group here has a frame in the backlog.</p>
        )}
        <ul className={styles.groups}>
          {groups.map((group) => (
            <li
              key={group.id}
              className={group.id === pointed ? styles.pointed : undefined}
              onPointerEnter={() => setPointed(group.id)}
              onPointerLeave={() => setPointed(null)}
              onFocus={() => setPointed(group.id)}
              onBlur={() => setPointed(null)}
            >
              <Link href={`/groups/${group.id}`}>Group {group.id}</Link>
              <span className="number">{countOf(group.member_count, "member")}</span>
              <Score value={group.highest_score} />
              <GroupBadges group={group} />
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}

function Regions({ groups, pointed }: { groups: readonly Item[]; pointed: number | null }) {
  return (
    <>
      <svg className={styles.regions} viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
        {groups.map((group) => {
          const [x1, y1, x2, y2] = group.representative_bbox.xyxyn;
          return (
            <rect
              key={group.id}
              className={group.id === pointed ? styles.pointed : undefined}
              x={x1}
              y={y1}
              width={Math.max(x2 - x1, 0)}
              height={Math.max(y2 - y1, 0)}
              vectorEffect="non-scaling-stroke"
            />
          );
        })}
      </svg>
      {groups.map((group) => {
        const [x1, y1] = group.representative_bbox.xyxyn;
        return (
          <span
            key={group.id}
            className={styles.tag}
            aria-hidden="true"
            style={{ insetInlineStart: `${x1 * 100}%`, insetBlockStart: `${y1 * 100}%` }}
          >
            {group.id}
          </span>
        );
      })}
    </>
  );
}
