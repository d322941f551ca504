import { Link } from "wouter";
import type { Change } from "../../address/address";
import type { GroupsState, Order } from "../../address/groups";
import type { Schemas } from "../../api/client";
import { Count, Moment, Name } from "../../components/words";
import { FramePicture } from "../../frames/frame-picture";
import { Angle, GroupBadges } from "../../review/group-words";
import styles from "./groups-table.module.css";
import { ScoreRange } from "./score-range";

type Props = {
  items: readonly Schemas["GroupListItemRead"][];
  state: Pick<GroupsState, "sort" | "direction">;
  change: Change<GroupsState>;
};

/** The groups of one page, in the order that the headings say. */
export function GroupsTable({ items, state, change }: Props) {
  const sortedBy = (order: Order, first: "asc" | "desc") => ({
    isSorted: state.sort === order && state.direction,
    onSort: () => {
      const isAgain = state.sort === order;
      const direction = isAgain ? (state.direction === "desc" ? "asc" : "desc") : first;
      change({ sort: order, direction, page: null }, { keepHistory: true });
    },
  });
  return (
    <table className={styles.table}>
      <thead>
        <tr>
          <th scope="col">First, middle and last member</th>
          <Heading {...sortedBy("camera_name", "asc")}>Camera</Heading>
          <Heading {...sortedBy("azimuth", "asc")}>Angle</Heading>
          <Heading {...sortedBy("member_count", "desc")}>Members</Heading>
          <th scope="col">Label</th>
          <Heading {...sortedBy("score", "desc")}>Scores</Heading>
          <Heading {...sortedBy("created_at", "desc")}>Created</Heading>
        </tr>
      </thead>
      <tbody>
        {items.map((group) => (
          <GroupRow key={group.id} group={group} />
        ))}
      </tbody>
    </table>
  );
}

type HeadingProps = { isSorted: false | "asc" | "desc"; onSort: () => void; children: string };

function Heading({ isSorted, onSort, children }: HeadingProps) {
  const order = isSorted === "asc" ? "ascending" : isSorted === "desc" ? "descending" : "none";
  return (
    <th scope="col" aria-sort={order}>
      <button type="button" className={styles.sort} onClick={onSort}>
        {children}
        <span aria-hidden="true">{isSorted === "asc" ? "↑" : isSorted === "desc" ? "↓" : ""}</span>
      </button>
    </th>
  );
}

function GroupRow({ group }: { group: Schemas["GroupListItemRead"] }) {
  const region = group.representative_bbox.xyxyn;
  return (
    <tr>
      <td>
        <Link href={`/groups/${group.id}`} className={styles.pictures} tabIndex={-1} aria-hidden="true">
          {group.thumbnails.map((each) => (
            <FramePicture
              key={each.sequence_id}
              detectionId={each.detection_id}
              sequenceId={each.sequence_id}
              width={320}
              boxes={each.boxes.map((box) => box.xyxyn)}
              region={region}
              alt=""
            />
          ))}
        </Link>
      </td>
      <td className={styles.camera}>
        <Link href={`/groups/${group.id}`} className={styles.title}>
          Group <span className="number">{group.id}</span>
        </Link>
        <Link href={`/cameras/${group.camera_id}?azimuth=${group.azimuth}`}>
          <Name of={group.camera_name} />
        </Link>
        <span className={styles.minor}>
          <Name of={group.organisation_name} />
        </span>
      </td>
      <td>
        <Angle azimuth={group.azimuth} />
      </td>
      <td>
        <Count n={group.member_count} />
      </td>
      <td>
        <span className={styles.badges}>
          <GroupBadges group={group} />
        </span>
        <Annotators names={group.annotators} />
      </td>
      <td>
        <ScoreRange lowest={group.lowest_score} highest={group.highest_score} />
      </td>
      <td className={styles.minor}>
        <Moment iso={group.created_at} />
      </td>
    </tr>
  );
}

function Annotators({ names }: { names: readonly string[] }) {
  if (names.length === 0) return null;
  return (
    <p className={styles.minor}>
      annotated by{" "}
      {names.map((name, place) => (
        <span key={name}>
          {place > 0 && ", "}
          <Name of={name} />
        </span>
      ))}
    </p>
  );
}
