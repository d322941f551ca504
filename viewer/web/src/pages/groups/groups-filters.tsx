import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import type { Change } from "../../address/address";
import {
  EVERY_GROUP,
  type GroupsState,
  isNarrowed,
  LABEL_STATES,
  type LabelState,
  LEAST_MEMBERS,
} from "../../address/groups";
import type { Schemas } from "../../api/client";
import { Button } from "../../components/button";
import { Trouble } from "../../components/states";
import { count } from "../../components/words";
import { onOneLine } from "../../review/group-words";
import { askFacets } from "../../review/questions";
import styles from "./groups-filters.module.css";

type Props = {
  state: GroupsState;
  change: Change<GroupsState>;
  stats: Schemas["GroupStatsRead"] | undefined;
};

/** What the list is of, with how many there would be under each label state and validation. */
export function GroupsFilters({ state, change, stats }: Props) {
  const set = (part: Partial<GroupsState>) => change({ ...part, page: null }, { keepHistory: true });
  return (
    <form className={styles.filters} aria-label="Which groups" onSubmit={(event) => event.preventDefault()}>
      <LabelStates value={state.label_state} onChange={(label_state) => set({ label_state })} stats={stats} />
      <Choice
        label="Validated"
        value={state.is_validated === null ? "" : String(state.is_validated)}
        onChange={(value) => set({ is_validated: value === "" ? null : value === "true" })}
      >
        <option value="">validated or not</option>
        <option value="true">validated {stats && `(${count(stats.validated)})`}</option>
        <option value="false">not validated {stats && `(${count(stats.unvalidated)})`}</option>
      </Choice>
      <Places state={state} set={set} />
      <Least value={state.min_members} onChange={(min_members) => set({ min_members })} />
      {isNarrowed(state) && (
        <Button kind="quiet" onClick={() => set(EVERY_GROUP)}>
          Clear the filters
        </Button>
      )}
    </form>
  );
}

type LabelStatesProps = {
  value: LabelState;
  onChange: (value: LabelState) => void;
  stats: Schemas["GroupStatsRead"] | undefined;
};

function LabelStates({ value, onChange, stats }: LabelStatesProps) {
  const name = useId();
  const counts = stats && { ...stats, all: stats.labeled + stats.unsure + stats.unlabeled };
  return (
    <fieldset className={styles.states}>
      <legend>Label</legend>
      {LABEL_STATES.map((each) => (
        <label key={each}>
          <input type="radio" name={name} checked={each === value} onChange={() => onChange(each)} />
          {each} {counts && <span className="number">{count(counts[each])}</span>}
        </label>
      ))}
    </fieldset>
  );
}

function Places({ state, set }: { state: GroupsState; set: (part: Partial<GroupsState>) => void }) {
  const { data, error } = useQuery(askFacets());
  if (error) return <Trouble error={error} />;
  const cameras = (data?.cameras ?? []).filter(
    (camera) => !state.organization || camera.organization_key === state.organization,
  );
  const chosen = cameras.filter((camera) => camera.id === state.camera_id);
  const azimuths = [...new Set((chosen.length ? chosen : cameras).flatMap((camera) => camera.azimuths))];
  return (
    <>
      <Choice
        label="Organization"
        value={state.organization}
        onChange={(organization) => set({ organization, camera_id: null, azimuth: null })}
      >
        <option value="">every organization</option>
        <Missing value={state.organization} among={data?.organizations.map(({ key }) => key)} />
        {data?.organizations.map((each) => (
          <option key={each.key} value={each.key}>
            {onOneLine(each.name)} ({count(each.group_count)})
          </option>
        ))}
      </Choice>
      <Choice
        label="Camera"
        value={String(state.camera_id ?? "")}
        onChange={(value) => set({ camera_id: value ? Number(value) : null, azimuth: null })}
      >
        <option value="">every camera</option>
        <Missing value={String(state.camera_id ?? "")} among={cameras.map(({ id }) => String(id))} />
        {cameras.map((each) => (
          <option key={`${each.organization_key} ${each.id}`} value={each.id}>
            {onOneLine(each.name)} ({count(each.group_count)})
          </option>
        ))}
      </Choice>
      <Choice
        label="Angle"
        value={String(state.azimuth ?? "")}
        onChange={(value) => set({ azimuth: value ? Number(value) : null })}
      >
        <option value="">every angle</option>
        <Missing value={String(state.azimuth ?? "")} among={azimuths.map(String)} />
        {azimuths
          .sort((one, other) => one - other)
          .map((azimuth) => (
            <option key={azimuth} value={azimuth}>
              {azimuth}°
            </option>
          ))}
      </Choice>
    </>
  );
}

/** What the address asks for stays shown where there is no group of it. */
function Missing({ value, among }: { value: string; among: readonly string[] | undefined }) {
  if (value === "" || among?.includes(value)) return null;
  return <option value={value}>{value} (0)</option>;
}

type ChoiceProps = {
  label: string;
  value: string;
  onChange: (value: string) => void;
  children: React.ReactNode;
};

function Choice({ label, value, onChange, children }: ChoiceProps) {
  const id = useId();
  return (
    <div className={styles.choice}>
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.target.value)}>
        {children}
      </select>
    </div>
  );
}

function Least({ value, onChange }: { value: number | null; onChange: (value: number | null) => void }) {
  const id = useId();
  return (
    <div className={styles.choice}>
      <label htmlFor={id}>Members, at least</label>
      <input
        id={id}
        className={`number ${styles.least}`}
        type="number"
        min={1}
        placeholder={String(LEAST_MEMBERS)}
        value={value ?? ""}
        onChange={({ target }) =>
          onChange(target.value === "" ? null : Math.max(1, Math.trunc(Number(target.value))))
        }
      />
    </div>
  );
}
