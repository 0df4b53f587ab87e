import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import { logOut } from "../../api/session";

/** useLogOut ends the session and forgets everything that was read in it. */
export function useLogOut(): () => void {
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  return useCallback(() => {
    void (async () => {
      // A session that the server has forgotten already is logged out, too.
      await logOut().catch(() => undefined);
      await navigate({ to: "/log-in" });
      queryClient.clear();
    })();
  }, [navigate, queryClient]);
}
