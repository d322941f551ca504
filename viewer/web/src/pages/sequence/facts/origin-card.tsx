import { Link } from "wouter";
import { Moment, Name } from "../../../components/words";
import type { Sequence } from "../selection";
import { elapsed } from "../times";
import { Card, Fact, Facts } from "./card";

/** Where and when it was recorded, and how much of it there is. */
export function OriginCard({ sequence }: { sequence: Sequence }) {
  const { camera_id, camera_name, organization_name, organization_key, azimuth, lat, lon } = sequence;
  const { started_at, last_seen_at, created_at } = sequence;
  return (
    <Card title="Sequence">
      <Facts>
        <Fact name="Camera">
          {camera_id === null ? (
            <Name of={camera_name ?? "unknown"} />
          ) : (
            <Link href={`/cameras/${camera_id}`}>
              <Name of={camera_name ?? String(camera_id)} />
            </Link>
          )}
        </Fact>
        <Fact name="Azimuth">
          <span className="number">{azimuth === null ? "–" : `${azimuth}°`}</span>
        </Fact>
        <Fact name="Organization">
          <Name of={organization_name ?? organization_key} />
        </Fact>
        <Fact name="Recorded, UTC">
          <Moment iso={started_at} />
        </Fact>
        <Fact name="Lasted">
          <span className="number">
            {started_at && last_seen_at ? elapsed(started_at, last_seen_at) : "–"}
          </span>
        </Fact>
        <Fact name="On the annotator">
          {sequence.is_in_backlog ? (
            <>
              since <Moment iso={created_at} />
            </>
          ) : (
            "it has left the backlog"
          )}
        </Fact>
        <Fact name="Frames">
          <FrameCounts sequence={sequence} />
        </Fact>
        <Fact name="Position">
          <span className="number">
            {lat === null || lon === null ? "–" : `${lat.toFixed(5)}, ${lon.toFixed(5)}`}
          </span>
        </Fact>
        <Fact name="Key">
          <span className="number">{sequence.key}</span>
        </Fact>
      </Facts>
    </Card>
  );
}

function FrameCounts({ sequence: { n_frames, n_frames_stored, n_frames_unusable } }: { sequence: Sequence }) {
  const awaited = n_frames - n_frames_stored - n_frames_unusable;
  return (
    <>
      <span className="number">{n_frames}</span>
      {n_frames_unusable > 0 && (
        <>
          , <span className="number">{n_frames_unusable}</span> unusable
        </>
      )}
      {awaited > 0 && (
        <>
          , <span className="number">{awaited}</span> not stored yet
        </>
      )}
    </>
  );
}
