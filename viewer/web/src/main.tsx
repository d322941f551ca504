import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Problem } from "./api/problem";
import { App } from "./app";
import "./base.css";
import { Announcements } from "./components/announcements";
import { askFacets } from "./pages/triage/ask-facets";
import { applyTheme } from "./shell/theme";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // What the server says of a request will not change by asking again; a server that restarts will be back.
      retry: (failures, error) => failures < 4 && error instanceof Problem && error.isPassing,
      retryDelay: (failures) => Math.min(500 * 2 ** failures, 4_000),
    },
  },
});

applyTheme();
if (location.pathname === "/triage") void client.prefetchQuery(askFacets);

const root = document.getElementById("root");
if (root === null) {
  throw new Error("index.html has no #root");
}
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <Announcements>
        <App />
      </Announcements>
    </QueryClientProvider>
  </StrictMode>,
);
