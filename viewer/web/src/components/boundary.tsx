import { Component, type ReactNode } from "react";
import { Button } from "./button";
import { Empty } from "./states";

type Props = { children: ReactNode };

/**
 * What is shown where a page cannot be: its script may be gone, because the server was updated while the page was
 * open, or it has a fault. React has no hook for this.
 */
export class Boundary extends Component<Props, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override render(): ReactNode {
    if (!this.state.hasFailed) return this.props.children;
    return (
      <Empty title="This page cannot be shown">
        <p>
          The server may have been updated since you opened it, or the page may have a fault. What you have
          saved is kept.
        </p>
        <Button kind="primary" onClick={() => location.reload()}>
          Load it anew
        </Button>
      </Empty>
    );
  }
}
