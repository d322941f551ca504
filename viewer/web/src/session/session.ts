import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, ask, onStranger, type Schemas } from "../api/client";
import { keys } from "../api/keys";

export type Session = Schemas["SessionRead"];

/** Whatever request finds that the session is over makes `useSession` ask again, once for all that find it together. */
export function useStrangerWatch(): void {
  const client = useQueryClient();
  useEffect(
    () =>
      onStranger(() => void client.invalidateQueries({ queryKey: keys.session }, { cancelRefetch: false })),
    [client],
  );
}

const COPY_EVERY_MS = 30_000;

/** Who one is here, and as of when the groups are where they are copied. */
export function useSession() {
  return useQuery({
    queryKey: keys.session,
    queryFn: ({ signal }) => ask(api.GET("/api/v1/session", { signal })),
    staleTime: 60_000,
    refetchInterval: ({ state }) => (state.data?.copied_groups ? COPY_EVERY_MS : false),
  });
}

/**
 * The session that there was before this one was over by itself, null where there was none: also after somebody logged
 * out, which forgets all answers.
 */
export function useSessionBefore(session: Session | undefined): Session | null {
  const [before, setBefore] = useState<Session | null>(null);
  const next = session === undefined ? null : session.name === null ? before : session;
  if (next !== before) setBefore(next);
  return next;
}

/** Whether one may decide, and why not otherwise. */
export function useMayDecide(): { may: boolean; whyNot: string | undefined } {
  const { data } = useSession();
  const may = data?.role === "reviewer";
  if (!data || may) return { may, whyNot: undefined };
  return {
    may,
    whyNot: data.copied_groups
      ? "You may look and not decide: decisions are taken in the review database of whoever makes the store."
      : "You may look and not decide: that takes the role reviewer.",
  };
}

export function useLogIn() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (login: Schemas["Login"]) => ask(api.POST("/api/v1/session", { body: login })),
    onSuccess: () => client.invalidateQueries(),
  });
}

export function useLogOut() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => ask(api.DELETE("/api/v1/session")),
    // Nobody who sits down here next is to see what was there.
    onSuccess: () => client.resetQueries(),
  });
}
