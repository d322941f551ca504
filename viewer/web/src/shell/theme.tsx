import { useEffect, useState } from "react";
import { Button } from "../components/button";

const KEY = "theme";
const NEXT = { system: "light", light: "dark", dark: "system" } as const;

type Theme = keyof typeof NEXT;

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

/** Light, dark, or as the system is; remembered by this browser alone. */
export function ThemeChoice() {
  const [theme, setTheme] = useState(stored);
  useEffect(() => {
    if (theme === "system") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem(KEY);
    } else {
      document.documentElement.dataset.theme = theme;
      localStorage.setItem(KEY, theme);
    }
  }, [theme]);
  return (
    <Button kind="quiet" onClick={() => setTheme(NEXT[theme])} title={`Change to ${NEXT[theme]}`}>
      Colours: {theme}
    </Button>
  );
}
