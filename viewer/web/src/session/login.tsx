import { type FormEvent, useId } from "react";
import { asProblem } from "../api/problem";
import { Button } from "../components/button";
import styles from "./login.module.css";
import { useLogIn } from "./session";

/** Stands in place of the page, whose address it leaves: whoever logs in is where they were. */
export function Login() {
  const id = useId();
  const logIn = useLogIn();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    logIn.mutate({ name: String(form.get("name")), password: String(form.get("password")) });
  };
  return (
    <main className={styles.page}>
      <form className={styles.card} onSubmit={submit}>
        <h1>Log in to Triage</h1>
        <label htmlFor={`${id}-name`}>
          Name
          <input id={`${id}-name`} name="name" autoComplete="username" required />
        </label>
        <label htmlFor={`${id}-password`}>
          Password
          <input
            id={`${id}-password`}
            name="password"
            type="password"
            autoComplete="current-password"
            required
          />
        </label>
        {logIn.error && (
          <p role="alert" className={styles.refusal}>
            {asProblem(logIn.error).detail}
          </p>
        )}
        <Button kind="primary" type="submit" disabled={logIn.isPending}>
          {logIn.isPending ? "Logging in…" : "Log in"}
        </Button>
        <p className={styles.hint}>
          No account? Whoever runs this server adds one with <code>triage users add</code>.
        </p>
      </form>
    </main>
  );
}
