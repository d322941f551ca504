import { lazy, Suspense } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { Boundary } from "./components/boundary";
import { Empty, Loading, Trouble } from "./components/states";
import { Login } from "./session/login";
import { useSession } from "./session/session";
import { Shell } from "./shell/shell";

const TriagePage = lazy(() => import("./pages/triage/triage-page"));
const SequencePage = lazy(() => import("./pages/sequence/sequence-page"));
const GroupsPage = lazy(() => import("./pages/groups/groups-page"));
const GroupPage = lazy(() => import("./pages/groups/group-page"));
const CameraPage = lazy(() => import("./pages/groups/camera-page"));
const AnnotatePage = lazy(() => import("./pages/annotate/annotate-page"));
const RunPage = lazy(() => import("./pages/run/run-page"));

export function App() {
  const session = useSession();
  const [place] = useLocation();
  if (session.isPending) return <Loading what="the viewer" />;
  // A server that is away for a moment takes nothing off the screen.
  if (!session.data) return <Trouble error={session.error} onRetry={() => void session.refetch()} />;
  if (session.data.login_needed && session.data.name === null) return <Login />;
  return (
    <Shell session={session.data}>
      <Boundary key={place.split("/")[1]}>
        <Suspense fallback={<Loading what="the page" />}>
          <Switch>
            <Route path="/">
              <Redirect to="/triage" replace />
            </Route>
            <Route path="/triage" component={TriagePage} />
            <Route path="/sequences/:id">
              {({ id }) => <SequencePage key={id} sequenceId={Number(id)} />}
            </Route>
            <Route path="/groups" component={GroupsPage} />
            <Route path="/groups/:id">{({ id }) => <GroupPage key={id} groupId={Number(id)} />}</Route>
            <Route path="/cameras/:id">{({ id }) => <CameraPage key={id} cameraId={Number(id)} />}</Route>
            <Route path="/annotate/:id">{({ id }) => <AnnotatePage sequenceId={Number(id)} />}</Route>
            <Route path="/run" component={RunPage} />
            <Route>
              <Empty title="There is no such page">
                <p>The pages are those named above.</p>
              </Empty>
            </Route>
          </Switch>
        </Suspense>
      </Boundary>
    </Shell>
  );
}
