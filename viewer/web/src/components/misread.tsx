import { Banner } from "./banner";
import { Name } from "./words";

/** Whoever follows a link that was mistyped is told that what they see is not what it asks for. */
export function Misread({ parameters }: { parameters: readonly string[] }) {
  if (parameters.length === 0) return null;
  return (
    <Banner kind="attention">
      This address says <Name of={parameters.join(", ")} />, which means nothing here: the page is as without
      it.
    </Banner>
  );
}
