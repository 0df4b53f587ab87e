import { useCallback, useEffect, useRef, useState } from "react";
import type { Account } from "../../api/accounts";
import { type Problem, toProblem } from "../../api/client";
import { type ConsoleSession, startConsole } from "../../api/console";
import type { Connection, Received } from "./connection";

export type Heard = Received & { number: number; at: string };

export type ConsoleState =
  | { is: "away"; problem?: Problem }
  | { is: "connecting" }
  | { is: "connected" | "reconnecting"; session: ConsoleSession; broker: string; since: string };

/** As many messages are kept; a page that showed all of a busy subject would stop answering. */
const kept = 200;
const paint = 100;

/**
 * useConsole connects this page to the account by the browser's cookie, has that renewed while the page is open, and
 * keeps what it hears. Leaving the page closes the connection; other pages of the same browser keep theirs.
 */
export function useConsole(account: Account) {
  const [state, setState] = useState<ConsoleState>({ is: "away" });
  const [subject, setSubject] = useState<string>();
  const [heard, setHeard] = useState<{ total: number; messages: Heard[] }>({ total: 0, messages: [] });
  const connection = useRef<Connection>(undefined);
  const waiting = useRef<Heard[]>([]);
  const count = useRef(0);

  const leave = useCallback(() => {
    const open = connection.current;
    connection.current = undefined;
    void open?.close();
    setSubject(undefined);
  }, []);

  /** renew gives the browser the next cookie; why that fails is why the broker will not let it in again. */
  const renew = useCallback(async () => {
    try {
      return await startConsole(account.id);
    } catch (error) {
      const problem = toProblem(error);
      if (problem.status >= 400 && problem.status < 500) {
        leave();
        setState({ is: "away", problem });
      }
      throw problem;
    }
  }, [account.id, leave]);

  const connect = useCallback(async () => {
    setState({ is: "connecting" });
    try {
      const session = await renew();
      // Loaded on demand: nobody else needs a NATS client.
      const { Connection } = await import("./connection");
      const opened = await Connection.open(session, {
        onStatus: (status) => {
          if (status === "disconnect") {
            setState((was) => (was.is === "connected" ? { ...was, is: "reconnecting" } : was));
            void renew().catch(() => {});
          } else if (status === "reconnect") {
            const { broker } = opened;
            setState((was) =>
              was.is === "reconnecting" ? { ...was, is: "connected", broker, since: new Date().toISOString() } : was,
            );
          }
        },
        onClosed: (error) => {
          if (connection.current !== opened) return;
          connection.current = undefined;
          setSubject(undefined);
          setState({ is: "away", problem: error && toProblem(error) });
        },
      });
      connection.current = opened;
      setState({ is: "connected", session, broker: opened.broker, since: new Date().toISOString() });
    } catch (error) {
      setState({ is: "away", problem: toProblem(error) });
    }
  }, [renew]);

  const open = state.is === "connected" || state.is === "reconnecting" ? state.session : undefined;
  useEffect(() => {
    if (!open) return;
    const life = Date.parse(open.expires_at) - Date.now();
    const timer = setInterval(() => void renew().catch(() => {}), Math.max(life / 2, 500));
    return () => clearInterval(timer);
  }, [open, renew]);

  useEffect(() => {
    const timer = setInterval(() => {
      const fresh = waiting.current;
      if (fresh.length === 0) return;
      waiting.current = [];
      setHeard(({ messages }) => ({
        total: count.current,
        messages: [...fresh.reverse(), ...messages].slice(0, kept),
      }));
    }, paint);
    return () => clearInterval(timer);
  }, []);

  useEffect(() => leave, [leave]);

  const listen = useCallback(async (to: string) => {
    setSubject(undefined);
    await connection.current?.listen(to, (message) => {
      count.current += 1;
      waiting.current = [...waiting.current, { ...message, number: count.current, at: new Date().toISOString() }].slice(
        -kept,
      );
    });
    setSubject(to);
  }, []);

  return {
    state,
    subject,
    heard,
    connect,
    listen,
    disconnect: useCallback(() => {
      leave();
      setState({ is: "away" });
    }, [leave]),
    silence: useCallback(() => {
      connection.current?.silence();
      setSubject(undefined);
    }, []),
    publish: useCallback(async (to: string, text: string) => connection.current?.publish(to, text), []),
    clear: useCallback(() => {
      waiting.current = [];
      count.current = 0;
      setHeard({ total: 0, messages: [] });
    }, []),
  };
}
