import { useEffect } from "react";
import { titleOf } from "../address/title";
import { Login } from "./login";

/** Asks whose session is over to log in again, above the page that they left unfinished. */
export function LoginAbove() {
  useEffect(() => {
    // A question that holds the page would hold this one too: it can be asked again.
    for (const dialog of document.querySelectorAll<HTMLDialogElement>("dialog[open]")) {
      dialog.dispatchEvent(new Event("cancel"));
      dialog.close();
    }
    // Whatever had the focus is hidden now.
    document.title = "Log in · Triage";
    document.querySelector<HTMLInputElement>("input[name=name]")?.focus();
    // Pages listen to keys on the whole document; what one types here is for this form alone.
    const keep = (event: Event) => event.stopPropagation();
    window.addEventListener("keydown", keep, { capture: true });
    return () => {
      window.removeEventListener("keydown", keep, { capture: true });
      document.title = titleOf(location.pathname);
    };
  }, []);
  return <Login />;
}
