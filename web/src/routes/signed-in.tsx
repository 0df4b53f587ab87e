import { Outlet } from "@tanstack/react-router";
import { Shell } from "../features/shell/Shell";

export function SignedInLayout() {
  return (
    <Shell>
      <Outlet />
    </Shell>
  );
}
