import { lazy, Suspense } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { Boundary } from "./components/boundary";
import { Empty, Loading, Trouble } from "./components/states";
import { Login } from "./session/login";
import { LoginAbove } from "./session/login-above";
import { useSession, useSessionBefore, useStrangerWatch } from "./session/session";
import { Shell } from "./shell/shell";

const TriagePage = lazy(() => import("./pages/triage/triage-page"));
const SequencePage = lazy(() => import("./pages/sequence/sequence-page"));
const GroupsPage = lazy(() => import("./pages/groups/groups-page"));
const GroupPage = lazy(() => import("./pages/groups/group-page"));
const CameraPage = lazy(() => import("./pages/groups/camera-page"));
const AnnotatePage = lazy(() => import("./pages/annotate/annotate-page"));
const RunPage = lazy(() => import("./pages/run/run-page"));

export function App() {
  useStrangerWatch();
  const session = useSession();
  const before = useSessionBefore(session.data);
  const [place] = useLocation();
  if (session.isPending) return <Loading what="the viewer" />;
  // A server that is away for a moment takes nothing off the screen.
  if (!session.data) return <Trouble error={session.error} onRetry={() => void session.refetch()} />;
  const isStranger = session.data.login_needed && session.data.name === null;
  const shown = isStranger ? before : session.data;
  if (shown === null) return <Login />;
  return (
    <>
      {isStranger && <LoginAbove />}
      <div hidden={isStranger} inert={isStranger}>
        <Shell key={shown.name} session={shown}>
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
      </div>
    </>
  );
}
