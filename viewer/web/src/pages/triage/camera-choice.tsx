import { useId } from "react";
import type { Filters } from "../../address/triage";
import { asProblem } from "../../api/problem";
import { Button } from "../../components/button";
import { count, Name } from "../../components/words";
import styles from "./filter-bar.module.css";
import { type Facets, useCameras } from "./use-split";

type Props = { facets: Facets; filters: Filters; onChange: (change: Partial<Filters>) => void };

/** One camera of one organization: a thousand names in one list would help nobody. */
export function CameraChoice({ facets, filters, onChange }: Props) {
  const id = useId();
  const only = filters.organization.length === 1 ? (filters.organization[0] ?? null) : null;
  const cameras = useCameras(facets.version, only);
  const listed = cameras.data ?? [];
  const others = filters.camera.filter((name) => !listed.some((camera) => camera.name === name));
  return (
    <>
      <label className={styles.field} htmlFor={id}>
        Camera
        <select
          id={id}
          className={styles.select}
          disabled={only === null}
          title={only === null ? "Choose one organization first" : undefined}
          value={filters.camera.length === 1 && others.length === 0 ? filters.camera[0] : ""}
          onChange={(event) => onChange({ camera: event.target.value === "" ? [] : [event.target.value] })}
        >
          <option value="">{nameOfAll(only, cameras)}</option>
          {listed.map(({ name, sequences }) => (
            <option key={name} value={name}>
              {name} ({count(sequences)})
            </option>
          ))}
        </select>
      </label>
      {cameras.isError && <span role="alert">{asProblem(cameras.error).detail}</span>}
      {others.map((name) => (
        <Button
          key={name}
          kind="quiet"
          onClick={() => onChange({ camera: filters.camera.filter((each) => each !== name) })}
        >
          <Name of={name} /> <span aria-hidden="true">×</span>
          <span className="unseen">: remove this camera</span>
        </Button>
      ))}
    </>
  );
}

function nameOfAll(organization: string | null, { data, isError }: ReturnType<typeof useCameras>): string {
  if (organization === null) return "of one organization";
  if (data) return `all ${count(data.length)}`;
  return isError ? "not known" : "loading…";
}
