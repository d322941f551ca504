import { useEffect, useState } from "react";
import { Button } from "../components/button";

const KEY = "theme";
const NEXT = { system: "light", light: "dark", dark: "system" } as const;

type Theme = keyof typeof NEXT;

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

/** Colours as they were chosen here, on whatever is shown: also before anybody is logged in. */
export function applyTheme(): void {
  const theme = stored();
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** Light, dark, or as the system is; remembered by this browser alone. */
export function ThemeChoice() {
  const [theme, setTheme] = useState(stored);
  useEffect(() => {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
    applyTheme();
  }, [theme]);
  return (
    <Button kind="quiet" onClick={() => setTheme(NEXT[theme])} title={`Change to ${NEXT[theme]}`}>
      Colours: {theme}
    </Button>
  );
}
