import createClient from "openapi-fetch";
import { asProblem, type Problem, problemOf } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** The server's API, typed by its own description. */
export const api = createClient<paths>({
  querySerializer: { array: { style: "form", explode: true } },
});

type Answer<T> = { data?: T; error?: unknown; response: Response };

const strangers = new Set<() => void>();

/** Be told when the server takes this browser for a stranger's: a session that is over, for one. */
export function onStranger(listener: () => void): () => void {
  strangers.add(listener);
  return () => strangers.delete(listener);
}

/** The data of an answer, with the ETag to change it by. Throws `Problem`. */
export async function askWithTag<T>(answer: Promise<Answer<T>>): Promise<{ data: T; tag: string | null }> {
  const { data, error, response } = await answer.catch((reason: unknown) => {
    if (reason instanceof DOMException && reason.name === "AbortError") throw reason;
    throw asProblem(reason);
  });
  if (error === undefined && response.ok) {
    return { data: data as T, tag: response.headers.get("ETag") };
  }
  throw await refusal(response, error);
}

/**
 * The data of an answer. Throws `Problem`. Where there is a box in it, whoever asks names its type: openapi-fetch makes of
 * the description's four numbers any number of them.
 */
export async function ask<T>(answer: Promise<Answer<T>>): Promise<T> {
  return (await askWithTag(answer)).data;
}

async function refusal(response: Response, body: unknown): Promise<Problem> {
  if (response.status === 401) {
    for (const listener of strangers) listener();
  }
  return problemOf(new Response(JSON.stringify(body ?? {}), { status: response.status }));
}
