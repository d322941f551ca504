/** What an answer says went wrong, in a sentence to show as it is; `status` 0: there was no answer. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
  ) {
    super(detail);
    this.name = "Problem";
  }

  /** Whether the same request may be answered later: nobody answered, or the server says so. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 503;
  }
}

const NO_ANSWER =
  "The server does not answer. Is `triage viewer` still running? This page goes on when it is.";

export async function problemOf(response: Response): Promise<Problem> {
  const detail = await response
    .json()
    .then((body: unknown) => (body as { detail?: unknown }).detail)
    .catch(() => undefined);
  return new Problem(
    response.status,
    typeof detail === "string" ? detail : `The server answered with status ${response.status}.`,
  );
}

/** Any failure of a request as a problem. */
export function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem(0, NO_ANSWER);
}
