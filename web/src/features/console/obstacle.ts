import type { Problem } from "../../api/client";

/** obstacleTo says what to look for when a broker did not let this page in, where control had nothing against it. */
export function obstacleTo(problem: Problem, page = window.location): string | undefined {
  if (problem.status !== 0) return undefined;
  return (
    `The broker takes the browser's cookie only if its websocket block has jwt_cookie, and ${page.origin} among its allowed_origins; ` +
    `and browsers send the cookie only to the host they have it from: open this page by the name that the broker's URL has.`
  );
}
