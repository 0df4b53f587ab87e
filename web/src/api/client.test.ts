import { describe, expect, it, vi } from "vitest";
import { fakeServer, problemBody } from "../testing";
import { answer, client, onSessionEnded, Problem, toProblem } from "./client";
import { logIn } from "./session";

const getMe = () => answer(client.GET("/v1/me"));

async function failure(call: Promise<unknown>): Promise<Problem> {
  return call.then(
    () => {
      throw new Error("it was not refused");
    },
    (error: unknown) => error as Problem,
  );
}

describe("a refused call", () => {
  it("fails with the problem that the server wrote", async () => {
    fakeServer({
      "GET /v1/me": { status: 400, body: problemBody(400, [{ pointer: "/email", detail: "is taken" }], "Taken.") },
    });
    const problem = await failure(getMe());
    expect(problem).toBeInstanceOf(Problem);
    expect(problem).toMatchObject({ status: 400, title: "Refused", message: "Taken.", requestId: "req_test" });
    expect(problem.fields).toEqual([{ pointer: "/email", detail: "is taken" }]);
  });

  it("is a problem even when a proxy answered with a page of its own", async () => {
    vi.stubGlobal("fetch", async () => new Response("<h1>Bad gateway</h1>", { status: 502 }));
    expect(await failure(getMe())).toMatchObject({ status: 502, title: "Unexpected answer" });
  });

  it("is a problem with status 0 when no answer came", async () => {
    fakeServer({ "GET /v1/me": { lost: true } });
    const problem = await failure(getMe());
    expect(problem).toBeInstanceOf(Problem);
    expect(problem).toMatchObject({ status: 0, title: "No answer" });
  });

  it("tells that the session has ended, except when logging in was refused", async () => {
    const ended = vi.fn();
    onSessionEnded(ended);
    fakeServer({
      "GET /v1/me": { status: 401, body: problemBody(401) },
      "POST /v1/sessions": { status: 401, body: problemBody(401) },
    });
    await failure(logIn({ email: "ada@example.com", password: "wrong" }));
    expect(ended).not.toHaveBeenCalled();
    await failure(getMe());
    expect(ended).toHaveBeenCalledOnce();
    onSessionEnded(() => {});
  });
});

it("keeps a problem as it is", () => {
  const problem = new Problem({ status: 404, title: "Not found", detail: "" });
  expect(toProblem(problem)).toBe(problem);
  expect(problem.message).toBe("Not found");
});
