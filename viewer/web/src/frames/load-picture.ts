import { ask } from "../api/client";
import { asProblem, Problem } from "../api/problem";

const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * How long to wait before the attempt after this one, counted from 1: a server that has too many pictures to make has
 * room a moment later, one that is gone may be back any time. It goes on for as long as somebody looks.
 */
export function pauseAfter(attempt: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS);
}

export const CANNOT_SHOW = new Problem(422, "The browser cannot show this picture.");

/** Fetch and decode a picture, so that showing it takes no time. Throws `Problem`. */
export async function loadPicture(address: string): Promise<void> {
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const image = new Image();
    image.src = address;
    try {
      await image.decode();
      return;
    } catch {
      const trouble = await explainPicture(address);
      if (trouble !== null) throw trouble;
    }
  }
  throw CANNOT_SHOW;
}

/**
 * Why a picture did not come: an image does not tell, so the server is asked for its sentence. Null where it has the
 * picture now: what was wrong has passed, or it is the browser that cannot show it.
 */
export async function explainPicture(address: string): Promise<Problem | null> {
  return ask(fetch(address).then(readRefusal)).then(() => null, asProblem);
}

async function readRefusal(response: Response): Promise<{ error?: unknown; response: Response }> {
  if (response.ok) return { response };
  return { error: await response.json().catch(() => ({})), response };
}
