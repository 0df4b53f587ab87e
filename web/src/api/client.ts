import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema.gen";

type Schemas = components["schemas"];
export type FieldError = Schemas["FieldError"];

/**
 * Problem is the one Error that every call to the API fails with. Its message is fit to show; `fields` names what is
 * wrong by JSON pointer into the body. `status` 0: no answer came, so the request may or may not have been carried out.
 */
export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly requestId: string;
  readonly fields: readonly FieldError[];

  constructor(problem: { status: number; title: string; detail: string; request_id?: string; errors?: FieldError[] }) {
    super(problem.detail || problem.title);
    this.name = "Problem";
    this.status = problem.status;
    this.title = problem.title;
    this.requestId = problem.request_id ?? "";
    this.fields = problem.errors ?? [];
  }
}

/** problemFrom reads a refused answer; one that is no problem+json (a proxy's page) still becomes a Problem. */
export async function problemFrom(response: Response): Promise<Problem> {
  const requestId = response.headers.get("X-Request-Id") ?? "";
  try {
    const body: unknown = await response.clone().json();
    if (isProblem(body)) return new Problem(body);
  } catch {
    // Not JSON: said below in our own words.
  }
  return new Problem({
    status: response.status,
    title: "Unexpected answer",
    detail: `The server answered ${response.status} without saying why. Try again in a moment.`,
    request_id: requestId,
  });
}

function isProblem(body: unknown): body is Schemas["Problem"] {
  return typeof body === "object" && body !== null && "status" in body && "title" in body && "detail" in body;
}

/** toProblem makes anything thrown on the way to the server a Problem. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof TypeError) {
    return new Problem({
      status: 0,
      title: "No answer",
      detail: "Signalbox did not answer. Check your connection; if it is fine, the server may be restarting.",
    });
  }
  return new Problem({ status: 0, title: "Something went wrong", detail: error instanceof Error ? error.message : "" });
}

let sessionEnded = () => {};

/** onSessionEnded sets what happens when a call is refused because nobody is signed in. Logging in wrongly is not that. */
export function onSessionEnded(listener: () => void): void {
  sessionEnded = listener;
}

const problems: Middleware = {
  async onResponse({ response, schemaPath }) {
    if (response.ok) return;
    if (response.status === 401 && schemaPath !== "/v1/sessions") sessionEnded();
    throw await problemFrom(response);
  },
  onError({ error }) {
    return toProblem(error);
  },
};

/** Of what an operation may answer, calls mean the resource: dry runs have a media type of their own. */
export const client = createClient<paths, "application/json">({
  baseUrl: globalThis.location?.origin,
  credentials: "same-origin",
  // Looked up at each call, so that tests can stand in for the network.
  fetch: (request) => globalThis.fetch(request),
});
client.use(problems);

/** What a create may answer besides the resource, if it is asked for: see `client`. */
type DryRunOnly = { "application/vnd.signalbox.dry-run+json": unknown };

/** answer unwraps a call that has a body; refused calls have thrown a Problem before. */
export async function answer<T>(call: Promise<{ data?: T }>): Promise<Exclude<T, DryRunOnly>> {
  const { data } = await call.catch((error: unknown) => {
    throw toProblem(error);
  });
  if (data === undefined) {
    throw new Problem({ status: 0, title: "Unexpected answer", detail: "The server's answer was empty." });
  }
  return data as Exclude<T, DryRunOnly>;
}

/** done awaits a call whose answer has no body. */
export async function done(call: Promise<unknown>): Promise<void> {
  await call.catch((error: unknown) => {
    throw toProblem(error);
  });
}

/** firstPage is the cursor that asks for the first page of a keyset list. */
export const firstPage = null as string | null;

/** newIdempotencyKey names one intent: keep it for the retries of one form, take a new one for the next. */
export function newIdempotencyKey(): string {
  // randomUUID exists only where the page is served over HTTPS or from localhost.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
